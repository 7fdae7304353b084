package oauth_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// As makes the upstream sign another user in from now on.
func (w *world) As(user oauth.User) { w.Upstream.Set(func() { w.Upstream.user = user }) }

// SignedIn returns a browser in which the user is signed in to the account page.
func (w *world) SignedIn(user oauth.User) *http.Client {
	w.Helper()
	w.As(user)
	browser := w.NewBrowser()
	resp, page := submit(w, browser, "/account/sign-in", nil)
	if name := user.Name + user.Email; resp.StatusCode != http.StatusOK || !strings.Contains(page, "Sign out") || !strings.Contains(name, "@") {
		w.Fatalf("sign-in of %s: status %d:\n%s", name, resp.StatusCode, page)
	}
	return browser
}

// submit sends a form and follows the redirects.
func submit(w *world, browser *http.Client, path string, form url.Values) (*http.Response, string) {
	w.Helper()
	resp, err := browser.PostForm(w.URL+path, form)
	if err != nil {
		w.Fatal(err)
	}
	return resp, readAll(w.TB, resp)
}

func view(w *world, browser *http.Client, path string) string {
	w.Helper()
	resp, err := browser.Get(w.URL + path)
	if err != nil {
		w.Fatal(err)
	}
	return readAll(w.TB, resp)
}

var (
	proofField = regexp.MustCompile(`name="proof" value="([^"]+)"`)
	grantField = regexp.MustCompile(`name="grant" value="([^"]+)"`)
)

func proofOf(w *world, browser *http.Client) string {
	w.Helper()
	m := proofField.FindStringSubmatch(view(w, browser, "/account"))
	if m == nil {
		w.Fatal("no form on the account page")
	}
	return html.UnescapeString(m[1])
}

func grantsOn(page string) (ids []string) {
	for _, m := range grantField.FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestServer_account(t *testing.T) {
	w := newWorld(t)
	page := view(w, w.Browser, "/account")
	if strings.Contains(page, "Sign out") || !strings.Contains(page, "sentry.example.com") {
		t.Errorf("a stranger sees\n%s", page)
	}
	first := w.SignIn("inspect", "triage")
	w.Clock.Advance(time.Hour / 2)
	second := w.Exchange(w.CodeForm(w.Code(w.Request("resource", w.URL+"/mcp/acme/web"), "inspect")))
	w.Grant(second)
	asked := len(w.Upstream.asked)
	browser := w.SignedIn(ann)
	if scope := w.Upstream.asked[asked].Get("scope"); scope != "org:read" {
		t.Errorf("signing in asks the upstream for %q", scope)
	}
	if err := w.Server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.Upstream.revoked) != 1 || w.Upstream.revoked[0].Get("token") != "upstream-secret-refresh-iii" {
		t.Errorf("upstream was asked to revoke %v, want the token that the sign-in took", w.Upstream.revoked)
	}
	page = view(w, browser, "/account")
	for _, want := range []string{
		"Ann", "Editor", "organization acme", "project web of acme", "Inspect · Triage",
		"Allowed 2001-02-03, not used yet", "last used 2001-02-03 12:30 UTC", "sign-in", "127.0.0.1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "Everyone") || len(grantsOn(page)) != 2 {
		t.Errorf("the page has grants %v:\n%s", grantsOn(page), page)
	}
	// The newest is first.
	submit(w, browser, "/account/revoke", url.Values{"proof": {proofOf(w, browser)}, "grant": {grantsOn(page)[0]}})
	w.WantDead("revoked on the page", second)
	w.Grant(first)
	submit(w, browser, "/account/revoke", url.Values{"proof": {proofOf(w, browser)}, "all": {"1"}})
	w.WantDead("all revoked on the page", first)
	if page = view(w, browser, "/account"); len(grantsOn(page)) != 0 {
		t.Errorf("after all were revoked:\n%s", page)
	}
}

func TestServer_account_headers(t *testing.T) {
	w := newWorld(t)
	for _, browser := range []*http.Client{w.NewBrowser(), w.SignedIn(ann)} {
		resp := get(w, browser, w.URL+"/account")
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("Content-Security-Policy %q", policy)
		}
	}
}

// A form counts only with the proof of the session that it is sent in (CSRF),
// and shows nothing of anybody else's.
func TestServer_account_refusesForms(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	id := w.Grant(tk).ID
	anns, bobs := w.SignedIn(ann), w.SignedIn(bob)
	second := w.SignedIn(ann) // another session of hers
	for _, tt := range []struct {
		reason  string
		browser *http.Client
		proof   string
		want    int
	}{
		{"no session", w.NewBrowser(), proofOf(w, anns), http.StatusForbidden},
		{"no proof, as from another site", anns, "", http.StatusForbidden},
		{"an invented proof", anns, "AAAA", http.StatusForbidden},
		{"the proof of another user", anns, proofOf(w, bobs), http.StatusForbidden},
		{"the proof of another session", anns, proofOf(w, second), http.StatusForbidden},
		{"another user", bobs, proofOf(w, bobs), http.StatusNotFound},
	} {
		form := url.Values{"proof": {tt.proof}, "grant": {id}}
		if resp, _ := submit(w, tt.browser, "/account/revoke", form); resp.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d", tt.reason, resp.StatusCode, tt.want)
		}
		if resp, _ := submit(w, tt.browser, "/account/revoke", url.Values{"proof": {tt.proof}, "all": {"1"}, "user": {ann.ID}}); resp.StatusCode != tt.want {
			t.Errorf("%s, all of hers: status %d, want %d", tt.reason, resp.StatusCode, tt.want)
		}
	}
	w.Grant(tk)
	resp, unknown := submit(w, bobs, "/account/revoke", url.Values{"proof": {proofOf(w, bobs)}, "grant": {"unknown"}})
	other, hers := submit(w, bobs, "/account/revoke", url.Values{"proof": {proofOf(w, bobs)}, "grant": {id}})
	if resp.StatusCode != other.StatusCode || unknown != hers {
		t.Error("another user's grant is told from one that is not there")
	}
	if page := view(w, bobs, "/account?everyone=1&user="+ann.ID); strings.Contains(page, id) {
		t.Errorf("Bob sees Ann's:\n%s", page)
	}
	// A page that is shown in a frame or fetched by a script gets no answer either.
	for _, path := range []string{"/account/revoke", "/account/sign-out", "/account/tokens"} {
		if resp := get(w, anns, w.URL+path); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
	}
}

func TestServer_account_administrator(t *testing.T) {
	w := newWorld(t)
	anns := w.SignIn("inspect")
	w.As(bob)
	bobs := w.SignIn("inspect")
	admin := w.SignedIn(carl)
	if page := view(w, admin, "/account"); len(grantsOn(page)) != 0 || !strings.Contains(page, "carl@example.com") {
		t.Errorf("an administrator's own page:\n%s", page)
	}
	page := view(w, admin, "/account?everyone=1")
	if len(grantsOn(page)) != 2 || !strings.Contains(page, "Ann") || !strings.Contains(page, "Bob") {
		t.Errorf("everyone's page:\n%s", page)
	}
	if page = view(w, admin, "/account?everyone=1&user="+bob.ID); !slices.Equal(grantsOn(page), []string{w.Grant(bobs).ID}) {
		t.Errorf("Bob's page:\n%s", page)
	}
	form := url.Values{"proof": {proofOf(w, admin)}, "all": {"1"}, "user": {bob.ID}, "everyone": {"1"}}
	if resp, _ := submit(w, admin, "/account/revoke", form); resp.Request.URL.RawQuery != "everyone=1&user="+bob.ID {
		t.Errorf("after revoking all of Bob's, the browser is at %s", resp.Request.URL)
	}
	w.WantDead("Bob's", bobs)
	submit(w, admin, "/account/revoke", url.Values{"proof": {proofOf(w, admin)}, "grant": {w.Grant(anns).ID}})
	w.WantDead("Ann's", anns)
	for _, e := range w.Events(oauth.EventRevocation) {
		if e.By != carl.ID || e.User == carl.ID {
			t.Errorf("recorded %+v, want that Carl did it", e)
		}
	}
}

func TestServer_account_pagesOfEveryone(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 150 {
		g := oauth.StoredGrant{Grant: oauth.Grant{
			ID: "grant-" + string(rune('a'+i/26)) + string(rune('a'+i%26)), User: "u" + string(rune('a'+i%15)), ClientID: "c", Resource: w.URL + "/mcp",
			Created: w.Clock.Now(), Expires: w.Clock.Now().Add(time.Hour),
		}, Upstream: oauth.Upstream{Sealed: []byte{1}}}
		if _, err := w.Store.PutGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		want = append(want, g.ID)
	}
	admin := w.SignedIn(carl)
	page := view(w, admin, "/account?everyone=1")
	next := regexp.MustCompile(`href="([^"]+after=[^"]+)"`).FindStringSubmatch(page)
	if next == nil {
		t.Fatalf("no next page:\n%s", page)
	}
	last := view(w, admin, html.UnescapeString(next[1]))
	got := append(grantsOn(page), grantsOn(last)...)
	slices.Reverse(got)
	if !slices.Equal(got, want) || strings.Contains(last, "after=") {
		t.Errorf("two pages list %d grants, want %d", len(got), len(want))
	}
}

// A session that somebody planted in the browser means nothing, before the
// sign-in and after (session fixation); and a sign-in belongs to the browser
// that began it, so nobody is signed in as somebody else (login CSRF).
func TestServer_account_fixation(t *testing.T) {
	w := newWorld(t)
	planted := strings.Repeat("A", 43)
	browser := w.NewBrowser()
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	browser.Jar.SetCookies(at, []*http.Cookie{{Name: "roundhouse-account", Value: planted, Path: "/"}})
	if page := view(w, browser, "/account"); strings.Contains(page, "Sign out") {
		t.Error("a planted cookie is a session")
	}
	submit(w, browser, "/account/sign-in", nil)
	if page := view(w, browser, "/account"); !strings.Contains(page, "Sign out") {
		t.Fatalf("not signed in:\n%s", page)
	}
	for _, cookie := range browser.Jar.Cookies(at) {
		if cookie.Value == planted {
			t.Error("the planted cookie has become the session")
		}
	}

	// The attacker stops before the callback, and has the victim go there.
	attacker := w.NewBrowser()
	follow := attacker.CheckRedirect
	attacker.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.URL.Path == "/oauth/callback" {
			return http.ErrUseLastResponse
		}
		return follow(req, via)
	}
	resp, _ := submit(w, attacker, "/account/sign-in", nil)
	victim := w.NewBrowser()
	if got := get(w, victim, resp.Header.Get("Location")); got.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser's callback: status %d, want 400", got.StatusCode)
	}
	if page := view(w, victim, "/account"); strings.Contains(page, "Sign out") {
		t.Error("the victim is signed in as the attacker")
	}
}

func TestServer_account_sessionsEnd(t *testing.T) {
	w := newWorld(t)
	signedIn := func(browser *http.Client) bool { return strings.Contains(view(w, browser, "/account"), "Sign out") }
	browser := w.SignedIn(ann)
	at, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	copied := w.NewBrowser()
	copied.Jar.SetCookies(at, browser.Jar.Cookies(at))
	if !signedIn(copied) {
		t.Fatal("a copy of the cookie is no session")
	}
	submit(w, browser, "/account/sign-out", url.Values{"proof": {proofOf(w, browser)}})
	if signedIn(browser) || signedIn(copied) {
		t.Error("signed out, the cookie is still good")
	}

	browser = w.SignedIn(ann)
	w.Clock.Advance(time.Hour - time.Second)
	if !signedIn(browser) {
		t.Error("signed out before the hour is over")
	}
	w.Clock.Advance(time.Second)
	if signedIn(browser) {
		t.Error("signed in after the hour is over")
	}
	// Signing in again ends the session of before.
	browser = w.SignedIn(ann)
	copied.Jar.SetCookies(at, browser.Jar.Cookies(at))
	submit(w, browser, "/account/sign-in", nil)
	if !signedIn(browser) || signedIn(copied) {
		t.Error("the session of before is still good")
	}
}

func TestServer_account_upstreamRefuses(t *testing.T) {
	w := newWorld(t)
	w.Upstream.Set(func() { w.Upstream.refusal = "access_denied" })
	resp, page := submit(w, w.NewBrowser(), "/account/sign-in", nil)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "refused") || resp.Request.URL.Path != "/oauth/callback" {
		t.Errorf("status %d at %s:\n%s", resp.StatusCode, resp.Request.URL, page)
	}
}

// The page shows what strangers named, and runs nothing of it.
func TestServer_account_escapes(t *testing.T) {
	w := newWorld(t)
	const name = `<script>alert(1)</script>"'`
	w.ClientID = w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none","client_name":"<script>alert(1)</script>\"'"}`).ID
	w.As(oauth.User{ID: "1009", Name: name})
	w.SignIn("inspect")
	browser := w.NewBrowser()
	_, page := submit(w, browser, "/account/sign-in", nil)
	if strings.Contains(page, "<script") || strings.Count(page, "&lt;script") < 2 {
		t.Errorf("the page is\n%s", page)
	}
}
