package tools

import (
	"bytes"
	"encoding/json"
	"slices"

	"roundhouse/constraint"
)

// StepUp returns the skills that would let the caller make the call that body,
// a JSON-RPC request, asks for: those they have, and one more. It is nil where
// nothing is missing, where there is no such tool in key's context, and for what
// is not a call. It is how a client learns, before the call, what to ask the
// user for (RFC 6750 §3.1); what keeps a caller out is invoke, which every call
// passes.
func (c *Catalog) StepUp(key constraint.Key, caller constraint.Caller, body []byte) []string {
	if !c.mayLack(key, caller, body) {
		return nil
	}
	n := c.shapes[ShapeOf(key)].byName[calledTool(body)]
	if n == nil || slices.ContainsFunc(n.Skills, caller.Has) {
		return nil
	}
	return append(slices.Clone(caller.Skills), n.Skills[0])
}

// mayLack tells cheaply of most calls that the caller has what they need: a
// name can be written with escapes, but only with a backslash.
func (c *Catalog) mayLack(key constraint.Key, caller constraint.Caller, body []byte) bool {
	escaped := bytes.IndexByte(body, '\\') >= 0
	for name, n := range c.shapes[ShapeOf(key)].byName {
		if !slices.ContainsFunc(n.Skills, caller.Has) && (escaped || bytes.Contains(body, []byte(name))) {
			return true
		}
	}
	return false
}

// calledTool names the tool that a call means, the one behind the gateway
// included; "" where there is none. The body decides: headers can lie.
func calledTool(body []byte) string {
	var m struct {
		Method string `json:"method"`
		Params struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"params"`
	}
	if json.Unmarshal(body, &m) != nil || m.Method != "tools/call" {
		return ""
	}
	if m.Params.Name != executeToolsName {
		return m.Params.Name
	}
	var in executeToolIn
	if json.Unmarshal(m.Params.Arguments, &in) != nil {
		return ""
	}
	return in.Name
}
