package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestApp_SignIn(t *testing.T) {
	w := newWorld(t)
	app := w.app(Config{Spread: true})
	user := w.signIn(app)
	tamara, err := app.SignIn(t.Context(), &Walker{Email: "tamara@example.test", Skills: []string{"triage"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.header(user); got != "Bearer secret-access-1-1" {
		t.Errorf("mara has %q", got)
	}
	if got := w.header(tamara); got != "Bearer secret-access-2-2" {
		t.Errorf("tamara has %q", got)
	}
	if shown := fmt.Sprintf("%v %+v %#v", user, user, user); strings.Contains(shown, "secret-") {
		t.Errorf("printed, they are %s", shown)
	}
	if n := w.times("/register"); n != 1 {
		t.Errorf("%d clients were registered for two users", n)
	}
	asked := w.last("/authorize")
	if asked.Get("scope") != "inspect triage" || asked.Get("resource") != place || asked.Get("code_challenge_method") != "S256" || len(asked.Get("state")) < 32 {
		t.Errorf("asked for a code with %v", asked)
	}
	if got := w.last("/consent")["skill"]; cmp.Diff([]string{"triage"}, got) != "" {
		t.Errorf("tamara ticked %v", got)
	}
	if diff := cmp.Diff([]string{"127.1.0.1", "127.1.0.2"}, w.addresses("/consent")); diff != "" {
		t.Errorf("users come from (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{""}, w.addresses("/register")); diff != "" {
		t.Errorf("the client is registered from (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Counts{SignIns: 2}, app.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if err := app.SignOut(t.Context()); err != nil || len(w.revoked) != 2 || !strings.HasPrefix(w.revoked[0], "secret-refresh") {
		t.Errorf("sign out: %v, revoked %v", err, w.revoked)
	}
}

// What the authorization server says of itself is held against what was asked.
func TestNewApp_refuses(t *testing.T) {
	const protected, server = "/.well-known/oauth-protected-resource/mcp/acme", "/.well-known/oauth-authorization-server"
	set := func(name string, value any) func(map[string]any) {
		return func(doc map[string]any) { doc[name] = value }
	}
	for _, tt := range []struct {
		why, path string
		alter     func(map[string]any)
		says      string
	}{
		{"another resource", protected, set("resource", "https://mcp.test/mcp/other"), "another resource"},
		{"a resource with the same beginning", protected, set("resource", "https://mcp.test/mcp/ac"), "another resource"},
		{"no authorization server", protected, set("authorization_servers", []string{}), "no authorization server"},
		{"another issuer", server, set("issuer", "https://evil.test"), "evil.test"},
		{"no S256", server, set("code_challenge_methods_supported", []string{"plain"}), "S256"},
		{"tokens without TLS", server, set("token_endpoint", "http://mcp.test/token"), "HTTPS"},
		{"revocation without TLS", server, set("revocation_endpoint", "http://mcp.test/revoke"), "HTTPS"},
		{"no registration", server, set("registration_endpoint", ""), "token file"},
		{"no client id", "/register", set("client_id", ""), "client_id"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			w := newWorld(t)
			w.alter[tt.path] = tt.alter
			_, err := NewApp(t.Context(), Config{URL: place, HTTP: &http.Client{Transport: w.hosts()}})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
		})
	}
	w := newWorld(t)
	w.refuse["/mcp/acme"] = []int{http.StatusNotFound}
	if _, err := NewApp(t.Context(), Config{URL: place, HTTP: &http.Client{Transport: w.hosts()}}); !errors.Is(err, ErrNotAsked) {
		t.Errorf("a server without sign-in: %v", err)
	}
}

// What arrives at the callback is held against what was sent.
func TestApp_SignIn_refuses(t *testing.T) {
	for _, tt := range []struct {
		why   string
		alter func(url.Values)
		says  string
	}{
		{"another state", func(q url.Values) { q.Set("state", "x") }, "state"},
		{"no state", func(q url.Values) { q.Del("state") }, "state"},
		{"another issuer", func(q url.Values) { q.Set("iss", "https://evil.test") }, "evil.test"},
		{"no issuer, where one was promised", func(q url.Values) { q.Del("iss") }, issuer},
		{"a refusal", func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, "access_denied"},
		{"nothing", func(q url.Values) { q.Del("code") }, "no code"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			w := newWorld(t)
			w.atBack = tt.alter
			_, err := w.app(Config{}).SignIn(t.Context(), &Walker{Email: "mara@example.test"})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want an error that says %q", err, tt.says)
			}
			if w.times("/token") != 0 {
				t.Error("the code was used all the same")
			}
		})
	}
}

// A limit makes a sign-in wait as long as the server says, and tells so.
func TestApp_SignIn_limited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuse["/consent"] = []int{http.StatusTooManyRequests, http.StatusTooManyRequests}
		w.refuse["/token"] = []int{http.StatusTooManyRequests}
		var told []string
		app := w.app(Config{Progress: func(what string) { told = append(told, what) }})
		began := time.Now()
		w.signIn(app)
		if took := time.Since(began); took != 21*time.Second || len(told) != 3 || !strings.Contains(told[0], "waiting 7s") {
			t.Errorf("took %s, told %q; want 21s and three times", took, told)
		}
	})
}

// Many who wait for one limit all come in, and one tells of it.
func TestApp_SignIn_limitedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuse["/consent"] = slices.Repeat([]int{http.StatusTooManyRequests}, 20)
		var told atomic.Int64
		app := w.app(Config{Progress: func(string) { told.Add(1) }})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := app.SignIn(t.Context(), &Walker{Email: "mara@example.test"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if app.Counts().SignIns != 20 || told.Load() != 1 {
			t.Errorf("%+v, told %d times", app.Counts(), told.Load())
		}
	})
}

func TestApp_SignIn_failed(t *testing.T) {
	w := newWorld(t)
	w.refuse["/token"] = []int{http.StatusInternalServerError}
	app := w.app(Config{})
	_, err := app.SignIn(t.Context(), &Walker{Email: "mara@example.test"})
	if err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v", err)
	}
	if _, err = app.SignIn(t.Context(), &Walker{Email: "nobody@example.test"}); err == nil || !strings.Contains(err.Error(), "nobody@example.test") {
		t.Errorf("somebody whom the sandbox does not have: %v", err)
	}
	noSecret(t, err)
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for text, want := range map[string]time.Duration{
			"": 5 * time.Second, "0": 0, "30": 30 * time.Second, "-1": 5 * time.Second, "soon": 5 * time.Second,
			time.Now().Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
			"99999999999": 1 << 20 * time.Second,
		} {
			if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
	})
}

func TestParameter(t *testing.T) {
	const challenge = `Basic realm="a, resource_metadata=no", Bearer realm="x \"y\"", resource_metadata="https://h/a?b=c", scope=one`
	for name, want := range map[string]string{"resource_metadata": "https://h/a?b=c", "Scope": "one", "error": ""} {
		if got := parameter(challenge, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
