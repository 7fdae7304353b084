package router

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"roundhouse/constraint"
)

const (
	maxUserStreams = 512
	checkTime      = 10 * time.Second // the longest that looking up a token may take
	checksFailed   = 5                // in a row, after which a token is taken for ended
)

// checkEvery is how often the token of an open stream is looked up, give or
// take a tenth: streams that opened together are not looked up together.
const checkEvery = 50 * time.Second

var (
	errTokenEnded = errors.New("the token has ended")
	errNoCheck    = errors.New("the token could not be looked up")
)

// Streams are the streams that this process has open. One outlives the check of
// the token it was opened with, so that is checked again while it is open. The
// zero value is ready; it may be used by several goroutines at once.
type Streams struct {
	MaxPerUser int // over all contexts; zero: 512. One more is refused

	mu      sync.Mutex // guards the rest, and openStream.closed
	users   map[string]int
	grants  map[string]map[*openStream]struct{}
	refused uint64
}

// openStream holds no goroutine; its timer starts one for each check.
type openStream struct {
	of     *Streams
	caller constraint.Caller
	ctx    context.Context
	end    context.CancelCauseFunc
	verify func(context.Context) error
	failed int // checks in a row; touched by one check at a time
	timer  *time.Timer
	closed bool
}

// isStream tells the requests that stay open until somebody ends them.
func isStream(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.EqualFold(r.Header.Get("Mcp-Method"), "subscriptions/listen")
}

// open counts a stream and watches over its token until close is called. The
// ctx it returns ends when the token has. ok is false if the caller has as many
// streams as they may.
func (s *Streams) open(ctx context.Context, caller constraint.Caller, verify func(context.Context) error) (_ context.Context, close func(), ok bool) {
	limit := s.MaxPerUser
	if limit <= 0 {
		limit = maxUserStreams
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[caller.User] >= limit {
		s.refused++
		return ctx, nil, false
	}
	if s.users == nil {
		s.users, s.grants = map[string]int{}, map[string]map[*openStream]struct{}{}
	}
	s.users[caller.User]++
	o := &openStream{of: s, caller: caller, verify: verify}
	o.ctx, o.end = context.WithCancelCause(ctx)
	if s.grants[caller.Grant] == nil {
		s.grants[caller.Grant] = map[*openStream]struct{}{}
	}
	s.grants[caller.Grant][o] = struct{}{}
	o.timer = time.AfterFunc(soon(), o.check)
	return o.ctx, o.close, true
}

func soon() time.Duration { return checkEvery - checkEvery/10 + rand.N(checkEvery/5) }

func (o *openStream) close() {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.closed = true
	o.timer.Stop()
	o.end(nil)
	if o.of.users[o.caller.User]--; o.of.users[o.caller.User] == 0 {
		delete(o.of.users, o.caller.User)
	}
	delete(o.of.grants[o.caller.Grant], o)
	if len(o.of.grants[o.caller.Grant]) == 0 {
		delete(o.of.grants, o.caller.Grant)
	}
}

// check looks the token up. That it cannot be is no reason to end a stream at
// once: all would, and come again, when the store is slow for a moment.
func (o *openStream) check() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), checkTime)
	defer cancel()
	switch err := o.verify(ctx); {
	case err == nil:
		o.failed = 0
	case errors.Is(err, constraint.ErrUnauthorized):
		o.end(errTokenEnded)
		return
	default:
		if o.failed++; o.failed == checksFailed {
			o.end(errNoCheck)
			return
		}
	}
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	if !o.closed {
		o.timer.Reset(soon())
	}
}

// End ends the streams that were opened with a grant.
func (s *Streams) End(grant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.grants[grant] {
		o.end(errTokenEnded)
	}
}

// Open returns how many streams are open.
func (s *Streams) Open() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.users {
		n += of
	}
	return n
}

// Refused returns how many have been refused since the start because their user
// had as many as one may.
func (s *Streams) Refused() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// serveStream serves what stays open until somebody ends it.
func (rt *router) serveStream(w http.ResponseWriter, r *http.Request, caller constraint.Caller, handler http.Handler) {
	token, verify := rt.bearer(r)
	ctx, done, ok := rt.Streams.open(r.Context(), caller, func(ctx context.Context) error {
		_, err := verify(ctx, token)
		return err
	})
	if !ok {
		retryAfter(w, time.Minute)
		writeError(w, http.StatusServiceUnavailable, "you have as many open streams as one user may; close some, in other programs if need be")
		return
	}
	defer done()
	handler.ServeHTTP(w, r.WithContext(ctx))
}
