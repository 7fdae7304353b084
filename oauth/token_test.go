package oauth_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestServer_token_refusesACode(t *testing.T) {
	w := newWorld(t)
	other := w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none"}`)
	tests := []struct {
		reason  string
		changes []string
		want    string
	}{
		{"no code", []string{"code", "-"}, "invalid_request"},
		{"an invented code", []string{"code", "rh_ac_" + strings.Repeat("A", 43)}, "invalid_grant"},
		{"no verifier", []string{"code_verifier", "-"}, "invalid_request"},
		{"a short verifier", []string{"code_verifier", "short"}, "invalid_request"},
		{"a verifier with a space", []string{"code_verifier", strings.Repeat("v ", 30)}, "invalid_request"},
		{"the wrong verifier", []string{"code_verifier", strings.Repeat("v", 43)}, "invalid_grant"},
		{"the challenge for a verifier", []string{"code_verifier", challenge(verifier)}, "invalid_grant"},
		{"no redirect URI", []string{"redirect_uri", "-"}, "invalid_request"},
		{"another redirect URI", []string{"redirect_uri", "http://127.0.0.1:7778/callback"}, "invalid_grant"},
		{"another client", []string{"client_id", other.ID}, "invalid_grant"},
		{"an unknown client", []string{"client_id", "unknown"}, "invalid_client"},
		{"no client", []string{"client_id", "-"}, "invalid_client"},
		{"a secret that a public client has not", []string{"client_secret", "x"}, "invalid_client"},
		{"the resource above", []string{"resource", w.URL + "/mcp"}, "invalid_target"},
		{"a sibling resource", []string{"resource", w.URL + "/mcp/globex"}, "invalid_target"},
		{"a sibling with our prefix", []string{"resource", w.URL + "/mcp/acme2"}, "invalid_target"},
		{"a resource elsewhere", []string{"resource", "https://evil.example/mcp/acme"}, "invalid_target"},
		{"a resource below with bad syntax", []string{"resource", w.URL + "/mcp/acme/.."}, "invalid_target"},
		{"a resource below that is too deep", []string{"resource", w.URL + "/mcp/acme/web/x"}, "invalid_target"},
		{"no grant type", []string{"grant_type", "-"}, "invalid_request"},
		{"another grant type", []string{"grant_type", "password"}, "unsupported_grant_type"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			w.Refused(tt.reason, w.CodeForm(w.Code(w.Request(), "inspect"), tt.changes...), tt.want)
		})
	}
}

func TestServer_token_refusesAForm(t *testing.T) {
	w := newWorld(t)
	form := w.CodeForm(w.Code(w.Request(), "inspect"))
	for reason, post := range map[string]struct{ path, contentType, body string }{
		"parameters in the URL": {"/oauth/token?" + form.Encode(), "application/x-www-form-urlencoded", ""},
		"JSON":                  {"/oauth/token", "application/json", `{"grant_type":"authorization_code"}`},
		"a repeated parameter":  {"/oauth/token", "application/x-www-form-urlencoded", form.Encode() + "&code=x"},
		"a large body":          {"/oauth/token", "application/x-www-form-urlencoded", form.Encode() + "&x=" + strings.Repeat("x", 20_000)},
		"a bad escape":          {"/oauth/token", "application/x-www-form-urlencoded", "grant_type=%zz"},
	} {
		status, _, body := w.post(post.path, post.contentType, post.body, nil)
		if status/100 != 4 || !strings.Contains(body, `"error":"invalid_`) {
			t.Errorf("%s: status %d: %s", reason, status, body)
		}
	}
	w.Exchange(form) // none of these spent the code
}

func TestServer_token_codeExpires(t *testing.T) {
	w := newWorld(t)
	code := w.Code(w.Request(), "inspect")
	w.Clock.Advance(2 * time.Minute)
	w.Refused("after two minutes", w.CodeForm(code), "invalid_grant")
}

func TestServer_token_codeReplayRevokes(t *testing.T) {
	w := newWorld(t)
	bystander := w.SignIn("inspect")
	code := w.Code(w.Request(), "inspect")
	tk := w.Exchange(w.CodeForm(code))
	grant := w.Grant(tk)
	w.Clock.Advance(time.Hour - time.Minute)
	w.Refused("replay", w.CodeForm(code), "invalid_grant")
	w.WantDead("access token after a replay", tk)
	w.Refused("refresh token after a replay", w.RefreshForm(tk.Refresh), "invalid_grant")
	if _, err := w.Store.Grant(t.Context(), grant.ID); err == nil {
		t.Error("the grant outlived the replay")
	}
	w.Grant(bystander)
}

// A code that the wrong client spends has leaked: the right client must not be
// able to go on as if nothing had happened.
func TestServer_token_stolenCodeIsSpent(t *testing.T) {
	w := newWorld(t)
	code := w.Code(w.Request(), "inspect")
	w.Refused("the thief", w.CodeForm(code, "code_verifier", strings.Repeat("v", 43)), "invalid_grant")
	w.Refused("the owner", w.CodeForm(code), "invalid_grant")
}

func TestServer_token_narrowsTheResource(t *testing.T) {
	w := newWorld(t)
	form := w.CodeForm(w.Code(w.Request(), "inspect"), "resource", w.URL+"/mcp/acme/web")
	tk := w.Exchange(form)
	if got := w.Grant(tk).Resource; got != w.URL+"/mcp/acme/web" {
		t.Errorf("the token is for %q", got)
	}
	tk = w.Exchange(w.RefreshForm(tk.Refresh, "resource", w.URL+"/mcp/acme/api"))
	if got := w.Grant(tk).Resource; got != w.URL+"/mcp/acme/api" {
		t.Errorf("the refreshed token is for %q: what the user authorized bounds it, not the last token", got)
	}
	w.Refused("refresh for a sibling", w.RefreshForm(tk.Refresh, "resource", w.URL+"/mcp/globex"), "invalid_target")
}

func TestServer_token_confidentialClient(t *testing.T) {
	basic := func(id, secret string) http.Header {
		plain := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(plain))}}
	}
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			c := w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"` + method + `"}`)
			w.ClientID = c.ID
			send := func(method, secret string) (int, tokens) {
				form := w.CodeForm(w.Code(w.Request(), "inspect"))
				switch method {
				case "client_secret_basic":
					form.Del("client_id")
					return w.Token(form, basic(c.ID, secret))
				case "client_secret_post":
					form.Set("client_secret", secret)
				}
				return w.Token(form, nil)
			}
			for _, used := range []string{"none", "client_secret_basic", "client_secret_post"} {
				status, tk := send(used, c.Secret)
				if used == method && status != http.StatusOK {
					t.Errorf("%s: status %d, %s", used, status, tk.Error)
				}
				if used != method && (status != http.StatusUnauthorized || tk.Error != "invalid_client") {
					t.Errorf("%s: status %d, %q, want 401 invalid_client", used, status, tk.Error)
				}
			}
			if status, tk := send(method, c.Secret+"x"); status != http.StatusUnauthorized || tk.Error != "invalid_client" {
				t.Errorf("wrong secret: status %d, %q", status, tk.Error)
			}
			form := w.CodeForm("c")
			form.Set("client_secret", c.Secret)
			if _, tk := w.Token(form, basic(c.ID, c.Secret)); tk.Error != "invalid_request" {
				t.Errorf("two methods at once: %q", tk.Error)
			}
			form = w.CodeForm("c", "client_id", "somebody-else")
			if _, tk := w.Token(form, basic(c.ID, c.Secret)); tk.Error != "invalid_client" {
				t.Errorf("two ids at once: %q", tk.Error)
			}
		})
	}
	t.Run("a public client's id as Basic without a password", func(t *testing.T) {
		w := newWorld(t)
		status, tk := w.Token(w.CodeForm(w.Code(w.Request(), "inspect")), basic(w.ClientID, ""))
		if status != http.StatusOK {
			t.Errorf("status %d, %s", status, tk.Error)
		}
	})
	t.Run("challenge", func(t *testing.T) {
		w := newWorld(t)
		_, header, _ := w.post("/oauth/token", "application/x-www-form-urlencoded", "grant_type=x", basic("unknown", "x"))
		if got := header.Get("WWW-Authenticate"); got != `Basic realm="oauth"` {
			t.Errorf("WWW-Authenticate = %q", got)
		}
	})
}

func TestServer_Verify(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect", "triage")
	if got, want := w.Grant(tk).Scopes, []string{"inspect", "triage"}; !cmp.Equal(got, want) {
		t.Errorf("scopes %v, want %v", got, want)
	}
	for what, token := range map[string]string{
		"nothing": "", "a refresh token": tk.Refresh, "a changed token": tk.Access[:len(tk.Access)-1],
		"an invented token": "rh_at_" + strings.Repeat("A", 43), "a long token": "rh_at_" + strings.Repeat("A", 10_000),
		"another prefix": "rh_rt_" + strings.TrimPrefix(tk.Access, "rh_at_"),
	} {
		w.WantDead(what, tokens{Access: token})
	}
	w.Clock.Advance(time.Hour - time.Millisecond)
	w.Grant(tk)
	w.Clock.Advance(time.Millisecond)
	w.WantDead("after an hour", tk)
}
