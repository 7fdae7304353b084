package oauthtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"roundhouse/oauth"
)

// TestShared checks what two processes may expect of one store. Each call of
// open returns an empty store, opened twice, which open also closes when t
// ends.
func TestShared(t *testing.T, open func(t *testing.T) [2]oauth.Store) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, [2]oauth.Store)
	}{
		{"OneWins", sharedOneWins},
		{"PutGrant_bounded", sharedPutGrantBounded},
		{"PutGrant_keepsItsClient", sharedKeepsClients},
		{"Storm", sharedStorm},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func sharedOneWins(t *testing.T, s [2]oauth.Store) {
	ctx := t.Context()
	must(t, s[0].PutTicket(ctx, newTicket("code")))
	oneWins(t, oauth.ErrTaken, func(i int) error {
		_, err := s[i%2].TakeTicket(ctx, hash("code"), start)
		return err
	})
	oneWins(t, oauth.ErrConflict, func(i int) error { return s[i%2].PutTicket(ctx, newTicket("login")) })
	must(t, putGrant(ctx, s[0], newGrant("g")))
	oneWins(t, oauth.ErrConflict, func(i int) error {
		return s[i%2].Issue(ctx, issuance("g", fmt.Sprint("a", i), oauth.Hash{}, hash(fmt.Sprint("r", i))))
	})
	oneWins(t, oauth.ErrConflict, func(i int) error {
		return s[i%2].SwapUpstream(ctx, "g", 0, oauth.Upstream{Sealed: []byte{byte(i)}})
	})
}

// each calls do from many goroutines at once, and wants no error.
func each(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			if err := do(i); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	close(gate)
	wg.Wait()
}

func sharedPutGrantBounded(t *testing.T, s [2]oauth.Store) {
	ctx := t.Context()
	const extra = 20
	id := func(i int) string { return fmt.Sprint("g", i) }
	each(t, oauth.MaxGrantsPerUserClient+extra, func(i int) error { return putGrant(ctx, s[i%2], newGrant(id(i))) })
	kept := 0
	for i := range oauth.MaxGrantsPerUserClient + extra {
		if _, err := s[0].Grant(ctx, id(i)); err == nil {
			kept++
		}
	}
	if kept != oauth.MaxGrantsPerUserClient {
		t.Errorf("%d grants of one user for one client, want %d", kept, oauth.MaxGrantsPerUserClient)
	}
}

// One process makes grants for clients that another is just forgetting.
func sharedKeepsClients(t *testing.T, s [2]oauth.Store) {
	ctx := t.Context()
	const clients = 200
	client := func(i int) oauth.Client { return newClient(fmt.Sprint("c", i)) }
	for i := range clients {
		must(t, s[0].PutClient(ctx, client(i)))
	}
	each(t, 2, func(who int) error {
		if who == 1 {
			_, err := s[1].Purge(ctx, client(0).Expires.Add(time.Second))
			return err
		}
		for i := range clients {
			g := newGrant(fmt.Sprint("g", i))
			g.User, g.ClientID, g.Expires = g.ID, client(i).ID, start.Add(100*time.Hour)
			if err := putGrant(ctx, s[0], g); err != nil {
				return err
			}
			if err := s[0].PutClient(ctx, client(i)); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range clients {
		if _, err := s[1].Client(ctx, client(i).ID); err != nil {
			t.Fatalf("client of grant %d, after another process purged: %v", i, err)
		}
	}
}

// Whatever happens side by side, nothing may fail because of the rest.
func sharedStorm(t *testing.T, s [2]oauth.Store) {
	ctx := t.Context()
	must(t, s[0].PutClient(ctx, newClient("c")))
	grants := [4]oauth.Hash{}
	for i := range grants {
		g := newGrant(fmt.Sprint("g", i))
		g.User = g.ID
		must(t, putGrant(ctx, s[0], g))
	}
	each(t, 12, func(i int) error {
		store := s[i%2]
		for n := range 30 {
			name := fmt.Sprint(i, "-", n)
			switch grant := i % len(grants); {
			case i < len(grants): // one writer each, so that nobody is told of a conflict
				next := issuance(fmt.Sprint("g", grant), name, grants[grant], hash(name))
				next.Access.Expires = start // at once to be purged
				if err := store.Issue(ctx, next); err != nil {
					return err
				}
				grants[grant] = hash(name)
			case i < 8:
				g, tokens := newGrant(name), issuance(name, name, oauth.Hash{}, hash(name))
				g.Expires, tokens.Access.Expires, tokens.Expires = start, start, start
				if err := putGrant(ctx, store, g); err != nil {
					return err
				}
				if err := store.Issue(ctx, tokens); err != nil && !errors.Is(err, oauth.ErrNotFound) {
					return err
				}
				if err := store.Revoke(ctx, name); err != nil {
					return err
				}
			default:
				if err := store.PutClient(ctx, newClient("c")); err != nil {
					return err
				}
				if _, err := store.Purge(ctx, start.Add(time.Minute)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
