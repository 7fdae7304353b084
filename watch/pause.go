package watch

import (
	"context"
	"sync/atomic"
	"time"
)

// pause is how long a read was asked to wait before the next one.
type pause struct{ atomic.Int64 }

type pauseInContext struct{}

func withPause(ctx context.Context, p *pause) context.Context {
	return context.WithValue(ctx, pauseInContext{}, p)
}

// Pause is called by whoever reads, with the ctx that Read was given, when
// Sentry said how long not to ask again. It does nothing where ctx is not a
// Watcher's.
func Pause(ctx context.Context, d time.Duration) {
	if p, ok := ctx.Value(pauseInContext{}).(*pause); ok {
		p.Store(int64(max(d, time.Duration(p.Load()))))
	}
}
