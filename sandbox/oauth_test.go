package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	callback = "https://roundhouse.test/callback?kind=sentry"
	verifier = "a-verifier-of-at-least-forty-three-characters-in-length"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browser keeps cookies and follows nothing.
type browserFake struct {
	*runner
	cookies map[string]*http.Cookie
}

func (b *browserFake) do(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "http://sandbox.test"+path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	w := b.send(req)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
	}
	return w
}

func startOAuth(t *testing.T) (*browserFake, App) {
	t.Helper()
	r := start(t, Options{Empty: true})
	app, err := r.sb.EnsureApp(t.Context(), "Roundhouse <dev>", callback, "http://127.0.0.1/cb")
	if err != nil {
		t.Fatal(err)
	}
	return &browserFake{r, map[string]*http.Cookie{}}, app
}

func authorizeQuery(app App, change url.Values) string {
	q := url.Values{"client_id": {app.ClientID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {"org:read event:write"},
		"state": {"s&1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	maps.Copy(q, change)
	return "/oauth/authorize/?" + q.Encode()
}

var formToken = regexp.MustCompile(`name="form_token" value="([0-9a-f]{64})"`)

// consent opens the page and presses a button.
func (b *browserFake) consent(query, user, op string) *url.URL {
	b.Helper()
	page := b.do("GET", query, nil)
	token := formToken.FindStringSubmatch(page.Body.String())
	if page.Code != http.StatusOK || token == nil {
		b.Fatalf("consent page: %d %s", page.Code, page.Body)
	}
	w := b.do("POST", query, url.Values{"form_token": {token[1]}, "user": {user}, "op": {op}}, "Origin", "http://sandbox.test", "Sec-Fetch-Site", "same-origin")
	to, err := w.Result().Location()
	if err != nil || w.Code != http.StatusFound {
		b.Fatalf("consent: %d %s", w.Code, w.Body)
	}
	return to
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	ExpiresAt    string `json:"expires_at"`
	Scope        string
	User         struct{ ID string }
	Error        string
}

func (b *browserFake) token(app App, form url.Values) (int, tokens) {
	b.Helper()
	req := httptest.NewRequest("POST", "/oauth/token/", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(app.ClientID, app.ClientSecret)
	w := b.send(req)
	var out tokens
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		b.Fatalf("token: %d %s", w.Code, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		b.Error("the answer may be cached")
	}
	return w.Code, out
}

func exchange(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func (b *browserFake) whoami(token string) int {
	other := *b.runner
	other.token = token
	return other.api("GET", "/auth/", "").Code
}

func TestOAuth_CodeAndRefresh(t *testing.T) {
	b, app := startOAuth(t)
	to := b.consent(authorizeQuery(app, nil), "1002", "approve")
	if q := to.Query(); to.Host != "roundhouse.test" || q.Get("state") != "s&1" || q.Get("kind") != "sentry" || len(q.Get("code")) != 64 {
		t.Fatalf("redirected to %s", to)
	}
	code := to.Query().Get("code")
	status, first := b.token(app, exchange(code))
	if status != 200 || first.User.ID != "1002" || first.Scope != "event:write org:read" || first.ExpiresIn != 2592000 || !strings.HasSuffix(first.ExpiresAt, "Z") {
		t.Fatalf("token = %d %+v", status, first)
	}
	if status, again := b.token(app, exchange(code)); status != 400 || again.Error != "invalid_grant" {
		t.Errorf("the code a second time: %d %+v", status, again)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}}
	status, second := b.token(app, refresh)
	if status != 200 || second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken || second.User.ID != "1002" || second.Scope != first.Scope {
		t.Fatalf("refresh = %d %+v", status, second)
	}
	if status, again := b.token(app, refresh); status != 400 || again.Error != "invalid_grant" {
		t.Errorf("the refresh token a second time: %d %+v", status, again)
	}
	if old, now := b.whoami(first.AccessToken), b.whoami(second.AccessToken); old != 401 || now != 200 {
		t.Errorf("old access token %d, new %d; want 401, 200", old, now)
	}
	b.clock.pass(tokenLife)
	if got := b.whoami(second.AccessToken); got != 401 {
		t.Errorf("an access token after its life: %d", got)
	}
	if status, third := b.token(app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.RefreshToken}}); status != 200 || b.whoami(third.AccessToken) != 200 {
		t.Errorf("refresh after the access token has expired: %d", status)
	}
}

// TestNew_Purges: what has expired goes at the next start, and no sign-in that
// is still good.
func TestNew_Purges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	r := start(t, Options{Path: path, Empty: true})
	app, err := r.sb.EnsureApp(t.Context(), "app", callback)
	if err != nil {
		t.Fatal(err)
	}
	b := &browserFake{r, map[string]*http.Cookie{}}
	b.token(app, exchange(b.consent(authorizeQuery(app, nil), "1002", "approve").Query().Get("code")))
	b.consent(authorizeQuery(app, nil), "1002", "approve") // whose code nobody takes
	for _, life := range []time.Duration{0, time.Minute, renewalLife + 2*time.Hour} {
		if _, err := r.sb.CreateTokenFor(t.Context(), mara, reading, life); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		after                   time.Duration
		codes, sessions, tokens int
	}{
		{30 * time.Second, 1, 2, 4},
		{time.Hour, 0, 2, 3},
		{sessionLife, 0, 0, 3},
		{renewalLife - time.Second, 0, 0, 3},
		{renewalLife, 0, 0, 2},
		{renewalLife + 3*time.Hour, 0, 0, 1},
	} {
		later, _ := startLater(t, path, "", tt.after)
		if codes, sessions, tokens := later.rows("oauth_grant"), later.rows("web_session"), later.rows("token"); codes != tt.codes || sessions != tt.sessions || tokens != tt.tokens {
			t.Errorf("after %v: %d codes, %d sessions, %d tokens, want %d, %d, %d", tt.after, codes, sessions, tokens, tt.codes, tt.sessions, tt.tokens)
		}
	}
}

// TestOAuth_RefreshLife: a refresh token is good long after the access token,
// and not for ever.
func TestOAuth_RefreshLife(t *testing.T) {
	b, app := startOAuth(t)
	_, got := b.token(app, exchange(b.consent(authorizeQuery(app, nil), "1002", "approve").Query().Get("code")))
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{renewalLife - time.Second, http.StatusOK}, {renewalLife, http.StatusBadRequest}} {
		b.clock.pass(tt.after)
		status, next := b.token(app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}})
		if status != tt.want {
			t.Errorf("after %v: %d %s", tt.after, status, next.Error)
		}
		got = next
	}
}

func TestOAuth_TokenRefuses(t *testing.T) {
	tests := []struct {
		reason string
		change url.Values // of the form; an empty value removes
		app    func(App) App
		wait   time.Duration
		query  url.Values
		status int
		code   string
	}{
		{reason: "a wrong verifier", change: url.Values{"code_verifier": {verifier + "x"}}, status: 400, code: "invalid_grant"},
		{reason: "no verifier", change: url.Values{"code_verifier": {""}}, status: 400, code: "invalid_grant"},
		{reason: "a verifier though PKCE was left out", query: url.Values{"code_challenge": {}, "code_challenge_method": {}}, status: 400, code: "invalid_grant"},
		{reason: "another redirect URI", change: url.Values{"redirect_uri": {"http://127.0.0.1/cb"}}, status: 400, code: "invalid_grant"},
		{reason: "an old code", wait: codeLife, status: 400, code: "invalid_grant"},
		{reason: "a wrong secret", app: func(a App) App { a.ClientSecret += "0"; return a }, status: 401, code: "invalid_client"},
		{reason: "no secret", app: func(a App) App { a.ClientSecret = ""; return a }, status: 401, code: "invalid_client"},
		{reason: "an unknown client", app: func(a App) App { a.ClientID = "x"; return a }, status: 401, code: "invalid_client"},
		{reason: "an unknown grant type", change: url.Values{"grant_type": {"password"}}, status: 400, code: "unsupported_grant_type"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			b, app := startOAuth(t)
			form := exchange(b.consent(authorizeQuery(app, tt.query), "1002", "approve").Query().Get("code"))
			maps.Copy(form, tt.change)
			b.clock.pass(tt.wait)
			if tt.app != nil {
				app = tt.app(app)
			}
			if status, got := b.token(app, form); status != tt.status || got.Error != tt.code || got.AccessToken != "" {
				t.Errorf("%d %+v, want %d %s", status, got, tt.status, tt.code)
			}
		})
	}
}

// A code that another client got is not even used up by the attempt.
func TestOAuth_CodeOfAnotherClient(t *testing.T) {
	b, app := startOAuth(t)
	other, err := b.sb.EnsureApp(t.Context(), "other", callback)
	if err != nil {
		t.Fatal(err)
	}
	code := b.consent(authorizeQuery(app, nil), "1002", "approve").Query().Get("code")
	if status, got := b.token(other, exchange(code)); status != 400 || got.Error != "invalid_grant" {
		t.Errorf("the other client: %d %+v", status, got)
	}
	status, got := b.token(app, exchange(code))
	if status != 200 {
		t.Fatalf("its own client: %d %+v", status, got)
	}
	if status, _ := b.token(other, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}); status != 400 {
		t.Errorf("the other client refreshes: %d", status)
	}
}

func TestOAuth_WrongVerifierEndsTheCode(t *testing.T) {
	b, app := startOAuth(t)
	form := exchange(b.consent(authorizeQuery(app, nil), "1002", "approve").Query().Get("code"))
	wrong := maps.Clone(form)
	wrong.Set("code_verifier", "guess")
	b.token(app, wrong)
	if status, _ := b.token(app, form); status != 400 {
		t.Errorf("a second try: %d", status)
	}
}

func TestOAuth_ClientInBody(t *testing.T) {
	b, app := startOAuth(t)
	form := exchange(b.consent(authorizeQuery(app, nil), "1001", "approve").Query().Get("code"))
	form.Set("client_id", app.ClientID)
	form.Set("client_secret", app.ClientSecret)
	req := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := b.send(req); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestOAuth_AuthorizeErrors(t *testing.T) {
	b, app := startOAuth(t)
	tests := []struct {
		reason string
		change url.Values
		want   string // error in the redirect; "": an error page
	}{
		{"an unknown client", url.Values{"client_id": {"x"}}, ""},
		{"another redirect URI", url.Values{"redirect_uri": {"https://evil.test/callback?kind=sentry"}}, ""},
		{"more path", url.Values{"redirect_uri": {"https://roundhouse.test/callback/x?kind=sentry"}}, ""},
		{"another query", url.Values{"redirect_uri": {"https://roundhouse.test/callback"}}, ""},
		{"no redirect URI where two are registered", url.Values{"redirect_uri": {}}, ""},
		{"loopback with another path", url.Values{"redirect_uri": {"http://127.0.0.1:9/other"}}, ""},
		{"loopback that only looks like it", url.Values{"redirect_uri": {"http://127.0.0.1.evil.test/cb"}}, ""},
		{"loopback with a user", url.Values{"redirect_uri": {"http://127.0.0.1:9@evil.test/cb"}}, ""},
		{"an implicit grant", url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		{"an unknown scope", url.Values{"scope": {"org:read root"}}, "invalid_scope"},
		{"plain PKCE", url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"a challenge that is none", url.Values{"code_challenge": {"x"}}, "invalid_request"},
	}
	for _, tt := range tests {
		w := b.do("GET", authorizeQuery(app, tt.change), nil)
		to, _ := w.Result().Location()
		if tt.want == "" {
			if w.Code != http.StatusBadRequest || to != nil {
				t.Errorf("%s: %d to %v, want an error page", tt.reason, w.Code, to)
			}
			continue
		}
		if w.Code != http.StatusFound || to.Query().Get("error") != tt.want || to.Query().Get("state") != "s&1" {
			t.Errorf("%s: %d to %v, want the error %s", tt.reason, w.Code, to, tt.want)
		}
	}
	if to := b.consent(authorizeQuery(app, nil), "1002", "deny"); to.Query().Get("error") != "access_denied" || to.Query().Has("code") {
		t.Errorf("denied: %s", to)
	}
	if to := b.consent(authorizeQuery(app, url.Values{"redirect_uri": {"http://127.0.0.1:53211/cb"}}), "1002", "approve"); to.Port() != "53211" || !to.Query().Has("code") {
		t.Errorf("loopback port: %s", to)
	}
}

func TestOAuth_ConsentPage(t *testing.T) {
	b, app := startOAuth(t)
	w := b.do("GET", authorizeQuery(app, nil), nil)
	page := w.Body.String()
	for _, want := range []string{`value="1001" checked`, jon, priya, "Roundhouse &lt;dev&gt;", "event:write", `name="op" value="approve"`, `name="op" value="deny"`, `name="viewport"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "<dev>") {
		t.Error("the page has a script, or does not escape")
	}
	h := w.Header()
	if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	if c := b.cookies[formCookie]; c == nil || !c.HttpOnly || c.Path != "/sub/" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie %+v", c)
	}
}

// TestPages_People: beside each user stands what they will see.
func TestPages_People(t *testing.T) {
	b, app := startOAuth(t)
	if _, err := b.sb.writer.Exec("INSERT INTO user VALUES (7, 'new@example.test', 'New', 'new')"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", authorizeQuery(app, nil)} {
		page := b.do("GET", path, nil).Body.String()
		for email, orgs := range map[string]string{
			mara: "Acme Outdoors (owner), Globex Labs (owner)", jon: "Acme Outdoors (admin)", priya: "Globex Labs (member)", wen: "Acme Outdoors (guest of Storefront)",
			"new@example.test": "no organization",
		} {
			if want := email + `</small><small class="orgs">` + orgs + "</small>"; !strings.Contains(page, want) {
				t.Errorf("%s lacks %q: %s", path, want, page)
			}
		}
	}
}

// TestOAuth_Forged: no other site can approve in the user's name.
func TestOAuth_Forged(t *testing.T) {
	b, app := startOAuth(t)
	query := authorizeQuery(app, nil)
	token := formToken.FindStringSubmatch(b.do("GET", query, nil).Body.String())[1]
	good := url.Values{"form_token": {token}, "user": {"1001"}, "op": {"approve"}}
	for reason, try := range map[string]func() *httptest.ResponseRecorder{
		"no form token": func() *httptest.ResponseRecorder {
			return b.do("POST", query, url.Values{"user": {"1001"}, "op": {"approve"}})
		},
		"another form token": func() *httptest.ResponseRecorder {
			return b.do("POST", query, url.Values{"form_token": {strings.Repeat("0", 64)}, "user": {"1001"}, "op": {"approve"}})
		},
		"another origin":  func() *httptest.ResponseRecorder { return b.do("POST", query, good, "Origin", "http://evil.test") },
		"another site":    func() *httptest.ResponseRecorder { return b.do("POST", query, good, "Sec-Fetch-Site", "cross-site") },
		"a sibling site":  func() *httptest.ResponseRecorder { return b.do("POST", query, good, "Sec-Fetch-Site", "same-site") },
		"another browser": func() *httptest.ResponseRecorder { return (&browserFake{b.runner, nil}).do("POST", query, good) },
	} {
		if w := try(); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", reason, w.Code)
		}
	}
	if w := b.do("POST", query, good, "Origin", "http://sandbox.test"); w.Code != http.StatusFound {
		t.Errorf("the good form: %d", w.Code)
	}
	good.Set("user", "7")
	if w := b.do("POST", query, good); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown user: %d", w.Code)
	}
}

func TestSandbox_EnsureApp(t *testing.T) {
	b, first := startOAuth(t)
	second, err := b.sb.EnsureApp(t.Context(), "Roundhouse <dev>", callback)
	if err != nil || second.ClientID != first.ClientID || second.ClientSecret == first.ClientSecret {
		t.Errorf("a second call: the id changed or the secret did not, %v", err)
	}
	if status, got := b.token(first, url.Values{"grant_type": {"refresh_token"}}); status != 401 || got.Error != "invalid_client" {
		t.Errorf("the old secret: %d", status)
	}
	if status, got := b.token(second, url.Values{"grant_type": {"refresh_token"}}); status != 400 || got.Error != "invalid_grant" {
		t.Errorf("the new secret: %d %+v", status, got)
	}
	for _, bad := range []string{"callback", "https://a.test/#x"} {
		if _, err := b.sb.EnsureApp(t.Context(), "x", bad); err == nil {
			t.Errorf("redirect URI %q accepted", bad)
		}
	}
}

func TestPages_NeedSignIn(t *testing.T) {
	r := start(t, Options{})
	b := &browserFake{r, map[string]*http.Cookie{}}
	owner := r.as(mara, reading...)
	acme := owner.issues("")[0]
	var globex []issueAnswer
	owner.get("/organizations/globex-labs/issues/?query=", &globex)

	start := b.do("GET", "/", nil)
	if start.Code != 200 || strings.Contains(start.Body.String(), "storefront") {
		t.Errorf("the start page tells a visitor: %d %s", start.Code, start.Body)
	}
	page := "/organizations/acme-outdoors/issues/" + acme.ID + "/"
	if w := b.do("GET", page, nil); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), acme.ShortID) {
		t.Errorf("an issue for a visitor: %d %s", w.Code, w.Body)
	}
	form := url.Values{"user": {"1002"}, "form_token": {formToken.FindStringSubmatch(start.Body.String())[1]}}
	if w := b.do("POST", "/login/", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sub/" {
		t.Fatalf("sign in: %d %s", w.Code, w.Header().Get("Location"))
	}
	if got := b.do("GET", "/", nil).Body.String(); !strings.Contains(got, "acme-outdoors / storefront") || strings.Contains(got, "globex") {
		t.Errorf("the start page of a member: %s", got)
	}
	if w := b.do("GET", page, nil); w.Code != 200 || !strings.Contains(w.Body.String(), acme.ShortID) {
		t.Errorf("an issue for a member: %d %s", w.Code, w.Body)
	}
	for _, hidden := range []string{"/organizations/globex-labs/issues/" + globex[0].ID + "/", "/organizations/acme-outdoors/issues/" + globex[0].ID + "/", "/organizations/nowhere/issues/1/"} {
		if w := b.do("GET", hidden, nil); w.Code != 404 || strings.Contains(w.Body.String(), globex[0].ShortID) {
			t.Errorf("GET %s = %d %s", hidden, w.Code, w.Body)
		}
	}
	b.clock.pass(sessionLife)
	if w := b.do("GET", page, nil); w.Code != http.StatusUnauthorized {
		t.Errorf("a session after its life: %d", w.Code)
	}
}

func TestPages_NoPage(t *testing.T) {
	b := &browserFake{start(t, Options{}), map[string]*http.Cookie{}}
	var pages []string
	for _, path := range []string{
		"/organizations/acme-outdoors/explore/metrics/?project=51001",
		"/organizations/acme-outdoors/dashboards/", "/organizations/acme-outdoors/settings/",
		"/organizations/globex-labs/monitors/", "/organizations/nowhere/monitors", "/organizations/",
	} {
		w := b.do("GET", path, nil)
		page := w.Body.String()
		if w.Code != http.StatusNotFound || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") ||
			!strings.Contains(page, "made for the API") || !strings.Contains(page, `href="/sub/"`) {
			t.Errorf("GET %s = %d %s", path, w.Code, page)
		}
		pages = append(pages, nonce.ReplaceAllString(page, ""))
	}
	if len(slices.Compact(pages)) != 1 {
		t.Error("the page says more about some organizations than about others")
	}
}

var nonce = regexp.MustCompile(`nonce="[^"]*"`)
