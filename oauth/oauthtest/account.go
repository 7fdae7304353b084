package oauthtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

func testPutGrantPersonal(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	put := func(id, user, client string) error {
		g := newGrant(id)
		g.User, g.ClientID = user, client
		return putGrant(ctx, s, g)
	}
	for i := range oauth.MaxPersonalTokens {
		must(t, put(fmt.Sprint("p", i), "u", oauth.PersonalClient))
	}
	wantErr(t, "one more personal token", put("more", "u", oauth.PersonalClient), oauth.ErrTooMany)
	must(t, put("other", "u2", oauth.PersonalClient))
	for i := range oauth.MaxGrantsPerUser + 1 {
		must(t, put(fmt.Sprint("g", i), "u", fmt.Sprint("c", i)))
	}
	for _, id := range []string{"p0", fmt.Sprint("p", oauth.MaxPersonalTokens-1), "g2"} {
		_, err := s.Grant(ctx, id)
		wantErr(t, "grant "+id+" beside many others", err, nil)
	}
	must(t, s.Revoke(ctx, "p0"))
	must(t, put("more", "u", oauth.PersonalClient))
}

func testGrants(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	for i, user := range []string{"u", "v", "u", "u"} {
		g := newGrant(fmt.Sprint("g", i))
		g.User, g.Created = user, start.Add(time.Duration(i/2)*time.Minute) // g0 and g1, g2 and g3 in one moment
		g.Expires = start.Add(time.Duration(i+1) * time.Hour)
		must(t, putGrant(ctx, s, g))
	}
	must(t, s.PutUses(ctx, []oauth.Use{{Grant: "g2", Time: start.Add(time.Minute)}, {Grant: "gone", Time: start}}))
	must(t, s.PutUses(ctx, []oauth.Use{{Grant: "g2", Time: start}, {Grant: "g3", Time: start}}))
	must(t, s.PutUses(ctx, []oauth.Use{{Grant: "g3", Time: start.Add(time.Second)}}))
	list := func(q oauth.GrantQuery) (ids []string) {
		t.Helper()
		got, err := s.Grants(ctx, q)
		must(t, err)
		for _, g := range got {
			ids = append(ids, g.ID)
		}
		return ids
	}

	got, err := s.Grants(ctx, oauth.GrantQuery{User: "u", Limit: 2})
	must(t, err)
	want := []oauth.ListedGrant{{StoredGrant: newGrant("g3"), Used: start.Add(time.Second)}, {StoredGrant: newGrant("g2"), Used: start.Add(time.Minute)}}
	for i := range want {
		want[i].User, want[i].Created = "u", start.Add(time.Minute)
		want[i].Expires = start.Add(time.Duration(4-i) * time.Hour)
	}
	wantEqual(t, "the two newest of one user", got, want)
	wantEqual(t, "the rest of them", list(oauth.GrantQuery{User: "u", Limit: 2, After: &got[1].Grant}), []string{"g0"})
	wantEqual(t, "in one moment, after the first", list(oauth.GrantQuery{Limit: 9, After: &got[0].Grant}), []string{"g2", "g1", "g0"})
	wantEqual(t, "alive", list(oauth.GrantQuery{Limit: 9, Alive: start.Add(2 * time.Hour)}), []string{"g3", "g2"})
	wantEqual(t, "nobody's", list(oauth.GrantQuery{User: "w", Limit: 9}), []string(nil))
}

func testSession(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	session := func(name string, age time.Duration) oauth.Session {
		return oauth.Session{Key: hash(name), User: "u", UserName: "Ann", Admin: name == "admin", Created: start.Add(age), Expires: start.Add(time.Hour)}
	}
	_, err := s.Session(ctx, hash("unknown"))
	wantErr(t, "unknown session", err, oauth.ErrNotFound)
	wantErr(t, "end of an unknown session", s.EndSession(ctx, hash("unknown")), nil)
	for _, name := range []string{"admin", "plain"} {
		must(t, s.PutSession(ctx, session(name, 0)))
		got, err := s.Session(ctx, hash(name))
		must(t, err)
		wantEqual(t, "session "+name, got, session(name, 0))
	}
	must(t, s.EndSession(ctx, hash("plain")))
	_, err = s.Session(ctx, hash("plain"))
	wantErr(t, "ended session", err, oauth.ErrNotFound)

	for i := range oauth.MaxSessionsPerUser {
		must(t, s.PutSession(ctx, session(fmt.Sprint("s", i), time.Duration(i+1)*time.Second)))
	}
	_, err = s.Session(ctx, hash("admin"))
	wantErr(t, "the oldest of too many", err, oauth.ErrNotFound)
	_, err = s.Session(ctx, hash("s0"))
	wantErr(t, "the next oldest", err, nil)
	_, err = s.Purge(ctx, start.Add(time.Hour+time.Second))
	must(t, err)
	_, err = s.Session(ctx, hash("s0"))
	wantErr(t, "purged session", err, oauth.ErrNotFound)
}

func testCanary(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	_, err := s.Canary(ctx)
	wantErr(t, "no canary", err, oauth.ErrNotFound)
	wantErr(t, "replacing what is not there", s.SwapCanary(ctx, []byte{1}, []byte{2}), oauth.ErrConflict)
	oneWins(t, oauth.ErrConflict, func(i int) error { return s.SwapCanary(ctx, nil, []byte{1}) })
	wantErr(t, "replacing another", s.SwapCanary(ctx, []byte{3}, []byte{2}), oauth.ErrConflict)
	must(t, s.SwapCanary(ctx, []byte{1}, []byte{2}))
	got, err := s.Canary(ctx)
	must(t, err)
	wantEqual(t, "canary", got, []byte{2})
}

func testEvents(t *testing.T, s oauth.Store) {
	ctx := t.Context()
	event := func(id, user string, age time.Duration) oauth.Event {
		return oauth.Event{
			ID: id, Time: start.Add(age), Kind: oauth.EventGrant, Outcome: oauth.OutcomeOK, Client: "c", User: user, By: "b",
			Grant: "g", Source: "192.0.2.1", Resource: "https://host/mcp", Detail: "inspect",
		}
	}
	all := []oauth.Event{event("a", "u", 0), event("b", "v", time.Second), event("c", "u", time.Second), event("d", "u", time.Minute)}
	must(t, s.AppendEvents(ctx, all[2:]))
	must(t, s.AppendEvents(ctx, all))
	forged := event("a", "forged", time.Hour)
	must(t, s.AppendEvents(ctx, []oauth.Event{forged}))
	read := func(what string, q oauth.EventQuery, want ...oauth.Event) {
		t.Helper()
		got, err := s.Events(ctx, q)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	read("all, oldest first", oauth.EventQuery{Limit: 9}, all...)
	read("the first", oauth.EventQuery{Limit: 1}, all[0])
	read("after one of a moment", oauth.EventQuery{Limit: 9, After: &all[1]}, all[2], all[3])
	read("newest first, after one of a moment", oauth.EventQuery{Limit: 9, After: &all[2], Newest: true}, all[1], all[0])
	read("one user's, since", oauth.EventQuery{Limit: 9, User: "u", Since: start.Add(time.Second)}, all[2], all[3])

	_, err := s.Purge(ctx, start.Add(oauth.EventMemory+30*time.Second))
	must(t, err)
	read("after a purge", oauth.EventQuery{Limit: 9}, all[3])
}
