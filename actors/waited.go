package actors

import (
	"context"
	"time"
)

type waitedInContext struct{}

func withWaited(ctx context.Context, sum *time.Duration) context.Context {
	return context.WithValue(ctx, waitedInContext{}, sum)
}

// Waited is called by NewServer, with its ctx and from its goroutine, when it has
// waited that long for Sentry: what is left of the activation's time is our own.
func Waited(ctx context.Context, d time.Duration) {
	if sum, ok := ctx.Value(waitedInContext{}).(*time.Duration); ok {
		*sum += d
	}
}
