package main

import (
	"flag"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roundhouse/actors"
	"roundhouse/sandbox"
)

// randomly reports to rapid what goes wrong, which prints the seed that repeats
// it.
type randomly struct {
	testing.TB
	rt *rapid.T
}

func (r randomly) Helper()                           {}
func (r randomly) Error(args ...any)                 { r.rt.Error(args...) }
func (r randomly) Errorf(format string, args ...any) { r.rt.Errorf(format, args...) }
func (r randomly) Fatal(args ...any)                 { r.rt.Fatal(args...) }
func (r randomly) Fatalf(format string, args ...any) { r.rt.Fatalf(format, args...) }

// wandering is a run of random steps of all tenants.
type wandering struct {
	*isolation
	names    []string // of handles
	handles  map[string]handle
	sessions []openSession
}

type openSession struct {
	owner tenant
	id    string
}

func (s openSession) GoString() string { return "a session of " + s.owner.String() }

// TestIsolation_random mixes work and theft of all tenants, in both protocols,
// while contexts come and go under them.
func TestIsolation_random(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("25"); err != nil { // a hundred take a minute
			t.Fatal(err)
		}
	}
	w := newIsolation(t, func(cfg *actors.Config) { cfg.Idle = 20 * time.Millisecond })
	rapid.Check(t, func(rt *rapid.T) {
		steps := &wandering{isolation: w.reportingTo(randomly{t, rt}), handles: map[string]handle{}}
		for _, h := range handles() {
			steps.names = append(steps.names, h.name)
			steps.handles[h.name] = h
		}
		rt.Repeat(map[string]func(*rapid.T){
			"look":          steps.look,
			"look together": steps.lookTogether,
			"open":          steps.open,
			"end":           steps.end,
			"steal":         steps.steal,
			"show":          steps.show,
		})
	})
	w.allSeen()
	w.stderr.find("(context passivated)")
}

// reportingTo returns w for another test, or another run of one.
func (w *isolation) reportingTo(t testing.TB) *isolation {
	return &isolation{TB: t, runner: w.runner, tenants: w.tenants, issues: w.issues, values: w.values, seen: w.seen}
}

func (w *wandering) anyone(rt *rapid.T, label string) tenant {
	return rapid.SampledFrom(w.tenants).Draw(rt, label)
}

// look asks for what has the mark of the asker's organization.
func (w *wandering) look(rt *rapid.T) {
	c := w.anyone(rt, "who")
	session := ""
	if own := w.ownSessions(c); len(own) > 0 && rapid.Bool().Draw(rt, "in a session") {
		session = rapid.SampledFrom(own).Draw(rt, "session")
	}
	w.answered(c, session, w.ask(c, c.look(session)))
}

// answered: a session may have ended with its context, and nothing else may be
// missing.
func (w *wandering) answered(c tenant, session string, got reply) {
	switch {
	case got.status == http.StatusNotFound && session != "":
		w.forget(session)
	case got.status != http.StatusOK || !strings.Contains(got.body, sandbox.Mark(c.home())):
		w.Errorf("%s looks, and sees nothing of its own: %d %.500s", c, got.status, got.body)
	}
}

// lookTogether lets several look at once.
func (w *wandering) lookTogether(rt *rapid.T) {
	who := rapid.SliceOfN(rapid.SampledFrom(w.tenants), 2, 6).Draw(rt, "who")
	replies := make([]reply, len(who))
	failed := make([]string, len(who))
	var wg sync.WaitGroup
	for i, c := range who {
		wg.Go(func() { replies[i], failed[i] = c.look("").at(c.place, c.token).try(w.Context(), w.url) })
	}
	wg.Wait()
	for i, c := range who {
		if failed[i] != "" {
			w.Errorf("%s: %s", c, failed[i])
			continue
		}
		w.inspect(c, c.look(""), replies[i])
		w.answered(c, "", replies[i])
	}
}

func (w *wandering) open(rt *rapid.T) {
	c := w.anyone(rt, "who")
	got := w.ask(c, initializing("2025-11-25"))
	id := got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || id == "" {
		w.Errorf("%s cannot open a session: %d %.300s", c, got.status, got.body)
		return
	}
	w.sessions = append(w.sessions, openSession{c, id})
}

func (w *wandering) end(rt *rapid.T) {
	if len(w.sessions) == 0 {
		rt.Skip("no session")
	}
	s := rapid.SampledFrom(w.sessions).Draw(rt, "session")
	if got := w.ask(s.owner, sessionProbes["DELETE"](s.id)); got.status != http.StatusOK && got.status != http.StatusNotFound {
		w.Errorf("%s ends its session: %d %s", s.owner, got.status, got.body)
	}
	w.forget(s.id)
}

// steal uses somebody's session.
func (w *wandering) steal(rt *rapid.T) {
	if len(w.sessions) == 0 {
		rt.Skip("no session")
	}
	s, c := rapid.SampledFrom(w.sessions).Draw(rt, "session"), w.anyone(rt, "thief")
	if s.owner == c {
		rt.Skip("its own")
	}
	name := rapid.SampledFrom([]string{"POST", "notification", "response", "GET", "GET to resume", "DELETE"}).Draw(rt, "how")
	p := sessionProbes[name]
	alike(w, name+" with the session of "+s.owner.String()+", at "+c.String(), w.ask(c, p(s.id)), w.ask(c, p(strings.Repeat("A", len(s.id)))))
}

// show takes a handle of one context to another.
func (w *wandering) show(rt *rapid.T) {
	name := rapid.SampledFrom(w.names).Draw(rt, "handle")
	h := w.handles[name]
	owner, c := w.anyone(rt, "owner"), w.anyone(rt, "who")
	w.compare(h, owner, c, h.value(w.isolation, owner))
}

func (w *wandering) ownSessions(c tenant) (ids []string) {
	for _, s := range w.sessions {
		if s.owner == c {
			ids = append(ids, s.id)
		}
	}
	return ids
}

func (w *wandering) forget(id string) {
	w.sessions = slices.DeleteFunc(w.sessions, func(s openSession) bool { return s.id == id })
}
