package router

import (
	"net/http"
	"slices"
)

// What a page of an allowed origin may send and read (CORS).
const (
	corsMethods = http.MethodGet + ", " + http.MethodPost + ", " + http.MethodDelete
	corsHeaders = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id"
	corsExposed = "WWW-Authenticate, Mcp-Session-Id, Retry-After, X-Request-Id"
)

// admitOrigin stops a page on another site, or one that has rebound its name to
// our address, from using a browser's way to us, and answers a preflight, which
// carries no token. Programs send no Origin. Exact comparison: there is no such
// thing as a similar origin.
func (rt *router) admitOrigin(w http.ResponseWriter, r *http.Request) (goOn bool) {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 || !slices.Contains(rt.origins, origins[0]) {
		writeError(w, http.StatusForbidden, "requests from this origin are not allowed")
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Add("Vary", "Origin")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	h.Set("Access-Control-Expose-Headers", corsExposed)
	return true
}
