package load

import (
	"context"
	"fmt"
	"math"
	"sort"
	"time"

	"roundhouse/load/measure"
	"roundhouse/load/pace"
	"roundhouse/load/scenario"
)

// drive makes the calls, warm-up included. Its error is of the run's end.
func (r *run) drive(ctx context.Context, start time.Time, src *source, rep *measure.Report) error {
	s := r.cfg.Scenario
	switch a := s.Arrivals; {
	case a.Search != nil:
		return r.search(ctx, start, src, rep)
	case a.Closed > 0:
		callers := max(shareOf(a.Closed, r.cfg.Worker, r.cfg.Workers), 1)
		rep.Arrivals = fmt.Sprintf("closed, %d callers", callers)
		return pace.Closed(ctx, callers, s.Warmup.Duration+s.Duration.Duration, src, r.count(ctx))
	}
	plan := r.plan()
	var p pace.Pacer = warmed(plan, s.Warmup.Duration)
	if s.Arrivals.Random {
		p = pace.Poisson(p, r.cfg.Seed+uint64(r.cfg.Worker))
	}
	rep.Arrivals = "open, " + p.String()
	if s.Order == scenario.Cold {
		p = limited{p, uint64(len(r.population.askers))}
	}
	return pace.Open(ctx, p, src, pace.Options{Start: start, Grace: r.grace()}, r.count(ctx))
}

// grace is for the last calls to be answered.
func (r *run) grace() time.Duration { return r.cfg.Scenario.Timeout.Duration + time.Second }

// plan is this worker's part of the arrivals, without the warm-up.
func (r *run) plan() pace.Pacer {
	s, part := r.cfg.Scenario, 1/float64(r.cfg.Workers)
	switch a := s.Arrivals; {
	case a.Ramp != nil:
		return pace.Ramp(a.Ramp.From*part, a.Ramp.To*part, s.Duration.Duration)
	case len(a.Steps) > 0:
		steps := make([]pace.Step, len(a.Steps))
		for i, step := range a.Steps {
			steps[i] = pace.Step{Rate: step.Rate * part, For: step.For.Duration}
		}
		return pace.Steps(steps...)
	default:
		return pace.Constant(a.Rate*part, s.Duration.Duration)
	}
}

// preceded is a plan with another before it.
type preceded struct {
	pace.Pacer
	before pace.Pacer
	calls  uint64 // of before
}

// warmed puts a warm-up before the plan, at the rate that it begins with.
func warmed(p pace.Pacer, warmup time.Duration) pace.Pacer {
	gap := p.Length()
	if first, ok := p.Due(0); ok {
		if second, ok := p.Due(1); ok && second > first {
			gap = second - first
		}
	}
	if gap <= 0 || warmup <= 0 {
		return preceded{Pacer: p, before: pace.Constant(1, 0)}
	}
	before := pace.Constant(float64(time.Second)/float64(gap), warmup)
	calls := sort.Search(math.MaxInt32, func(n int) bool { _, ok := before.Due(uint64(n)); return !ok })
	return preceded{p, before, uint64(calls)}
}

func (p preceded) Due(n uint64) (time.Duration, bool) {
	if n < p.calls {
		return p.before.Due(n)
	}
	after, ok := p.Pacer.Due(n - p.calls)
	return p.before.Length() + after, ok
}

func (p preceded) Length() time.Duration { return p.before.Length() + p.Pacer.Length() }

// limited is a plan that ends after so many calls.
type limited struct {
	pace.Pacer
	calls uint64
}

func (l limited) Due(n uint64) (time.Duration, bool) {
	if n >= l.calls {
		return 0, false
	}
	return l.Pacer.Due(n)
}

// search tries rate after rate, each with a recorder of its own. What is counted
// in all is not of one rate, so that the report's limit is what to look at.
func (r *run) search(ctx context.Context, start time.Time, src *source, rep *measure.Report) error {
	s, of := r.cfg.Scenario, r.cfg.Scenario.Arrivals.Search
	rep.Arrivals = fmt.Sprintf("open, search from %g/s to %g/s", of.From, of.To)
	find := pace.NewSearch(of.From, of.To, of.P99.Duration, of.Bad)
	opt := pace.Options{Start: start, Grace: min(r.grace(), max(4*of.P99.Duration, time.Second))}
	err := pace.Open(ctx, pace.Constant(of.From, s.Warmup.Duration), src, opt, r.count(ctx))
	for rate, ok := find.Next(); ok && err == nil; rate, ok = find.Next() {
		r.moment("%g/s", rate)
		opt.Start = time.Now()
		step := measure.NewRecorder(opt.Start, 0, 0)
		count := r.count(ctx)
		err = pace.Open(ctx, pace.Constant(rate, of.Step.Duration), src, opt, func(res measure.Result) { step.Add(res); count(res) })
		if err != nil {
			break
		}
		var found measure.Report
		step.Fill(&found)
		p99, bad := found.Total.Latency.Quantile(0.99), float64(found.Total.Bad())/float64(max(found.Total.Count, 1))
		find.Found(p99, bad)
		if p99 > of.P99.Duration || bad > of.Bad {
			r.settle(ctx, src, of)
		}
	}
	limit := find.Limit()
	rep.Limit = &limit
	return err
}

const (
	settling  = 10 * time.Second
	lookAgain = 200 * time.Millisecond
)

// settle waits until the server has got over too much: until a lone call is
// answered in time, which is not counted.
func (r *run) settle(ctx context.Context, src *source, of *scenario.Search) {
	for end := time.Now().Add(settling); time.Now().Before(end); {
		began := time.Now()
		outcome, _ := src.Next().Do(ctx)
		if outcome.Answered() && time.Since(began) <= of.P99.Duration || !until(ctx, time.Now().Add(lookAgain)) {
			return
		}
	}
}
