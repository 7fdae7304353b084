// Package oauthtest checks that an oauth.Store keeps its contract.
package oauthtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

// start is long ago, so that a store that reads the machine's clock fails.
var start = time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)

// TestStore runs the suite. Each call of open returns an empty store, which
// open also closes when t ends.
func TestStore(t *testing.T, open func(t *testing.T) oauth.Store) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, oauth.Store)
	}{
		{"Client", testClient},
		{"TakeTicket", testTakeTicket},
		{"TakeTicket_oneWins", testTakeTicketOneWins},
		{"Grant", testGrant},
		{"PutGrant_bounded", testPutGrantBounded},
		{"Issue", testIssue},
		{"Issue_oneWins", testIssueOneWins},
		{"Issue_bounded", testIssueBounded},
		{"SwapUpstream", testSwapUpstream},
		{"SwapUpstream_oneWins", testSwapUpstreamOneWins},
		{"Revoke", testRevoke},
		{"Purge", testPurge},
		{"PutGrant_personal", testPutGrantPersonal},
		{"Grants", testGrants},
		{"Session", testSession},
		{"Canary", testCanary},
		{"Events", testEvents},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func hash(s string) oauth.Hash { return sha256.Sum256([]byte(s)) }

func newClient(id string) oauth.Client {
	return oauth.Client{
		ID: id, Name: "Editor", RedirectURIs: []string{"http://127.0.0.1/callback", "https://editor.example/cb?a=b"},
		AuthMethod: "client_secret_basic", Secret: hash("secret"), Created: start, Expires: start.Add(time.Hour),
	}
}

func newTicket(name string) oauth.Ticket {
	return oauth.Ticket{Key: hash(name), Kind: "code", Data: []byte{0, 1, 0xff}, Created: start, Expires: start.Add(time.Minute)}
}

func newGrant(id string) oauth.StoredGrant {
	return oauth.StoredGrant{
		Grant: oauth.Grant{
			ID: id, User: "1001", UserName: "Ann", ClientID: "c", ClientName: "Editor",
			Resource: "https://host/mcp/acme", Scopes: []string{"inspect", "triage"},
			Created: start, Expires: start.Add(time.Hour),
		},
		Upstream: oauth.Upstream{Sealed: []byte{7, 0, 9}, Expires: start.Add(2 * time.Hour)},
	}
}

func newAccess(grant, name string) oauth.AccessToken {
	return oauth.AccessToken{
		Hash: hash(name), Grant: grant, Resource: "https://host/mcp/acme/web", Scopes: []string{"inspect"},
		Created: start, Expires: start.Add(time.Hour),
	}
}

func issuance(grant, access string, from, to oauth.Hash) oauth.Issuance {
	return oauth.Issuance{
		Access: newAccess(grant, access), From: from, To: to,
		Now: start.Add(time.Second), Expires: start.Add(90 * time.Hour), ClientExpires: start.Add(2 * time.Hour),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func testClient(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	for _, id := range []string{"c", "", "c\x00", "c\xff", "' OR TRUE --"} {
		_, err := s.Client(ctx, id)
		wantErr(t, fmt.Sprintf("unknown client %q", id), err, oauth.ErrNotFound)
	}

	given := newClient("c")
	must(t, s.PutClient(ctx, given))
	odd := newClient("odd")
	odd.Name = "zero \x00 and broken \xff"
	must(t, s.PutClient(ctx, odd))
	given.RedirectURIs[0] = "https://evil.example/"
	got, err := s.Client(ctx, "c")
	must(t, err)
	wantEqual(t, "client, after the caller changed its copy", got, newClient("c"))

	public := oauth.Client{ID: "p", AuthMethod: "none", RedirectURIs: []string{"cursor://x/y"}, Created: start, Expires: start}
	must(t, s.PutClient(ctx, public))
	got, err = s.Client(ctx, "p")
	must(t, err)
	wantEqual(t, "public client", got, public)

	again := public
	again.Name, again.RedirectURIs, again.Expires = "Thief", nil, start.Add(time.Hour)
	must(t, s.PutClient(ctx, again))
	again.Expires = start.Add(time.Minute)
	must(t, s.PutClient(ctx, again))
	public.Expires = start.Add(time.Hour)
	got, err = s.Client(ctx, "p")
	must(t, err)
	wantEqual(t, "client that was put again, later and sooner", got, public)
}

func testTakeTicket(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	_, err := s.TakeTicket(ctx, hash("unknown"), start)
	wantErr(t, "unknown ticket", err, oauth.ErrNotFound)

	want := newTicket("code")
	must(t, s.PutTicket(ctx, want))
	again := want
	again.Data = []byte{2}
	wantErr(t, "the same ticket again", s.PutTicket(ctx, again), oauth.ErrConflict)
	look := func(what string, at time.Time, wantError error) {
		t.Helper()
		got, err := s.Ticket(ctx, want.Key, at)
		wantErr(t, what, err, wantError)
		if wantError != oauth.ErrNotFound {
			wantEqual(t, what, got, want)
		}
	}
	look("look at a ticket", start, nil)
	look("look at one that expires now", want.Expires, oauth.ErrNotFound)
	got, err := s.TakeTicket(ctx, want.Key, start)
	must(t, err)
	wantEqual(t, "taken ticket", got, want)
	got, err = s.TakeTicket(ctx, want.Key, start)
	wantErr(t, "second taking", err, oauth.ErrTaken)
	wantEqual(t, "ticket taken twice", got, want)
	look("look at one that was taken, and expired", want.Expires.Add(time.Second), oauth.ErrTaken)
	wantErr(t, "the same ticket after it was taken", s.PutTicket(ctx, again), oauth.ErrConflict)
	got, err = s.TakeTicket(ctx, want.Key, want.Expires.Add(time.Second))
	wantErr(t, "taking after it was taken and expired", err, oauth.ErrTaken)
	wantEqual(t, "ticket taken and expired", got, want)

	must(t, s.PutTicket(ctx, newTicket("slow")))
	_, err = s.TakeTicket(ctx, hash("slow"), start.Add(time.Minute))
	wantErr(t, "ticket at its expiry", err, oauth.ErrNotFound)
}

func testTakeTicketOneWins(t *testing.T, s oauth.Store) {
	must(t, s.PutTicket(t.Context(), newTicket("code")))
	oneWins(t, oauth.ErrTaken, func(int) error {
		_, err := s.TakeTicket(t.Context(), hash("code"), start)
		return err
	})
}

// oneWins calls do from 100 goroutines: one must succeed, the others must get
// the error of the loser.
func oneWins(t *testing.T, loser error, do func(i int) error) {
	t.Helper()
	const racers = 100
	var won atomic.Int32
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-gate
			switch err := do(i); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, loser):
				t.Errorf("racer %d: error %v, want %v", i, err, loser)
			}
		})
	}
	close(gate)
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("%d of %d racers won, want exactly one", got, racers)
	}
}

func testGrant(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	_, err := s.Grant(ctx, "g")
	wantErr(t, "unknown grant", err, oauth.ErrNotFound)
	given := newGrant("g")
	must(t, putGrant(ctx, s, given))
	given.Scopes[0], given.Upstream.Sealed[0] = "changed", 1
	got, err := s.Grant(ctx, "g")
	must(t, err)
	wantEqual(t, "grant, after the caller changed its copy", got, newGrant("g"))
	for range 2 {
		got, err = s.RecentGrant(ctx, "g")
		must(t, err)
		wantEqual(t, "recent grant", got, newGrant("g"))
		got.Scopes[0], got.Upstream.Sealed[0] = "changed", 1
	}
}

func putGrant(ctx context.Context, s oauth.Store, g oauth.StoredGrant) error {
	_, err := s.PutGrant(ctx, g)
	return err
}

func testPutGrantBounded(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	age := time.Duration(0)
	put := func(id, user, client string, gaveWay ...string) {
		t.Helper()
		age += time.Second
		g := newGrant(id)
		g.User, g.ClientID, g.Created = user, client, start.Add(age)
		g.Expires = g.Created.Add(90 * time.Hour)
		gone, err := s.PutGrant(ctx, g)
		must(t, err)
		var ids []string
		for _, old := range gone {
			ids = append(ids, old.ID)
			wantEqual(t, "what gave way to "+id, old.Upstream.Sealed, newGrant(old.ID).Upstream.Sealed)
		}
		wantEqual(t, "what gave way to "+id, ids, gaveWay)
	}
	alive := func(id string, want error) {
		t.Helper()
		_, err := s.Grant(ctx, id)
		wantErr(t, "grant "+id, err, want)
	}

	put("other user", "u2", "c")
	put("other client", "u", "c2")
	put("refreshed", "u", "c")
	put("oldest", "u", "c")
	for i := range oauth.MaxGrantsPerUserClient - 2 {
		put(fmt.Sprint("g", i), "u", "c")
	}
	refresh := issuance("refreshed", "a", oauth.Hash{}, hash("r"))
	refresh.Now = start.Add(time.Hour)
	must(t, s.Issue(ctx, refresh))
	must(t, s.Issue(ctx, issuance("oldest", "b", oauth.Hash{}, hash("r"))))
	alive("oldest", nil)
	put("one too many", "u", "c", "oldest")
	alive("oldest", oauth.ErrNotFound)
	_, _, err := s.Token(ctx, hash("b"))
	wantErr(t, "access token of the oldest grant", err, oauth.ErrNotFound)
	for _, id := range []string{"other user", "other client", "refreshed", "g0", "one too many"} {
		alive(id, nil)
	}

	abandoned := newGrant("abandoned") // its code was never used
	abandoned.User, abandoned.ClientID, abandoned.Created = "u", "c", start.Add(age)
	abandoned.Expires = abandoned.Created
	must(t, putGrant(ctx, s, abandoned)) // revokes g0
	put("next", "u", "c", "abandoned")
	alive("abandoned", oauth.ErrNotFound)
	alive("g1", nil)

	for i := range oauth.MaxGrantsPerUser - oauth.MaxGrantsPerUserClient {
		var gaveWay []string
		if i == oauth.MaxGrantsPerUser-oauth.MaxGrantsPerUserClient-1 {
			gaveWay = []string{"other client"}
		}
		put(fmt.Sprint("h", i), "u", fmt.Sprint("c of h", i), gaveWay...)
	}
	alive("other client", oauth.ErrNotFound) // the oldest of this user's
	for _, id := range []string{"g1", "h0", "other user"} {
		alive(id, nil)
	}
}

func testIssue(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	none, r1, r2 := oauth.Hash{}, hash("r1"), hash("r2")
	wantErr(t, "issue without a grant", s.Issue(ctx, issuance("g", "a0", none, r1)), oauth.ErrNotFound)
	must(t, s.PutClient(ctx, newClient("c")))
	must(t, s.PutClient(ctx, newClient("another")))
	must(t, putGrant(ctx, s, newGrant("g")))
	must(t, putGrant(ctx, s, newGrant("bystander")))
	wantErr(t, "issue from the wrong token", s.Issue(ctx, issuance("g", "a0", r1, r2)), oauth.ErrConflict)
	_, _, err := s.Token(ctx, hash("a0"))
	wantErr(t, "access token of a refused issue", err, oauth.ErrNotFound)

	must(t, s.Issue(ctx, issuance("g", "a1", none, r1)))
	want := newGrant("g")
	want.Refresh, want.Rotated, want.Expires = r1, start.Add(time.Second), start.Add(90*time.Hour)
	access, got, err := s.Token(ctx, hash("a1"))
	must(t, err)
	wantEqual(t, "grant after the first issue", got, want)
	wantEqual(t, "access token", access, newAccess("g", "a1"))

	rotate := issuance("g", "a2", r1, r2)
	rotate.Now = start.Add(time.Minute)
	must(t, s.Issue(ctx, rotate))
	want.Refresh, want.Rotated = r2, start.Add(time.Minute)
	got, err = s.Grant(ctx, "g")
	must(t, err)
	wantEqual(t, "grant after a rotation", got, want)

	keep := issuance("g", "a3", r2, r2)
	keep.Now = start.Add(2 * time.Minute)
	must(t, s.Issue(ctx, keep))
	_, got, err = s.Token(ctx, hash("a3"))
	must(t, err)
	wantEqual(t, "grant after an issue that keeps the refresh token", got, want)

	got, err = s.Grant(ctx, "bystander")
	must(t, err)
	wantEqual(t, "another grant", got, newGrant("bystander"))

	sooner := issuance("g", "a4", r2, r2)
	sooner.ClientExpires = start
	must(t, s.Issue(ctx, sooner))
	for id, want := range map[string]time.Time{"c": start.Add(2 * time.Hour), "another": start.Add(time.Hour)} {
		client, err := s.Client(ctx, id)
		must(t, err)
		wantEqual(t, "expiry of client "+id, client.Expires, want)
	}
}

func testIssueOneWins(t *testing.T, s oauth.Store) {
	must(t, putGrant(t.Context(), s, newGrant("g")))
	oneWins(t, oauth.ErrConflict, func(i int) error {
		return s.Issue(t.Context(), issuance("g", fmt.Sprint("a", i), oauth.Hash{}, hash(fmt.Sprint("r", i))))
	})
}

func testIssueBounded(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	must(t, putGrant(ctx, s, newGrant("g")))
	must(t, putGrant(ctx, s, newGrant("bystander")))
	must(t, s.Issue(ctx, issuance("bystander", "other", oauth.Hash{}, hash("other"))))
	const extra = 3
	from, to := oauth.Hash{}, hash("r")
	for i := range oauth.MaxTokensPerGrant + extra {
		next := issuance("g", fmt.Sprint("a", i), from, to)
		next.Access.Created = start.Add(time.Duration(i) * time.Second)
		must(t, s.Issue(ctx, next))
		from = to
	}
	for i := range oauth.MaxTokensPerGrant + extra {
		var want error
		if i < extra {
			want = oauth.ErrNotFound
		}
		_, _, err := s.Token(ctx, hash(fmt.Sprint("a", i)))
		wantErr(t, fmt.Sprint("access token ", i), err, want)
	}
	_, _, err := s.Token(ctx, hash("other"))
	wantErr(t, "another grant's access token", err, nil)
}

func testSwapUpstream(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	next := oauth.Upstream{Sealed: []byte{1}, Expires: start.Add(time.Hour), Lease: start.Add(time.Minute)}
	wantErr(t, "swap without a grant", s.SwapUpstream(ctx, "g", 0, next), oauth.ErrNotFound)
	must(t, putGrant(ctx, s, newGrant("g")))
	_, err := s.RecentGrant(ctx, "g") // which may be remembered
	must(t, err)
	wantErr(t, "swap of a later generation", s.SwapUpstream(ctx, "g", 1, next), oauth.ErrConflict)
	must(t, s.SwapUpstream(ctx, "g", 0, next))
	recent, err := s.RecentGrant(ctx, "g")
	must(t, err)
	wantErr(t, "swap of an earlier generation", s.SwapUpstream(ctx, "g", 0, oauth.Upstream{Sealed: []byte{2}}), oauth.ErrConflict)
	got, err := s.Grant(ctx, "g")
	must(t, err)
	want := newGrant("g")
	want.Upstream, want.Generation = next, 1
	wantEqual(t, "grant after one swap", got, want)
	wantEqual(t, "recent grant, at once after one swap", recent, want)
}

func testSwapUpstreamOneWins(t *testing.T, s oauth.Store) {
	must(t, putGrant(t.Context(), s, newGrant("g")))
	oneWins(t, oauth.ErrConflict, func(i int) error {
		return s.SwapUpstream(t.Context(), "g", 0, oauth.Upstream{Sealed: []byte{byte(i)}})
	})
}

func testRevoke(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	wantErr(t, "revoke of nothing", s.Revoke(ctx, "g"), nil)
	for _, id := range []string{"g", "bystander"} {
		must(t, putGrant(ctx, s, newGrant(id)))
		must(t, s.Issue(ctx, issuance(id, "access of "+id, oauth.Hash{}, hash(id))))
	}
	must(t, s.Revoke(ctx, "g"))
	_, err := s.Grant(ctx, "g")
	wantErr(t, "revoked grant", err, oauth.ErrNotFound)
	_, err = s.RecentGrant(ctx, "g")
	wantErr(t, "revoked grant, at once", err, oauth.ErrNotFound)
	_, _, err = s.Token(ctx, hash("access of g"))
	wantErr(t, "access token of a revoked grant", err, oauth.ErrNotFound)
	wantErr(t, "issue for a revoked grant", s.Issue(ctx, issuance("g", "late", hash("g"), hash("next"))), oauth.ErrNotFound)
	_, _, err = s.Token(ctx, hash("access of bystander"))
	wantErr(t, "another grant's access token", err, nil)
}

func testPurge(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	must(t, s.PutClient(ctx, newClient("c"))) // all grants are this client's
	must(t, s.PutClient(ctx, newClient("idle")))
	must(t, s.PutTicket(ctx, newTicket("spent")))
	must(t, s.PutTicket(ctx, newTicket("unspent")))
	_, err := s.TakeTicket(ctx, hash("spent"), start)
	must(t, err)
	short := newGrant("short")
	short.Expires = start.Add(time.Minute)
	must(t, putGrant(ctx, s, short))
	must(t, putGrant(ctx, s, newGrant("long")))
	must(t, s.Issue(ctx, issuance("long", "a", oauth.Hash{}, hash("r"))))

	purge := func(after time.Duration, want int) {
		t.Helper()
		got, err := s.Purge(ctx, start.Add(after))
		must(t, err)
		if got != want {
			t.Errorf("purge after %v deleted %d rows, want %d", after, got, want)
		}
	}
	purge(0, 0)
	purge(time.Minute+time.Second, 2) // the unspent ticket, the short grant
	_, err = s.TakeTicket(ctx, hash("spent"), start)
	wantErr(t, "spent ticket after a purge", err, oauth.ErrTaken)
	purge(time.Hour+time.Second, 2) // the idle client, the access token
	_, err = s.Client(ctx, "c")
	wantErr(t, "client with a live grant", err, nil)
	_, err = s.Client(ctx, "idle")
	wantErr(t, "expired idle client", err, oauth.ErrNotFound)
	_, err = s.Grant(ctx, "long")
	wantErr(t, "live grant", err, nil)
	purge(oauth.TicketMemory+time.Minute+time.Second, 1) // the spent ticket
	purge(90*time.Hour+time.Second, 2)                   // the last grant, then its client
}
