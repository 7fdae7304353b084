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
// rec is called by all callers, none of which is left when Closed returns.
func Closed(ctx context.Context, callers int, length time.Duration, src Source, rec func(measure.Result)) error {
	end := time.Now().Add(length)
	run, cancel := context.WithDeadline(ctx, end.Add(defaultGrace))
	defer cancel()

	var next sync.Mutex // Source is asked by one at a time
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for run.Err() == nil && time.Now().Before(end) {
				next.Lock()
				call := src.Next()
				next.Unlock()
				rec(job{call, time.Now()}.do(run))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
