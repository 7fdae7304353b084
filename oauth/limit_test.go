package oauth_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// limitedWorld takes a request's source from a header.
func limitedWorld(t *testing.T, limits oauth.Limits) *world {
	w := newWorld(t)
	cfg := w.Config(w.Store)
	cfg.Limits = limits
	cfg.Source = func(r *http.Request) netip.Addr {
		addr, _ := netip.ParseAddr(r.Header.Get("X-Source"))
		return addr
	}
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, s)
	w.Server, w.web.Config.Handler = s, s
	return w
}

func from(source string) http.Header { return http.Header{"X-Source": {source}} }

func TestServer_limits_registration(t *testing.T) {
	w := limitedWorld(t, oauth.Limits{})
	register := func(source string) (int, http.Header) {
		status, header, _ := w.post("/oauth/register", "application/json", nativeRegistration, from(source))
		return status, header
	}
	flood := func(want int) {
		t.Helper()
		made := 0
		for range 200 {
			if status, _ := register("192.0.2.1"); status == http.StatusCreated {
				made++
			}
		}
		if made != want {
			t.Errorf("%d clients registered by one source, want %d", made, want)
		}
	}
	flood(60)
	if status, header := register("192.0.2.1"); status != http.StatusTooManyRequests || header.Get("Retry-After") != "10" {
		t.Errorf("one more: status %d, Retry-After %q, want 429 and 10", status, header.Get("Retry-After"))
	}
	if status, _ := register("192.0.2.2"); status != http.StatusCreated {
		t.Errorf("another source: status %d, want 201", status)
	}
	w.Clock.Advance(time.Minute)
	flood(6)
	if status, _, _ := w.post("/oauth/register", "application/json", `{}`, from("192.0.2.1")); status != http.StatusBadRequest {
		t.Errorf("a bad registration: status %d: what no try can mend must be told", status)
	}
}

// A stranger who approves consent pages by the thousand fills the table of
// pending sign-ins. Those of others stay.
func TestServer_limits_approvals(t *testing.T) {
	w := limitedWorld(t, oauth.Limits{Authorize: oauth.Limit{PerMinute: -1}})
	callback := stopBeforeCallback(w)
	_, page := w.Open(w.Request())
	stranger := &http.Client{Jar: w.Browser.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	refused := 0
	for range 100 {
		_, page := w.Open(w.Request())
		form := url.Values{"request": {w.tokenOf(page)}, "answer": {"approve"}, "skill": {"inspect"}}
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+"/oauth/authorize", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = from("192.0.2.1")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := stranger.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
			refused++
		}
	}
	if refused != 40 {
		t.Errorf("%d of 100 approvals of one source are refused, want 40", refused)
	}
	if n := count(t, w.Path, `SELECT count(*) FROM tickets WHERE kind = 'login'`); n > 61 {
		t.Errorf("%d sign-ins are waiting", n)
	}
	w.Exchange(w.CodeForm(location(t, get(w, w.Browser, callback)).Query().Get("code")))
	if resp, _ := w.Answer(page, "cancel"); location(t, resp).Query().Get("error") != "access_denied" {
		t.Errorf("cancel: status %d", resp.StatusCode)
	}
}

func TestServer_limits_pages(t *testing.T) {
	w := limitedWorld(t, oauth.Limits{Authorize: oauth.Limit{PerMinute: 1, Burst: 1}})
	if resp, _ := w.Open(w.Request()); resp.StatusCode != http.StatusOK {
		t.Fatalf("first page: status %d", resp.StatusCode)
	}
	for _, path := range []string{"/oauth/authorize?" + w.Request().Encode(), "/oauth/callback?state=x"} {
		resp := get(w, w.Browser, w.URL+path)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "60" || resp.Header.Get("Location") != "" {
			t.Errorf("%.20s: status %d, headers %v", path, resp.StatusCode, resp.Header)
		}
	}
}

// A client that is told to wait tries again; one whose sign-in is over must not
// be told to wait.
func TestServer_limits_neverHideTheEnd(t *testing.T) {
	w := limitedWorld(t, oauth.Limits{Refresh: oauth.Limit{PerMinute: 1, Burst: 1}, Code: oauth.Limit{PerMinute: 1, Burst: 3}})
	dead := w.SignIn("inspect")
	if err := w.Store.Revoke(t.Context(), w.Grant(dead).ID); err != nil {
		t.Fatal(err)
	}
	first := w.SignIn("inspect")
	second := w.Exchange(w.RefreshForm(first.Refresh))
	spent, unspent := w.Code(w.Request(), "inspect"), w.Code(w.Request(), "inspect")
	w.Exchange(w.CodeForm(spent))

	wait := func(what string, form url.Values) {
		t.Helper()
		if status, tk := w.Token(form, nil); status != http.StatusTooManyRequests || tk.Error == "invalid_grant" || tk.Access != "" {
			t.Errorf("%s: status %d, %s, want 429", what, status, tk.Error)
		}
	}
	wait("live refresh token", w.RefreshForm(second.Refresh))
	wait("live code", w.CodeForm(unspent))
	w.Refused("revoked refresh token", w.RefreshForm(dead.Refresh), "invalid_grant")
	w.Refused("invented refresh token", w.RefreshForm("rh_rt_x"), "invalid_grant")
	w.Refused("another client's refresh token", w.RefreshForm(second.Refresh, "client_id", w.Register(nativeRegistration).ID), "invalid_grant")
	w.Refused("invented code", w.CodeForm("rh_ac_x"), "invalid_grant")
	w.Refused("spent code", w.CodeForm(spent), "invalid_grant")
	w.Refused("unknown client", w.RefreshForm(second.Refresh, "client_id", "x"), "invalid_client")

	w.Clock.Advance(time.Minute + 30*time.Second) // a lost answer is too old to be repeated
	w.Exchange(w.CodeForm(unspent))
	third := w.Exchange(w.RefreshForm(second.Refresh))
	w.Refused("reused refresh token", w.RefreshForm(first.Refresh), "invalid_grant")
	w.WantDead("its family", third)
}
