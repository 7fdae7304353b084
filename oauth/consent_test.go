package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestServer_consentPage(t *testing.T) {
	w := newWorld(t)
	resp, page := w.Open(w.Request("resource", w.URL+"/mcp/acme/web"))
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := resp.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	if strings.Contains(policy, "form-action") {
		t.Errorf("Content-Security-Policy has form-action, which would stop the redirects after the form: %q", policy)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	sum := sha256.Sum256([]byte(style[1]))
	if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the policy does not allow the page's style: %q", policy)
	}
	for _, want := range []string{
		"“<bdi>Editor</bdi>”", "project web of acme", "127.0.0.1:7777", "Any program on this device", "sentry.example.com",
		`value="inspect" checked>`, `value="triage">`, `value="docs">`, "Resolve issues.", "event:write, org:read",
		`name="viewport"`, "prefers-color-scheme",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page needs scripts")
	}
}

func TestServer_consentPage_says(t *testing.T) {
	w := newWorld(t)
	const https, custom = "https://app.example:8443/cb", "cursor://anysphere.cursor-mcp/oauth/callback"
	id := w.Register(`{"redirect_uris":["` + https + `","` + custom + `"],"token_endpoint_auth_method":"none","client_name":"<b>Bold\u202e</b>” “Trusted\""}`).ID
	tests := []struct {
		reason        string
		changes       []string
		want, wantNot string
	}{
		{reason: "everything", changes: []string{"resource", w.URL + "/mcp"}, want: "everything you can see"},
		{reason: "an organization", changes: nil, want: "organization acme", wantNot: "project"},
		{reason: "a host", changes: []string{"redirect_uri", https}, want: "app.example:8443", wantNot: "Any program on this device"},
		{reason: "an app", changes: []string{"redirect_uri", custom}, want: "cursor: links"},
		{reason: "an escaped name", changes: []string{"redirect_uri", https}, want: "Allow “<bdi>&lt;b&gt;Bold&lt;/b&gt;&#39; &#39;Trusted&#39;</bdi>” to", wantNot: "\u202e"},
		{reason: "no skill as asked for", changes: []string{"scope", "openid"}, want: "<b>Triage</b> <small>", wantNot: "asked for by the app"},
		{reason: "a skill that was asked for", changes: []string{"scope", "triage"}, want: "<b>Triage</b> <em>asked for by the app</em>", wantNot: "<b>Inspect</b> <em>"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			request := w.Request(tt.changes...)
			if request.Get("redirect_uri") != redirectURI {
				request.Set("client_id", id)
			}
			_, page := w.Open(request)
			if !strings.Contains(page, tt.want) || tt.wantNot != "" && strings.Contains(page, tt.wantNot) {
				t.Errorf("want %q and not %q in:\n%s", tt.want, tt.wantNot, page)
			}
		})
	}
}

// Clients ask for what the challenge names, or for all there is. Neither bounds
// the user's choice, nor makes it.
func TestServer_consentPage_ticksTheDefaultSkills(t *testing.T) {
	w := newWorld(t)
	for _, scope := range []string{"-", "inspect", "triage", "inspect triage docs", "openid"} {
		_, page := w.Open(w.Request("scope", scope))
		for _, box := range []string{`value="inspect" checked>`, `value="triage">`, `value="docs">`} {
			if !strings.Contains(page, box) {
				t.Errorf("scope %q: the page lacks %s:\n%s", scope, box, page)
			}
		}
	}
}

func TestServer_consent_grantsMoreThanTheScope(t *testing.T) {
	w := newWorld(t)
	tk := w.Exchange(w.CodeForm(w.Code(w.Request("scope", "inspect"), "inspect", "triage")))
	if got := w.Grant(tk).Scopes; tk.Scope != "inspect triage" || len(got) != 2 {
		t.Errorf("scope %q, grant %v: want what the user ticked", tk.Scope, got)
	}
}

func TestServer_consent_cancel(t *testing.T) {
	w := newWorld(t)
	_, page := w.Open(w.Request())
	resp, _ := w.Answer(page, "cancel", "inspect")
	redirectedError(t, w, resp, clientState, "access_denied")
	if len(w.Upstream.asked) != 0 {
		t.Error("the upstream was asked after a refusal")
	}
	_, page = w.Open(w.Request())
	resp, _ = w.Answer(page, "", "inspect")
	redirectedError(t, w, resp, clientState, "access_denied")
}

func TestServer_consent_needsASkill(t *testing.T) {
	w := newWorld(t)
	_, page := w.Open(w.Request("scope", "inspect triage"))
	resp, page := w.Answer(page, "approve")
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "Choose at least one") {
		t.Fatalf("status %d:\n%s", resp.StatusCode, page)
	}
	resp, page = w.Answer(page, "approve", "made-up")
	if resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("status %d:\n%s", resp.StatusCode, page)
	}
	resp, _ = w.Answer(page, "approve", "triage")
	if location(t, resp).Query().Get("code") == "" {
		t.Errorf("status %d after choosing a skill", resp.StatusCode)
	}
}

func TestServer_consent_refusesAForgedForm(t *testing.T) {
	w := newWorld(t)
	_, page := w.Open(w.Request())
	attacker := w.NewBrowser()
	theirs, err := attacker.Get(w.URL + "/oauth/authorize?" + w.Request().Encode())
	if err != nil {
		t.Fatal(err)
	}
	theirPage := readAll(t, theirs)
	changed, err := base64.RawURLEncoding.DecodeString(w.tokenOf(page))
	if err != nil {
		t.Fatal(err)
	}
	changed[len(changed)/2] ^= 1

	for reason, form := range map[string]url.Values{
		"no token":                         {"answer": {"approve"}, "skill": {"inspect"}},
		"an invented token":                {"answer": {"approve"}, "skill": {"inspect"}, "request": {strings.Repeat("A", 43)}},
		"the token of an attacker's page":  {"answer": {"approve"}, "skill": {"inspect"}, "request": {w.tokenOf(theirPage)}},
		"a token that was changed":         {"answer": {"approve"}, "skill": {"inspect"}, "request": {base64.RawURLEncoding.EncodeToString(changed)}},
		"cancel, with an attacker's token": {"answer": {"cancel"}, "request": {w.tokenOf(theirPage)}},
	} {
		resp, err := w.Browser.PostForm(w.URL+"/oauth/authorize", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q, want a page", reason, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	resp, err := w.NewBrowser().PostForm(w.URL+"/oauth/authorize",
		url.Values{"answer": {"approve"}, "skill": {"inspect"}, "request": {w.tokenOf(page)}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a good token without the cookie: status %d, want 400", resp.StatusCode)
	}
	if len(w.Upstream.asked) != 0 {
		t.Errorf("the upstream was asked %d times", len(w.Upstream.asked))
	}
	if resp, _ := w.Answer(page, "approve", "inspect"); location(t, resp).Query().Get("code") == "" {
		t.Errorf("the real form, after all that: status %d", resp.StatusCode)
	}
}

func TestServer_consent_worksOnce(t *testing.T) {
	w := newWorld(t)
	_, page := w.Open(w.Request())
	w.Answer(page, "approve", "inspect")
	if resp, _ := w.Answer(page, "approve", "inspect"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("second answer: status %d, want 400", resp.StatusCode)
	}
	_, page = w.Open(w.Request())
	_, again := w.Answer(page, "approve") // without a skill: the same question
	w.Answer(again, "approve", "inspect")
	w.Start()
	if resp, _ := w.Answer(page, "approve", "inspect"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answer to a question that was answered before a restart: status %d, want 400", resp.StatusCode)
	}
	if n := len(w.Upstream.asked); n != 2 {
		t.Errorf("the upstream was asked %d times, want twice", n)
	}
	_, page = w.Open(w.Request())
	w.Clock.Advance(10 * time.Minute)
	if resp, _ := w.Answer(page, "approve", "inspect"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answer after ten minutes: status %d, want 400", resp.StatusCode)
	}
}

// A stranger can open pages and cancel them as fast as the network allows: none
// of it may take the place of what users have under way.
func TestServer_authorize_keepsNothing(t *testing.T) {
	w := newWorld(t)
	_, page := w.Open(w.Request())
	w.Answer(page, "approve") // without a skill: the page is shown again
	w.Answer(page, "cancel")
	if n := count(t, w.Path, `SELECT count(*) FROM tickets`); n != 0 {
		t.Errorf("the store keeps %d tickets of an authorization that nobody approved", n)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(w.tokenOf(page))
	if err != nil || strings.Contains(string(sealed), clientState) {
		t.Errorf("the form's token can be read, %v: %q", err, sealed)
	}
	if resp, _ := w.Answer(page, "approve", "inspect"); location(t, resp).Query().Get("code") == "" {
		t.Errorf("approval of the first page: status %d", resp.StatusCode)
	}
	for _, kind := range []string{"login", "code"} {
		if n := count(t, w.Path, `SELECT count(*) FROM tickets WHERE kind = '`+kind+`'`); n != 1 {
			t.Errorf("%d tickets of kind %s after one sign-in", n, kind)
		}
	}
}

func TestServer_authorize_isBounded(t *testing.T) {
	w := newWorld(t)
	resp, _ := w.Open(w.Request("state", strings.Repeat("\x01", 2048))) // each is six bytes of JSON
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the longest state: status %d", resp.StatusCode)
	}
	for filler, want := range map[string]int{"x": http.StatusOK, "&": http.StatusBadRequest} { // one byte of JSON, or six
		uri := "https://app.example/?" + strings.Repeat(filler, 1000)
		w.ClientID = w.Register(`{"redirect_uris":["` + uri + strings.Repeat(`","`+uri, 9) + `"],"token_endpoint_auth_method":"none"}`).ID
		resp, page := w.Open(w.Request("redirect_uri", uri, "state", strings.Repeat("s", 2048)))
		if resp.StatusCode != want {
			t.Errorf("a client with long URIs of %q: status %d, want %d: %s", filler, resp.StatusCode, want, resp.Header.Get("Location"))
		}
		if want == http.StatusOK {
			resp, _ = w.Answer(page, "approve", "inspect")
			w.Exchange(w.CodeForm(location(t, resp).Query().Get("code"), "redirect_uri", uri))
		}
	}
}

func TestServer_cookie(t *testing.T) {
	w := newWorld(t)
	cookieOf := func(issuer string) *http.Cookie {
		cfg := w.Config(w.Store)
		cfg.Issuer, cfg.Resource = issuer, issuer+"/mcp"
		rec := serve(t, cfg, "/oauth/authorize?"+w.Request("resource", "-").Encode())
		cookies := rec.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("status %d with cookies %v", rec.Code, cookies)
		}
		return cookies[0]
	}
	secure, plain := cookieOf("https://mcp.example"), cookieOf("http://localhost:8080")
	for _, c := range []*http.Cookie{secure, plain} {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
			t.Errorf("cookie %v", c)
		}
	}
	if !strings.HasPrefix(secure.Name, "__Host-") || !secure.Secure {
		t.Errorf("over https: %v, want a secure __Host- cookie", secure)
	}
	if strings.HasPrefix(plain.Name, "__Host-") || plain.Secure {
		t.Errorf("over loopback http: %v, which browsers would drop", plain)
	}
}
