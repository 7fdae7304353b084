package router

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// told notes what an Observer is told.
type told struct {
	begun, ended []string
}

func (o *told) Begin(route string) { o.begun = append(o.begun, route) }
func (o *told) End(route string, status int, _ time.Duration) {
	o.ended = append(o.ended, fmt.Sprint(route, " ", status))
}

func TestObserver(t *testing.T) {
	public := map[string]http.Handler{
		"/oauth/token": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a token") }),
		"/gone":        http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"/sandbox/":    http.NotFoundHandler(),
	}
	for _, tt := range []struct{ method, path, want string }{
		{"POST", "/mcp", "mcp 200"},
		{"POST", "/mcp/acme/web", "mcp 200"},
		{"DELETE", "/mcp/acme", "mcp 200"},
		{"GET", "/mcp/acme/web", "stream 200"},
		{"POST", "/mcp/unknown", "mcp 404"},
		{"POST", "/mcp/full", "mcp 503"},
		{"POST", "/mcp/panics", "mcp 500"},
		{"POST", "/mcp/a/b/c/d", "mcp 404"},
		{"GET", "/mcp/acme/server-card", "discovery 200"},
		{"GET", "/server-card", "discovery 200"},
		{"GET", "/.well-known/oauth-protected-resource/mcp/acme", "discovery 200"},
		{"GET", "/.well-known/acme", "discovery 404"},
		{"POST", "/oauth/token", "oauth 200"},
		{"GET", "/oauth/acme", "other 404"},
		{"GET", "/sandbox/api/0/organizations/acme/", "sandbox 404"},
		{"GET", "/healthz", "health 200"},
		{"GET", "/mcpacme", "other 404"},
		{"GET", "/gone", "oauth 0"},
	} {
		var o told
		h := New(Config{PublicURL: "https://mcp.example.com", Directory: directory{}, Verify: verify, Public: public, Observer: &o})
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer ann-everything")
		serveAborted(h, r)
		route, _, _ := strings.Cut(tt.want, " ")
		if len(o.begun) != 1 || o.begun[0] != route || len(o.ended) != 1 || o.ended[0] != tt.want {
			t.Errorf("%s %s: begun %q, ended %q, want %q", tt.method, tt.path, o.begun, o.ended, tt.want)
		}
		if !slices.Contains(Routes, route) {
			t.Errorf("%q is not among the Routes", route)
		}
	}
}

// serveAborted does as net/http does with a handler that gives up.
func serveAborted(h http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

}
