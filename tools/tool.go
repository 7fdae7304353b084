package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
	"roundhouse/sentry"
)

// Env is what a tool may touch. It is fixed with the server: the caller's
// credential is not in it, Sentry finds that through ctx.
type Env struct {
	Key       constraint.Key
	Sentry    *sentry.Client
	ProjectID string       // numeric; set when the key names a project
	Logger    *slog.Logger // nil: nothing is logged
	Tasks     bool         // the server serves the tasks extension
	HideTools bool         // a tool outside the caller's skills is answered like one that does not exist

	Confirm Confirm
	States  *RequestStates // of questions to the user; nil: nothing is asked

	catalog *Catalog
}

func (e Env) log() *slog.Logger {
	if e.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Logger
}

// Definition says what a tool is. All fields but Task and HiddenFrom are
// required.
type Definition struct {
	Name, Title, Description string

	Skills      []string           // a caller with one of them may use the tool
	Listed      bool               // in tools/list; otherwise only the gateway tools reach it
	Annotations mcp.ToolAnnotation // all four hints, and no title

	Task TaskKind // whether its calls may become tasks; they may not

	// HiddenFrom is the narrowest shape the tool makes no sense in: it is
	// absent there and in narrower ones. The zero value hides it nowhere.
	HiddenFrom Shape
}

// TaskKind says whether calls of a tool may become tasks, which go on after the
// request, and what becomes of one that a restart has cut off.
type TaskKind int

// The kinds of tools.
const (
	TaskNever TaskKind = iota
	TaskOnce           // it must not be done twice: it has failed
	TaskJoins          // done again it joins what it began: it goes on
)

// Handler does a tool's work. In is a struct; Out is markdown, a struct
// (structured content) or *mcp.CallToolResult (passed on as it is).
// Values that the key fixes are already in In.
type Handler[In, Out any] func(ctx context.Context, env Env, in In) (Out, error)

// Tool is a Definition with its handler.
type Tool struct {
	Definition
	input  *schema
	output *schema // nil: the tool answers in text
	run    func(ctx context.Context, env Env, arguments []byte) (*mcp.CallToolResult, error)
}

// Define makes a Tool. It panics when the definition is incomplete or a type
// has no schema: a catalog is wrong or right when the program starts.
func Define[In, Out any](def Definition, h Handler[In, Out]) Tool {
	if err := def.check(); err != nil {
		panic(fmt.Sprintf("tools: %q: %v", def.Name, err))
	}
	def.Annotations.Title = def.Title
	t := Tool{Definition: def, input: schemaOf(reflect.TypeFor[In]())}
	t.input.closed = true
	switch out := reflect.TypeFor[Out](); {
	case out.Kind() == reflect.String && out != reflect.TypeFor[markdown]():
		panic(fmt.Sprintf("tools: %q answers with a plain string", def.Name))
	case out == reflect.TypeFor[markdown](), out == reflect.TypeFor[*mcp.CallToolResult]():
	default:
		t.output = schemaOf(out)
	}
	t.run = func(ctx context.Context, env Env, arguments []byte) (*mcp.CallToolResult, error) {
		var in In
		if err := json.Unmarshal(arguments, &in); err != nil {
			return nil, fmt.Errorf("decode arguments: %w", err)
		}
		out, err := h(ctx, env, in)
		if err != nil {
			return nil, err
		}
		return result(out)
	}
	return t
}

func (d Definition) check() error {
	a := d.Annotations
	switch {
	case d.Name == "" || d.Title == "" || d.Description == "":
		return fmt.Errorf("name, title and description are required")
	case len(d.Skills) == 0:
		return fmt.Errorf("no skill: nobody could use it")
	case a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil:
		return fmt.Errorf("all four annotation hints must be set: clients take an unset one for its default")
	}
	return nil
}

// hints makes annotations. Order: read-only, destructive, idempotent, open
// world.
func hints(readOnly, destructive, idempotent, openWorld bool) mcp.ToolAnnotation {
	return mcp.ToolAnnotation{
		ReadOnlyHint:    &readOnly,
		DestructiveHint: &destructive,
		IdempotentHint:  &idempotent,
		OpenWorldHint:   &openWorld,
	}
}

// maxText bounds what a tool answers: more would only crowd out the rest of a
// model's context.
const maxText = 128 << 10

// result turns a handler's answer into MCP's. Structured content is sent as
// text too, for clients that do not read it.
func result(out any) (*mcp.CallToolResult, error) {
	switch out := out.(type) {
	case *mcp.CallToolResult:
		return out, nil
	case markdown:
		text := string(out)
		if len(text) > maxText {
			text = cut(text, maxText) + "\n\n(The rest is left out: the answer is too long.)"
		}
		return mcp.NewToolResultText(text), nil
	}
	encoded, err := encode(out)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	r := mcp.NewToolResultText(string(encoded))
	r.StructuredContent = json.RawMessage(encoded)
	return r, nil
}
