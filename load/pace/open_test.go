package pace_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"roundhouse/load/measure"
	"roundhouse/load/pace"
)

// calls is a Source of calls that a fake server answers.
type calls struct {
	name string
	do   func(context.Context) (measure.Outcome, string)

	asked int // not locked: a Source is asked by one goroutine at a time
}

func (c *calls) Next() pace.Call {
	c.asked++
	return pace.Call{Name: c.name, First: c.asked == 1, Do: c.do}
}

// takes answers after that long.
func takes(d time.Duration) *calls {
	return &calls{name: "call", do: func(ctx context.Context) (measure.Outcome, string) {
		select {
		case <-time.After(d):
			return measure.OK, ""
		case <-ctx.Done():
			return measure.Lost, "canceled"
		}
	}}
}

// results collects what a loop records.
type results struct {
	mu  sync.Mutex
	all []measure.Result
}

func (r *results) add(res measure.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, res)
}

// latencies is of those with the outcome, in their order.
func (r *results) latencies(outcome measure.Outcome) measure.Histogram {
	var h measure.Histogram
	for _, res := range r.all {
		if res.Outcome == outcome {
			h.Add(res.Latency())
		}
	}
	return h
}

// outcomes is how many ended how, in words.
func (r *results) outcomes() map[string]int {
	n := map[string]int{}
	for _, res := range r.all {
		n[fmt.Sprintf("%v %s", res.Outcome, res.Reason)]++
	}
	return n
}

func TestOpen_DueTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := pace.Ramp(10, 100, 3*time.Second)
		start := time.Now().Add(time.Second)
		var got results
		if err := pace.Open(t.Context(), plan, takes(7*time.Millisecond), pace.Options{Start: start}, got.add); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got.all, func(a, b measure.Result) int { return a.Due.Compare(b.Due) })
		if len(got.all) != 165 {
			t.Errorf("%d calls, want 165", len(got.all))
		}
		for n, res := range got.all {
			after, _ := plan.Due(uint64(n))
			want := start.Add(after)
			if !res.Due.Equal(want) || !res.Sent.Equal(want) || !res.Ended.Equal(want.Add(7*time.Millisecond)) || res.First != (n == 0) {
				t.Fatalf("call %d = %+v, want it due and sent at %v", n, res, want)
			}
		}
	})
}

// stalls answers within a millisecond, but not at all for a while.
func stalls(from, to time.Time) *calls {
	c := takes(0)
	c.do = func(context.Context) (measure.Outcome, string) {
		if now := time.Now(); !now.Before(from) && now.Before(to) {
			time.Sleep(to.Sub(now))
		}
		time.Sleep(time.Millisecond)
		return measure.OK, ""
	}
	return c
}

// A stall of 2 s in 20 makes a tenth of the calls late that independent users
// would have made. The closed loop is one call late, since its caller waits too,
// and its p99 tells nothing of it.
func TestStall(t *testing.T) {
	stalled := func(run func(ctx context.Context, src pace.Source, rec func(measure.Result)) error) measure.Histogram {
		var got results
		synctest.Test(t, func(t *testing.T) {
			from := time.Now().Add(10 * time.Second)
			if err := run(t.Context(), stalls(from, from.Add(2*time.Second)), got.add); err != nil {
				t.Fatal(err)
			}
		})
		return got.latencies(measure.OK)
	}
	open := stalled(func(ctx context.Context, src pace.Source, rec func(measure.Result)) error {
		return pace.Open(ctx, pace.Constant(100, 20*time.Second), src, pace.Options{}, rec)
	})
	closed := stalled(func(ctx context.Context, src pace.Source, rec func(measure.Result)) error {
		return pace.Closed(ctx, 1, 20*time.Second, src, rec)
	})
	// Of 2000 calls 200 wait, evenly from 2 s to 10 ms: 20 of them 1.8 s or more.
	near(t, "open p99", open.Quantile(0.99), 1801*time.Millisecond)
	near(t, "open p95", open.Quantile(0.95), 1001*time.Millisecond)
	near(t, "open max", open.Max(), 2001*time.Millisecond)
	near(t, "closed p99", closed.Quantile(0.99), time.Millisecond)
	near(t, "closed p99.9", closed.Quantile(0.999), time.Millisecond)
	near(t, "closed max", closed.Max(), 2001*time.Millisecond)
	if open.Count() != 2000 {
		t.Errorf("%d calls in the open loop, want 2000", open.Count())
	}
}

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if (got - want).Abs() > want/100 {
		t.Errorf("%s = %v, want %v to 1 %%", what, got, want)
	}
}

// 100 calls a second of 0.1 s each need ten in flight. With five, every second
// waits longer by half a second, and its latency tells.
func TestOpen_MaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, inFlight, most := takes(0), atomic.Int64{}, atomic.Int64{}
		src.do = func(context.Context) (measure.Outcome, string) {
			most.Store(max(most.Load(), inFlight.Add(1)))
			defer inFlight.Add(-1)
			time.Sleep(100 * time.Millisecond)
			return measure.OK, ""
		}
		var got results
		if err := pace.Open(t.Context(), pace.Constant(100, 2*time.Second), src, pace.Options{MaxInFlight: 5}, got.add); err != nil {
			t.Fatal(err)
		}
		ok := got.latencies(measure.OK)
		if most.Load() != 5 || ok.Count() != 200 {
			t.Errorf("%d calls, at most %d at once; want 200, 5", ok.Count(), most.Load())
		}
		near(t, "min", ok.Min(), 100*time.Millisecond)
		near(t, "max", ok.Max(), 2050*time.Millisecond) // the last is due at 1.99 s and sent with the 40th five, at 3.94 s
	})
}

func TestOpen_Grace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got results
		opt := pace.Options{MaxInFlight: 3, Grace: 2 * time.Second}
		if err := pace.Open(t.Context(), pace.Constant(10, time.Second), takes(time.Hour), opt, got.add); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("a server that hangs ends the run after %v, want 3s", took)
		}
		want := map[string]int{"lost ended": 3, "lost not sent": 7}
		if n := got.outcomes(); fmt.Sprint(n) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", n, want)
		}
	})
}

func TestOpen_Canceled(t *testing.T) {
	for name, tc := range map[string]struct {
		maxInFlight int
		want        map[string]int
	}{
		"while it waits for the next": {100, map[string]int{"ok ": 23, "lost ended": 2}},
		"while as many are in flight": {1, map[string]int{"ok ": 12, "lost ended": 1, "lost not sent": 12}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 2450*time.Millisecond)
				defer cancel()
				var got results
				err := pace.Open(ctx, pace.Constant(10, time.Hour), takes(190*time.Millisecond), pace.Options{MaxInFlight: tc.maxInFlight}, got.add)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2450*time.Millisecond {
					t.Errorf("Open = %v after %v", err, time.Since(began))
				}
				if n := got.outcomes(); fmt.Sprint(n) != fmt.Sprint(tc.want) {
					t.Errorf("%v, want %v", n, tc.want)
				}
			})
		})
	}
}

func TestOpen_CanceledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got results
	err := pace.Open(ctx, pace.Constant(1, time.Hour), takes(0), pace.Options{}, got.add)
	if !errors.Is(err, context.Canceled) || fmt.Sprint(got.outcomes()) != "map[lost not sent:1]" {
		t.Errorf("Open = %v with %v, want the one call that was due lost", err, got.outcomes())
	}
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got results
		if err := pace.Closed(t.Context(), 4, time.Second, takes(30*time.Millisecond), got.add); err != nil {
			t.Fatal(err)
		}
		if n := got.outcomes()["ok "]; n != 4*34 || n != len(got.all) {
			t.Errorf("%v, want 4 times 34 answers", got.outcomes())
		}
		near(t, "max", got.latencies(measure.OK).Max(), 30*time.Millisecond)
	})
}

// A server that is gone is asked now and then, and one that comes back is driven
// as before.
func TestClosed_TurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		good := takes(10 * time.Millisecond)
		src := &calls{name: "call", do: func(ctx context.Context) (measure.Outcome, string) {
			if time.Since(began) < 10*time.Second {
				return measure.Lost, "connection refused"
			}
			return good.do(ctx)
		}}
		var got results
		if err := pace.Closed(t.Context(), 4, 20*time.Second, src, got.add); err != nil {
			t.Fatal(err)
		}
		n := got.outcomes()
		if lost, ok := n["lost connection refused"], n["ok "]; lost < 4*20 || lost > 4*40 || ok < 4*900 {
			t.Errorf("%v", n)
		}
	})
}

func TestClosed_Canceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Millisecond)
		defer cancel()
		var got results
		err := pace.Closed(ctx, 4, time.Hour, takes(30*time.Millisecond), got.add)
		want := map[string]int{"ok ": 4, "lost ended": 4}
		if n := got.outcomes(); !errors.Is(err, context.DeadlineExceeded) || fmt.Sprint(n) != fmt.Sprint(want) {
			t.Errorf("Closed = %v with %v, want %v", err, n, want)
		}
	})
}

// Whatever the plan, the server and the bounds: each call that was due has one
// result, and a run is over when its grace is.
func TestOpen_Properties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := plans.Draw(rt, "plan").plan
		latency := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(rt, "latency"))
		opt := pace.Options{MaxInFlight: rapid.IntRange(1, 50).Draw(rt, "max"), Grace: 5 * time.Second}
		due := 0
		for ; ; due++ {
			if _, ok := plan.Due(uint64(due)); !ok {
				break
			}
		}
		var got results
		var took time.Duration
		var err error
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err = pace.Open(t.Context(), plan, takes(latency), opt, got.add)
			took = time.Since(began)
		})
		if err != nil || len(got.all) != due || took > plan.Length()+opt.Grace {
			rt.Fatalf("%v with calls of %v, %+v: %v after %v, %d results, want %d", plan, latency, opt, err, took, len(got.all), due)
		}
		for _, res := range got.all {
			if res.Sent.IsZero() != (res.Reason == measure.NotSent) || res.Sent.Before(res.Due) && !res.Sent.IsZero() || res.Ended.Before(res.Due) {
				rt.Fatalf("result %+v", res)
			}
		}
	})
}

// The time is the machine's here: no call is early, and no goroutine is left.
func TestOpen_RealTime(t *testing.T) {
	before := runtime.NumGoroutine()
	late := lateness(t, 1000, 200*time.Millisecond)
	if late.Count() != 200 {
		t.Errorf("%d calls, want 200", late.Count())
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // what has told that it is done may still have to end
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// lateness is from due to sent, of calls that take no time.
func lateness(t testing.TB, rate float64, length time.Duration) measure.Histogram {
	var late measure.Histogram
	var got results
	src := takes(0)
	src.do = func(context.Context) (measure.Outcome, string) { return measure.OK, "" }
	if err := pace.Open(t.Context(), pace.Constant(rate, length), src, pace.Options{}, got.add); err != nil {
		t.Fatal(err)
	}
	for _, res := range got.all {
		if res.Sent.Before(res.Due) {
			t.Errorf("sent %v before it was due", res.Due.Sub(res.Sent))
		}
		late.Add(res.Sent.Sub(res.Due))
	}
	return late
}

func BenchmarkOpen_Late(b *testing.B) {
	for b.Loop() {
		late := lateness(b, 200, 2*time.Second)
		b.ReportMetric(float64(late.Quantile(0.5).Microseconds()), "p50-µs")
		b.ReportMetric(float64(late.Quantile(0.99).Microseconds()), "p99-µs")
	}
}

// What a call costs in the harness: pacing, handing over and recording it.
func BenchmarkOpen(b *testing.B) {
	src := takes(0)
	src.do = func(context.Context) (measure.Outcome, string) { return measure.OK, "" }
	rec := measure.NewRecorder(time.Now(), 0, time.Second)
	const rate = 10_000_000 // more than can be made: they are late, and so made at once
	plan := pace.Constant(rate, time.Duration(b.N)*time.Second/rate)
	b.ReportAllocs()
	b.ResetTimer()
	if err := pace.Open(b.Context(), plan, src, pace.Options{MaxInFlight: 100, Grace: time.Hour}, rec.Add); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkClosed(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	src, left := takes(0), atomic.Int64{}
	left.Store(int64(b.N))
	src.do = func(context.Context) (measure.Outcome, string) {
		if left.Add(-1) <= 0 {
			cancel()
		}
		return measure.OK, ""
	}
	rec := measure.NewRecorder(time.Now(), 0, time.Second)
	b.ReportAllocs()
	b.ResetTimer()
	if err := pace.Closed(ctx, 8, time.Hour, src, rec.Add); !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
}
