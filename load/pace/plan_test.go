package pace_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roundhouse/load/pace"
)

func TestPacer_Due(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plan  pace.Pacer
		n     uint64
		due   time.Duration
		words string
	}{
		{"no rate that there can be", pace.Constant(math.Inf(1), time.Second), 999, 999 * time.Nanosecond, "1e+09/s"},
		{"first", pace.Constant(200, time.Second), 0, 0, "200/s"},
		{"constant", pace.Constant(200, time.Second), 199, 995 * time.Millisecond, "200/s"},
		{"slower than one a second", pace.Constant(0.25, time.Minute), 3, 12 * time.Second, "0.25/s"},
		{"a day later, no drift", pace.Constant(3, 24*time.Hour), 3*86_399 + 1, 86_399*time.Second + 333333333, "3/s"},
		{"second step", pace.Steps(pace.Step{Rate: 10, For: time.Second}, pace.Step{Rate: 100, For: time.Second}), 15, 1050 * time.Millisecond, "10/s for 1s, then 100/s for 1s"},
		{"after a pause", pace.Steps(pace.Step{Rate: 10, For: time.Second}, pace.Step{For: time.Minute}, pace.Step{Rate: 1, For: time.Minute}), 10, 61 * time.Second, "10/s for 1s, then 0/s for 1m0s, then 1/s for 1m0s"},
		{"rising", pace.Ramp(0, 100, 10*time.Second), 125, 5 * time.Second, "0/s to 100/s over 10s"},
		{"falling", pace.Ramp(100, 0, 10*time.Second), 375, 5 * time.Second, "100/s to 0/s over 10s"},
		{"level", pace.Ramp(50, 50, 10*time.Second), 100, 2 * time.Second, "50/s to 50/s over 10s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			due, ok := tc.plan.Due(tc.n)
			if !ok || (due-tc.due).Abs() > 1 || tc.plan.String() != tc.words {
				t.Errorf("%v: Due(%d) = %v, %v, want %v; in words %q", tc.plan, tc.n, due, ok, tc.due, tc.words)
			}
		})
	}
}

// Numbers of calls whose products are a little more than whole make none at the
// very end.
func TestPacer_Rounding(t *testing.T) {
	for _, tc := range []struct {
		plan pace.Pacer
		n    uint64
	}{{pace.Constant(30, 8300*time.Millisecond), 249}, {pace.Ramp(2.1, 3.7, 10*time.Second), 29}, {pace.Ramp(5.9, 3.7, 10*time.Second), 48}} {
		if due, ok := tc.plan.Due(tc.n); ok {
			t.Errorf("%v: call %d is due after %v, want it to be none", tc.plan, tc.n, due)
		}
	}
}

func TestPacer_Nothing(t *testing.T) {
	for _, plan := range []pace.Pacer{
		pace.Constant(0, time.Minute), pace.Constant(-1, time.Minute), pace.Constant(math.NaN(), time.Minute), pace.Ramp(math.NaN(), -1, time.Minute), pace.Constant(100, 0), pace.Steps(),
		pace.Steps(pace.Step{For: time.Minute}), pace.Ramp(0, 0, time.Minute), pace.Ramp(1, 100, 0), pace.Poisson(pace.Constant(0, time.Minute), 1),
	} {
		if due, ok := plan.Due(0); ok {
			t.Errorf("%v: a call is due after %v, want none", plan, due)
		}
	}
}

// Most numbers that rapid draws are small, and would make plans of no calls.
var rates = rapid.OneOf(rapid.SampledFrom([]float64{0, 0.3, 7, 99.9, 300}), rapid.Float64Range(0, 300))

var lengths = rapid.OneOf(
	rapid.SampledFrom([]time.Duration{0, time.Millisecond, 333 * time.Millisecond, 5 * time.Second}),
	rapid.Map(rapid.Int64Range(0, int64(5*time.Second)), func(n int64) time.Duration { return time.Duration(n) }),
)

// expected is a plan, and how many calls are due before a moment of it.
type expected struct {
	plan  pace.Pacer
	calls func(at time.Duration) float64
}

var plans = rapid.Custom(func(t *rapid.T) expected {
	if rapid.Bool().Draw(t, "ramp") {
		from, to, over := rates.Draw(t, "from"), rates.Draw(t, "to"), lengths.Draw(t, "over")
		return expected{pace.Ramp(from, to, over), func(at time.Duration) float64 {
			s := min(at, over).Seconds()
			return from*s + (to-from)/max(over.Seconds(), 1e-9)*s*s/2
		}}
	}
	var list []pace.Step
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		list = append(list, pace.Step{Rate: rates.Draw(t, "rate"), For: lengths.Draw(t, "for")})
	}
	return expected{pace.Steps(list...), func(at time.Duration) (calls float64) {
		for _, s := range list {
			in := min(at, s.For)
			calls += s.Rate * in.Seconds()
			at -= in
		}
		return calls
	}}
})

// Calls are due in their order, before the end, as many as the rates say, and
// none after the last.
func TestPacer_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := plans.Draw(t, "plan")
		last := time.Duration(0)
		n := uint64(0)
		for ; ; n++ {
			due, ok := want.plan.Due(n)
			if !ok {
				break
			}
			if due < last || due >= want.plan.Length() {
				t.Fatalf("%v: call %d is due after %v, the one before after %v, the end is at %v", want.plan, n, due, last, want.plan.Length())
			}
			if calls := want.calls(due); math.Abs(calls-float64(n)) > 1.01 {
				t.Fatalf("%v: %d calls are due before %v, want %.1f", want.plan, n, due, calls)
			}
			last = due
		}
		if calls := want.calls(want.plan.Length()); math.Abs(calls-float64(n)) > 1.01 {
			t.Fatalf("%v: %d calls in all, want %.1f", want.plan, n, calls)
		}
		if _, ok := want.plan.Due(n + 1); ok {
			t.Fatalf("%v: ends with call %d and goes on with the next but one", want.plan, n)
		}
	})
}

// Counts of a second are as those of a Poisson process: their variance is their
// mean. Gaps of a plan without chance would make it nearly 0.
func TestPoisson(t *testing.T) {
	const rate, length = 50, 2000
	plan := pace.Poisson(pace.Constant(rate, length*time.Second), 7)
	var counts [length]float64
	last := time.Duration(0)
	for n := uint64(0); ; n++ {
		due, ok := plan.Due(n)
		if !ok {
			break
		}
		if due < last || due >= plan.Length() {
			t.Fatalf("call %d is due after %v, the one before after %v", n, due, last)
		}
		last = due
		counts[int(due/time.Second)]++
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	mean := sum / length
	if variance := squares/length - mean*mean; math.Abs(mean-rate) > 1 || math.Abs(variance-rate) > 8 {
		t.Errorf("counts of a second have a mean of %.2f and a variance of %.2f, want both %d", mean, variance, rate)
	}
	first, _ := plan.Due(0)
	again, _ := pace.Poisson(pace.Constant(rate, length*time.Second), 7).Due(0)
	other, _ := pace.Poisson(pace.Constant(rate, length*time.Second), 8).Due(0)
	var due time.Duration
	for seed := range uint64(100) { // the last call of a plan, here the only one, is random too
		at, _ := pace.Poisson(pace.Constant(1, time.Second), seed).Due(0)
		due += at
	}
	if due < 20*time.Second {
		t.Errorf("the only calls of 100 plans are due after %v in all", due)
	}
	if words := plan.String(); words != "50/s, at random" {
		t.Errorf("in words %q", words)
	}
	if first != again || first == other {
		t.Errorf("first calls after %v and, of the same seed, %v; of another %v", first, again, other)
	}
}
