package transport

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// grace is how long a call of a legacy client goes on after the client has gone.
const grace = time.Minute

var errGone = errors.New("the client has gone, and did not come back")

// outlive returns the context that a request is answered in. To hang up is to
// cancel since 2026-07-28. Before that it SHOULD NOT be: a client may lose its
// connection in the middle of a change, and cancels by notifications/cancelled.
// Such a call goes on for a while, unless this side ends it.
func (t *Transport) outlive(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := r.Context()
	m, ok := MessageFrom(ctx)
	if !ok || m.Modern || !m.Request() || r.Method != http.MethodPost {
		return ctx, func() {}
	}
	lasting, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); cause != context.Canceled { // which is net/http's word for a client that has gone
			end(cause)
			return
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			end(errGone)
		case <-lasting.Done():
		}
	})
	return lasting, func() { stop(); end(nil) }
}
