package tools

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/mark3labs/mcp-go/tracing"
)

// readTTL is how long a client may keep what it has read, in milliseconds.
const readTTL = 5_000

// offer is a server option: tools, MCP resources, prompts and completion.
//
// Nothing of them is registered, because mcp-go copies what is registered into
// maps of each server, which would double an idle context. It is the hooks,
// which all servers share, that put it in when it is asked for. They know the
// server's binding from the request's context, where bindingOf finds it.
func (b *binding) offer(s *server.MCPServer) {
	for _, option := range []server.ServerOption{
		server.WithResourceCapabilities(true, false),
		server.WithPromptCapabilities(false),
		server.WithCompletions(),
		server.WithMethodCacheHints(mcp.MethodResourcesRead, readTTL, mcp.CacheScopePrivate),
		server.WithPropagator(propagator{b}),
		server.WithPromptFilter(b.filterPrompts),
		server.WithPromptCompletionProvider(b),
		server.WithResourceCompletionProvider(b),
		server.WithHooks(sharedHooks),
	} {
		option(s)
	}
}

// propagator puts the binding into each request's context. It is the only way
// to do so that mcp-go offers a server.
type propagator struct{ *binding }

var _ tracing.Propagator = propagator{}

type bindingInContext struct{}

func (p propagator) Extract(ctx context.Context, _ http.Header) context.Context {
	return context.WithValue(ctx, bindingInContext{}, p.binding)
}

func (propagator) Inject(context.Context, http.Header) {}

// bindingOf returns the binding of the server that serves ctx.
func bindingOf(ctx context.Context) *binding {
	b, _ := ctx.Value(bindingInContext{}).(*binding)
	return b
}

var sharedHooks = newHooks()

func newHooks() *server.Hooks {
	h := &server.Hooks{}
	h.AddAfterInitialize(func(_ context.Context, _ any, _ *mcp.InitializeRequest, result *mcp.InitializeResult) {
		result.Capabilities.Extensions = nil // unknown to the revisions that initialize
	})
	h.AddAfterListTools(func(ctx context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
		result.Tools = bindingOf(ctx).list(ctx)
	})
	h.AddBeforeCallTool(func(ctx context.Context, _ any, req *mcp.CallToolRequest) {
		bindingOf(ctx).register(server.ServerFromContext(ctx), req.Params.Name)
	})
	h.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, result *mcp.ListResourcesResult) {
		result.Resources = bindingOf(ctx).env.resources(ctx)
	})
	h.AddAfterListResourceTemplates(func(ctx context.Context, _ any, _ *mcp.ListResourceTemplatesRequest, result *mcp.ListResourceTemplatesResult) {
		result.ResourceTemplates = bindingOf(ctx).env.templates(ctx)
	})
	h.AddBeforeReadResource(open)
	h.AddBeforeGetPrompt(func(ctx context.Context, _ any, _ *mcp.GetPromptRequest) {
		// Registered anew each time: it is idempotent, and only contexts whose
		// prompts are used pay for them.
		server.ServerFromContext(ctx).AddPrompts(bindingOf(ctx).serverPrompts()...)
	})
	return h
}

// opened is the URI of the one MCP resource that mcp-go knows of. Nobody can
// guess it.
var opened = "sentry-opened:" + rand.Text()

// opening is what open has read, in the place of the request's arguments. A
// client cannot send a value of this type.
type opening struct {
	contents []mcp.ResourceContents
	err      error
}

// open reads before mcp-go looks for a handler. Of what does not exist it finds
// none, and says so with the code that the client's revision has for it: an
// error of a handler would always be an internal one.
func open(ctx context.Context, _ any, req *mcp.ReadResourceRequest) {
	contents, err := bindingOf(ctx).env.read(ctx, req.Params.URI)
	if err == errNoResource {
		return
	}
	server.ServerFromContext(ctx).AddResource(mcp.Resource{URI: opened, Name: "opened"}, handOver)
	req.Params.URI = opened
	req.Params.Arguments = map[string]any{opened: opening{contents, err}}
}

func handOver(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	o, ok := req.Params.Arguments[opened].(opening)
	if !ok {
		return nil, errNoResource
	}
	return o.contents, o.err
}
