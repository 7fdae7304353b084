package oauth

import "net/http"

// anyOrigin lets the pages of every origin read the answer: MCP clients that
// run in a browser find, register and sign themselves in by it. It is for
// endpoints that read no cookie, where such a page can do no more than any
// program can. The pages that a user sees must not have it.
func anyOrigin(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		next(w, r)
	})
}

// preflight answers the question that a browser asks first. Its star leaves
// Authorization out, and some browsers do not know it.
func preflight(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", "*, Authorization, Content-Type, MCP-Protocol-Version")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	}
}
