package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"roundhouse/constraint"
)

// Shape is how much of a key is set: which parameters a server fixes.
type Shape int

// From wide to narrow. The zero Shape is none of them.
const (
	ShapeUser Shape = iota + 1
	ShapeOrg
	ShapeProject
)

// Shapes are all there are, from wide to narrow.
var Shapes = [...]Shape{ShapeUser, ShapeOrg, ShapeProject}

// ShapeOf returns the shape of key.
func ShapeOf(key constraint.Key) Shape {
	switch {
	case key.Project() != "":
		return ShapeProject
	case key.Org() != "":
		return ShapeOrg
	}
	return ShapeUser
}

func (s Shape) String() string {
	return [...]string{"none", "user", "org", "project"}[s]
}

// fixed lists the parameters that a key fixes, by the widest shape that does.
// It goes by name, for every tool: whoever adds one cannot forget it.
var fixed = map[string]Shape{
	"organizationSlug": ShapeOrg,
	"projectSlug":      ShapeProject,
	"projectSlugOrId":  ShapeProject,
}

// fixedValue is what env says a fixed parameter is.
func fixedValue(env Env, name string) string {
	if name == "organizationSlug" {
		return env.Key.Org()
	}
	return env.Key.Project()
}

// narrowed is a tool in one shape. It is made once and shared by all servers
// of that shape: nothing edits it later.
type narrowed struct {
	*Tool
	definition mcp.Tool
	pins       []string // parameters that the key supplies
	parameters *schema  // what is left
	validator  func() *jsonschema.Schema
}

// narrow returns t in shape, or nil when it is hidden there.
func narrow(t *Tool, shape Shape) *narrowed {
	if t.HiddenFrom != 0 && shape >= t.HiddenFrom {
		return nil
	}
	absent := map[string]bool{}
	n := &narrowed{Tool: t}
	for _, p := range t.input.properties {
		if from, ok := fixed[p.name]; ok && shape >= from {
			absent[p.name] = true
			n.pins = append(n.pins, p.name)
		}
	}
	n.parameters = t.input.without(absent)
	encoded := mustMarshal(n.parameters)
	n.validator = sync.OnceValue(func() *jsonschema.Schema { return compile(t.Name, encoded) })
	n.definition = mcp.Tool{
		Name:           t.Name,
		Title:          t.Title,
		Description:    t.Description,
		RawInputSchema: encoded,
		Annotations:    t.Annotations,
	}
	if t.output != nil {
		n.definition.RawOutputSchema = mustMarshal(t.output)
	}
	return n
}

func mustMarshal(s *schema) json.RawMessage {
	encoded, err := encode(s)
	if err != nil {
		panic(fmt.Sprintf("tools: encode schema: %v", err))
	}
	return encoded
}

func compile(name string, encoded []byte) *jsonschema.Schema {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		panic(fmt.Sprintf("tools: %s: %v", name, err))
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:"+name, document); err != nil {
		panic(fmt.Sprintf("tools: %s: %v", name, err))
	}
	compiled, err := c.Compile("mem:" + name)
	if err != nil {
		panic(fmt.Sprintf("tools: %s: %v", name, err))
	}
	return compiled
}
