// Package rival serves the catalog of Roundhouse by other designs, for the load
// harness to set beside ours: the same tools, the same client for the same
// Sentry, the same MCP library. What differs is what a server is kept for.
//
//	bare                one server, for one context and one Sentry token; nothing
//	                    is checked. What MCP over HTTP costs at the least
//	reconfigure         one server per user, made over when the user's next
//	                    request is of another context. Definitions and schemas
//	                    are made anew each time
//	reconfigure-asking  the same, and Sentry is asked about the context each time
//	reconfigure-shared  the same, with definitions that are made once
//	per-request         a server for each request, definitions and schemas
//	                    included, and thrown away after it
//	per-request-shared  the same, with definitions that are made once
//
// Each is as good as we could make it within its design; what it was given is
// told where it is. All but bare look up a bearer token among those they were
// started with, read the context from the URL, and remember for a quarter of an
// hour that Sentry knows it. None of them has sign-ins, sessions, limits or
// streams: what they lack can only make them faster.
package rival

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// Config is what every design gets. SentryURL and Holders are required.
type Config struct {
	SentryURL string
	Holders   map[string]Holder // who may ask, by their bearer token; not to be changed

	// Place is the context of the bare server, "org/project", "org" or "".
	// It has one holder. The others have the contexts that URLs name.
	Place string

	// Trust is for how long an organization or project that Sentry knew is not
	// asked about again: 15 minutes. Negative: each time.
	Trust time.Duration
}

// Holder is who has a bearer token, and the Sentry token behind it.
type Holder struct {
	User   string // Sentry's id
	Sentry sentry.Token
}

// Design is one way to serve the catalog.
type Design struct {
	Name  string
	About string // one line
	open  func(Config) (http.Handler, error)
}

// Designs are all there are. Not to be changed.
var Designs = []Design{
	{"reconfigure", "one server per user, made over with its schemas when the URL changes", newReconfigure(tools.Anew)},
	{"reconfigure-asking", "the same, asking Sentry about the context at every change", asking(newReconfigure(tools.Anew))},
	{"reconfigure-shared", "one server per user, made over from shared definitions when the URL changes", newReconfigure(shared)},
	{"per-request", "a server made with its schemas for every request, and nothing kept", newPerRequest(tools.Anew)},
	{"per-request-shared", "a server made from shared definitions for every request", newPerRequest(shared)},
	{"bare", "one mcp-go server for one context and one token, without any check", newBare},
}

// New returns the server of a design.
func New(name string, cfg Config) (http.Handler, error) {
	i := slices.IndexFunc(Designs, func(d Design) bool { return d.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no design %q; there is %s", name, strings.Join(Names(), ", "))
	}
	if len(cfg.Holders) == 0 {
		return nil, errors.New("nobody may ask: no holder of a token")
	}
	if cfg.Trust == 0 {
		cfg.Trust = 15 * time.Minute
	}
	return Designs[i].open(cfg)
}

// asking remembers nothing of what Sentry knew.
func asking(open func(Config) (http.Handler, error)) func(Config) (http.Handler, error) {
	return func(cfg Config) (http.Handler, error) {
		cfg.Trust = -1
		return open(cfg)
	}
}

// Names are those of the designs.
func Names() []string {
	var names []string
	for _, d := range Designs {
		names = append(names, d.Name)
	}
	return names
}

// catalogOf gives the catalog for a server of a shape.
type catalogOf func(tools.Shape) *tools.Catalog

// shared is the one that Roundhouse uses.
func shared(tools.Shape) *tools.Catalog { return tools.Default() }

const (
	serverName = "rival"
	listTTL    = 60_000 // what ours tells clients, in milliseconds
)

func newServer() *server.MCPServer {
	return server.NewMCPServer(serverName, tools.Version,
		server.WithToolCapabilities(false),
		server.WithCacheHints(listTTL, mcp.CacheScopePrivate))
}

// newTransport keeps nothing between requests.
func newTransport(s *server.MCPServer) *server.StreamableHTTPServer {
	return server.NewStreamableHTTPServer(s, server.WithStateLess(true), server.WithDisableStreaming(true))
}

// allSkills is what every holder may do.
var allSkills = func() (ids []string) {
	for _, s := range tools.Skills {
		ids = append(ids, s.ID)
	}
	return ids
}()

// of returns ctx with what tools find in it.
func (h Holder) of(ctx context.Context, key constraint.Key) context.Context {
	ctx = context.WithValue(ctx, holderInContext{}, h)
	return constraint.With(constraint.WithCaller(ctx, constraint.Caller{User: h.User, Skills: allSkills}), key)
}

type holderInContext struct{}

// holderTokens are the Sentry tokens of whoever asks.
type holderTokens struct{}

func (holderTokens) Token(ctx context.Context) (sentry.Token, error) {
	h, ok := ctx.Value(holderInContext{}).(Holder)
	if !ok {
		return sentry.Token{}, fmt.Errorf("nobody asks: %w", sentry.ErrUnauthorized)
	}
	return h.Sentry, nil
}
