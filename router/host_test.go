package router

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page that has rebound its name to our address reaches nothing but the
// probes, and what checks for itself.
func TestHost(t *testing.T) {
	said := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "said") })
	for _, tt := range []struct {
		public, host, method, path string
		want                       int
	}{
		{"http://127.0.0.1:8080", "evil.example:8080", "POST", "/oauth/register", 421},
		{"http://127.0.0.1:8080", "evil.example:8080", "GET", "/", 421},
		{"http://127.0.0.1:8080", "evil.example:8080", "POST", "/mcp/acme", 421},
		{"http://127.0.0.1:8080", "evil.example:8080", "GET", "/.well-known/oauth-protected-resource/mcp", 421},
		{"http://127.0.0.1:8080", "evil.example:8080", "GET", "/sandbox", 421},
		{"http://127.0.0.1:8080", "evil.example:8080", "POST", "/oauth/register/../../sandbox/", 421},
		{"http://127.0.0.1:8080", "127.0.0.1.evil.example", "GET", "/", 421},
		{"http://127.0.0.1:8080", "10.0.0.7:8080", "GET", "/healthz", 200},
		{"http://127.0.0.1:8080", "10.0.0.7:8080", "GET", "/readyz", 200},
		{"http://127.0.0.1:8080", "evil.example:8080", "GET", "/sandbox/x", 200},
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "POST", "/oauth/register", 200},
		{"http://localhost:8080", "[::1]:9999", "GET", "/", 200},
		{"https://mcp.example.com", "10.0.0.7:8080", "GET", "/", 200},
	} {
		h := New(Config{PublicURL: tt.public, Directory: directory{}, Verify: verify, Home: said, Public: map[string]http.Handler{"/oauth/register": said, "/sandbox/": said}})
		req := httptest.NewRequest(tt.method, tt.path, nil)
		req.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != tt.want {
			t.Errorf("%s %s of %s by %s: %d %s, want %d", tt.method, tt.path, tt.public, tt.host, w.Code, w.Body, tt.want)
		}
		if w.Code == 421 && (!strings.Contains(w.Body.String(), "localhost") || strings.Contains(w.Body.String(), "evil")) {
			t.Errorf("%s by %s: %s", tt.path, tt.host, w.Body)
		}
	}
}
