package pace

import (
	"context"
	"sync"
	"time"

	"roundhouse/load/measure"
)

// ended is the reason of calls that were sent and not answered by the run's end.
const ended = "ended"

// Options of the open loop. The zero value is a good one.
type Options struct {
	Start       time.Time     // of the plan; zero: now
	MaxInFlight int           // when reached, calls wait to be sent while their latency counts; 0: 10 000
	Grace       time.Duration // for calls to be answered after the plan's end; 0: 30 s
}

const defaultGrace = 30 * time.Second

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 10_000
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	return o
}

// Open makes the calls of a plan when they are due, and returns when the last has
// ended, at the latest when the grace is over. Every call that was due has its
// result, be it that it was not sent. When ctx ends, so does the run, with its
// error.
//
// rec is called by many goroutines, none of which is left when Open returns.
func Open(ctx context.Context, p Pacer, src Source, opt Options, rec func(measure.Result)) error {
	opt = opt.withDefaults()
	run, cancel := context.WithDeadline(ctx, opt.Start.Add(p.Length()+opt.Grace))
	defer cancel()
	alarm := newAlarm()
	defer alarm.close()
	crew := &crew{max: opt.MaxInFlight, rec: rec, jobs: make(chan job)}

	for n := uint64(0); ; n++ {
		after, ok := p.Due(n)
		if !ok {
			break
		}
		due := opt.Start.Add(after)
		if !alarm.wait(run, due) {
			loseRest(p, n, src, opt.Start, rec)
			break
		}
		j := job{src.Next(), due}
		if !crew.send(run, j) {
			rec(j.lost(time.Now()))
			loseRest(p, n+1, src, opt.Start, rec)
			break
		}
	}
	crew.dismiss()
	return context.Cause(ctx)
}

// loseRest counts the calls from n on that are due by now.
func loseRest(p Pacer, n uint64, src Source, start time.Time, rec func(measure.Result)) {
	now := time.Now()
	for ; ; n++ {
		after, ok := p.Due(n)
		if due := start.Add(after); ok && !due.After(now) {
			rec(job{src.Next(), due}.lost(now))
			continue
		}
		return
	}
}

// job is a call and when it is due.
type job struct {
	Call
	due time.Time
}

func (j job) lost(at time.Time) measure.Result {
	return measure.Result{Call: j.Name, Due: j.due, Ended: at, Outcome: measure.Lost, Reason: measure.NotSent}
}

func (j job) do(ctx context.Context) measure.Result {
	res := measure.Result{Call: j.Name, Due: j.due, Sent: time.Now(), First: j.First}
	res.Outcome, res.Reason = j.Do(ctx)
	res.Ended = time.Now()
	if res.Outcome == measure.Lost && ctx.Err() != nil {
		res.Reason = ended
	}
	return res
}

// crew makes calls. Its workers grow in number as calls are in flight, and wait
// for further ones until the crew is dismissed.
type crew struct {
	max  int
	rec  func(measure.Result)
	jobs chan job

	workers int // counted by the one goroutine that sends
	wg      sync.WaitGroup
}

// send gives a job to a worker. While all are busy and there may be no more, it
// waits; it returns false if ctx ends meanwhile.
func (c *crew) send(ctx context.Context, j job) bool {
	select {
	case c.jobs <- j:
		return true
	default:
	}
	if c.workers < c.max {
		c.workers++
		c.wg.Go(func() { c.work(ctx, j) })
		return true
	}
	select {
	case c.jobs <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *crew) work(ctx context.Context, j job) {
	for ok := true; ok; j, ok = <-c.jobs {
		c.rec(j.do(ctx))
	}
}

// dismiss returns when the calls in flight have ended.
func (c *crew) dismiss() {
	close(c.jobs)
	c.wg.Wait()
}
