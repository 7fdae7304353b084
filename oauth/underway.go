package oauth

import (
	"context"
	"sync"
)

// underway counts what must not be cut off. Its zero value counts nothing yet.
type underway struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero
}

// begin counts one more until end is called.
func (u *underway) begin() (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n == 0 {
		u.idle = make(chan struct{})
	}
	u.n++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.n--; u.n == 0 {
			close(u.idle)
		}
	}
}

// wait returns when nothing is under way, or ctx has ended.
func (u *underway) wait(ctx context.Context) error {
	u.mu.Lock()
	n, idle := u.n, u.idle
	u.mu.Unlock()
	if n == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
