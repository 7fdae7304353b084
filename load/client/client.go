// Package client sends MCP requests over streamable HTTP, in both eras of the
// protocol, and shows what came back as it came.
//
// It is lean on purpose: it shares the machine with what it measures. And it
// lets the harness do what well-behaved clients never do, such as showing the
// handles of others.
package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Era is a protocol version.
type Era string

const (
	Modern Era = "2026-07-28" // without sessions
	Legacy Era = "2025-11-25" // with sessions
)

// Config is one client at one URL. URL and Era are required.
type Config struct {
	URL       string
	Era       Era
	Authorize func(context.Context) (header string, err error) // the Authorization header; nil: none is sent
	Header    http.Header                                      // further ones
	HTTP      *http.Client                                     // nil: one of its own
	Prefix    string                                           // of request ids, which no other client of the run may have
}

// Exchange is a request and its answer.
type Exchange struct {
	ID      string // of the request; "" of a notification
	Method  string // of JSON-RPC
	URL     string
	Sent    http.Header // without Authorization
	Request []byte
	Status  int
	Header  http.Header
	Body    []byte // as it came, at most 4 MiB; of a stream, all of its events

	Answer        Message   // the response among them, if there is one
	Notifications []Message // those before it
}

// Message is a JSON-RPC message, as far as the harness reads it.
type Message struct {
	ID     json.RawMessage `json:"id"` // raw, because a wrong one may be of any type
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *RPCError       `json:"error,omitempty"`
}

// RPCError is JSON-RPC's.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}
