package oauth_test

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServer_refresh(t *testing.T) {
	w := newWorld(t)
	first := w.SignIn("inspect")
	second := w.Exchange(w.RefreshForm(first.Refresh))
	if second.Refresh == first.Refresh || second.Access == first.Access {
		t.Error("a refresh gives back what it was given")
	}
	w.Grant(first) // an access token lives until it expires
	w.Grant(second)
	w.Clock.Advance(89 * 24 * time.Hour)
	third := w.Exchange(w.RefreshForm(second.Refresh))
	w.Clock.Advance(89 * 24 * time.Hour) // sliding: far beyond 90 days from the sign-in
	fourth := w.Exchange(w.RefreshForm(third.Refresh))
	w.Clock.Advance(90 * 24 * time.Hour)
	w.Refused("after 90 days without a refresh", w.RefreshForm(fourth.Refresh), "invalid_grant")
}

func TestServer_refresh_replayWindow(t *testing.T) {
	w := newWorld(t)
	first := w.SignIn("inspect")
	second := w.Exchange(w.RefreshForm(first.Refresh))
	w.Clock.Advance(60 * time.Second)
	again := w.Exchange(w.RefreshForm(first.Refresh))
	if again.Refresh != second.Refresh {
		t.Error("a retry was given another refresh token: two users of one token would drift apart")
	}
	if again.Access == second.Access {
		t.Error("a retry was given the same access token, which is kept only as a hash")
	}
	w.Grant(second)
	w.Grant(again)
	w.Exchange(w.RefreshForm(second.Refresh)) // the family goes on
}

func TestServer_refresh_reuseRevokes(t *testing.T) {
	w := newWorld(t)
	bystander := w.SignIn("inspect")
	t.Run("the token before, after the window", func(t *testing.T) {
		first := w.SignIn("inspect")
		second := w.Exchange(w.RefreshForm(first.Refresh))
		w.Clock.Advance(60*time.Second + time.Millisecond)
		w.Refused("reuse", w.RefreshForm(first.Refresh), "invalid_grant")
		w.WantDead("access token after a reuse", second)
		w.Refused("current token after a reuse", w.RefreshForm(second.Refresh), "invalid_grant")
	})
	t.Run("a token of long ago, at once", func(t *testing.T) {
		first := w.SignIn("inspect")
		last := first
		for range 50 {
			last = w.Exchange(w.RefreshForm(last.Refresh))
		}
		w.Refused("reuse", w.RefreshForm(first.Refresh), "invalid_grant")
		w.WantDead("access token after a reuse", last)
	})
	w.Grant(bystander)
}

// Only tokens that we made may end a grant: whoever learns its id, from a log
// say, must not be able to.
func TestServer_refresh_inventedTokenRevokesNothing(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(tk.Refresh, "rh_rt_"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] ^= 1
		w.Refused("a changed token", w.RefreshForm("rh_rt_"+base64.RawURLEncoding.EncodeToString(body)), "invalid_grant")
		body[i] ^= 1
	}
	for _, token := range []string{"x", "rh_rt_", "rh_rt_" + w.Grant(tk).ID, tk.Refresh + "A", tk.Access, "rh_rt_" + strings.Repeat("A", 5000)} {
		w.Refused("an invented token", w.RefreshForm(token), "invalid_grant")
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, tk.Refresh[len(tk.Refresh)-1])
	respelled := tk.Refresh[:len(tk.Refresh)-1] + alphabet[last+1:last+2] // decodes to the same bytes
	w.Refused("another spelling of the token", w.RefreshForm(respelled), "invalid_grant")
	w.Refused("no token", w.RefreshForm("", "refresh_token", "-"), "invalid_request")
	w.Exchange(w.RefreshForm(tk.Refresh))
}

func TestServer_refresh_isBoundToTheClient(t *testing.T) {
	w := newWorld(t)
	other := w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none"}`)
	first := w.SignIn("inspect")
	w.Refused("the current token", w.RefreshForm(first.Refresh, "client_id", other.ID), "invalid_grant")
	second := w.Exchange(w.RefreshForm(first.Refresh))
	w.Refused("the token before, in the window", w.RefreshForm(first.Refresh, "client_id", other.ID), "invalid_grant")
	w.Grant(second)
}

func TestServer_refresh_narrowsScopes(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect", "triage")
	tk = w.Exchange(w.RefreshForm(tk.Refresh, "scope", "inspect offline_access"))
	if got := w.Grant(tk).Scopes; tk.Scope != "inspect" || len(got) != 1 {
		t.Errorf("scope %q, grant %v, want inspect alone", tk.Scope, got)
	}
	w.Refused("a skill that was not granted", w.RefreshForm(tk.Refresh, "scope", "inspect docs"), "invalid_scope")
	tk = w.Exchange(w.RefreshForm(tk.Refresh))
	if tk.Scope != "inspect triage" {
		t.Errorf("scope %q after a narrower one, want all that was granted", tk.Scope)
	}
}

// Several sessions of one client refresh at the same moment.
func TestServer_refresh_race(t *testing.T) {
	w := newWorld(t)
	first := w.SignIn("inspect")
	var mu sync.Mutex
	successors := make(map[string]int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if status, tk := w.Token(w.RefreshForm(first.Refresh), nil); status != 200 {
				t.Errorf("status %d, %s", status, tk.Error)
			} else {
				mu.Lock()
				successors[tk.Refresh]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(successors) != 1 {
		t.Errorf("20 racers were given %d different refresh tokens, want one", len(successors))
	}
}
