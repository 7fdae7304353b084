package oauth

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// openNodes opens one store for two processes that remember tokens, and that
// nobody tells of each other.
func openNodes(t *testing.T) (nodes [2]*SQLStore, now *time.Time) {
	t.Helper()
	nodes, now = openTold(t)
	for _, s := range nodes {
		s.tokens.others, s.grants = nil, nil
	}
	return nodes, now
}

// openTold opens one store for two processes as SQLite has it.
func openTold(t *testing.T) (nodes [2]*SQLStore, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "store.db")
	for i := range nodes {
		s, err := OpenSQLite(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		clock := func() time.Time { return *now }
		s.tokens.now, s.grants.now = clock, clock
		nodes[i] = s
	}
	return nodes, now
}

// issueTo makes a grant of a user with an access token.
func issueTo(t *testing.T, s *SQLStore, user, grant string, expires time.Time) Hash {
	t.Helper()
	g := StoredGrant{Grant: Grant{ID: grant, User: user, Scopes: []string{"inspect"}, Created: expires.Add(-time.Hour), Expires: expires}, Upstream: Upstream{Sealed: []byte{1}}}
	access := AccessToken{Hash: hashOf(grant), Grant: grant, Scopes: []string{"inspect"}, Expires: expires}
	if _, err := s.PutGrant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := s.Issue(t.Context(), Issuance{Access: access, To: hashOf("r"), Expires: expires}); err != nil {
		t.Fatal(err)
	}
	return access.Hash
}

func wantToken(t *testing.T, what string, s *SQLStore, access Hash, want error) {
	t.Helper()
	a, g, err := s.Token(t.Context(), access)
	if !errors.Is(err, want) || err == nil && (a.Scopes[0] != "inspect" || g.Scopes[0] != "inspect" || g.Upstream.Sealed[0] != 1) {
		t.Errorf("%s: %v, %v, %v, want error %v", what, a, g, err, want)
	}
	if err == nil { // these are the caller's
		a.Scopes[0], g.Scopes[0], g.Upstream.Sealed[0] = "changed", "changed", 2
	}
}

func TestCache_seesTheEnd(t *testing.T) {
	for what, end := range map[string]func(*testing.T, *SQLStore, time.Time) error{
		"revoked": func(t *testing.T, s *SQLStore, _ time.Time) error { return s.Revoke(t.Context(), "g") },
		"purged": func(t *testing.T, s *SQLStore, now time.Time) error {
			_, err := s.Purge(t.Context(), now.Add(2*time.Hour))
			return err
		},
		"crowded out": func(t *testing.T, s *SQLStore, now time.Time) error {
			for i := range MaxGrantsPerUserClient {
				issueTo(t, s, "ann", string(rune('a'+i))+"'s", now.Add(2*time.Hour))
			}
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			nodes, now := openNodes(t)
			access := issueTo(t, nodes[0], "ann", "g", now.Add(time.Hour))
			for range 2 {
				wantToken(t, "here", nodes[0], access, nil)
				wantToken(t, "elsewhere", nodes[1], access, nil)
			}
			if err := end(t, nodes[0], *now); err != nil {
				t.Fatal(err)
			}
			wantToken(t, what+", here, at once", nodes[0], access, ErrNotFound)
			*now = now.Add(TokenLag)
			wantToken(t, what+", elsewhere, after the lag", nodes[1], access, ErrNotFound)
		})
	}
}

// A token that ends while it is looked up must not be remembered as good.
func TestCache_endDuringALookup(t *testing.T) {
	nodes, now := openNodes(t)
	access := issueTo(t, nodes[0], "ann", "g", now.Add(time.Hour))
	cache := nodes[0].tokens
	found, _ := cache.look(access)
	cache.forget()
	cache.remember(access, found)
	if _, ok := cache.look(access); ok {
		t.Error("it is known")
	}
}

func TestCache_isBounded(t *testing.T) {
	c := newCache[Hash](grantedToken.clone, nil)
	for i := range maxKnown + 10 {
		k, _ := c.look(Hash{})
		c.remember(Hash{byte(i), byte(i >> 8)}, k)
	}
	if n := len(c.known); n != 10 {
		t.Errorf("%d tokens are known, want the last 10", n)
	}
}

// Tokens that have been refreshed take no room for longer than they are good.
func TestCache_dropsTheOld(t *testing.T) {
	c := newCache[Hash](grantedToken.clone, nil)
	now := time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)
	c.now = func() time.Time { return now }
	for i := range 10 * fewKnown {
		k, _ := c.look(Hash{})
		c.remember(Hash{byte(i), byte(i >> 8)}, k)
		now = now.Add(TokenLag / 10)
	}
	if n := len(c.known); n > fewKnown {
		t.Errorf("%d tokens are known, of which 10 are good", n)
	}
}

// What happens all the time must not make every token unknown.
func TestCache_lasts(t *testing.T) {
	nodes, now := openNodes(t)
	access := issueTo(t, nodes[0], "ann", "g", now.Add(time.Hour))
	wantToken(t, "first", nodes[0], access, nil)
	if err := nodes[0].PutUses(t.Context(), []Use{{Grant: "g", Time: *now}}); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Issue(t.Context(), Issuance{Access: AccessToken{Hash: Hash{1}, Grant: "g"}, From: hashOf("r"), To: hashOf("s"), Expires: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, ok := nodes[0].tokens.look(access); !ok {
		t.Error("a refresh and a use made the token unknown")
	}
	if remembered, asked := nodes[0].TokenLookups(); remembered != 1 || asked != 1 {
		t.Errorf("%d remembered and %d asked for, want one each", remembered, asked)
	}
}

// On a file, what another process does is seen sooner.
func TestCache_seesOthers(t *testing.T) {
	nodes, now := openTold(t)
	access := issueTo(t, nodes[0], "ann", "g", now.Add(time.Hour))
	wantToken(t, "elsewhere", nodes[1], access, nil)
	if _, ok := nodes[1].tokens.look(access); !ok {
		t.Error("the token is not remembered elsewhere")
	}
	upstream := func(s *SQLStore) byte {
		t.Helper()
		g, err := s.RecentGrant(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		old := g.Upstream.Sealed[0]
		g.Upstream.Sealed[0] = 100 // it is the caller's
		return old
	}
	upstream(nodes[1])
	if err := nodes[0].SwapUpstream(t.Context(), "g", 0, Upstream{Sealed: []byte{2}}); err != nil {
		t.Fatal(err)
	}
	if got := upstream(nodes[0]); got != 2 {
		t.Errorf("here, at once, the credential is %d, want the new one", got)
	}
	if got := upstream(nodes[1]); got != 1 {
		t.Errorf("elsewhere, at once, the credential is %d: it is not remembered", got)
	}
	*now = now.Add(othersLag)
	if got := upstream(nodes[1]); got != 2 {
		t.Errorf("elsewhere, a moment later, the credential is %d, want the new one", got)
	}
	if err := nodes[0].Revoke(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(othersLag)
	wantToken(t, "revoked, elsewhere, a moment later", nodes[1], access, ErrNotFound)
	for what, s := range nodes {
		if _, err := s.RecentGrant(t.Context(), "g"); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoked, at %d: %v, want ErrNotFound", what, err)
		}
	}
}

// Where it cannot be told what others have written, nothing is remembered.
func TestCache_untold(t *testing.T) {
	nodes, now := openTold(t)
	access := issueTo(t, nodes[0], "ann", "g", now.Add(time.Hour))
	wantToken(t, "first", nodes[1], access, nil)
	if err := nodes[1].others.conn.Close(); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(othersLag)
	for range 2 {
		wantToken(t, "untold", nodes[1], access, nil)
		if _, ok := nodes[1].tokens.look(access); ok {
			t.Error("the token is remembered")
		}
	}
}
