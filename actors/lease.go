package actors

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"roundhouse/constraint"
	"roundhouse/jsonrpc"
	"roundhouse/transport"
)

// fenced is far below any number of requests, so that releases after the fence
// count down without ever making the state look open again.
const fenced = -1 << 40

// lease is what an activation hands out: its handler, counted. There is one per
// incarnation, shared by all its requests; only the atomics change.
type lease struct {
	node      *Node
	key       constraint.Key
	transport *transport.Transport
	releaser  func()

	streams, calls       context.Context // end the requests of their sort
	endStreams, endCalls context.CancelFunc

	state    atomic.Int64 // requests in flight; negative when fenced
	open     atomic.Int64 // streams among them
	lastUsed atomic.Int64 // Unix nanoseconds of the last release
	drained  chan struct{}
	once     sync.Once
}

func newLease(n *Node, key constraint.Key, t *transport.Transport) *lease {
	l := &lease{node: n, key: key, transport: t, drained: make(chan struct{})}
	l.releaser = l.release
	l.streams, l.endStreams = context.WithCancel(context.Background())
	l.calls, l.endCalls = context.WithCancel(context.Background())
	l.lastUsed.Store(time.Now().UnixNano())
	return l
}

type admission int

const (
	acquired admission = iota
	full
	gone
)

func (l *lease) tryAcquire() admission {
	for {
		n := l.state.Load()
		switch {
		case n < 0:
			return gone
		case n-l.open.Load() >= int64(l.node.cfg.MaxInFlight):
			return full
		case l.state.CompareAndSwap(n, n+1):
			return acquired
		}
	}
}

// release stores lastUsed before it counts down: the other way round, a sweep
// in between would see an idle context that was used long ago.
func (l *lease) release() {
	l.lastUsed.Store(time.Now().UnixNano())
	if l.state.Add(-1) == fenced {
		l.once.Do(func() { close(l.drained) })
	}
}

// fenceIdle closes the lease if nothing is in flight.
func (l *lease) fenceIdle() bool {
	if !l.state.CompareAndSwap(0, fenced) {
		return false
	}
	l.once.Do(func() { close(l.drained) })
	return true
}

// fence closes the lease whatever is in flight; drained is closed when the last
// of it has been released.
func (l *lease) fence() {
	for {
		n := l.state.Load()
		if n < 0 {
			return
		}
		if l.state.CompareAndSwap(n, n+fenced) {
			if n == 0 {
				l.once.Do(func() { close(l.drained) })
			}
			return
		}
	}
}

// ServeHTTP runs the request on this goroutine, until it ends by itself or the
// context's life does. The key goes into the request's context here, not in a
// tool middleware, so that every kind of MCP handler sees it.
func (l *lease) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(constraint.With(r.Context(), l.key))
	defer cancel(nil)
	life := l.calls
	if transport.IsStream(r) {
		// Counted apart, so that streams cannot take the place of calls.
		defer l.open.Add(-1)
		if l.open.Add(1) > int64(l.node.cfg.MaxStreams) {
			w.Header().Set("Retry-After", "1")
			jsonrpc.Refuse(w, http.StatusServiceUnavailable, l.node.refuse(fullStreams).Reason)
			return
		}
		life = l.streams
		if caller, _ := constraint.CallerFrom(ctx); !caller.Expires.IsZero() {
			expiring, stop := context.WithDeadlineCause(ctx, caller.Expires, errExpired)
			defer stop()
			ctx = expiring
		}
	}
	// With a cause, so that the transport can tell it from a client that has
	// gone, and say goodbye.
	defer context.AfterFunc(life, func() { cancel(errEnding) })()
	l.transport.ServeHTTP(w, r.WithContext(ctx))
}

var (
	errEnding  = errors.New("the context ends")
	errExpired = errors.New("the token has expired")
)
