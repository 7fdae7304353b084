package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
	"roundhouse/task"
	"roundhouse/task/tasktest"
)

// bench is a node, or several, on one store in a bubble of its own time.
type bench struct {
	*testing.T
	store *tasktest.Memory
	key   constraint.Key

	mu    sync.Mutex
	begun []string // "node id" at each beginning of work
}

func inBubble(t *testing.T, run func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key, err := constraint.New("1001", "acme", "web")
		if err != nil {
			t.Fatal(err)
		}
		run(&bench{T: t, store: tasktest.NewMemory(), key: key})
	})
}

func (b *bench) node(limits task.Limits) *task.Runner {
	b.Helper()
	r := task.NewRunner(task.Config{Store: b.store, Limits: limits})
	b.Cleanup(func() { r.Shutdown(b.ended()) })
	return r
}

// ended is a context that has, for a shutdown that cuts off.
func (b *bench) ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// waits is work that ends when ctx does or done is closed.
func (b *bench) waits(node string, done <-chan struct{}, repeatable bool) task.Work {
	return task.Work{Repeatable: repeatable, Do: func(ctx context.Context, t task.Task, _ func(string)) task.Outcome {
		b.mu.Lock()
		b.begun = append(b.begun, node)
		b.mu.Unlock()
		select {
		case <-done:
			return task.Outcome{Result: json.RawMessage(`"done"`)}
		case <-ctx.Done():
			return task.Outcome{Error: json.RawMessage(`"cut off"`)}
		}
	}}
}

func (b *bench) wantBegun(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.begun); diff != "" {
		b.Errorf("work begun (-want +got):\n%s", diff)
	}
}

func returns(out task.Outcome) task.Work {
	return task.Work{Do: func(context.Context, task.Task, func(string)) task.Outcome { return out }}
}

func with(w task.Work) task.Revive { return func(task.Task) (task.Work, bool) { return w, true } }

// nobody may not do any work.
func nobody(task.Task) (task.Work, bool) { return task.Work{}, false }

func (b *bench) create(r *task.Runner, w task.Work) task.Ref {
	b.Helper()
	t, err := r.Create(b.Context(), b.key, task.Content{Tool: "analyze", Call: json.RawMessage(`{}`)}, w)
	if err != nil {
		b.Fatal(err)
	}
	return t.Ref
}

func (b *bench) task(r *task.Runner, ref task.Ref, revive task.Revive) task.Task {
	b.Helper()
	t, err := r.Task(b.Context(), ref, revive)
	if err != nil {
		b.Fatal(err)
	}
	return t
}

func (b *bench) want(r *task.Runner, ref task.Ref, status task.Status, part string) {
	b.Helper()
	t := b.task(r, ref, nobody)
	text := t.Message + " " + string(t.Result) + string(t.Error)
	if t.Status != status || !strings.Contains(text, part) {
		b.Errorf("task is %s: %s; want %s with %q", t.Status, text, status, part)
	}
}

func TestRunner_outcomes(t *testing.T) {
	for why, tt := range map[string]struct {
		work   task.Work
		status task.Status
		part   string
	}{
		"a result":  {returns(task.Outcome{Result: json.RawMessage(`"42"`)}), task.Completed, `"42"`},
		"an error":  {returns(task.Outcome{Error: json.RawMessage(`{"code":-1,"message":"bad"}`)}), task.Failed, `"bad"`},
		"nothing":   {returns(task.Outcome{}), task.Failed, "no result"},
		"questions": {returns(task.Outcome{Asks: map[string]json.RawMessage{"who": json.RawMessage(`{}`)}}), task.InputRequired, "Waiting"},
		"a panic":   {task.Work{Do: func(context.Context, task.Task, func(string)) task.Outcome { panic("the secret") }}, task.Failed, "went wrong"},
		"too much":  {returns(task.Outcome{Result: json.RawMessage(`"` + strings.Repeat("x", task.MaxContent) + `"`)}), task.Failed, "too large"},
	} {
		t.Run(why, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				r := b.node(task.Limits{})
				ref := b.create(r, tt.work)
				synctest.Wait()
				b.want(r, ref, tt.status, tt.part)
				if got := b.task(r, ref, nobody); strings.Contains(got.Message+string(got.Error), "secret") {
					b.Error("the client is told what a panic said")
				}
			})
		})
	}
}

// TestRunner_keptFirst: the task is in the store before Create returns, and
// before its work begins; what cannot be kept is not begun.
func TestRunner_keptFirst(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		kept := make(chan error, 1)
		ref := b.create(r, task.Work{Do: func(ctx context.Context, t task.Task, _ func(string)) task.Outcome {
			_, err := b.store.Task(ctx, t.Ref, time.Now())
			kept <- err
			return task.Outcome{Result: json.RawMessage(`1`)}
		}})
		if _, err := b.store.Task(b.Context(), ref, time.Now()); err != nil {
			b.Error(err)
		}
		if err := <-kept; err != nil {
			b.Error("when work began:", err)
		}
		down := errors.New("down")
		b.store.Fail(down)
		if _, err := r.Create(b.Context(), b.key, task.Content{Call: json.RawMessage(`{}`)}, b.waits("a", nil, true)); !errors.Is(err, down) {
			b.Error("Create while the store is down:", err)
		}
		b.store.Fail(nil)
		b.wantBegun()
	})
}

// TestRunner_outlives: work goes on after the request that asked for it, with
// the values of its context.
func TestRunner_outlives(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		type name struct{}
		ctx, cancel := context.WithCancel(context.WithValue(b.Context(), name{}, "Ann"))
		gate := make(chan struct{})
		made, err := r.Create(ctx, b.key, task.Content{Call: json.RawMessage(`{}`)}, task.Work{Do: func(ctx context.Context, _ task.Task, _ func(string)) task.Outcome {
			<-gate
			if ctx.Err() != nil || ctx.Value(name{}) != "Ann" {
				return task.Outcome{}
			}
			return task.Outcome{Result: json.RawMessage(`"for Ann"`)}
		}})
		if err != nil {
			b.Fatal(err)
		}
		cancel()
		synctest.Wait()
		close(gate)
		synctest.Wait()
		b.want(r, made.Ref, task.Completed, "for Ann")
	})
}

func TestRunner_Cancel(t *testing.T) {
	inBubble(t, func(b *bench) {
		one, two := b.node(task.Limits{}), b.node(task.Limits{})
		here, there := b.create(one, b.waits("here", nil, true)), b.create(one, b.waits("there", nil, true))
		ended := b.create(one, returns(task.Outcome{Result: json.RawMessage(`1`)}))
		synctest.Wait()
		for ref, r := range map[task.Ref]*task.Runner{here: one, there: two, ended: two} {
			if err := r.Cancel(b.Context(), ref); err != nil {
				b.Error(err)
			}
		}
		b.want(one, here, task.Canceled, "")
		b.want(one, there, task.Canceled, "")
		b.want(one, ended, task.Completed, "1")
		time.Sleep(15 * time.Second) // of the bubble: the node that works on it looks by itself
		synctest.Wait()
		if err := one.Shutdown(b.Context()); err != nil {
			b.Error("work goes on that was canceled:", err)
		}
		b.want(two, there, task.Canceled, "")
		if err := two.Cancel(b.Context(), task.Ref{Key: b.key, ID: "unknown"}); !errors.Is(err, task.ErrNotFound) {
			b.Error(err)
		}
	})
}

// TestRunner_Answer: questions one round after another, answered in part, late
// and twice, on any node.
func TestRunner_Answer(t *testing.T) {
	inBubble(t, func(b *bench) {
		one, two := b.node(task.Limits{}), b.node(task.Limits{})
		var seen []string
		w := task.Work{Do: func(_ context.Context, t task.Task, _ func(string)) task.Outcome {
			answers, err := json.Marshal(t.Answers)
			if err != nil {
				return task.Outcome{}
			}
			seen = append(seen, t.State+" "+string(answers))
			if t.Rounds < 2 {
				return task.Outcome{State: "s", Asks: map[string]json.RawMessage{"who": json.RawMessage(`{"r":1}`), "why": json.RawMessage(`{"r":2}`)}}
			}
			return task.Outcome{Result: json.RawMessage(`"thanks"`)}
		}}
		ref := b.create(one, w)
		answer := func(r *task.Runner, answers string) {
			b.Helper()
			var got map[string]json.RawMessage
			if err := json.Unmarshal([]byte(answers), &got); err != nil {
				b.Fatal(err)
			}
			if err := r.Answer(b.Context(), ref, got, with(w)); err != nil {
				b.Error(err)
			}
			synctest.Wait()
		}
		open := func() (keys string) {
			for key, ask := range b.task(one, ref, nobody).Asks {
				keys += key + string(ask.Request) + " "
			}
			return keys
		}
		synctest.Wait()
		answer(two, `{"who":{"n":1},"stranger":{}}`)
		if got := open(); got != `why{"r":2} ` {
			b.Errorf("open after half an answer: %s", got)
		}
		answer(one, `{"who":{"n":9}}`) // answered before
		answer(two, `{"why":{"n":2}}`)
		b.want(two, ref, task.InputRequired, "")
		answer(one, `{"why":{"n":3},"who":{"n":3}}`) // for the round before
		answer(one, `{"why-2":{"n":4},"who-2":{"n":5}}`)
		b.want(two, ref, task.Completed, "thanks")
		answer(one, `{"why-2":{"n":6}}`) // ended
		want := []string{" null", `s {"who":{"n":1},"why":{"n":2}}`, `s {"who":{"n":5},"why":{"n":4}}`}
		if diff := cmp.Diff(want, seen); diff != "" {
			b.Errorf("what the work was told (-want +got):\n%s", diff)
		}
	})
}

// TestRunner_deadNode: when the lease of a node has lapsed, whoever asks takes
// the task up, once; work that must not be done twice has failed instead.
func TestRunner_deadNode(t *testing.T) {
	inBubble(t, func(b *bench) {
		dead := b.node(task.Limits{})
		joins, harms := b.create(dead, b.waits("dead", nil, true)), b.create(dead, b.waits("dead", nil, false))
		synctest.Wait()
		b.store.Orphan(joins, harms)

		done := make(chan struct{})
		one, two := b.node(task.Limits{}), b.node(task.Limits{})
		b.task(one, joins, with(b.waits("early", done, true)))
		synctest.Wait()
		b.wantBegun("dead", "dead") // the lease holds

		time.Sleep(16 * time.Second)         // of the bubble
		b.want(two, joins, task.Working, "") // who may not use the tool takes nothing up
		var wg sync.WaitGroup
		for _, r := range []*task.Runner{one, two, one, two} {
			wg.Go(func() { b.task(r, joins, with(b.waits("next", done, true))) })
		}
		wg.Wait()
		synctest.Wait()
		b.wantBegun("dead", "dead", "next")
		b.task(two, harms, with(b.waits("twice", done, false)))
		b.want(one, harms, task.Failed, "is not known")

		time.Sleep(time.Minute) // of the bubble: the next one keeps its lease
		b.task(two, joins, with(b.waits("again", done, true)))
		close(done)
		synctest.Wait()
		b.want(two, joins, task.Completed, "done")
		b.wantBegun("dead", "dead", "next")
	})
}

// TestRunner_givesUp: work that ends every process that begins it does not do
// so for ever.
func TestRunner_givesUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		ref := b.create(r, b.waits("deadly", nil, true))
		for range 10 {
			synctest.Wait()
			b.store.Orphan(ref)
			time.Sleep(20 * time.Second) // of the bubble
			b.task(r, ref, with(b.waits("deadly", nil, true)))
		}
		b.want(r, ref, task.Failed, "not begun again")
		b.wantBegun("deadly", "deadly", "deadly", "deadly", "deadly")
	})
}

// TestRunner_Shutdown: what can be taken up is given free at once, the rest may
// finish, and is cut off when the time is up.
func TestRunner_Shutdown(t *testing.T) {
	inBubble(t, func(b *bench) {
		one, two := b.node(task.Limits{}), b.node(task.Limits{})
		done := make(chan struct{})
		joins, slow, stuck := b.create(one, b.waits("one", nil, true)), b.create(one, b.waits("one", done, false)), b.create(one, b.waits("one", nil, false))
		synctest.Wait()
		time.AfterFunc(10*time.Second, func() { close(done) })
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		if err := one.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("Shutdown = %v", err)
		}
		b.want(two, slow, task.Completed, "done")
		b.want(two, stuck, task.Failed, "was stopped")
		b.want(two, joins, task.Working, "")
		b.task(two, joins, with(b.waits("two", done, true)))
		synctest.Wait()
		b.want(two, joins, task.Completed, "done")
		if _, err := one.Create(b.Context(), b.key, task.Content{}, returns(task.Outcome{})); err == nil {
			b.Error("a task begun after the shutdown")
		}
	})
}

func TestRunner_tooLong(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		ref := b.create(r, b.waits("a", nil, false))
		time.Sleep(19 * time.Minute) // of the bubble
		b.want(r, ref, task.Working, "")
		time.Sleep(2 * time.Minute)
		b.want(r, ref, task.Failed, "longer than 20m")
	})
}

// TestRunner_storeAway: a store that is away for a moment does not cost the
// work that ends then.
func TestRunner_storeAway(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		done := make(chan struct{})
		ref := b.create(r, b.waits("a", done, false))
		synctest.Wait()
		b.store.Fail(errors.New("down"))
		close(done)
		time.Sleep(3 * time.Second) // of the bubble
		b.store.Fail(nil)
		time.Sleep(10 * time.Second)
		b.want(r, ref, task.Completed, "done")
	})
}

func TestRunner_sayAndWatch(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{})
		var mu sync.Mutex
		var told []string
		gate := make(chan struct{})
		ref := b.create(r, task.Work{Do: func(_ context.Context, _ task.Task, say func(string)) task.Outcome {
			<-gate
			say("half way")
			say("half way")
			return task.Outcome{Result: json.RawMessage(`1`)}
		}})
		tell := func(t task.Task) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(t.Status)+" "+t.Message)
		}
		stop := r.Watch(ref.ID, tell)
		r.Watch("another", tell)
		stopped := r.Watch(ref.ID, func(task.Task) { b.Error("told after stop") })
		stopped()
		close(gate)
		synctest.Wait()
		stop()
		if diff := cmp.Diff([]string{"working half way", "completed "}, told); diff != "" {
			b.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// TestRunner_otherKeys: a task whose content cannot be opened says so.
func TestRunner_otherKeys(t *testing.T) {
	path := t.TempDir() + "/store.db"
	key, err := constraint.New("1001", "", "")
	if err != nil {
		t.Fatal(err)
	}
	before := task.NewRunner(task.Config{Store: openStore(t, path, newKeys(t, 1))})
	made, err := before.Create(t.Context(), key, task.Content{Tool: "a", Call: json.RawMessage(`{}`)}, returns(task.Outcome{Result: json.RawMessage(`1`)}))
	if err != nil {
		t.Fatal(err)
	}
	if err := before.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := task.NewRunner(task.Config{Store: openStore(t, path, newKeys(t, 2))})
	got, err := after.Task(t.Context(), made.Ref, nobody)
	if err != nil || got.Status != task.Failed || !strings.Contains(got.Message, "Call again") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRunner_Stats(t *testing.T) {
	inBubble(t, func(b *bench) {
		r := b.node(task.Limits{UserWorking: 1})
		done := make(chan struct{})
		b.create(r, b.waits("a", done, true))
		var limit *task.LimitError
		if _, err := r.Create(b.Context(), b.key, task.Content{Call: json.RawMessage(`{}`)}, b.waits("a", nil, true)); !errors.As(err, &limit) {
			b.Error("a second task at once:", err)
		}
		if got := r.Stats(); got != (task.Stats{Running: 1, Refused: 1}) {
			b.Errorf("%+v, want one running and one refused", got)
		}
		close(done)
		synctest.Wait()
		if got := r.Stats(); got.Running != 0 {
			b.Errorf("%+v after the end", got)
		}
	})
}
