package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// Revoke calls the revocation endpoint and returns the status and the error.
func (w *world) Revoke(form url.Values) (int, string) {
	w.Helper()
	status, _, body := w.post("/oauth/revoke", "application/x-www-form-urlencoded", form.Encode(), nil)
	if body == "" {
		return status, ""
	}
	var tk tokens
	if err := json.Unmarshal([]byte(body), &tk); err != nil {
		w.Fatalf("revoke, status %d: %s", status, body)
	}
	return status, tk.Error
}

// Events returns what was recorded of one kind, oldest first.
func (w *world) Events(kind string) (found []oauth.Event) {
	w.Helper()
	for _, s := range w.servers {
		if err := s.Wait(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
	for q := (oauth.EventQuery{Limit: 1000}); ; {
		page, err := w.Store.Events(w.Context(), q)
		if err != nil {
			w.Fatal(err)
		}
		for _, e := range page {
			if text, err := json.Marshal(e); err != nil || secretInLog.Match(text) {
				w.Errorf("the audit record holds a secret: %s, %v", text, err)
			}
			if kind == "" || e.Kind == kind {
				found = append(found, e)
			}
		}
		if len(page) < q.Limit {
			return found
		}
		q.After = &page[len(page)-1]
	}
}

func TestServer_revoke(t *testing.T) {
	for what, pick := range map[string]func(first, second tokens) string{
		"the refresh token":                 func(_, tk tokens) string { return tk.Refresh },
		"a refresh token of long ago":       func(old, _ tokens) string { return old.Refresh },
		"the access token":                  func(_, tk tokens) string { return tk.Access },
		"an access token of before":         func(old, _ tokens) string { return old.Access },
		"the access token, hinted as other": func(_, tk tokens) string { return tk.Access },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			first := w.SignIn("inspect")
			other := w.SignIn("inspect") // the same user and client
			grant := w.Grant(first)
			second := w.Exchange(w.RefreshForm(first.Refresh))
			w.Clock.Advance(10 * time.Minute)
			form := url.Values{"client_id": {w.ClientID}, "token": {pick(first, second)}, "token_type_hint": {"refresh_token"}}
			for range 2 { // the second time it is unknown, which is no error
				if status, code := w.Revoke(form); status != http.StatusOK || code != "" {
					t.Errorf("revoke: status %d, %q", status, code)
				}
			}
			w.WantDead("the first access token", first)
			w.WantDead("the second access token", second)
			w.Refused("the refresh token", w.RefreshForm(second.Refresh), "invalid_grant")
			w.Grant(other)
			if got := w.Events(oauth.EventRevocation); len(got) != 1 || got[0].Grant != grant.ID || got[0].User != "1001" || got[0].Source != "127.0.0.1" {
				t.Errorf("recorded %+v", got)
			}
			if len(w.Upstream.revoked) != 1 || w.Upstream.revoked[0].Get("token") != "upstream-secret-refresh-i" {
				t.Errorf("upstream was asked to revoke %v, want the first sign-in's refresh token", w.Upstream.revoked)
			}
		})
	}
}

func TestServer_revoke_refuses(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	other := w.Register(`{"redirect_uris":["https://other.example/cb"],"token_endpoint_auth_method":"client_secret_post"}`)
	invented := tk.Refresh[:10] + strings.Repeat("A", len(tk.Refresh)-10)
	for _, tt := range []struct {
		reason string
		form   url.Values
		status int
		code   string
	}{
		{"no client", url.Values{"token": {tk.Access}}, 401, "invalid_client"},
		{"unknown client", url.Values{"token": {tk.Access}, "client_id": {"unknown"}}, 401, "invalid_client"},
		{"another client without its secret", url.Values{"token": {tk.Access}, "client_id": {other.ID}}, 401, "invalid_client"},
		{"another client's access token", url.Values{"token": {tk.Access}, "client_id": {other.ID}, "client_secret": {other.Secret}}, 400, "invalid_grant"},
		{"another client's refresh token", url.Values{"token": {tk.Refresh}, "client_id": {other.ID}, "client_secret": {other.Secret}}, 400, "invalid_grant"},
		{"no token", url.Values{"client_id": {w.ClientID}}, 400, "invalid_request"},
		{"two tokens", url.Values{"token": {tk.Access, tk.Refresh}, "client_id": {w.ClientID}}, 400, "invalid_request"},
		{"an invented token", url.Values{"token": {invented}, "client_id": {w.ClientID}}, 200, ""},
		{"a token of somebody else's server", url.Values{"token": {"x"}, "client_id": {w.ClientID}}, 200, ""},
		{"a token of great length", url.Values{"token": {"rh_at_" + strings.Repeat("x", 9000)}, "client_id": {w.ClientID}}, 200, ""},
		{"a form of great length", url.Values{"token": {strings.Repeat("x", 20_000)}, "client_id": {w.ClientID}}, 400, "invalid_request"},
	} {
		if status, code := w.Revoke(tt.form); status != tt.status || code != tt.code {
			t.Errorf("%s: status %d, %q, want %d, %q", tt.reason, status, code, tt.status, tt.code)
		}
	}
	w.Grant(tk) // still alive
	if got := w.Events(oauth.EventRevocation); len(got) != 0 {
		t.Errorf("recorded %+v", got)
	}
	if got := w.Events(oauth.EventRefusal); len(got) != 8 {
		t.Errorf("recorded %d refusals, want 8: %+v", len(got), got)
	}
	if status, _ := w.send("POST", "/oauth/revoke?token="+tk.Access+"&client_id="+w.ClientID, "application/x-www-form-urlencoded", ""); status == http.StatusOK {
		t.Error("a token in the query was looked at")
	}
	w.Grant(tk)
}

// A client that signs out while the upstream is down is signed out here.
func TestServer_revoke_whileTheUpstreamFails(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	w.Upstream.Set(func() { w.Upstream.secret = "upstream-secret that is new" })
	if status, _ := w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Access}}); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	w.WantDead("after the revocation", tk)
	if err := w.Server.Wait(t.Context()); err != nil || !strings.Contains(w.log.String(), "401") {
		t.Errorf("the log does not tell of it: %v", err)
	}
}

// A refresh token that was stolen and used leads to the end of the sign-in,
// upstream too.
func TestServer_reuseAlarmIsRecordedAndRevokedUpstream(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	w.Exchange(w.RefreshForm(tk.Refresh))
	w.Clock.Advance(10 * time.Minute)
	w.Refused("a token of before", w.RefreshForm(tk.Refresh), "invalid_grant")
	var kinds []string
	for _, e := range w.Events("") {
		kinds = append(kinds, e.Kind)
	}
	want := []string{"registration", "consent", "grant", "refresh", "reuse", "refusal"}
	slices.Sort(kinds) // events of one moment have no order
	slices.Sort(want)
	if !slices.Equal(kinds, want) {
		t.Errorf("recorded %v, want %v", kinds, want)
	}
	if len(w.Upstream.revoked) != 1 {
		t.Errorf("upstream was asked to revoke %v", w.Upstream.revoked)
	}
}

// A grant that is revoked while its upstream token is being replaced leaves no
// upstream token behind.
func TestServer_revoke_duringAnUpstreamRefresh(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	id := w.Grant(tk).ID
	w.Clock.Advance(59 * time.Minute)
	arrived, gate := make(chan struct{}), make(chan struct{})
	w.Upstream.Set(func() { w.Upstream.arrived, w.Upstream.gate = arrived, gate })
	done := make(chan error)
	go func() {
		_, err := w.Server.UpstreamToken(t.Context(), id)
		done <- err
	}()
	<-arrived
	w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Refresh}})
	close(gate)
	if err := <-done; err == nil {
		t.Error("a revoked grant gave a token")
	}
	if err := w.Server.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var revoked []string
	for _, form := range w.Upstream.revoked {
		revoked = append(revoked, form.Get("token"))
	}
	if !slices.Contains(revoked, "upstream-secret-refresh-ii") {
		t.Errorf("revoked upstream: %v, want the new refresh token too", revoked)
	}
}

func TestServer_noteUse(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	used := func() time.Duration {
		t.Helper()
		if err := w.Server.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := w.Store.Grants(t.Context(), oauth.GrantQuery{Limit: 1})
		if err != nil || len(got) != 1 {
			t.Fatalf("grants %v, %v", got, err)
		}
		if got[0].Used.IsZero() {
			return -1
		}
		return got[0].Used.Sub(got[0].Created)
	}
	for i, tt := range []struct{ wait, want time.Duration }{
		{0, 0}, {59 * time.Second, 0}, {time.Second, time.Minute}, {time.Hour - 2*time.Minute, 59 * time.Minute},
	} {
		if i == 0 && used() != -1 {
			t.Error("used before it was used")
		}
		w.Clock.Advance(tt.wait)
		w.Grant(tk)
		if got := used(); got != tt.want {
			t.Errorf("use %d: noted after %v, want %v", i, got, tt.want)
		}
	}
}

// An upstream without such an endpoint is asked once an hour: it may only have
// been restarting.
func TestServer_revoke_whatTheUpstreamCannot(t *testing.T) {
	w := newWorld(t)
	cfg := w.Config(w.Store)
	asked := 0
	none := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked++
		rw.WriteHeader(http.StatusNotFound)
	}))
	defer none.Close()
	cfg.UpstreamRevokeURL = none.URL + "/oauth/revoke/"
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Server, w.web.Config.Handler, w.servers = s, s, append(w.servers, s)
	for _, want := range []int{1, 2} {
		for range 3 {
			tk := w.SignIn("inspect")
			w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Access}})
			w.WantDead("revoked", tk)
			w.Events("")
		}
		if asked != want {
			t.Errorf("asked %d times, want %d", asked, want)
		}
		w.Clock.Advance(time.Hour)
	}
}

// What gives way to newer sign-ins ends upstream, too, as if it was revoked.
func TestServer_gaveWay(t *testing.T) {
	w := newWorld(t)
	var all []tokens
	for range oauth.MaxGrantsPerUserClient + 1 {
		all = append(all, w.SignIn("inspect"))
		w.Clock.Advance(time.Second)
	}
	w.WantDead("the first of too many", all[0])
	w.Grant(all[1])
	if got := w.Events(oauth.EventRevocation); len(got) != 1 || got[0].User != "1001" || !strings.Contains(got[0].Detail, "too many") {
		t.Errorf("recorded %+v", got)
	}
	if len(w.Upstream.revoked) != 1 || w.Upstream.revoked[0].Get("token") != "upstream-secret-refresh-i" {
		t.Errorf("upstream was asked to revoke %v, want the first sign-in's refresh token", w.Upstream.revoked)
	}
}

// An upstream that gives a user the same token again would be told to end it
// with the first of two grants.
func TestServer_revoke_sharedUpstreamToken(t *testing.T) {
	w := newWorld(t)
	w.Upstream.Set(func() { w.Upstream.same = true })
	first, second := w.SignIn("inspect"), w.SignIn("inspect")
	w.SignedIn(ann) // to the account page, which gives its own back
	for i, tk := range []tokens{first, second} {
		w.Events("")
		if len(w.Upstream.revoked) != 0 {
			t.Fatalf("before the revocation %d: the upstream was asked to revoke what is in use", i)
		}
		w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Access}})
	}
	w.Events("")
	if len(w.Upstream.revoked) != 1 {
		t.Errorf("with nobody left to use it, the upstream was asked %d times to revoke the token", len(w.Upstream.revoked))
	}
}

// Whoever holds something open for a grant is told when it is revoked.
func TestServer_Ended(t *testing.T) {
	w := newWorld(t)
	cfg := w.Config(w.Store)
	var ended []string
	cfg.Ended = func(grant string) { ended = append(ended, grant) }
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Server, w.web.Config.Handler, w.servers = s, s, append(w.servers, s)
	for why, end := range map[string]func(tk tokens, grant string){
		"by its client": func(tk tokens, _ string) { w.Revoke(url.Values{"client_id": {w.ClientID}, "token": {tk.Access}}) },
		"by the upstream": func(_ tokens, grant string) {
			token, err := s.UpstreamToken(t.Context(), grant)
			if err != nil {
				t.Fatal(err)
			}
			w.refuse(s, grant, token)
		},
	} {
		tk := w.SignIn("inspect")
		grant := w.Grant(tk).ID
		ended = nil
		end(tk, grant)
		if len(ended) != 1 || ended[0] != grant {
			t.Errorf("revoked %s: told of %v, want %s", why, ended, grant)
		}
	}
}
