package measure_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roundhouse/load/measure"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// result is of a call that was due so long after noon and took so long.
func result(due, took time.Duration) measure.Result {
	at := noon.Add(due)
	return measure.Result{Call: "whoami", Due: at, Sent: at, Ended: at.Add(took)}
}

func TestRecorder_Fill(t *testing.T) {
	r := measure.NewRecorder(noon, 2*time.Second, time.Second)
	warm := result(500*time.Millisecond, time.Millisecond)
	warm.First = true
	r.Add(warm)
	r.Add(result(2*time.Second, 10*time.Millisecond))
	late := result(3500*time.Millisecond, 30*time.Millisecond)
	late.Sent = late.Due.Add(20 * time.Millisecond)
	r.Add(late)
	lost := result(3600*time.Millisecond, 30*time.Second)
	lost.Outcome, lost.Reason = measure.Lost, "timeout"
	lost.Sent = time.Time{} // it never was
	r.Add(lost)
	failed := result(5*time.Second, 50*time.Millisecond)
	failed.Call, failed.Outcome, failed.Reason, failed.First = "get_issue", measure.Failed, "sentry", true
	r.Add(failed)

	rep := measure.Report{Seconds: 3.5}
	r.Fill(&rep)
	if !rep.Began.Equal(noon) || rep.Warmup != 2 {
		t.Errorf("began %v after a warm-up of %v s", rep.Began, rep.Warmup)
	}
	type tally struct {
		Count             uint64
		Outcomes, Reasons map[string]uint64
		Latencies         uint64
	}
	got := map[string]tally{"total": {rep.Total.Count, rep.Total.Outcomes, rep.Total.Reasons, rep.Total.Latency.Count()}}
	for name, c := range rep.Calls {
		got[name] = tally{c.Count, c.Outcomes, c.Reasons, c.Latency.Count()}
	}
	want := map[string]tally{
		"total":     {4, map[string]uint64{"ok": 2, "lost": 1, "failed": 1}, map[string]uint64{"timeout": 1, "sentry": 1}, 3},
		"whoami":    {3, map[string]uint64{"ok": 2, "lost": 1}, map[string]uint64{"timeout": 1}, 2},
		"get_issue": {1, map[string]uint64{"failed": 1}, map[string]uint64{"sentry": 1}, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tallies (-want +got):\n%s", diff)
	}
	if rep.Activations.Count() != 2 || rep.Late.Count() != 3 {
		t.Errorf("%d activations and %d late, want 2 (one in the warm-up) and 3", rep.Activations.Count(), rep.Late.Count())
	}
	within(t, rep.Late.Max(), 20*time.Millisecond, "late")
	before := encode(t, rep)
	r.Add(result(2*time.Second, time.Second))
	r.Fill(new(measure.Report))
	if encode(t, rep) != before {
		t.Error("a report that was filled has changed with the next result")
	}
	var series []string
	for _, w := range rep.Series {
		series = append(series, fmt.Sprint(w.At, w.Seconds, w.Count, w.Bad))
	}
	if diff := cmp.Diff([]string{"-2 1 1 0", "-1 1 0 0", "0 1 1 0", "1 1 2 1", "2 1 0 0", "3 0.5 1 0"}, series); diff != "" {
		t.Errorf("at, seconds, count and bad of windows (-want +got):\n%s", diff)
	}
}

func TestRecorder_WindowsAreBounded(t *testing.T) {
	r := measure.NewRecorder(noon, 10*time.Second, time.Second)
	const calls = 5000
	for i := range calls {
		r.Add(result(time.Duration(i)*time.Second, time.Millisecond))
	}
	var rep measure.Report
	r.Fill(&rep)
	var count uint64
	for i, w := range rep.Series {
		count += w.Count
		if i > 0 && w.At != rep.Series[i-1].At+rep.Series[i-1].Seconds {
			t.Fatalf("window %d begins at %v s, the one before is of %v s at %v s", i, w.At, rep.Series[i-1].Seconds, rep.Series[i-1].At)
		}
	}
	if len(rep.Series) > 600 || len(rep.Series) < 300 || count != calls || rep.Series[0].At != -10 {
		t.Errorf("%d windows from %v s with %d calls, want at most 600 from -10 s with %d", len(rep.Series), rep.Series[0].At, count, calls)
	}
}

// Whenever calls are due, each is in one window, the windows join, and what was
// due after the warm-up is in the total.
func TestRecorder_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		warmup := time.Duration(rapid.IntRange(0, 90).Draw(t, "warmup")) * time.Second
		window := time.Duration(rapid.IntRange(1, 5000).Draw(t, "window")) * time.Millisecond
		dues := rapid.SliceOf(rapid.OneOf(rapid.IntRange(-100, 100), rapid.IntRange(0, 1_000_000))).Draw(t, "dues")
		r := measure.NewRecorder(noon, warmup, window)
		var measured uint64
		for _, s := range dues {
			due := time.Duration(s) * time.Second
			r.Add(result(due, time.Millisecond))
			if max(due, 0) >= warmup {
				measured++
			}
		}
		var rep measure.Report
		r.Fill(&rep)
		var count, latencies, after uint64
		for i, w := range rep.Series {
			count += w.Count
			latencies += w.Latency.Count()
			if w.At >= 0 {
				after += w.Count
			}
			if i > 0 && math.Abs(rep.Series[i-1].At+rep.Series[i-1].Seconds-w.At) > 1e-6 {
				t.Fatalf("window %d begins at %v s, the one before ends at %v s", i, w.At, rep.Series[i-1].At+rep.Series[i-1].Seconds)
			}
		}
		if n := uint64(len(dues)); count != n || latencies != n || after != measured || rep.Total.Count != measured || len(rep.Series) > 600 {
			t.Fatalf("%d windows hold %d calls and %d latencies, %d after the warm-up; total %d; want %d, %d measured",
				len(rep.Series), count, latencies, after, rep.Total.Count, n, measured)
		}
		if len(rep.Series) > 0 && rep.Series[0].At < -warmup.Seconds()-1e-6 {
			t.Fatalf("the first window begins at %v s, before the warm-up of %v", rep.Series[0].At, warmup)
		}
	})
}

// What several recorders counted is what one would have, and so is what many
// goroutines counted in one.
func TestRecorder_Concurrent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	results := make([]measure.Result, 20_000)
	for i := range results {
		results[i] = result(time.Duration(rnd.IntN(60_000))*time.Millisecond, time.Duration(rnd.ExpFloat64()*float64(time.Millisecond)))
		results[i].Call = fmt.Sprint("call ", rnd.IntN(5))
		if rnd.IntN(10) == 0 {
			results[i].Outcome, results[i].Reason = measure.Refused, "503"
		}
	}
	one := measure.NewRecorder(noon, time.Second, time.Second)
	for _, res := range results {
		one.Add(res)
	}
	many := measure.NewRecorder(noon, time.Second, time.Second)
	var wg sync.WaitGroup
	const adders = 100
	for i := range adders {
		wg.Go(func() {
			for j := i; j < len(results); j += adders {
				many.Add(results[j])
				if j%1000 == 0 {
					many.Live(results[j].Ended)
					many.Fill(new(measure.Report))
				}
			}
		})
	}
	wg.Wait()
	var want, got measure.Report
	one.Fill(&want)
	many.Fill(&got)
	if encode(t, got) != encode(t, want) {
		t.Errorf("%d goroutines counted %d calls in %d windows, one %d in %d", adders, got.Total.Count, len(got.Series), want.Total.Count, len(want.Series))
	}
}

// Windows are coarser than totals, and still right to 1 %.
func TestRecorder_WindowQuantiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	r := measure.NewRecorder(noon, 0, time.Second)
	took := make([][]time.Duration, 3)
	for i := range 30_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(time.Second))
		took[i%len(took)] = append(took[i%len(took)], d)
		r.Add(result(time.Duration(i%len(took))*time.Second, d))
	}
	var rep measure.Report
	r.Fill(&rep)
	for i, w := range rep.Series {
		slices.Sort(took[i])
		for _, q := range quantiles {
			within(t, w.Latency.Quantile(q), exact(took[i], q), "window %d, quantile %v", i, q)
		}
	}
}

// A coarse and a fine histogram make a coarse one, whichever is merged into which.
func TestHistogram_MergeCoarse(t *testing.T) {
	r := measure.NewRecorder(noon, 0, time.Second)
	for i := range 1000 {
		r.Add(result(0, time.Duration(i*i)*time.Microsecond))
	}
	var rep measure.Report
	r.Fill(&rep)
	window, total := rep.Series[0].Latency, rep.Total.Latency
	want := window.Clone()
	want.Merge(window)
	into, from := total.Clone(), window.Clone()
	into.Merge(window)
	from.Merge(total)
	if encode(t, into) != encode(t, want) || encode(t, from) != encode(t, want) {
		t.Errorf("p99 of both %v and %v, want %v", into.Quantile(0.99), from.Quantile(0.99), want.Quantile(0.99))
	}
	if total.Count() != 1000 || window.Count() != 1000 {
		t.Errorf("%d and %d values left in what was merged", total.Count(), window.Count())
	}
}

func TestRecorder_NamesAreBounded(t *testing.T) {
	r := measure.NewRecorder(noon, 0, 0)
	for i := range 1000 {
		res := result(0, time.Millisecond)
		res.Call, res.Outcome, res.Reason = fmt.Sprint("call ", i, strings.Repeat("é", 100)), measure.Refused, fmt.Sprint("reason ", i)
		r.Add(res)
	}
	var rep measure.Report
	r.Fill(&rep)
	for name := range rep.Calls {
		if len(name) > 80 || !utf8.ValidString(name) {
			t.Errorf("kind %q", name)
		}
	}
	if rep.Total.Bad() != 1000 {
		t.Errorf("%d bad, want all", rep.Total.Bad())
	}
	if len(rep.Calls) > 65 || len(rep.Total.Reasons) > 65 || rep.Calls["other"].Count == 0 || rep.Total.Reasons["other"] == 0 || rep.Total.Count != 1000 {
		t.Errorf("%d kinds (%d other) and %d reasons (%d other) of %d calls", len(rep.Calls), rep.Calls["other"].Count,
			len(rep.Total.Reasons), rep.Total.Reasons["other"], rep.Total.Count)
	}
}

func TestRecorder_Live(t *testing.T) {
	r := measure.NewRecorder(noon, time.Second, time.Second)
	for i := range 100 {
		res := result(time.Duration(i)*10*time.Millisecond, time.Duration(i+1)*time.Microsecond)
		if i == 7 {
			res.Outcome, res.Reason = measure.Wrong, "mark"
		}
		r.Add(res)
	}
	r.Add(result(time.Second, time.Second))
	live := r.Live(noon.Add(1500 * time.Millisecond))
	if live.Rate != 100 || live.Count != 101 || live.Bad != 1 || live.Wrong != 1 {
		t.Errorf("Live = %+v, want 100/s, 101 calls, 1 bad, 1 wrong", live)
	}
	within(t, live.P50, 51*time.Microsecond, "p50")
	within(t, live.P99, 99*time.Microsecond, "p99")
	for i := range 2000 { // the second thousand ended before, and came later
		r.Add(result(time.Duration(6-i/1000*3)*time.Second, time.Millisecond))
	}
	if live = r.Live(noon.Add(7 * time.Second)); live.Rate < 1000 {
		t.Errorf("Live = %+v, want 1000/s or more", live)
	}
	if live = r.Live(noon.Add(time.Minute)); live.Rate != 0 || live.P99 != 0 {
		t.Errorf("a minute later Live = %+v, want no rate", live)
	}
}

// Half an hour of a thousand calls a second, with latencies of three decades:
// what it holds, and what its report takes.
func BenchmarkRecorder_HalfHour(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		rnd := rand.New(rand.NewPCG(6, 6))
		r := measure.NewRecorder(noon, 10*time.Second, time.Second)
		for i := range 1_800_000 {
			res := result(time.Duration(i)*time.Millisecond, time.Duration(math.Exp(rnd.NormFloat64())*float64(time.Millisecond)))
			res.Call = fmt.Sprint("call ", i%10)
			r.Add(res)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		rep := measure.Report{Format: measure.FormatVersion}
		r.Fill(&rep)
		data, err := json.Marshal(rep)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(after.HeapAlloc)-float64(before.HeapAlloc), "heap-B")
		b.ReportMetric(float64(len(data)), "JSON-B")
		b.ReportMetric(float64(len(rep.Series)), "windows")
	}
}

func BenchmarkRecorder_Add(b *testing.B) {
	r := measure.NewRecorder(noon, 0, time.Second)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
		for i := 0; pb.Next(); i++ {
			r.Add(result(time.Duration(i)*10*time.Microsecond, time.Duration(rnd.ExpFloat64()*float64(time.Millisecond))))
		}
	})
}
