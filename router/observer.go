package router

import (
	"net/http"
	"strings"
	"time"
)

// Observer is told of every request, on the goroutine that serves it.
type Observer interface {
	Begin(route string)

	// End follows each Begin. The status is 0 where there was no answer,
	// because the client had gone.
	End(route string, status int, took time.Duration)
}

// Routes are all that an Observer is told of, whatever is asked for: no slug is
// among them. Not to be changed.
var Routes = []string{routeMCP, routeStream, routeOAuth, routeDiscovery, routeHealth, routeSandbox, routeOther}

const (
	routeMCP       = "mcp"       // a message to a context, or the end of a session
	routeStream    = "stream"    // a stream of a context
	routeOAuth     = "oauth"     // a public handler: the authorization server's
	routeDiscovery = "discovery" // a document about the server
	routeHealth    = "health"
	routeSandbox   = "sandbox" // a public handler of all below a path
	routeOther     = "other"
)

func (rt *router) routeOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	if path == "/mcp" || strings.HasPrefix(path, "/mcp/") {
		switch {
		case strings.HasSuffix(path, cardPath):
			return routeDiscovery
		case isStream(r):
			return routeStream
		}
		return routeMCP
	}
	switch {
	case path == healthPath, path == readyPath:
		return routeHealth
	case rt.Public[path] != nil:
		return routeOAuth
	case strings.HasPrefix(path, "/.well-known/"), path == cardPath, path == "/server.json", path == "/mcp.json", path == "/llms.txt", path == "/robots.txt":
		return routeDiscovery
	case rt.anyHost(path):
		return routeSandbox
	}
	return routeOther
}

type unobserved struct{}

func (unobserved) Begin(string)                   {}
func (unobserved) End(string, int, time.Duration) {}
