package router

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// writeError answers with a JSON-RPC error, so that a client that shows the
// message of an error has one to show. The code is the HTTP status, outside the
// range that JSON-RPC keeps for itself.
func writeError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	type rpcError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	_ = json.NewEncoder(w).Encode(struct {
		JSONRPC string   `json:"jsonrpc"`
		ID      *int     `json:"id"`
		Error   rpcError `json:"error"`
	}{JSONRPC: "2.0", Error: rpcError{status, message}})
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
