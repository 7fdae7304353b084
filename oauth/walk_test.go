package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

func TestServer_walk(t *testing.T) {
	w := newWorld(t)
	resp, page := w.Open(w.Request("scope", "inspect triage offline_access"))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("consent page: status %d: %s", resp.StatusCode, page)
	}
	if n := len(w.Upstream.asked); n != 0 {
		t.Errorf("the upstream was asked %d times before the consent", n)
	}

	resp, _ = w.Answer(page, "approve", "inspect", "made-up")
	back := location(t, resp)
	q := back.Query()
	if got := back.Scheme + "://" + back.Host + back.Path; got != redirectURI {
		t.Fatalf("the walk ended at %s", back)
	}
	if q.Get("state") != clientState || q.Get("iss") != w.URL || !strings.HasPrefix(q.Get("code"), "rh_ac_") {
		t.Errorf("redirect with %v: want state, iss and a code", q)
	}
	asked := w.Upstream.asked[0]
	if got, want := asked.Get("scope"), "event:read org:read"; got != want {
		t.Errorf("the upstream was asked for %q, want only what inspect needs, %q", got, want)
	}
	if asked.Get("redirect_uri") != w.URL+"/oauth/callback" || asked.Get("state") == clientState {
		t.Errorf("the upstream was asked %v", asked)
	}

	tk := w.Exchange(w.CodeForm(q.Get("code")))
	if tk.Type != "Bearer" || tk.Expires != 3600 || tk.Scope != "inspect" ||
		!strings.HasPrefix(tk.Access, "rh_at_") || !strings.HasPrefix(tk.Refresh, "rh_rt_") {
		t.Errorf("tokens are not as promised: type %q, expires %d, scope %q", tk.Type, tk.Expires, tk.Scope)
	}
	grant := w.Grant(tk)
	want := oauth.Grant{
		ID: grant.ID, User: "1001", UserName: "Ann", ClientID: w.ClientID, ClientName: "Editor",
		Resource: w.URL + "/mcp/acme", Scopes: []string{"inspect"},
		Created: w.Clock.Now(), Expires: w.Clock.Now().Add(time.Hour),
	}
	if diff := cmp.Diff(want, grant); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	upstream, err := w.Server.UpstreamToken(t.Context(), grant.ID)
	if err != nil || upstream != "upstream-secret-access-i" {
		t.Errorf("UpstreamToken = %q, %v", upstream, err)
	}
}

func TestServer_restartKeepsTheSignIn(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	code := w.Code(w.Request(), "triage")
	before := w.Grant(tk)
	w.Start()
	if diff := cmp.Diff(before, w.Grant(tk)); diff != "" {
		t.Errorf("grant after a restart (-before +after):\n%s", diff)
	}
	if got, err := w.Server.UpstreamToken(t.Context(), before.ID); err != nil || got != "upstream-secret-access-i" {
		t.Errorf("UpstreamToken after a restart = %q, %v", got, err)
	}
	w.Exchange(w.RefreshForm(tk.Refresh))
	w.Exchange(w.CodeForm(code))
}

func TestServer_twoWalksInOneBrowser(t *testing.T) {
	w := newWorld(t)
	_, first := w.Open(w.Request("state", "first"))
	_, second := w.Open(w.Request("state", "second"))
	for state, page := range map[string]string{"first": first, "second": second} {
		resp, _ := w.Answer(page, "approve", "inspect")
		if got := location(t, resp).Query(); got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("walk %q ended with %v", state, got)
		}
	}
}

// redirectedError checks an error that travels to the client: with iss and
// state, and without a code.
func redirectedError(t *testing.T, w *world, resp *http.Response, state, want string) {
	t.Helper()
	back := location(t, resp)
	q := back.Query()
	if !strings.HasPrefix(back.String(), redirectURI+"?") {
		t.Fatalf("status %d to %q, want a redirect to the client", resp.StatusCode, back)
	}
	if q.Get("error") != want || q.Get("error_description") == "" || q.Get("iss") != w.URL || q.Get("state") != state || q.Has("code") {
		t.Errorf("redirect with %v, want error %s with description, iss and state %q", q, want, state)
	}
}

func TestServer_authorize_redirectsErrors(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		reason  string
		changes []string
		want    string
	}{
		{"PKCE missing", []string{"code_challenge", "-"}, "invalid_request"},
		{"PKCE plain", []string{"code_challenge_method", "plain", "code_challenge", verifier}, "invalid_request"},
		{"PKCE method missing, which means plain", []string{"code_challenge_method", "-"}, "invalid_request"},
		{"PKCE challenge of the wrong length", []string{"code_challenge", "c2hvcnQ"}, "invalid_request"},
		{"no response type", []string{"response_type", "-"}, "unsupported_response_type"},
		{"implicit flow", []string{"response_type", "token"}, "unsupported_response_type"},
		{"resource of another host", []string{"resource", "https://evil.example/mcp/acme"}, "invalid_target"},
		{"resource beside ours", []string{"resource", w.URL + "/mcp2"}, "invalid_target"},
		{"resource above ours", []string{"resource", w.URL}, "invalid_target"},
		{"resource with a trailing slash", []string{"resource", w.URL + "/mcp/acme/"}, "invalid_target"},
		{"resource too deep", []string{"resource", w.URL + "/mcp/a/b/c"}, "invalid_target"},
		{"resource that climbs", []string{"resource", w.URL + "/mcp/acme/.."}, "invalid_target"},
		{"resource with an escape", []string{"resource", w.URL + "/mcp/acme%2Fweb"}, "invalid_target"},
		{"resource with a query", []string{"resource", w.URL + "/mcp?x=y"}, "invalid_target"},
		{"resource with a fragment", []string{"resource", w.URL + "/mcp#x"}, "invalid_target"},
		{"resource with a line break", []string{"resource", w.URL + "/mcp/acme\n"}, "invalid_target"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			resp, _ := w.Open(w.Request(tt.changes...))
			redirectedError(t, w, resp, clientState, tt.want)
		})
	}
	t.Run("repeated parameter", func(t *testing.T) {
		q := w.Request()
		q.Add("resource", w.URL+"/mcp/globex")
		resp, _ := w.Open(q)
		redirectedError(t, w, resp, clientState, "invalid_request")
	})
	t.Run("state too long", func(t *testing.T) {
		resp, _ := w.Open(w.Request("state", strings.Repeat("s", 3000)))
		redirectedError(t, w, resp, "", "invalid_request")
	})
}

func TestServer_authorize_neverRedirects(t *testing.T) {
	w := newWorld(t)
	other := w.Register(`{"redirect_uris":["https://other.example/cb"],"token_endpoint_auth_method":"none"}`)
	tests := []struct {
		reason  string
		changes []string
	}{
		{"unknown client", []string{"client_id", "unknown"}},
		{"no client", []string{"client_id", "-"}},
		{"client id of great length", []string{"client_id", strings.Repeat("c", 2000)}},
		{"no redirect URI", []string{"redirect_uri", "-"}},
		{"another path", []string{"redirect_uri", "http://127.0.0.1:7777/callback/x"}},
		{"another loopback name", []string{"redirect_uri", "http://localhost:7777/callback"}},
		{"https for http", []string{"redirect_uri", "https://127.0.0.1:7777/callback"}},
		{"a query added", []string{"redirect_uri", redirectURI + "?x=y"}},
		{"user information added", []string{"redirect_uri", "http://127.0.0.1:7777@evil.example/callback"}},
		{"another client's redirect URI", []string{"redirect_uri", "https://other.example/cb"}},
		{"a port on https", []string{"client_id", other.ID, "redirect_uri", "https://other.example:8443/cb"}},
		{"a request of great length", []string{"nonce", strings.Repeat("n", 9000)}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			resp, page := w.Open(w.Request(tt.changes...))
			if resp.StatusCode/100 != 4 || resp.Header.Get("Location") != "" {
				t.Errorf("status %d, Location %q, want an error page", resp.StatusCode, resp.Header.Get("Location"))
			}
			if !strings.Contains(page, "<h1>") || strings.Contains(page, "<form") {
				t.Errorf("not an error page:\n%s", page)
			}
		})
	}
	t.Run("repeated redirect URI", func(t *testing.T) {
		q := w.Request()
		q.Add("redirect_uri", "https://evil.example/")
		if resp, _ := w.Open(q); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d, want 400", resp.StatusCode)
		}
	})
}

func TestServer_authorize_acceptsAnyLoopbackPort(t *testing.T) {
	w := newWorld(t)
	const today = "http://127.0.0.1:54321/callback"
	_, page := w.Open(w.Request("redirect_uri", today))
	resp, _ := w.Answer(page, "approve", "inspect")
	back := location(t, resp)
	if !strings.HasPrefix(back.String(), today+"?") {
		t.Fatalf("the walk ended at %s", back)
	}
	code := back.Query().Get("code")
	w.Exchange(w.CodeForm(code, "redirect_uri", today))
}

func TestServer_authorize_keepsTheRedirectURIsQuery(t *testing.T) {
	w := newWorld(t)
	const uri = "https://app.example/cb?b=2&a=1"
	w.ClientID = w.Register(`{"redirect_uris":["` + uri + `"],"token_endpoint_auth_method":"none"}`).ID
	_, page := w.Open(w.Request("redirect_uri", uri))
	resp, _ := w.Answer(page, "cancel")
	if got := resp.Header.Get("Location"); !strings.HasPrefix(got, uri+"&error=access_denied&") {
		t.Errorf("redirect to %q", got)
	}
}

func TestServer_authorize_withoutResourceOrScope(t *testing.T) {
	w := newWorld(t)
	tk := w.Exchange(w.CodeForm(w.Code(w.Request("resource", "-", "scope", "-"), "inspect", "triage", "docs")))
	if grant := w.Grant(tk); grant.Resource != w.URL+"/mcp" || tk.Scope != "inspect triage docs" {
		t.Errorf("grant for %q with %q, want the widest resource and every skill", grant.Resource, tk.Scope)
	}
}

func TestServer_callback_relaysTheUpstreamsError(t *testing.T) {
	for upstream, want := range map[string]string{
		"access_denied": "access_denied", "temporarily_unavailable": "temporarily_unavailable",
		"invalid_scope": "server_error", "x\" y": "server_error",
	} {
		t.Run(upstream, func(t *testing.T) {
			w := newWorld(t)
			w.Upstream.Set(func() { w.Upstream.refusal = upstream })
			_, page := w.Open(w.Request())
			resp, _ := w.Answer(page, "approve", "inspect")
			redirectedError(t, w, resp, clientState, want)
		})
	}
	t.Run("token endpoint down", func(t *testing.T) {
		w := newWorld(t)
		w.Upstream.Set(func() { w.Upstream.fault = http.StatusBadGateway })
		_, page := w.Open(w.Request())
		resp, _ := w.Answer(page, "approve", "inspect")
		redirectedError(t, w, resp, clientState, "temporarily_unavailable")
		if !strings.Contains(w.log.String(), "502") {
			t.Errorf("the log does not say what happened:\n%s", w.log)
		}
	})
}

// stopBeforeCallback walks until the upstream sends the browser back, and
// returns the callback's URL without going there.
func stopBeforeCallback(w *world) string {
	w.Helper()
	_, page := w.Open(w.Request())
	follow := w.Browser.CheckRedirect
	w.Browser.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.URL.Path == "/oauth/callback" {
			return http.ErrUseLastResponse
		}
		return follow(req, via)
	}
	defer func() { w.Browser.CheckRedirect = follow }()
	resp, _ := w.Answer(page, "approve", "inspect")
	return resp.Header.Get("Location")
}

func get(w *world, browser *http.Client, url string) *http.Response {
	w.Helper()
	resp, err := browser.Get(url)
	if err != nil {
		w.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestServer_callback_isBoundToTheBrowser(t *testing.T) {
	w := newWorld(t)
	callback := stopBeforeCallback(w)
	if got := get(w, w.NewBrowser(), callback); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
		t.Errorf("another browser: status %d, Location %q, want a page", got.StatusCode, got.Header.Get("Location"))
	}
	other := w.NewBrowser() // with a mark of its own
	get(w, other, w.URL+"/oauth/authorize?"+w.Request().Encode())
	if got := get(w, other, callback); got.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser that is known: status %d, want a page", got.StatusCode)
	}
	if got := get(w, w.Browser, callback); location(t, got).Query().Get("code") == "" {
		t.Errorf("the right browser, after the others tried: status %d", got.StatusCode)
	}
}

func TestServer_callback_takesAStateOnce(t *testing.T) {
	w := newWorld(t)
	callback := stopBeforeCallback(w)
	get(w, w.Browser, callback)
	if got := get(w, w.Browser, callback); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
		t.Errorf("second use: status %d, Location %q, want a page", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestServer_callback_expires(t *testing.T) {
	w := newWorld(t)
	callback := stopBeforeCallback(w)
	w.Clock.Advance(10 * time.Minute)
	if got := get(w, w.Browser, callback); got.StatusCode != http.StatusBadRequest {
		t.Errorf("after ten minutes: status %d, want a page", got.StatusCode)
	}
}

func TestServer_callback_refusesAnInventedState(t *testing.T) {
	w := newWorld(t)
	w.Open(w.Request())
	for _, q := range []string{"", "?code=c", "?state=&code=c", "?state=" + strings.Repeat("A", 43) + "&code=c", "?state=" + strings.Repeat("A", 9000)} {
		if got := get(w, w.Browser, w.URL+"/oauth/callback"+q); got.StatusCode/100 != 4 || got.Header.Get("Location") != "" {
			t.Errorf("callback%.40s: status %d, Location %q", q, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

func TestServer_methods(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/.well-known/oauth-authorization-server": "GET, HEAD, OPTIONS",
		"/.well-known/openid-configuration":       "GET, HEAD, OPTIONS",
		"/oauth/register":                         "OPTIONS, POST",
		"/oauth/authorize":                        "GET, HEAD, POST",
		"/oauth/callback":                         "GET, HEAD",
		"/oauth/token":                            "OPTIONS, POST",
		"/oauth/revoke":                           "OPTIONS, POST",
	} {
		req, err := http.NewRequest("DELETE", w.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != want {
			t.Errorf("DELETE %s: status %d, Allow %q, want 405, %q", path, resp.StatusCode, resp.Header.Get("Allow"), want)
		}
	}
	for _, path := range w.Server.Paths() {
		if u, err := url.Parse(path); err != nil || u.Path != path {
			t.Errorf("Paths holds %q", path)
		}
	}
}
