package transport

import (
	"encoding/json"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// unknownResource adds to mcp-go's answer about an MCP resource that does not
// exist which one that was, as the specification asks for, and leaves out that
// it has looked for a handler. Other answers stay as they are.
func (a *answer) unknownResource(b []byte) []byte {
	if a.m.Method != string(mcp.MethodResourcesRead) || !isError(b) {
		return b
	}
	var m struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   struct {
			Code    int            `json:"code"`
			Message string         `json:"message"`
			Data    map[string]any `json:"data,omitempty"`
		} `json:"error"`
	}
	if json.Unmarshal(b, &m) != nil || !strings.HasSuffix(m.Error.Message, server.ErrResourceNotFound.Error()) {
		return b
	}
	m.Error.Message = server.ErrResourceNotFound.Error()
	m.Error.Data = map[string]any{"uri": a.m.URI}
	told, err := json.Marshal(m)
	if err != nil {
		return b
	}
	return append(told, '\n')
}
