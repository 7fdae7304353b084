package router

import (
	"net/http"
	"strconv"
	"time"

	"roundhouse/jsonrpc"
)

// writeError answers with a JSON-RPC error, so that a client that shows the
// message of an error has one to show.
func writeError(w http.ResponseWriter, status int, message string) {
	jsonrpc.Refuse(w, status, message)
}

// retryAfter sets the header in whole seconds, at least one.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
}

func (rt *router) notFound(w http.ResponseWriter, _ *http.Request) {
	writeError(w, http.StatusNotFound, "nothing is served here; MCP is at /mcp, /mcp/{organization} and /mcp/{organization}/{project}, without a trailing slash")
}

// readOnly answers for the routes that have methods: all of them documents.
func (rt *router) readOnly(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	writeError(w, http.StatusMethodNotAllowed, "this document can only be read")
}
