package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// errNoResource: the context has no such MCP resource, or the caller may not
// read it. The two are one error so that nobody can tell them apart.
var errNoResource = errors.New("no such resource")

// MayWatch reports whether the caller in ctx may be told when the MCP resource
// changes: whether they can read it, here and now.
func (t *Transport) MayWatch(ctx context.Context, uri string) bool {
	_, err := t.read(ctx, uri)
	return err == nil
}

// read returns what a client that asks for the resource would be sent, or
// errNoResource, or why it cannot be read just now.
func (t *Transport) read(ctx context.Context, uri string) ([]byte, error) {
	request, err := json.Marshal(map[string]any{
		"jsonrpc": mcp.JSONRPC_VERSION, "id": 0, "method": mcp.MethodResourcesRead, "params": map[string]any{"uri": uri},
	})
	if err != nil {
		return nil, fmt.Errorf("ask for resource: %w", err)
	}
	switch answer := t.mcp.HandleMessage(ctx, request).(type) {
	case mcp.JSONRPCResponse:
		return json.Marshal(answer.Result)
	case mcp.JSONRPCError:
		if answer.Error.Code == mcp.RESOURCE_NOT_FOUND {
			return nil, errNoResource
		}
		return nil, fmt.Errorf("read resource: %s", answer.Error.Message)
	}
	return nil, errors.New("read resource: no answer")
}
