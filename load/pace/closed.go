package pace

import (
	"context"
	"sync"
	"time"

	"roundhouse/load/measure"
)

// Closed lets so many callers ask, each again as soon as it has its answer, for
// the given time, and returns when the last answers have come, half a minute
// later at the latest. When ctx ends, so does the run, with its error.
//
// A caller who is turned away at once waits a little before asking again, longer
// each time: a server that is gone would make the loop spin, and be counted by
// the million.
//
// rec is called by all callers, none of which is left when Closed returns.
func Closed(ctx context.Context, callers int, length time.Duration, src Source, rec func(measure.Result)) error {
	end := time.Now().Add(length)
	run, cancel := context.WithDeadline(ctx, end.Add(defaultGrace))
	defer cancel()

	var next sync.Mutex // Source is asked by one at a time
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			var pause time.Duration
			for run.Err() == nil && time.Now().Before(end) {
				next.Lock()
				call := src.Next()
				next.Unlock()
				res := job{call, time.Now()}.do(run)
				rec(res)
				if pause = longer(pause, res); pause > 0 {
					sleep(run, min(pause, time.Until(end)))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

const (
	atOnce       = 10 * time.Millisecond // a server that refuses sooner has done nothing for it
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// longer is the pause after a result: none, but for one that was bad at once.
func longer(pause time.Duration, res measure.Result) time.Duration {
	if !res.Outcome.Bad() || res.Outcome == measure.Wrong || res.Latency() >= atOnce {
		return 0
	}
	return min(max(2*pause, firstPause), longestPause)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
