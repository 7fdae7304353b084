// Package tasktest checks that a task.Store keeps its contract.
package tasktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
	"roundhouse/task"
)

// start is long ago, so that a store that reads the machine's clock fails.
var start = time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)

var plenty = task.Limits{Working: 100, UserWorking: 100, Kept: 100, UserKept: 100}

// TestStore runs the suite. Each call of open returns an empty store, opened
// twice, as two processes would; open also closes both when t ends.
func TestStore(t *testing.T, open func(t *testing.T) [2]task.Store) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, [2]task.Store)
	}{
		{"Put", testPut},
		{"Put_limits", testLimits},
		{"Put_limitsOneWins", testLimitsOneWins},
		{"Put_tooLarge", testTooLarge},
		{"Task_foreign", testForeign},
		{"Task_expired", testExpired},
		{"Swap", testSwap},
		{"Swap_ended", testSwapEnded},
		{"Swap_oneWins", testSwapOneWins},
		{"Extend", testExtend},
		{"Purge", testPurge},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

func keyOf(t testing.TB, user, org, project string) constraint.Key {
	t.Helper()
	key, err := constraint.New(user, org, project)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newTask(t testing.TB, user, id string) task.Task {
	return task.Task{
		Ref: task.Ref{Key: keyOf(t, user, "acme", "web"), ID: id}, Status: task.Working,
		Created: start, Updated: start.Add(time.Millisecond), Expires: start.Add(time.Hour),
		Runner: "node 1", Lease: start.Add(time.Minute),
		Content: task.Content{
			Tool: "analyze", Header: map[string]string{"Mcp-Name": "analyze"}, Call: json.RawMessage(`{"name":"analyze"}`),
			Message: "Begun — by Ann.", Attempts: 1, Rounds: 1, State: "s",
			Asks:    map[string]task.Ask{"who-1": {Name: "who", Request: json.RawMessage(`{"a":1}`)}},
			Answers: map[string]json.RawMessage{"why": json.RawMessage(`{"b":2}`)},
		},
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func same(t testing.TB, s task.Store, wanted task.Task) {
	t.Helper()
	got, err := s.Task(t.Context(), wanted.Ref, start)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got, cmp.Comparer(func(a, b constraint.Key) bool { return a == b })); diff != "" {
		t.Errorf("task (-want +got):\n%s", diff)
	}
}

func testPut(t *testing.T, s [2]task.Store) {
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(t.Context(), one, start, plenty))
	same(t, s[1], one)
	other := newTask(t, "1002", "one")
	want(t, s[1].Put(t.Context(), other, start, plenty), task.ErrConflict)
	same(t, s[0], one)
}

func testLimits(t *testing.T, s [2]task.Store) {
	ctx := t.Context()
	put := func(user, id string, l task.Limits) error {
		return s[0].Put(ctx, newTask(t, user, id), start, l)
	}
	must(t, put("1001", "a", plenty))
	ended := newTask(t, "1001", "b")
	ended.Status = task.Completed
	must(t, s[0].Put(ctx, ended, start, plenty))
	asking := newTask(t, "1001", "c")
	asking.Status = task.InputRequired
	must(t, s[0].Put(ctx, asking, start, plenty))

	limited := func(why string, err error, in string) {
		t.Helper()
		var limit *task.LimitError
		if !errors.As(err, &limit) || !strings.Contains(limit.Reason, in) {
			t.Errorf("%s: error %v, want a limit that tells of %q", why, err, in)
		}
	}
	limited("the user's under way", put("1001", "d", task.Limits{Working: 9, UserWorking: 2, Kept: 9, UserKept: 9}), "2 tasks of this user are under way")
	limited("the user's kept", put("1001", "d", task.Limits{Working: 9, UserWorking: 9, Kept: 9, UserKept: 3}), "3 tasks of this user are kept")
	limited("all under way", put("1002", "d", task.Limits{Working: 2, UserWorking: 9, Kept: 9, UserKept: 9}), "this server")
	limited("all kept", put("1002", "d", task.Limits{Working: 9, UserWorking: 9, Kept: 3, UserKept: 9}), "this server")
	must(t, put("1002", "another user's", task.Limits{Working: 9, UserWorking: 1, Kept: 9, UserKept: 1}))

	later := newTask(t, "1001", "e")
	later.Created, later.Expires = start.Add(2*time.Hour), start.Add(3*time.Hour)
	must(t, s[0].Put(ctx, later, start.Add(2*time.Hour), task.Limits{Working: 1, UserWorking: 1, Kept: 1, UserKept: 1}))
}

func testLimitsOneWins(t *testing.T, s [2]task.Store) {
	var put atomic.Int64
	each(t, 12, func(i int) error {
		err := s[i%2].Put(t.Context(), newTask(t, "1001", fmt.Sprint(i)), start, task.Limits{Working: 9, UserWorking: 3, Kept: 9, UserKept: 9})
		var limit *task.LimitError
		if errors.As(err, &limit) {
			return nil
		}
		put.Add(1)
		return err
	})
	if put.Load() != 3 {
		t.Errorf("%d tasks past a limit of 3", put.Load())
	}
}

func testTooLarge(t *testing.T, s [2]task.Store) {
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(t.Context(), one, start, plenty))
	next := one
	next.Result = json.RawMessage(`"` + strings.Repeat("x", task.MaxContent) + `"`)
	want(t, s[0].Swap(t.Context(), next), task.ErrTooLarge)
	same(t, s[0], one)
	next.ID = "two"
	want(t, s[0].Put(t.Context(), next, start, plenty), task.ErrTooLarge)
}

// testForeign: a task is found by id and key together.
func testForeign(t *testing.T, s [2]task.Store) {
	ctx := t.Context()
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(ctx, one, start, plenty))
	for why, key := range map[string]constraint.Key{
		"another user":      keyOf(t, "1002", "acme", "web"),
		"another project":   keyOf(t, "1001", "acme", "api"),
		"the organization":  keyOf(t, "1001", "acme", ""),
		"everything":        keyOf(t, "1001", "", ""),
		"another org":       keyOf(t, "1001", "globex", "web"),
		"another spelling":  keyOf(t, "1001", "Acme", "web"),
		"nobody's zero key": {},
	} {
		foreign := one
		foreign.Ref = task.Ref{Key: key, ID: "one"}
		_, err := s[0].Task(ctx, foreign.Ref, start)
		if !errors.Is(err, task.ErrNotFound) {
			t.Errorf("%s: Task = %v", why, err)
		}
		foreign.Status = task.Canceled
		if err := s[0].Swap(ctx, foreign); !errors.Is(err, task.ErrNotFound) {
			t.Errorf("%s: Swap = %v", why, err)
		}
	}
	_, err := s[0].Task(ctx, task.Ref{Key: one.Key, ID: "two"}, start)
	want(t, err, task.ErrNotFound)
	same(t, s[0], one)
}

func testExpired(t *testing.T, s [2]task.Store) {
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(t.Context(), one, start, plenty))
	_, err := s[0].Task(t.Context(), one.Ref, one.Expires.Add(-time.Millisecond))
	must(t, err)
	_, err = s[0].Task(t.Context(), one.Ref, one.Expires)
	want(t, err, task.ErrNotFound)
}

func testSwap(t *testing.T, s [2]task.Store) {
	ctx := t.Context()
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(ctx, one, start, plenty))
	next := one
	next.Status, next.Updated, next.Runner, next.Lease = task.InputRequired, start.Add(time.Second), "", time.Time{}
	next.Content = task.Content{Tool: "analyze", Call: json.RawMessage(`{}`), Message: "Which?"}
	must(t, s[1].Swap(ctx, next))
	next.Version++
	same(t, s[0], next)
	want(t, s[0].Swap(ctx, one), task.ErrConflict) // by the old version
	same(t, s[1], next)

	moved := next
	moved.Created, moved.Expires = start.Add(time.Hour), start.Add(9*time.Hour)
	must(t, s[0].Swap(ctx, moved))
	next.Version++
	same(t, s[1], next) // its beginning and its end stay
}

func testSwapEnded(t *testing.T, s [2]task.Store) {
	for _, status := range []task.Status{task.Completed, task.Canceled, task.Failed} {
		one := newTask(t, "1001", string(status))
		must(t, s[0].Put(t.Context(), one, start, plenty))
		one.Status = status
		must(t, s[0].Swap(t.Context(), one))
		one.Version++
		again := one
		again.Status = task.Working
		want(t, s[1].Swap(t.Context(), again), task.ErrConflict)
		same(t, s[0], one)
	}
}

func testSwapOneWins(t *testing.T, s [2]task.Store) {
	one := newTask(t, "1001", "one")
	must(t, s[0].Put(t.Context(), one, start, plenty))
	var won atomic.Int64
	each(t, 12, func(i int) error {
		next := one
		next.Runner = fmt.Sprint("node ", i)
		err := s[i%2].Swap(t.Context(), next)
		if errors.Is(err, task.ErrConflict) {
			return nil
		}
		won.Add(1)
		return err
	})
	if won.Load() != 1 {
		t.Errorf("%d of 12 swaps of one version won", won.Load())
	}
}

func testExtend(t *testing.T, s [2]task.Store) {
	ctx := t.Context()
	mine, ended, others := newTask(t, "1001", "mine"), newTask(t, "1001", "ended"), newTask(t, "1002", "others")
	ended.Status, others.Runner = task.Completed, "node 2"
	for _, one := range []task.Task{mine, ended, others} {
		must(t, s[0].Put(ctx, one, start, plenty))
	}
	ids, err := s[1].Extend(ctx, "node 1", start.Add(5*time.Minute))
	must(t, err)
	if diff := cmp.Diff([]string{"mine"}, ids); diff != "" {
		t.Errorf("extended (-want +got):\n%s", diff)
	}
	mine.Lease = start.Add(5 * time.Minute)
	for _, one := range []task.Task{mine, ended, others} {
		same(t, s[0], one)
	}
	must(t, s[0].Swap(ctx, mine)) // the version is the same
}

func testPurge(t *testing.T, s [2]task.Store) {
	ctx := t.Context()
	old, young := newTask(t, "1001", "old"), newTask(t, "1001", "young")
	young.Expires = start.Add(2 * time.Hour)
	must(t, s[0].Put(ctx, old, start, plenty))
	must(t, s[0].Put(ctx, young, start, plenty))
	for _, wanted := range []int{1, 0} {
		got, err := s[1].Purge(ctx, start.Add(time.Hour))
		must(t, err)
		if got != wanted {
			t.Errorf("purged %d, want %d", got, wanted)
		}
	}
	_, err := s[0].Task(ctx, old.Ref, start)
	want(t, err, task.ErrNotFound)
	same(t, s[0], young)
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
