package oauth_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"roundhouse/oauth"
)

const sharers = 64

// family is a grant whose clients share one refresh token, and ask any of three
// servers on one store.
type family struct {
	*world
	servers []*oauth.Server

	mu     sync.Mutex
	tokens []string // by generation
	of     map[string]int
	ops    []porcupine.Operation
}

func newFamily(t *testing.T) *family {
	f := &family{world: newWorld(t), of: make(map[string]int)}
	f.servers = []*oauth.Server{f.Server, f.NewServer(openStore(t, f.Path)), f.NewServer(openStore(t, f.Path))}
	return f
}

func (f *family) begin() {
	f.Helper()
	first := f.SignIn("inspect").Refresh
	f.tokens, f.of, f.ops = []string{first}, map[string]int{first: 0}, nil
}

func (f *family) newest() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.tokens) - 1
}

// What a client asks, what it is told, and what the grant is in between.
type (
	asked struct {
		pass       bool // a minute and more passes; nobody asks
		generation int
		earlier    int // of all answers, those that told the newest generation before this one
	}
	told  int // the generation of the new refresh token, or one of these:
	state struct {
		current int
		told    int  // so many times
		fresh   bool // replaced within the window
		ended   bool
	}
)

const refusedCleanly, failed told = -1, -2

// refreshing is what OAuth 2.1 and the window make of refresh tokens: one
// successor for each, which the one before it may get once more; and the end
// for everybody when an older one comes.
var refreshing = porcupine.Model{
	Init: func() any { return state{fresh: true} },
	Step: func(before, input, output any) (bool, any) {
		s, in, out := before.(state), input.(asked), output.(told)
		switch {
		case in.pass:
			s.fresh = false
			return true, s
		case s.ended || in.generation > s.current:
			return out == refusedCleanly, s
		case in.generation == s.current:
			return out == told(s.current+1) && s.told == in.earlier, state{current: s.current + 1, told: 1, fresh: true}
		case in.generation == s.current-1 && s.fresh:
			s.told++
			return out == told(s.current), s
		}
		return out == refusedCleanly && s.told == in.earlier, state{current: s.current, ended: true}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %d", input, output) },
}

// refresh asks a server, and notes the operation.
func (f *family) refresh(client, generation int) told {
	f.mu.Lock()
	form := f.RefreshForm(f.tokens[generation])
	f.mu.Unlock()
	return f.note(client, asked{generation: generation}, func() told {
		return f.ask(f.servers[client%len(f.servers)], generation, form)
	})
}

func (f *family) note(client int, in asked, do func() told) told {
	call := time.Now().UnixNano()
	out := do()
	end := time.Now().UnixNano()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops = append(f.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
	return out
}

func (f *family) ask(s *oauth.Server, generation int, form url.Values) told {
	r := httptest.NewRequestWithContext(f.Context(), http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var tk tokens
	if err := json.Unmarshal(w.Body.Bytes(), &tk); err != nil {
		f.Error(err)
	}
	if w.Code != http.StatusOK {
		if tk.Error != "invalid_grant" {
			f.Errorf("status %d, %s", w.Code, tk.Error)
			return failed
		}
		return refusedCleanly
	}
	return f.place(tk.Refresh, generation+1)
}

// place says of which generation a token is. A second token of one generation
// gets a number that no model has.
func (f *family) place(token string, generation int) told {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.of[token]; ok {
		return told(known)
	}
	if generation != len(f.tokens) {
		f.Errorf("generation %d has two different successors", generation-1)
		return failed
	}
	f.tokens, f.of[token] = append(f.tokens, token), generation
	return told(generation)
}

func (f *family) check() {
	f.Helper()
	if result := porcupine.CheckOperationsTimeout(refreshing, untilTheEnd(f.ops), time.Minute); result != porcupine.Ok {
		f.Errorf("%d refreshes of %d clients: %s; no order of them explains the answers", len(f.ops), sharers, result)
	}
}

// untilTheEnd makes a history that can be searched in time. Of all who were told
// the same of the same generation it keeps two; once a family has ended every
// later refusal is right, so it keeps one, of the oldest token that was asked for
// before the first refusal was told. And it says with each answer how many must
// come before it, since nobody is told of a generation once there is a newer one.
func untilTheEnd(ops []porcupine.Operation) []porcupine.Operation {
	var kept []porcupine.Operation
	var end *porcupine.Operation
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	ops = boundaries(ops)
	counts := tellings(ops)
	for _, op := range ops {
		in := op.Input.(asked)
		switch {
		case op.Output != refusedCleanly:
			in.earlier = counts[in.generation]
			op.Input = in
			kept = append(kept, op)
		case end == nil:
			end = &op
		case op.Call < end.Return && in.generation < end.Input.(asked).generation:
			end.Input, end.Call = in, op.Call
		}
	}
	if end != nil {
		in := end.Input.(asked)
		in.earlier = counts[slices.Max(slices.Collect(maps.Keys(counts)))]
		end.Input = in
		kept = append(kept, *end)
	}
	return kept
}

// boundaries keeps, of the clients who asked and were told the same, the one who
// asked last and the one who was told first. The family treats them all alike and
// one after another, so there is a place in the order for the others wherever
// there is one for these two. ops are in the order of their ends.
func boundaries(ops []porcupine.Operation) (kept []porcupine.Operation) {
	type same struct {
		generation int
		out        told
	}
	last := map[same]int{} // the index of who asked last
	key := func(op porcupine.Operation) (same, bool) {
		in := op.Input.(asked)
		return same{in.generation, op.Output.(told)}, !in.pass && op.Output.(told) > 0
	}
	for i, op := range ops {
		if k, ok := key(op); ok {
			if latest, seen := last[k]; !seen || op.Call > ops[latest].Call {
				last[k] = i
			}
		}
	}
	first := map[same]bool{}
	for i, op := range ops {
		k, ok := key(op)
		if !ok || !first[k] || last[k] == i {
			kept = append(kept, op)
		}
		first[k] = true
	}
	return kept
}

// tellings counts how often each generation was told.
func tellings(ops []porcupine.Operation) map[int]int {
	counts := map[int]int{0: 0}
	for _, op := range ops {
		if out := op.Output.(told); out > 0 && !op.Input.(asked).pass {
			counts[int(out)]++
		}
	}
	return counts
}

// Clients that share a token file wake up together when the access token ends,
// and some lose their answers. None of them is ever signed out.
func TestShare_together(t *testing.T) {
	f := newFamily(t)
	for f.begin(); f.newest() < 4; f.Clock.Advance(time.Hour) {
		generation := f.newest()
		var wg sync.WaitGroup
		for client := range sharers {
			wg.Go(func() {
				for range 1 + client%2 { // every other one lost its answer
					if got := f.refresh(client, generation); got != told(generation+1) {
						t.Errorf("generation %d was answered with %d", generation, got)
					}
				}
			})
		}
		wg.Wait()
		f.note(0, asked{pass: true}, func() told { return 0 })
	}
	f.check()
}

// Clients that are late, by any number of generations, while time passes: there
// is one order in which all the answers are right.
func TestShare_late(t *testing.T) {
	f := newFamily(t)
	begin, episodes := time.Now(), 0
	for ; episodes < 3 || time.Since(begin) < soak(t); episodes++ {
		f.begin()
		var wg sync.WaitGroup
		for client := range sharers {
			wg.Go(func() { f.wander(client) })
		}
		wg.Wait()
		f.check()
	}
	t.Logf("%d families of %d clients in %v", episodes, sharers, time.Since(begin).Round(time.Millisecond))
}

// wander refreshes a few times, mostly with the newest token it can see.
func (f *family) wander(client int) {
	for range 6 {
		switch dice := rand.IntN(600); {
		case dice == 0:
			f.note(client, asked{pass: true}, func() told { f.Clock.Advance(61 * time.Second); return 0 })
		case dice < 3:
			f.refresh(client, max(0, f.newest()-2))
		default:
			if f.refresh(client, f.newest()) == refusedCleanly {
				return // and signs in anew
			}
		}
	}
}

// soak is how long to go on: ROUNDHOUSE_SOAK, such as 60s.
func soak(t *testing.T) time.Duration {
	text := os.Getenv("ROUNDHOUSE_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Three servers are asked at once for a token that is about to end: the
// upstream sees one refresh, each time.
func TestShare_upstream(t *testing.T) {
	f := newFamily(t)
	grant := f.Grant(f.SignIn("inspect")).ID
	for generation := 1; generation <= 3; generation++ {
		f.Clock.Advance(time.Hour)
		var mu sync.Mutex
		seen := make(map[string]bool)
		var wg sync.WaitGroup
		for caller := range 200 {
			wg.Go(func() {
				got, err := f.servers[caller%len(f.servers)].UpstreamToken(t.Context(), grant)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[got] = true
			})
		}
		wg.Wait()
		if f.Upstream.refreshes != generation || len(seen) != 1 {
			t.Errorf("generation %d: %d refreshes in all, %d different tokens, want one more each time and one", generation, f.Upstream.refreshes, len(seen))
		}
	}
}

// The check itself: what it says of histories whose order is plain.
func TestShare_check(t *testing.T) {
	op := func(call, end int64, generation int, out told) porcupine.Operation {
		return porcupine.Operation{Input: asked{generation: generation}, Call: call, Return: end, Output: out}
	}
	crowd := func(n int64, generation int, out told, begin int64) (ops []porcupine.Operation) {
		for i := range n {
			ops = append(ops, op(begin, begin+100+i, generation, out))
		}
		return ops
	}
	for _, tt := range []struct {
		why  string
		ops  []porcupine.Operation
		want porcupine.CheckResult
	}{
		{"a successor, and the one after it", []porcupine.Operation{op(1, 2, 0, 1), op(3, 4, 1, 2)}, porcupine.Ok},
		{"sixty-four at once, twice", append(crowd(64, 0, 1, 0), crowd(64, 1, 2, 200)...), porcupine.Ok},
		{"told again after a newer one was told", []porcupine.Operation{op(1, 2, 0, 1), op(3, 4, 1, 2), op(5, 6, 0, 1)}, porcupine.Illegal},
		{"the same, by one of many", append(append(crowd(64, 0, 1, 0), crowd(64, 1, 2, 200)...), op(400, 401, 0, 1)), porcupine.Illegal},
		{"refused while it is the newest", []porcupine.Operation{op(1, 2, 0, 1), op(3, 4, 1, refusedCleanly)}, porcupine.Illegal},
		{"told after the end", []porcupine.Operation{op(1, 2, 0, 1), op(3, 4, 1, 2), op(5, 6, 0, refusedCleanly), op(7, 8, 2, 3)}, porcupine.Illegal},
		{"the end", []porcupine.Operation{op(1, 2, 0, 1), op(3, 4, 1, 2), op(5, 6, 0, refusedCleanly), op(7, 8, 2, refusedCleanly)}, porcupine.Ok},
	} {
		if got := porcupine.CheckOperationsTimeout(refreshing, untilTheEnd(tt.ops), time.Minute); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.why, got, tt.want)
		}
	}
}
