package oauth_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// The attacks that no test of a single endpoint is about. .ci/mutants removes
// the guards one by one and wants these to fail.

// longSecret is what a random secret of 256 bits looks like.
var longSecret = regexp.MustCompile(`[A-Za-z0-9_-]{43}`)

// A token for one context must not be changed for one of another.
func TestAttack_resourceSwap(t *testing.T) {
	w := newWorld(t)
	for reason, resource := range map[string]string{
		"the resource above": w.URL + "/mcp", "a sibling": w.URL + "/mcp/globex", "a sibling with our prefix": w.URL + "/mcp/acme2",
	} {
		w.Refused(reason+" for a code", w.CodeForm(w.Code(w.Request(), "inspect"), "resource", resource), "invalid_target")
		tk := w.SignIn("inspect")
		w.Refused(reason+" for a refresh token", w.RefreshForm(tk.Refresh, "resource", resource), "invalid_target")
		if got := w.Grant(w.Exchange(w.RefreshForm(tk.Refresh))).Resource; got != w.URL+"/mcp/acme" {
			t.Errorf("%s: afterwards the token is for %s", reason, got)
		}
	}
}

// The upstream remembers that its user allowed Roundhouse, and asks no more. So
// nothing may lead there, for any client, before the user has answered our own
// page; and an answer counts for one client only.
func TestAttack_confusedDeputy(t *testing.T) {
	w := newWorld(t)
	w.SignIn("inspect") // the user has allowed one client
	asked := len(w.Upstream.asked)

	const evil = "https://evil.example/cb"
	w.ClientID = w.Register(`{"redirect_uris":["` + evil + `"],"token_endpoint_auth_method":"none","client_name":"Editor"}`).ID
	for _, scope := range []string{"-", "inspect", "inspect triage docs"} {
		resp, page := w.Open(w.Request("redirect_uri", evil, "scope", scope))
		if resp.StatusCode != http.StatusOK || !strings.Contains(page, "evil.example") {
			t.Fatalf("scope %q: status %d, want a page that names evil.example:\n%s", scope, resp.StatusCode, page)
		}
		for name, values := range resp.Header {
			if name != "Set-Cookie" && name != "Content-Security-Policy" && longSecret.MatchString(strings.Join(values, " ")) {
				t.Errorf("scope %q: the header %s tells a state before the consent", scope, name)
			}
		}
		if resp.Header.Get("Location") != "" || len(w.Upstream.asked) != asked {
			t.Errorf("scope %q: the browser was led on without an answer", scope)
		}
	}
}

// Only pressing the button approves.
func TestAttack_consentByDefault(t *testing.T) {
	w := newWorld(t)
	for _, answer := range []string{"", "Approve", "yes", "approve ", "deny"} {
		_, page := w.Open(w.Request())
		resp, _ := w.Answer(page, answer, "inspect")
		redirectedError(t, w, resp, clientState, "access_denied")
	}
	if len(w.Upstream.asked) != 0 {
		t.Errorf("the upstream was asked %d times", len(w.Upstream.asked))
	}
}

// A thief who has copied a refresh token cannot keep using it: whoever of the
// two comes second, once the window is over, ends the sign-in for both.
func TestAttack_refreshThief(t *testing.T) {
	for _, thiefFirst := range []bool{true, false} {
		w := newWorld(t)
		stolen := w.SignIn("inspect")
		owner := w.Exchange(w.RefreshForm(stolen.Refresh))
		owner = w.Exchange(w.RefreshForm(owner.Refresh)) // two generations on: no window
		late := stolen.Refresh
		if thiefFirst {
			// The thief took the newest one, moves on, and the owner is late.
			thief := w.Exchange(w.RefreshForm(owner.Refresh))
			thief = w.Exchange(w.RefreshForm(thief.Refresh))
			late, owner = owner.Refresh, thief
		}
		w.Refused("the late one", w.RefreshForm(late), "invalid_grant")
		w.WantDead("the access token of the other", owner)
		w.Refused("the other's refresh token", w.RefreshForm(owner.Refresh), "invalid_grant")
	}
}

// What a token endpoint says must not depend on where the token stood.
func TestAttack_tokenInTheQuery(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	for _, form := range []url.Values{w.RefreshForm(tk.Refresh), {"token": {tk.Refresh}, "client_id": {w.ClientID}}} {
		for _, path := range []string{"/oauth/token", "/oauth/revoke"} {
			if status, _, body := w.post(path+"?"+form.Encode(), "application/x-www-form-urlencoded", "", nil); status/100 != 4 {
				t.Errorf("%s with its parameters in the URL: status %d: %s", path, status, body)
			}
		}
	}
	w.Exchange(w.RefreshForm(tk.Refresh))
}

// Nobody can push what they did out of the audit record by being refused, over
// and over, afterwards.
func TestAttack_auditFlood(t *testing.T) {
	w := limitedWorld(t, oauth.Limits{})
	refuse := func(client, source string) {
		w.post("/oauth/token", "application/x-www-form-urlencoded", "grant_type=refresh_token&client_id="+client, from(source))
	}
	refuse("the-first", "192.0.2.1")
	for range 500 {
		refuse("noise", "192.0.2.1")
	}
	if got := len(w.Events(oauth.EventRefusal)); got != 300 {
		t.Errorf("%d refusals of one source recorded, want 300", got)
	}
	refuse("another", "192.0.2.2")
	w.Clock.Advance(time.Minute)
	refuse("the-first-again", "192.0.2.1")
	clients := make(map[string]bool)
	for _, e := range w.Events(oauth.EventRefusal) {
		clients[e.Client] = true
	}
	if !clients["the-first"] || !clients["another"] || !clients["the-first-again"] {
		t.Errorf("recorded refusals of %v", clients)
	}
}

// A flood of refusals from everywhere, faster than they can be written, leaves
// room for what was allowed meanwhile.
func TestAttack_auditFloodFromEverywhere(t *testing.T) {
	w := newWorld(t)
	store := &stuckStore{Store: w.Store, stuck: make(chan struct{}), entered: make(chan struct{}, 10)}
	cfg := w.Config(store)
	cfg.Limits.Noise = unlimited
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, s)
	w.Server, w.web.Config.Handler = s, s
	for range 6000 {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader("client_id=noise"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	<-store.entered
	w.SignIn("inspect")
	close(store.stuck)
	if got := w.Events(oauth.EventGrant); len(got) != 1 {
		t.Errorf("%d grants recorded beside a flood of refusals, want 1", len(got))
	}
}

// stuckStore writes no audit record until it is told to.
type stuckStore struct {
	oauth.Store
	stuck, entered chan struct{}
}

func (s *stuckStore) AppendEvents(ctx context.Context, events []oauth.Event) error {
	s.entered <- struct{}{}
	<-s.stuck
	return s.Store.AppendEvents(ctx, events)
}

// A link to us that fails before anybody has answered leads nowhere by itself:
// not to a web site that an attacker registered, and not into a program that
// the system would start.
func TestAttack_openRedirectByError(t *testing.T) {
	w := newWorld(t)
	for _, uri := range []string{"https://evil.example/cb?x=1", "evil-app:/cb"} {
		w.ClientID = w.Register(`{"redirect_uris":["` + uri + `"],"token_endpoint_auth_method":"none"}`).ID
		resp, page := w.Open(w.Request("redirect_uri", uri, "resource", "https://elsewhere.example/"))
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%s: status %d to %q, want a page", uri, resp.StatusCode, resp.Header.Get("Location"))
		}
		link := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(page)
		if link == nil {
			t.Fatalf("%s: no way back to the app in:\n%s", uri, page)
		}
		back, err := url.Parse(html.UnescapeString(link[1]))
		if err != nil {
			t.Fatal(err)
		}
		q := back.Query()
		if !strings.HasPrefix(back.String(), uri) || q.Get("error") != "invalid_target" || q.Get("iss") != w.URL || q.Get("state") != clientState {
			t.Errorf("%s: the way back is %s", uri, back)
		}
	}
}

// A form on another site sends nothing in the user's name, not even what needs
// no secret: the code of an attacker's device, and a sign-in to the account.
func TestAttack_formOfAnotherSite(t *testing.T) {
	w := newWorld(t)
	code := w.Device().UserCode
	for _, path := range []string{"/oauth/authorize", "/oauth/device", "/account/sign-in", "/account/sign-out", "/account/revoke", "/account/tokens"} {
		for _, site := range []string{"cross-site", "same-site"} {
			status, header, page := w.post(path, "application/x-www-form-urlencoded", "user_code="+code, http.Header{"Sec-Fetch-Site": {site}})
			if status != http.StatusForbidden || header.Get("Location") != "" || header.Get("Set-Cookie") != "" || !strings.Contains(page, "Another web site") {
				t.Errorf("%s from %s: status %d:\n%s", path, site, status, page)
			}
		}
	}
	own := http.Header{"Sec-Fetch-Site": {"same-origin"}}
	if status, _, page := w.post("/oauth/device", "application/x-www-form-urlencoded", "user_code="+code, own); status != http.StatusOK || !strings.Contains(page, code) {
		t.Errorf("the code from our own page: status %d:\n%s", status, page)
	}
}

// What strangers choose cannot forge a line of the record, steer the terminal
// that shows it, or rearrange a page.
func TestAttack_controlCharacters(t *testing.T) {
	const evil = "a\r\n{\"kind\":\"grant\"}\x1b[2J\u009b1A\u202e\u2028z"
	const tame = `a{"kind":"grant"}[2J1Az`
	w := newWorld(t)
	w.Upstream.Set(func() { w.Upstream.user.Name = evil + strings.Repeat("x", 10_000) })
	if name := w.Grant(w.SignIn("inspect")).UserName; !strings.HasPrefix(name, tame) || len(name) > 256 {
		t.Errorf("the user is called %q", name)
	}
	w.Refused("a client of that name", url.Values{"grant_type": {"refresh_token"}, "client_id": {evil}}, "invalid_client")
	if got := w.Events(oauth.EventRefusal); len(got) != 1 || got[0].Client != tame {
		t.Errorf("recorded %+v, want one of client %q", got, tame)
	}
}
