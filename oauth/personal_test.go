package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

var personalToken = regexp.MustCompile(`rh_pat_[A-Za-z0-9_-]{43}`)

// PersonalForm is a good form for a personal access token.
func PersonalForm(w *world, browser *http.Client, changes ...string) url.Values {
	return change(url.Values{
		"proof": {proofOf(w, browser)}, "name": {"Nightly"}, "org": {"acme"}, "project": {"web"}, "skill": {"inspect"}, "days": {"30"},
	}, changes)
}

func TestServer_personalToken(t *testing.T) {
	w := newWorld(t)
	browser := w.SignedIn(ann)
	asked := len(w.Upstream.asked)
	_, page := submit(w, browser, "/account/tokens", PersonalForm(w, browser))
	tk := tokens{Access: personalToken.FindString(page)}
	grant := w.Grant(tk)
	want := oauth.Grant{
		ID: grant.ID, User: "1001", UserName: "Ann", ClientID: oauth.PersonalClient, ClientName: "Nightly",
		Resource: w.URL + "/mcp/acme/web", Scopes: []string{"inspect"}, Created: w.Clock.Now(), Expires: w.Clock.Now().Add(30 * 24 * time.Hour),
	}
	if got, want := fmt.Sprintf("%+v", grant), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("the token's grant is\n%s, want\n%s", got, want)
	}
	if scope := w.Upstream.asked[asked].Get("scope"); scope != "event:read org:read" {
		t.Errorf("the upstream was asked for %q", scope)
	}
	if again := view(w, browser, "/account"); strings.Contains(again, "rh_pat_") || !strings.Contains(again, "Nightly") {
		t.Errorf("the account page afterwards:\n%s", again)
	}
	// The upstream token is refreshed like any other, and the grant outlives it.
	w.Clock.Advance(29 * 24 * time.Hour)
	if got, err := w.Server.UpstreamToken(t.Context(), grant.ID); err != nil || got != "upstream-secret-access-iii" {
		t.Errorf("UpstreamToken = %q, %v", got, err)
	}
	w.Grant(tk)
	w.Clock.Advance(24 * time.Hour)
	w.WantDead("after 30 days", tk)
}

func TestServer_personalToken_revoked(t *testing.T) {
	w := newWorld(t)
	browser := w.SignedIn(ann)
	_, page := submit(w, browser, "/account/tokens", PersonalForm(w, browser, "org", " acme ", "project", " "))
	tk := tokens{Access: personalToken.FindString(page)}
	if grant := w.Grant(tk); grant.Resource != w.URL+"/mcp/acme" {
		t.Errorf("the token is for %s", grant.Resource)
	}
	w.Refused("as a refresh token", w.RefreshForm(tk.Access), "invalid_grant")
	if status, code := w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Access}}); status != http.StatusBadRequest || code != "invalid_grant" {
		t.Errorf("revoked by a client: status %d, %q", status, code)
	}
	if status, code := w.Revoke(url.Values{"client_id": {oauth.PersonalClient}, "token": {tk.Access}}); status != http.StatusUnauthorized {
		t.Errorf("revoked in the name of no client: status %d, %q", status, code)
	}
	w.Grant(tk)
	submit(w, browser, "/account/revoke", url.Values{"proof": {proofOf(w, browser)}, "grant": {w.Grant(tk).ID}})
	w.WantDead("revoked on the page", tk)
}

// Whoever runs the server ends a personal token by its id, upstream too, and
// nothing else.
func TestServer_RevokePersonalToken(t *testing.T) {
	w := newWorld(t)
	app := w.SignIn("inspect")
	browser := w.SignedIn(ann)
	_, page := submit(w, browser, "/account/tokens", PersonalForm(w, browser))
	tk := tokens{Access: personalToken.FindString(page)}
	for _, id := range []string{"", "unknown", w.Grant(app).ID} {
		if _, err := w.Server.RevokePersonalToken(t.Context(), id); !errors.Is(err, oauth.ErrNotFound) {
			t.Errorf("RevokePersonalToken(%q): %v, want ErrNotFound", id, err)
		}
	}
	w.Events("")
	w.Upstream.Set(func() { w.Upstream.revoked = nil }) // what the account page gave back
	grant, err := w.Server.RevokePersonalToken(t.Context(), w.Grant(tk).ID)
	if err != nil || grant.ClientName != "Nightly" {
		t.Errorf("RevokePersonalToken: %+v, %v", grant, err)
	}
	w.WantDead("revoked by the operator", tk)
	w.Grant(app)
	if got := w.Events(oauth.EventRevocation); len(got) != 1 || got[0].By != "operator" || got[0].User != "1001" {
		t.Errorf("recorded %+v", got)
	}
	if len(w.Upstream.revoked) != 1 || w.Upstream.revoked[0].Get("token") != "upstream-secret-refresh-iii" {
		t.Errorf("upstream was asked to revoke %v, want the refresh token of the third sign-in", w.Upstream.revoked)
	}
}

func TestServer_personalToken_refuses(t *testing.T) {
	w := newWorld(t)
	browser := w.SignedIn(ann)
	for _, tt := range []struct {
		reason  string
		changes []string
		status  int
		says    string
	}{
		{"no proof, as from another site", []string{"proof", "-"}, 403, "not from your account page"},
		{"no name", []string{"name", " \u202e"}, 400, "name"},
		{"a name of great length", []string{"name", strings.Repeat("n", 200)}, 400, "name"},
		{"no skill", []string{"skill", "-"}, 400, "skill"},
		{"an unknown skill", []string{"skill", "fly"}, 400, "skill"},
		{"no life", []string{"days", "-"}, 400, "lives"},
		{"no time", []string{"days", "0"}, 400, "365"},
		{"time of before", []string{"days", "-1"}, 400, "365"},
		{"more than a year", []string{"days", "366"}, 400, "365"},
		{"more than an integer holds", []string{"days", "106751992"}, 400, "365"},
		{"a project alone", []string{"org", ""}, 400, "organization"},
		{"an organization that climbs", []string{"org", ".."}, 400, "resource"},
		{"an organization with a path", []string{"org", "acme/web/x"}, 400, "resource"},
		{"an organization that the user cannot see", []string{"org", "globex", "project", ""}, 400, "resource"},
		{"a project that the user cannot see", []string{"project", "secret"}, 400, "resource"},
		{"an upstream that does not answer", []string{"org", "broken"}, 400, "try again later"},
	} {
		resp, page := submit(w, browser, "/account/tokens", PersonalForm(w, browser, tt.changes...))
		if resp.StatusCode != tt.status || !strings.Contains(page, tt.says) || personalToken.MatchString(page) {
			t.Errorf("%s: status %d, want %d and %q:\n%s", tt.reason, resp.StatusCode, tt.status, tt.says, page)
		}
	}
	grants, err := w.Store.Grants(t.Context(), oauth.GrantQuery{Limit: 10})
	if err != nil || len(grants) != 0 {
		t.Errorf("grants %v, %v", grants, err)
	}
}

// Whoever is signed in upstream by now is not the user of the page: their token
// must not be shown here.
func TestServer_personalToken_anotherUserComesBack(t *testing.T) {
	w := newWorld(t)
	browser := w.SignedIn(ann)
	form := PersonalForm(w, browser)
	w.As(bob)
	resp, page := submit(w, browser, "/account/tokens", form)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "another user") || personalToken.MatchString(page) {
		t.Errorf("status %d:\n%s", resp.StatusCode, page)
	}
	w.Events("")
	if len(w.Upstream.revoked) != 2 { // the sign-in's and this one
		t.Errorf("revoked upstream: %v", w.Upstream.revoked)
	}
}

func TestServer_personalToken_tooMany(t *testing.T) {
	w := newWorld(t)
	browser := w.SignedIn(ann)
	for i := range oauth.MaxPersonalTokens {
		g := oauth.StoredGrant{Grant: oauth.Grant{ID: fmt.Sprint("g", i), User: ann.ID, ClientID: oauth.PersonalClient, Expires: w.Clock.Now().Add(time.Hour)}, Upstream: oauth.Upstream{Sealed: []byte{1}}}
		if _, err := w.Store.PutGrant(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	resp, page := submit(w, browser, "/account/tokens", PersonalForm(w, browser))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "you have 50 tokens") {
		t.Errorf("status %d:\n%s", resp.StatusCode, page)
	}
}

func TestServer_CreatePersonalToken(t *testing.T) {
	w := newWorld(t)
	w.Upstream.Set(func() { w.Upstream.users["upstream-secret-access-own"] = bob })
	p := oauth.PersonalToken{Name: "CI", Resource: w.URL + "/mcp/acme", Skills: []string{"inspect"}, Life: time.Hour, AccessToken: "upstream-secret-access-own"}
	token, grant, err := w.Server.CreatePersonalToken(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Grant(tokens{Access: token}); got.User != bob.ID || got.ID != grant.ID || !got.Expires.Equal(grant.Expires) {
		t.Errorf("Verify = %+v, want Bob's grant %+v", got, grant)
	}
	w.wantUpstream(w.Server, grant.ID, "upstream-secret-access-own")
	browser := w.SignedIn(bob)
	w.Events("")
	before := len(w.Upstream.revoked)
	submit(w, browser, "/account/revoke", url.Values{"proof": {proofOf(w, browser)}, "grant": {grant.ID}})
	w.WantDead("revoked", tokens{Access: token})
	w.Events("")
	if len(w.Upstream.revoked) != before {
		t.Error("the user's own upstream token was revoked")
	}

	for reason, change := range map[string]func(*oauth.PersonalToken){
		"another server's resource": func(p *oauth.PersonalToken) { p.Resource = "https://other.example/mcp" },
		"a place out of reach":      func(p *oauth.PersonalToken) { p.Resource = w.URL + "/mcp/globex" },
		"no skills":                 func(p *oauth.PersonalToken) { p.Skills = nil },
		"too long a life":           func(p *oauth.PersonalToken) { p.Life = 366 * 24 * time.Hour },
		"a token of nobody":         func(p *oauth.PersonalToken) { p.AccessToken = "unknown" },
	} {
		q := p
		change(&q)
		if _, _, err := w.Server.CreatePersonalToken(t.Context(), q); err == nil {
			t.Errorf("%s: a token was made", reason)
		}
	}
}

// A sign-in for a place that its user cannot see is refused, with the same
// words whether or not the place exists.
func TestServer_callback_refusesWhatTheUserCannotSee(t *testing.T) {
	w := newWorld(t)
	for place, want := range map[string]string{"globex": "invalid_target", "acme/other": "invalid_target", "broken": "temporarily_unavailable"} {
		_, page := w.Open(w.Request("resource", w.URL+"/mcp/"+place))
		resp, _ := w.Answer(page, "approve", "inspect")
		redirectedError(t, w, resp, clientState, want)
	}
}
