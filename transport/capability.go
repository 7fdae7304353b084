package transport

import (
	"encoding/json"
	"net/http"

	"roundhouse/jsonrpc"
)

// Capabilities are a client's, by name, such as {"elicitation": {"form": {}}}.
type Capabilities map[string]Capabilities

// admitCapabilities refuses a call of a tool that needs what the client has not
// declared with this request. A handler of mcp-go's cannot answer so. What
// mcp-go will refuse for another reason goes on to it.
func (t *Transport) admitCapabilities(w http.ResponseWriter, m *Message) (goOn bool) {
	if t.requires == nil || !m.Modern || m.Method != "tools/call" || m.ID == nil || m.Version != m.Header || !served(m.Version) {
		return true
	}
	required := t.requires(m.Name)
	if len(required) == 0 || m.Capabilities == nil || m.Declares(required) {
		return true
	}
	RefuseCapability(w, m, required)
	return false
}

// Declares reports whether the client has declared all of required with this
// request.
func (m *Message) Declares(required Capabilities) bool {
	var declared map[string]json.RawMessage
	return json.Unmarshal(m.Capabilities, &declared) == nil && covers(declared, required)
}

func covers(declared map[string]json.RawMessage, required Capabilities) bool {
	for name, parts := range required {
		value, ok := declared[name]
		if !ok || len(value) == 0 || value[0] != '{' {
			return false
		}
		if len(parts) == 0 {
			continue
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(value, &inner) != nil {
			return false
		}
		if name == "elicitation" && len(inner) == 0 { // as written before there were modes
			inner = map[string]json.RawMessage{"form": json.RawMessage("{}")}
		}
		if !covers(inner, parts) {
			return false
		}
	}
	return true
}

// RefuseCapability answers -32021, which tells the client what to declare.
func RefuseCapability(w http.ResponseWriter, m *Message, required Capabilities) {
	refuse(w, m, jsonrpc.MissingCapability, "this needs a capability that the client has not declared with the request",
		map[string]any{"requiredCapabilities": required})
}
