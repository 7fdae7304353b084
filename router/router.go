// Package router is the front door: it turns a request into a verified caller
// and a constraint.Key, and hands it to the handler of that key's context. It
// knows neither actors nor oauth; it is given a Directory, a Verifier and the
// handlers of the public paths.
//
// The order of the checks on an MCP URL, each in a file of its own:
//
//	host.go     a foreign Host, on loopback       421
//	origin.go   a foreign Origin                  403
//	route.go    another method                    405
//	route.go    a slug that cannot be one         400
//	auth.go     no token, or a bad one            401 with the challenge
//	auth.go     a token for another URL           401
//	body.go     too large, too slow, too many     413, 408, 503
//	step_up.go  a call outside the token's skills 403 with the challenge
//	route.go    Directory.Acquire                 404, 401, 503
//	stream.go   too many open streams             503
//
// Nothing before the token tells what exists. A Handler is safe for concurrent
// use and keeps no goroutine.
package router

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"roundhouse/constraint"
)

// Directory finds the context of a key, on this node or on another, activating
// it with the credential of the caller in ctx.
type Directory interface {
	// Acquire returns the handler and a func to be called once the handler has
	// returned. The error is constraint.ErrUnknown, constraint.ErrUnauthorized,
	// a *constraint.MovedError, a *constraint.UnavailableError, or ctx's own.
	Acquire(ctx context.Context, key constraint.Key) (h http.Handler, release func(), err error)
}

// Verifier returns the holder of a token. constraint.ErrUnauthorized means that
// the token is unknown, expired or revoked; any other error that it could not
// be looked up: a *constraint.UnavailableError says why and for how long.
type Verifier func(ctx context.Context, token string) (constraint.Caller, error)

// Config is what the front door needs.
type Config struct {
	PublicURL string    // scheme and host as clients write them, no trailing slash. Required
	Directory Directory // required
	Verify    Verifier  // required

	// VerifySentry is asked about "Authorization: Sentry-Bearer TOKEN", a token
	// of Sentry's own. Nil: such a header is none.
	VerifySentry Verifier

	// StepUp returns the scopes that a client must ask for before it can make
	// the call in body; nil: it can, or nobody could. Nil: no call is looked at.
	StepUp func(key constraint.Key, caller constraint.Caller, body []byte) []string

	Scopes        []string // all that exist, for the metadata
	DefaultScopes []string // what a client should ask for first, for the challenge

	// Public handlers need no token. A path that ends in a slash takes all
	// below it, and its handler sees the path without that prefix, and checks
	// the Host for itself.
	Public map[string]http.Handler

	Streams  *Streams // nil: some that nobody else can end
	Bodies   *Bodies  // nil: some that nobody else can look at
	Observer Observer // nil: nobody is told

	About About // for directories and scanners

	Origins []string                    // allowed beside PublicURL's own
	MaxBody int64                       // bytes of one body on an MCP URL; zero: 1 MiB
	Ready   func(context.Context) error // nil: always ready
	Home    http.Handler                // at "/"; nil: 404
	Logger  *slog.Logger                // nil: nothing is logged
}

type router struct {
	Config
	origins []string
}

// New returns the handler of everything that is served.
func New(cfg Config) http.Handler {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Streams == nil {
		cfg.Streams = new(Streams)
	}
	if cfg.Bodies == nil {
		cfg.Bodies = new(Bodies)
	}
	if cfg.Observer == nil {
		cfg.Observer = unobserved{}
	}
	rt := &router{
		Config:  cfg,
		origins: append(slices.Clone(cfg.Origins), originOf(cfg.PublicURL)),
	}

	// UseEncodedPath: %2F is not a separator. SkipClean: a path is taken as it
	// came, because a redirected POST loses its body.
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	places := []string{"", "/{org}", "/{org}/{project}"}
	for _, place := range slices.Backward(places) { // what comes most comes first: routes are tried in turn
		m.Path("/mcp" + place).Methods(http.MethodPost).HandlerFunc(rt.serve)
	}
	m.Path(healthPath).Methods(http.MethodGet, http.MethodHead).HandlerFunc(rt.health)
	m.Path(readyPath).Methods(http.MethodGet, http.MethodHead).HandlerFunc(rt.ready)
	rt.discovery(m)
	for path, h := range cfg.Public {
		if prefix, below := strings.CutSuffix(path, "/"); below {
			m.PathPrefix(path).Handler(http.StripPrefix(prefix, h))
			m.Path(prefix).Handler(http.RedirectHandler(path, http.StatusPermanentRedirect))
			continue
		}
		m.Path(path).Handler(h)
	}
	for _, place := range places {
		m.Path(metadataPath+"/mcp"+place).Methods(http.MethodGet, http.MethodHead, http.MethodOptions).HandlerFunc(rt.metadata)
		m.Path("/mcp" + place).HandlerFunc(rt.serve)
	}
	if cfg.Home != nil {
		m.Path("/").Methods(http.MethodGet, http.MethodHead).Handler(cfg.Home)
	}
	m.NotFoundHandler = http.HandlerFunc(rt.notFound)
	m.MethodNotAllowedHandler = http.HandlerFunc(rt.readOnly)
	return rt.observe(rt.admitHost(m))
}

func originOf(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
