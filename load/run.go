package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
)

// run is one while it runs.
type run struct {
	cfg        *Config
	population *population
	canary     *canary
	handles    *handles
	streams    *streams
	keeper     *keeper
	rec        *measure.Recorder
	stop       context.CancelCauseFunc

	zero time.Time // the end of the warm-up

	checked, marked, wrongs atomic.Uint64

	mu      sync.Mutex
	moments []measure.Moment
	samples []measure.Sample
}

var (
	errFailFast = errors.New("a wrong answer")
	errOver     = errors.New("the run is over")
)

// Run makes the calls of a scenario and returns what it found. It returns early
// when ctx ends, with a report of what there is. The error is why a run could
// not begin; wrong answers are no error but in the report.
//
// None of its goroutines is left when it returns.
func Run(ctx context.Context, cfg Config) (measure.Report, error) {
	if err := cfg.fill(); err != nil {
		return measure.Report{}, err
	}
	defer cfg.HTTP.CloseIdleConnections()
	p, err := populate(ctx, &cfg)
	if err != nil {
		return measure.Report{}, err
	}
	r := &run{cfg: &cfg, population: p, canary: newCanary(cfg.Scale, p), keeper: &keeper{dir: cfg.KeepWrong, log: cfg.Log}}
	r.handles = newHandles(r)
	src, err := newSource(ctx, r)
	if err != nil {
		return measure.Report{}, err
	}
	return r.report(ctx, src)
}

// report drives the run and tells what came of it.
func (r *run) report(outer context.Context, src *source) (measure.Report, error) {
	ctx, stop := context.WithCancelCause(outer)
	r.stop = stop
	defer stop(errOver)
	var beside sync.WaitGroup
	r.streams = r.openStreams(ctx, &beside)
	s := r.cfg.Scenario
	start := time.Now()
	r.zero = start.Add(s.Warmup.Duration)
	r.rec = measure.NewRecorder(start, s.Warmup.Duration, 0)
	r.goBeside(ctx, &beside)

	rep := measure.Report{Format: measure.FormatVersion, Scenario: s.Name, About: s.About, Target: r.cfg.Target, Command: r.cfg.Command,
		Machine: machine(), Users: len(r.population.users), Contexts: len(r.population.askers), Workers: 1}
	err := r.drive(ctx, start, src, &rep)
	rep.Seconds = max(time.Since(r.zero), 0).Seconds()
	if s.Duration.Duration > 0 {
		rep.Seconds = min(rep.Seconds, s.Duration.Seconds())
	}
	rep.Streams = r.streams.report()
	stop(errOver)
	beside.Wait()
	r.closeSessions(outer)

	r.rec.Fill(&rep)
	rep.Canaries = r.canaries()
	rep.Moments, rep.Server = r.moments, r.samples
	if err != nil && ctx.Err() == nil {
		return rep, err
	}
	return rep, nil
}

// goBeside starts what goes on beside the calls. All of it ends with ctx.
func (r *run) goBeside(ctx context.Context, wg *sync.WaitGroup) {
	s := r.cfg.Scenario
	wg.Go(func() { r.tell(ctx) })
	if r.cfg.Sample != nil {
		wg.Go(func() { r.sample(ctx) })
	}
	if s.Storm != nil {
		wg.Go(func() { r.storms(ctx) })
	}
	if s.Streams != nil && s.Streams.Trickle.Duration > 0 {
		wg.Go(func() { r.streams.trickle(ctx, s.Streams.Trickle.Duration) })
	}
	if r.cfg.Worker > 0 {
		return // what happens once, the first worker does
	}
	faults := &faults{url: r.cfg.Faults, seed: r.cfg.Seed, on: map[int]bool{}, all: s.Faults}
	for i := range s.Faults {
		wg.Go(func() { r.fail(ctx, faults, i) })
	}
	for _, c := range s.Commands {
		wg.Go(func() { r.command(ctx, c) })
	}
}

func machine() measure.Machine {
	return measure.Machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}

func (r *run) canaries() measure.Canaries {
	r.handles.mu.Lock()
	defer r.handles.mu.Unlock()
	return measure.Canaries{Checked: r.checked.Load(), Marked: r.marked.Load(), Wrong: r.wrongs.Load(), Exchanges: r.keeper.kept(), Tried: r.handles.tried}
}

// wrong counts and keeps an answer that is not a's.
func (r *run) wrong(a *asker, x *client.Exchange, v verdict) (measure.Outcome, string) {
	r.wrongs.Add(1)
	r.keeper.keep(a, x, v, time.Now())
	if r.cfg.FailFast {
		r.stop(errFailFast)
	}
	return measure.Wrong, v.what
}

// moment notes that something happened.
func (r *run) moment(format string, args ...any) {
	at := time.Since(r.zero).Seconds()
	what := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.moments) < maxMoments {
		r.moments = append(r.moments, measure.Moment{At: at, What: what})
	}
}

const maxMoments = 1000

// cutOff is how long a call beside the plan must have waited to count as lost
// when the run ends under it.
const cutOff = time.Second

// count takes in a result. Whoever interrupts a run is told of what had not been
// answered by then: it may be why. Only what the run's own end cut off in its
// first moments says nothing of the server.
func (r *run) count(ctx context.Context) func(measure.Result) {
	return func(res measure.Result) {
		ended := context.Cause(ctx)
		if res.Outcome == measure.Lost && (errors.Is(ended, errOver) || errors.Is(ended, errFailFast)) && res.Latency() < cutOff {
			return
		}
		r.rec.Add(res)
	}
}

const progressEvery = 200 * time.Millisecond

// tell tells how the run goes.
func (r *run) tell(ctx context.Context) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			live := r.rec.Live(now)
			p := measure.Progress{Phase: "measuring", Elapsed: now.Sub(r.zero), For: r.cfg.Scenario.Duration.Duration, Rate: live.Rate, P50: live.P50, P99: live.P99,
				Bad: live.Bad, Contexts: len(r.population.askers), Wrong: r.wrongs.Load()}
			if now.Before(r.zero) {
				warmup := r.cfg.Scenario.Warmup.Duration
				p.Phase, p.For, p.Elapsed = "warm-up", warmup, now.Sub(r.zero)+warmup
			}
			r.cfg.Progress(p)
		}
	}
}

const (
	sampleEvery = time.Second
	maxSamples  = 2000
)

// sample looks at the node, less often in a long run.
func (r *run) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	every, failed := 1, false
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n%every != 0 {
			continue
		}
		look, cancel := context.WithTimeout(ctx, 5*sampleEvery)
		got, err := r.cfg.Sample(look)
		cancel()
		if err != nil {
			if !failed && ctx.Err() == nil {
				r.cfg.Log("the node's metrics cannot be read: " + err.Error())
			}
			failed = true
			continue
		}
		failed = false
		got.At = time.Since(r.zero).Seconds()
		if r.samples = append(r.samples, got); len(r.samples) == maxSamples {
			every *= 2
			for i := range maxSamples / 2 {
				r.samples[i] = r.samples[2*i]
			}
			r.samples = r.samples[:maxSamples/2]
		}
	}
}

const closing = 5 * time.Second

// closeSessions ends the sessions that the clients have, as far as there is time:
// somebody else's server may keep them for long.
func (r *run) closeSessions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	var open []*client.Client
	for _, a := range r.handles.legacy {
		open = append(open, a.client.Load())
	}
	for _, st := range r.streams.all {
		open = append(open, st.client)
	}
	_ = each(ctx, atOnce, open, func(ctx context.Context, c *client.Client) error {
		if c != nil {
			_, _ = c.Close(ctx) // nobody needs it any more
		}
		return nil
	}, func(int, int) {})
}
