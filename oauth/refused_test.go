package oauth_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roundhouse/oauth"
)

func (w *world) refuse(s *oauth.Server, grant, token string) {
	w.Helper()
	if err := s.UpstreamRefused(w.Context(), grant, token); err != nil {
		w.Errorf("UpstreamRefused: %v", err)
	}
}

func TestServer_UpstreamRefused(t *testing.T) {
	w := newWorld(t)
	bystander, tk := w.SignIn("inspect"), w.SignIn("inspect") // who has the second upstream token
	grant := w.Grant(tk).ID
	for _, other := range []string{"", firstUpstream, tk.Access} {
		w.refuse(w.Server, grant, other)
	}
	w.refuse(w.Server, "unknown", secondUpstream)
	w.Grant(tk)

	w.refuse(w.Server, grant, secondUpstream)
	w.WantDead("access token, after the upstream refused its own", tk)
	w.Refused("refresh token, after the same", w.RefreshForm(tk.Refresh), "invalid_grant")
	w.refuse(w.Server, grant, secondUpstream)
	w.Grant(bystander)
}

func TestServer_UpstreamRefused_late(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(59 * time.Minute)
	arrived, release := w.Upstream.hold()
	var wg sync.WaitGroup
	wg.Go(func() { w.wantUpstream(w.Server, grant, secondUpstream) })
	<-arrived
	w.refuse(w.Server, grant, firstUpstream) // while it is being replaced
	release()
	wg.Wait()
	w.refuse(w.Server, grant, firstUpstream) // after that
	w.wantUpstream(w.Server, grant, secondUpstream)
}

// interrupted is a store where something happens after each look at a grant.
type interrupted struct {
	oauth.Store
	happen func()
}

func (s interrupted) Grant(ctx context.Context, id string) (oauth.StoredGrant, error) {
	g, err := s.Store.Grant(ctx, id)
	s.happen()
	return g, err
}

// The token is replaced between the look at it and the revocation.
func TestServer_UpstreamRefused_overtaken(t *testing.T) {
	w := newWorld(t)
	tk := w.SignIn("inspect")
	grant := w.Grant(tk).ID
	w.Clock.Advance(59 * time.Minute)
	other := w.NewServer(interrupted{w.Store, func() { w.wantUpstream(w.Server, grant, secondUpstream) }})
	w.refuse(other, grant, firstUpstream)
	w.wantUpstream(w.Server, grant, secondUpstream)
}

// Refusals of the first token race with its replacement, in two processes.
// Either may win, but nobody who was given the second token may lose it.
func TestServer_UpstreamRefused_race(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(59 * time.Minute)
	servers := []*oauth.Server{w.Server, w.NewServer(openStore(t, w.Path))}
	var replaced atomic.Bool
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { w.refuse(servers[i%2], grant, firstUpstream) })
		wg.Go(func() {
			switch token, err := servers[i%2].UpstreamToken(t.Context(), grant); {
			case token == secondUpstream:
				replaced.Store(true)
			case !errors.Is(err, oauth.ErrInvalidToken):
				t.Errorf("UpstreamToken = %q, %v", token, err)
			}
		})
	}
	wg.Wait()
	if _, err := w.Store.Grant(t.Context(), grant); replaced.Load() != (err == nil) {
		t.Errorf("the token was replaced: %v; the grant: %v", replaced.Load(), err)
	}
}
