package router

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func get(t *testing.T, h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = "mcp.example.com"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestCard: one card, whoever asks and wherever, so that it tells nothing about
// what exists.
func TestCard(t *testing.T) {
	h := newTestRouter(io.Discard)
	card := get(t, h, "/server-card")
	for _, path := range []string{"/mcp/server-card", "/mcp/acme/server-card", "/mcp/unknown/server-card", "/mcp/acme/web/server-card"} {
		for _, headers := range [][]string{nil, {"Authorization", "Bearer ann-acme"}, {"Authorization", "Bearer nobody"}} {
			if w := get(t, h, path, headers...); w.Code != http.StatusOK || w.Body.String() != card.Body.String() {
				t.Errorf("%s %v = %d, another card:\n%s", path, headers, w.Code, w.Body)
			}
		}
	}
	tag := card.Header().Get("ETag")
	if w := get(t, h, "/mcp/acme/server-card", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("asked with its own tag %q: %d %s", tag, w.Code, w.Body)
	}
	if len(summary) > 100 {
		t.Errorf("the description has %d characters", len(summary))
	}
}

func TestRegistryName(t *testing.T) {
	for publicURL, want := range map[string]string{
		"https://mcp.example.com":     "com.example.mcp/roundhouse",
		"https://MCP.Example.com:444": "com.example.mcp/roundhouse",
		"http://localhost:8080":       "localhost/roundhouse",
		"http://127.0.0.1:8080":       "localhost/roundhouse",
		"http://[::1]:8080":           "localhost/roundhouse",
	} {
		if got := (&router{Config: Config{PublicURL: publicURL}}).registryName(); got != want {
			t.Errorf("%s is named %q, want %q", publicURL, got, want)
		}
	}
}
