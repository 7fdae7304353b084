package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

// serve sends one GET to a server with the configuration.
func serve(t *testing.T, cfg oauth.Config, target string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", target, nil))
	return rec
}

func TestNewServer_refuses(t *testing.T) {
	w := newWorld(t)
	for reason, spoil := range map[string]func(*oauth.Config){
		"no issuer":                func(c *oauth.Config) { c.Issuer = "" },
		"issuer with a slash":      func(c *oauth.Config) { c.Issuer = "https://host/" },
		"issuer with a path":       func(c *oauth.Config) { c.Issuer = "https://host/as" },
		"issuer over plain http":   func(c *oauth.Config) { c.Issuer, c.Resource = "http://host", "http://host/mcp" },
		"issuer with user":         func(c *oauth.Config) { c.Issuer = "https://user@host" },
		"resource elsewhere":       func(c *oauth.Config) { c.Resource = "https://elsewhere/mcp" },
		"resource beside":          func(c *oauth.Config) { c.Resource = c.Issuer + "0/mcp" },
		"no skills":                func(c *oauth.Config) { c.Skills = nil },
		"skill with a space":       func(c *oauth.Config) { c.Skills = []oauth.Skill{{ID: "a b"}} },
		"skill twice":              func(c *oauth.Config) { c.Skills = []oauth.Skill{{ID: "a"}, {ID: "a"}} },
		"no upstream client":       func(c *oauth.Config) { c.Upstream.ClientID = "" },
		"no upstream token URL":    func(c *oauth.Config) { c.Upstream.Endpoint.TokenURL = "" },
		"no way to identify users": func(c *oauth.Config) { c.Identify = nil },
		"no store":                 func(c *oauth.Config) { c.Store = nil },
		"no key":                   func(c *oauth.Config) { c.Keys = nil },
	} {
		cfg := w.Config(w.Store)
		spoil(&cfg)
		if _, err := oauth.NewServer(cfg); err == nil {
			t.Errorf("%s: accepted", reason)
		} else if strings.Contains(err.Error(), "upstream-secret") {
			t.Errorf("%s: the error holds a secret: %v", reason, err)
		}
	}
}

func TestServer_metadata(t *testing.T) {
	w := newWorld(t)
	want := map[string]any{
		"issuer":                 w.URL,
		"authorization_endpoint": w.URL + "/oauth/authorize",
		"token_endpoint":         w.URL + "/oauth/token",
		"registration_endpoint":  w.URL + "/oauth/register",
		"revocation_endpoint":    w.URL + "/oauth/revoke",
		"revocation_endpoint_auth_methods_supported":     []any{"none", "client_secret_basic", "client_secret_post"},
		"scopes_supported":                               []any{"inspect", "triage", "docs"},
		"response_types_supported":                       []any{"code"},
		"response_modes_supported":                       []any{"query"},
		"grant_types_supported":                          []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"device_authorization_endpoint":                  w.URL + "/oauth/device_authorization",
		"token_endpoint_auth_methods_supported":          []any{"none", "client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []any{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		req, err := http.NewRequest("GET", w.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("MCP-Protocol-Version", "2024-11-05") // Codex does
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(readAll(t, resp)), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: headers %v", path, resp.Header)
		}
	}
}

// send sends one request as a page of another site would.
func (w *world) send(method, path, contentType, body string) (int, http.Header) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Origin", "https://client.example")
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

func TestServer_preflight(t *testing.T) {
	w := newWorld(t)
	for path, methods := range map[string]string{
		"/.well-known/oauth-authorization-server": "GET, HEAD",
		"/.well-known/openid-configuration":       "GET, HEAD",
		"/oauth/register":                         "POST",
		"/oauth/token":                            "POST",
	} {
		status, h := w.send("OPTIONS", path, "", "")
		if status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != methods {
			t.Errorf("%s: status %d, headers %v", path, status, h)
		}
		for _, name := range []string{"Authorization", "Content-Type", "MCP-Protocol-Version"} {
			if !strings.Contains(h.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s: %s is not among the headers allowed, %q", path, name, h.Get("Access-Control-Allow-Headers"))
			}
		}
	}
	for _, path := range []string{"/oauth/authorize", "/oauth/callback"} {
		if status, h := w.send("OPTIONS", path, "", ""); status != http.StatusMethodNotAllowed || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d, headers %v", path, status, h)
		}
	}
}

func TestServer_anyOrigin(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		method, path, contentType, body string
		want                            string
	}{
		{"GET", "/.well-known/oauth-authorization-server", "", "", "*"},
		{"POST", "/oauth/register", "application/json", nativeRegistration, "*"},
		{"POST", "/oauth/register", "application/json", "{}", "*"},
		{"POST", "/oauth/token", "application/x-www-form-urlencoded", w.CodeForm(w.Code(w.Request(), "inspect")).Encode(), "*"},
		{"POST", "/oauth/token", "application/x-www-form-urlencoded", "grant_type=x", "*"},
		{"GET", "/oauth/authorize?" + w.Request().Encode(), "", "", ""},
		{"POST", "/oauth/authorize", "application/x-www-form-urlencoded", "answer=approve", ""},
		{"GET", "/oauth/callback?state=x", "", "", ""},
	}
	for _, tt := range tests {
		status, h := w.send(tt.method, tt.path, tt.contentType, tt.body)
		if got := h.Get("Access-Control-Allow-Origin"); got != tt.want || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %.60s: status %d, Access-Control-Allow-Origin %q, want %q", tt.method, tt.path, status, got, tt.want)
		}
	}
}
