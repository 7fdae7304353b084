package load

import (
	"context"
	"math/rand/v2"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
)

// inStorm is how many come back at once.
const inStorm = 2000

// storms cuts connections every so often, and lets their clients come back.
func (r *run) storms(ctx context.Context) {
	s := r.cfg.Scenario.Storm
	random := rand.New(rand.NewPCG(r.cfg.Seed, 1<<32+uint64(r.cfg.Worker)))
	for at := r.zero.Add(s.Every.Duration); until(ctx, at); at = at.Add(s.Every.Duration) {
		var hit []*asker
		for _, a := range r.population.askers {
			if a.asked.Load() && random.Float64() < s.Share {
				hit = append(hit, a)
			}
		}
		r.moment("storm: %d clients come back", len(hit))
		r.handles.disturbed.Add(1)
		r.cfg.HTTP.CloseIdleConnections()
		r.streams.cut(random, s.Share)
		_ = each(ctx, inStorm, hit, func(ctx context.Context, a *asker) error {
			r.comeBack(ctx, a, at)
			return nil
		}, func(int, int) {})
		r.handles.disturbed.Add(1)
	}
}

// comeBack opens again what a client has: a session in the one era, and in the
// other it asks what the server is.
func (r *run) comeBack(ctx context.Context, a *asker, due time.Time) {
	c, err := a.connect()
	if err != nil {
		return
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Scenario.Timeout.Duration)
	defer cancel()
	res := measure.Result{Call: "initialize", Due: due, Sent: time.Now()}
	var x *client.Exchange
	if a.era == client.Legacy {
		x, err = c.Open(ctx)
	} else {
		res.Call = "server/discover"
		x, err = c.Do(ctx, res.Call, "", nil)
	}
	res.Ended = time.Now()
	switch {
	case err != nil:
		res.Outcome, res.Reason = lost(err)
	default:
		res.Outcome, res.Reason = r.conclude(a, x, expected{})
		x.Release()
	}
	r.count(outer)(res)
}

// until waits for the moment; it returns false if ctx ends first.
func until(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
