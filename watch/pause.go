package watch

import (
	"context"
	"sync/atomic"
	"time"
)

// asked is the pause that a read was asked for.
type asked struct{ atomic.Int64 }

type pauseInContext struct{}

func withPause(ctx context.Context, p *asked) context.Context {
	return context.WithValue(ctx, pauseInContext{}, p)
}

// Pause is called by whoever reads, with the ctx that Read was given, when
// Sentry said how long not to ask again. It does nothing where ctx is not a
// Watcher's.
func Pause(ctx context.Context, d time.Duration) {
	if p, ok := ctx.Value(pauseInContext{}).(*asked); ok {
		p.Store(int64(max(d, time.Duration(p.Load()))))
	}
}
