package transport

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/jsonrpc"
)

// answer is what mcp-go writes to. It turns mcp-go's refusals in plain text
// into those of package jsonrpc, takes the session off an initialize that
// failed, which mcp-go tells all the same, and tells which MCP resource does not
// exist.
type answer struct {
	http.ResponseWriter
	m      *Message
	held   int  // the status of an answer whose body decides what it is; 0: none
	plain  bool // that body is text
	failed bool // it is an error
}

func (a *answer) WriteHeader(status int) {
	a.plain = status >= 400 && strings.HasPrefix(a.Header().Get("Content-Type"), "text/plain")
	if a.plain || a.m.Method == methodInitialize || a.m.Method == string(mcp.MethodResourcesRead) {
		a.held = status
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	hurry(a.ResponseWriter)
	status := a.held
	a.held = 0
	switch {
	case a.plain && status == 0: // the rest of it
		return len(b), nil
	case a.plain:
		a.refuse(status, strings.TrimSpace(string(b)))
		return len(b), nil
	case status != 0:
		if a.failed = status != http.StatusOK || isError(b); a.failed {
			a.Header().Del(server.HeaderKeySessionID)
		}
		a.ResponseWriter.WriteHeader(status)
		if _, err := a.ResponseWriter.Write(a.unknownResource(b)); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	return a.ResponseWriter.Write(b)
}

// refuse: mcp-go's only 5xx here is for a client that answers the same question
// twice at once.
func (a *answer) refuse(status int, message string) {
	if status >= 500 {
		status = http.StatusBadRequest
	}
	a.Header().Del("X-Content-Type-Options")
	if status == http.StatusBadRequest {
		refuse(a.ResponseWriter, a.m, jsonrpc.InvalidRequest, message, nil)
		return
	}
	jsonrpc.Error{Status: status, ID: a.m.answerable(), Message: message}.Write(a.ResponseWriter)
}

// isError reports whether a JSON-RPC answer is one. It is mcp-go's, so that its
// members are spelled and ordered as ever.
func isError(b []byte) bool {
	var failed bool
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return false
	}
	members(b, func(key, _ []byte) { failed = failed || string(key) == "error" })
	return failed
}

// finish writes what has been held back for a body that did not come.
func (a *answer) finish() {
	if a.held != 0 {
		a.ResponseWriter.WriteHeader(a.held)
		a.held = 0
	}
}

// Flush: an answer that is held back has nothing to flush.
func (a *answer) Flush() {
	if a.held == 0 && !a.plain {
		_ = http.NewResponseController(a.ResponseWriter).Flush()
	}
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
