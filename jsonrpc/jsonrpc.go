// Package jsonrpc is the one form in which a request on an MCP URL is refused:
// an HTTP status and a JSON-RPC error. A client that speaks 2026-07-28 and the
// versions before it takes a 400 without such a body for an older server's, and
// never asks for the newer version again.
package jsonrpc

import (
	"encoding/json"
	"net/http"
)

// Codes of JSON-RPC, and the three that MCP 2026-07-28 adds.
const (
	ParseError     = -32700
	InvalidRequest = -32600
	MethodNotFound = -32601
	InvalidParams  = -32602

	HeaderMismatch     = -32020
	MissingCapability  = -32021
	UnsupportedVersion = -32022
)

// Error is a refusal.
type Error struct {
	Status  int             // of HTTP
	ID      json.RawMessage // of the request as it came; nil: null, for what was no request
	Code    int             // zero: the status, which is outside the range that JSON-RPC keeps for itself
	Message string
	Data    any // nil: none
}

// Write answers with e. Headers beside those of the form are the caller's.
func (e Error) Write(w http.ResponseWriter) {
	type details struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	body := struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   details         `json:"error"`
	}{"2.0", e.ID, details{e.Code, e.Message, e.Data}}
	if e.Code == 0 {
		body.Error.Code = e.Status
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// Refuse answers something that was not a request, or was not read as one.
func Refuse(w http.ResponseWriter, status int, message string) {
	Error{Status: status, Message: message}.Write(w)
}
