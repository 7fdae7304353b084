package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// Version is what servers say they are. The build sets it.
var Version = "dev"

const (
	serverName = "roundhouse"
	// listTTL is how long a client may keep tools/list, in milliseconds.
	listTTL = 60_000
)

// Catalog is a fixed set of tools, narrowed to every shape.
type Catalog struct {
	tools  []Tool
	shapes [len(Shapes) + 1]shapeTools // by Shape
	plain  map[string]bool
}

// shapeTools are the tools of one shape.
type shapeTools struct {
	byName map[string]*narrowed
	listed []*narrowed // by name, as clients get them
	index  func() *ranking
}

// NewCatalog narrows tools to every shape. It panics when two have one name.
func NewCatalog(tools ...Tool) *Catalog {
	c := &Catalog{tools: slices.Clone(tools), plain: map[string]bool{}}
	seen := map[string]bool{}
	for _, t := range c.tools {
		if seen[t.Name] {
			panic(fmt.Sprintf("tools: two tools are named %q", t.Name))
		}
		seen[t.Name] = true
		c.plain[t.Name] = true
	}
	for _, shape := range Shapes {
		c.shapes[shape] = c.narrowAll(shape)
		c.shapes[shape].prepare()
		for name, n := range c.shapes[shape].byName {
			c.plain[name] = c.plain[name] && len(mcp.ExtractParamHeaderBindings(&n.definition)) == 0
		}
	}
	return c
}

// Plain reports whether no argument of a tool travels in a header.
func (c *Catalog) Plain(name string) bool { return c.plain[name] }

// prepare makes what would otherwise be made when it is first used, and panics
// if that is wrong.
func (s *shapeTools) prepare() {
	s.index()
	for _, n := range s.byName {
		n.validator()
	}
}

func (c *Catalog) narrowAll(shape Shape) shapeTools {
	s := shapeTools{byName: map[string]*narrowed{}}
	var all []*narrowed
	for i := range c.tools {
		n := narrow(&c.tools[i], shape)
		if n == nil {
			continue
		}
		all = append(all, n)
		s.byName[n.Name] = n
		if n.Listed {
			s.listed = append(s.listed, n)
		}
	}
	slices.SortFunc(s.listed, func(a, b *narrowed) int { return strings.Compare(a.Name, b.Name) })
	s.index = sync.OnceValue(func() *ranking { return newRanking(all) })
	return s
}

// All yields every tool in the catalog's order.
func (c *Catalog) All() iter.Seq[Tool] { return slices.Values(c.tools) }

// Definition returns what clients are told about a tool in shape; ok is false
// where the tool is absent. The result is shared and must not be changed.
func (c *Catalog) Definition(name string, shape Shape) (def mcp.Tool, ok bool) {
	n, ok := c.shapes[shape].byName[name]
	if !ok {
		return mcp.Tool{}, false
	}
	return n.definition, true
}

// TaskKind tells whether calls of a tool may become tasks. It is TaskNever for
// a tool that the caller in ctx may not use in the context of ctx.
func (c *Catalog) TaskKind(ctx context.Context, name string) TaskKind {
	key, ok := constraint.From(ctx)
	if !ok {
		return TaskNever
	}
	env := Env{Key: key, catalog: c}
	if n := env.find(ctx, name); n != nil {
		return n.Task
	}
	return TaskNever
}

// NewServer returns the MCP server of one key. It binds and nothing more:
// schemas, validators and the handlers behind them are the catalog's.
func (c *Catalog) NewServer(env Env) *server.MCPServer {
	env.catalog = c
	b := &binding{env, &c.shapes[ShapeOf(env.Key)]}
	s := server.NewMCPServer(serverName, Version,
		server.WithToolCapabilities(false),
		server.WithInstructions(instructions(env.Key)),
		server.WithCacheHints(listTTL, mcp.CacheScopePrivate),
		server.WithToolFilter(b.filter),
		b.offer,
	)
	if env.Tasks {
		server.WithExtensions(tasksExtension)(s)
	}
	return s
}

// tasksExtension is what clients are told of 2026-07-28. The versions before
// have no extensions, and no tasks of this kind.
var tasksExtension = map[string]any{"io.modelcontextprotocol/tasks": struct{}{}}

// ServerTools returns the listed tools of env's key as mcp-go takes them, for a
// server that registers all of them, which NewServer spares its own. Such a
// server shows them to every caller; each call checks the caller's skills.
func (c *Catalog) ServerTools(env Env) []server.ServerTool {
	env.catalog = c
	b := &binding{env, &c.shapes[ShapeOf(env.Key)]}
	all := make([]server.ServerTool, 0, len(b.tools.listed))
	for _, n := range b.tools.listed {
		all = append(all, server.ServerTool{Tool: n.definition, Handler: b.handle})
	}
	return all
}

// binding is what one server adds to the catalog.
type binding struct {
	env   Env
	tools *shapeTools
}

func (b *binding) handle(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	ctx = withProgress(withAnswers(ctx, req.Params.MultiRoundTripParams), req)
	return b.env.invoke(ctx, req.Params.Name, rawArguments(req)), nil
}

// list is what tools/list tells: the tools that the caller's skills allow.
func (b *binding) list(ctx context.Context) []mcp.Tool {
	kept := make([]mcp.Tool, 0, len(b.tools.listed)) // nil would become "tools": null
	for _, n := range b.tools.listed {
		if b.env.find(ctx, n.Name) != nil {
			kept = append(kept, n.definition)
		}
	}
	return kept
}

// register lets mcp-go know of a tool that is about to be called.
func (b *binding) register(s *server.MCPServer, name string) {
	if n := b.tools.byName[name]; n != nil && n.Listed && s.GetTool(name) == nil {
		s.AddTools(server.ServerTool{Tool: n.definition, Handler: b.handle})
	}
}

// filter is asked by mcp-go about each called tool, alone, and where it leaves
// it out the answer is that there is none of that name. invoke, which refuses it
// too, can say what is missing, unless tools are to be hidden.
func (b *binding) filter(ctx context.Context, called []mcp.Tool) []mcp.Tool {
	if !b.env.HideTools {
		return called
	}
	return slices.DeleteFunc(slices.Clone(called), func(t mcp.Tool) bool { return b.env.find(ctx, t.Name) == nil })
}

func (e Env) tools() *shapeTools { return &e.catalog.shapes[ShapeOf(e.Key)] }

// find returns the tool that the caller may use by this name, or nil.
func (e Env) find(ctx context.Context, name string) *narrowed {
	n, ok := e.tools().byName[name]
	if !ok || !e.allows(ctx, n.Skills) {
		return nil
	}
	return n
}

// invoke is the one way to a handler, for tools/call and for the gateway.
func (e Env) invoke(ctx context.Context, name string, raw json.RawMessage) *mcp.CallToolResult {
	n := e.find(ctx, name)
	if n == nil {
		return failure(ctx, e, "", nil, e.noTool(ctx, name))
	}
	out, err := n.call(ctx, e, raw)
	if err != nil {
		return failure(ctx, e, n.Name, n.Skills, err)
	}
	return out
}

func (n *narrowed) call(ctx context.Context, env Env, raw json.RawMessage) (out *mcp.CallToolResult, err error) {
	defer recovered(&err)
	arguments, err := n.arguments(env, raw)
	if err != nil {
		return nil, err
	}
	if ask, err := env.confirm(ctx, n, arguments); ask != nil || err != nil {
		return ask, err
	}
	return n.run(ctx, env, arguments)
}

// noTool says why find found nothing.
func (e Env) noTool(ctx context.Context, name string) error {
	if n, ok := e.tools().byName[name]; ok && e.isCaller(ctx) && !e.HideTools {
		return &inputError{word(name), "needs the skill " + skillTitles(n.Skills) + ", which this sign-in does not include",
			"To use it, the user has to sign in again and tick that skill."}
	}
	var known []string
	for candidate := range e.tools().byName {
		if e.find(ctx, candidate) != nil {
			known = append(known, candidate)
		}
	}
	slices.Sort(known)
	var fix markdown = "search_sentry_tools lists what is available."
	if near := nearest(name, known); near != "" {
		fix = "Did you mean " + word(near) + "?"
	}
	return &inputError{problem: "no tool " + inline(name) + " is available here", fix: fix}
}

// rawArguments prefers the bytes that came over the wire: they keep integers
// above 2^53 whole.
func rawArguments(req mcp.CallToolRequest) json.RawMessage {
	if len(req.Params.RawArguments) > 0 {
		return req.Params.RawArguments
	}
	if req.Params.Arguments == nil {
		return nil
	}
	raw, err := json.Marshal(req.Params.Arguments)
	if err != nil {
		return json.RawMessage(`[]`) // refused as not being an object
	}
	return raw
}
