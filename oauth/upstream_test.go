package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roundhouse/oauth"
)

const (
	firstUpstream  = "upstream-secret-access-i"
	secondUpstream = "upstream-secret-access-ii"
)

func (w *world) wantUpstream(s *oauth.Server, grant, want string) {
	w.Helper()
	if got, err := s.UpstreamToken(w.Context(), grant); err != nil || got != want {
		w.Errorf("UpstreamToken = %q, %v, want %q", got, err, want)
	}
}

func TestServer_UpstreamToken(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(58*time.Minute - time.Second)
	w.wantUpstream(w.Server, grant, firstUpstream)
	w.Clock.Advance(time.Second) // two minutes before it expires
	w.wantUpstream(w.Server, grant, secondUpstream)
	w.wantUpstream(w.Server, grant, secondUpstream)
	if w.Upstream.refreshes != 1 {
		t.Errorf("%d refreshes, want one", w.Upstream.refreshes)
	}
	w.Start()
	w.wantUpstream(w.Server, grant, secondUpstream)
	if _, err := w.Server.UpstreamToken(t.Context(), "unknown"); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("unknown grant: %v, want ErrInvalidToken", err)
	}
	w.Clock.Advance(91 * 24 * time.Hour)
	if _, err := w.Server.UpstreamToken(t.Context(), grant); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("expired grant: %v, want ErrInvalidToken", err)
	}
}

// Two processes with 25 callers each: the upstream, which kills the old
// refresh token at once, must be asked exactly once.
func TestServer_UpstreamToken_refreshesOnce(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(time.Hour)
	servers := []*oauth.Server{w.Server, w.NewServer(openStore(t, w.Path))}
	gate := make(chan struct{})
	w.Upstream.Set(func() { w.Upstream.gate = gate })
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { w.wantUpstream(servers[i%2], grant, secondUpstream) })
	}
	close(gate)
	wg.Wait()
	if w.Upstream.refreshes != 1 {
		t.Errorf("%d refreshes, want one", w.Upstream.refreshes)
	}
}

func TestServer_UpstreamToken_takesOverALostLease(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(time.Hour)
	stored, err := w.Store.Grant(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	stored.Upstream.Lease = w.Clock.Now().Add(30 * time.Second) // of a process that died
	if err := w.Store.SwapUpstream(t.Context(), grant, stored.Generation, stored.Upstream); err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(30 * time.Second)
	w.wantUpstream(w.Server, grant, secondUpstream)
}

func TestServer_UpstreamToken_upstreamDown(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(59 * time.Minute)
	w.Upstream.Set(func() { w.Upstream.fault = http.StatusServiceUnavailable })
	w.wantUpstream(w.Server, grant, firstUpstream) // still good for a minute
	w.Clock.Advance(time.Minute)
	_, err := w.Server.UpstreamToken(t.Context(), grant)
	if err == nil || errors.Is(err, oauth.ErrInvalidToken) || strings.Contains(err.Error(), "upstream-secret") {
		t.Errorf("error %v, want one that is worth another try and holds no secret", err)
	}
	w.Upstream.Set(func() { w.Upstream.fault = 0 })
	w.wantUpstream(w.Server, grant, secondUpstream)
}

func TestServer_UpstreamToken_endedByTheUpstream(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	grant := w.Grant(tk).ID
	w.Upstream.Set(func() { w.Upstream.refresh = "another" })
	w.Clock.Advance(59 * time.Minute)
	if _, err := w.Server.UpstreamToken(t.Context(), grant); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("error %v, want ErrInvalidToken", err)
	}
	w.WantDead("access token of a sign-in that the upstream ended", tk)
}

// hold makes the upstream's token endpoint wait, and returns how to learn of a
// call and how to let all calls pass.
func (u *fakeUpstream) hold() (arrived <-chan struct{}, release func()) {
	calls, gate := make(chan struct{}, 100), make(chan struct{})
	u.Set(func() { u.arrived, u.gate = calls, gate })
	return calls, func() { close(gate) }
}

// While one process asks the upstream, another must wait and not ask.
func TestServer_UpstreamToken_waitsForAnotherProcess(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(time.Hour)
	other := w.NewServer(openStore(t, w.Path))
	arrived, release := w.Upstream.hold()
	var wg sync.WaitGroup
	wg.Go(func() { w.wantUpstream(other, grant, secondUpstream) })
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, err := w.Server.UpstreamToken(ctx, grant); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("UpstreamToken = %q, %v while another process refreshes, want to wait", got, err)
	}
	release()
	w.wantUpstream(w.Server, grant, secondUpstream)
	wg.Wait()
	if w.Upstream.refreshes != 1 {
		t.Errorf("%d refreshes, want one", w.Upstream.refreshes)
	}
}

// A caller that hangs up after the upstream was asked must not take the answer
// with it: the old refresh token is dead by then.
func TestServer_UpstreamToken_callerGivesUp(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(time.Hour)
	arrived, release := w.Upstream.hold()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := w.Server.UpstreamToken(ctx, grant); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	release()
	w.wantUpstream(w.Server, grant, secondUpstream)
	if w.Upstream.refreshes != 1 {
		t.Errorf("%d refreshes, want one", w.Upstream.refreshes)
	}
}

func TestServer_keepsSecretsSealed(t *testing.T) {
	w := newWorld(t)
	confidential := w.Register(`{"redirect_uris":["` + redirectURI + `"]}`)
	tk := w.SignIn("inspect")
	code := w.Code(w.Request(), "inspect")
	_, page := w.Open(w.Request())
	stopBeforeCallback(w) // leaves a pending login

	stored := storeBytes(t, w.Path)
	for what, secret := range map[string]string{
		"upstream token":        "upstream-secret-access",
		"upstream refresh":      "upstream-secret-refresh",
		"access token":          tk.Access,
		"refresh token":         tk.Refresh,
		"code":                  code,
		"client secret":         confidential.Secret,
		"consent token":         w.tokenOf(page),
		"client's state":        clientState,
		"upstream state":        w.Upstream.asked[len(w.Upstream.asked)-1].Get("state"),
		"our PKCE challenge":    w.Upstream.asked[0].Get("code_challenge"),
		"client's challenge":    challenge(verifier),
		"access token's secret": strings.TrimPrefix(tk.Access, "rh_at_"),
	} {
		if secret == "" || bytes.Contains(stored, []byte(secret)) {
			t.Errorf("the store's files hold the %s", what)
		}
	}
	if !bytes.Contains(stored, []byte(w.ClientID)) {
		t.Error("the store's files do not hold the client id either: the check looks in the wrong place")
	}
}

func TestServer_UpstreamToken_sealedForItsGrant(t *testing.T) {
	w := newWorld(t)
	mine := w.Grant(w.SignIn("inspect")).ID
	theirs := w.Grant(w.SignIn("inspect")).ID
	stored, err := w.Store.Grant(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.SwapUpstream(t.Context(), mine, 0, stored.Upstream); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Server.UpstreamToken(t.Context(), mine); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("a credential copied from another grant opens: %q", got)
	}
	stored.Upstream.Sealed[len(stored.Upstream.Sealed)-1] ^= 1
	if err := w.Store.SwapUpstream(t.Context(), theirs, 0, stored.Upstream); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Server.UpstreamToken(t.Context(), theirs); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("a changed credential opens: %q", got)
	}
	if _, err := w.Store.Grant(t.Context(), theirs); err != nil {
		t.Errorf("a credential that does not open ended its grant: %v", err)
	}
}

// flakyStore fails so many times to swap, before or after it has done so.
type flakyStore struct {
	oauth.Store
	before, after atomic.Int32
}

func (s *flakyStore) SwapUpstream(ctx context.Context, grant string, generation int64, next oauth.Upstream) error {
	lease := !next.Lease.IsZero()
	if !lease && s.before.Add(-1) >= 0 {
		return errBroken
	}
	err := s.Store.SwapUpstream(ctx, grant, generation, next)
	if !lease && s.after.Add(-1) >= 0 {
		return errBroken
	}
	return err
}

// What the upstream answered is stored in spite of a store that fails for a
// while: its old refresh token is dead.
func TestServer_UpstreamToken_storeFailsForAWhile(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newWorld(t)
		grant := w.Grant(w.SignIn("inspect")).ID
		store := &flakyStore{Store: w.Store}
		if after {
			store.after.Store(1)
		} else {
			store.before.Store(3)
		}
		w.Clock.Advance(time.Hour)
		w.wantUpstream(w.NewServer(store), grant, secondUpstream)
		w.wantUpstream(w.Server, grant, secondUpstream)
		if w.Upstream.refreshes != 1 {
			t.Errorf("%d refreshes, want one", w.Upstream.refreshes)
		}
	}
}

// A server that is asked to end waits for a refresh that nobody waits for.
func TestServer_Wait_forRefreshes(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(time.Hour)
	arrived, release := w.Upstream.hold()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := w.Server.UpstreamToken(ctx, grant)
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that gave up: %v", err)
	}
	if err := w.Server.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait, while the upstream is asked: %v", err)
	}
	release()
	w.Start() // waits, and closes the store
	w.wantUpstream(w.Server, grant, secondUpstream)
}
