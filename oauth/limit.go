package oauth

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Limit is how often one source may do something: Burst times at once, and
// PerMinute times a minute in the long run.
type Limit struct{ PerMinute, Burst int }

// Limits bound what one source, an IPv4 address or an IPv6 /64, may ask for.
// They hold in each process. A zero Limit is the default; one with a negative
// PerMinute limits nothing.
type Limits struct {
	Register  Limit // clients registered. Default 6 and 60: in a day, less than MaxIdleClients
	Document  Limit // client metadata documents fetched. Default 10 and 30
	Authorize Limit // pages shown and sign-ins finished. Default 120 and 120
	Approve   Limit // consents approved. Default 30 and 60: while one is waiting, a fiftieth of MaxTickets
	Code      Limit // codes changed into tokens. Default 120 and 300
	Refresh   Limit // refresh tokens replaced. Default 600 and 1200: a company behind one address
	Device    Limit // device codes made. Default 30 and 60
	UserCode  Limit // user codes typed, right or wrong. Default 10 and 20: they can be guessed
	Noise     Limit // refusals recorded; the others are still refused. Default 10 and 300: in a week, MaxEvents
}

var defaultLimits = Limits{
	Register:  Limit{6, 60},
	Document:  Limit{10, 30},
	Authorize: Limit{120, 120},
	Approve:   Limit{30, 60},
	Code:      Limit{120, 300},
	Refresh:   Limit{600, 1200},
	Device:    Limit{30, 60},
	UserCode:  Limit{10, 20},
	Noise:     Limit{10, 300},
}

// limiters are the Limits at work.
type limiters struct {
	register, document, authorize, approve, code, refresh, device, userCode, noise *Limiter
}

func newLimiters(l Limits, now func() time.Time) limiters {
	make := func(chosen, otherwise Limit) *Limiter {
		if chosen == (Limit{}) {
			chosen = otherwise
		}
		return NewLimiter(chosen, now)
	}
	return limiters{
		register:  make(l.Register, defaultLimits.Register),
		document:  make(l.Document, defaultLimits.Document),
		authorize: make(l.Authorize, defaultLimits.Authorize),
		approve:   make(l.Approve, defaultLimits.Approve),
		code:      make(l.Code, defaultLimits.Code),
		refresh:   make(l.Refresh, defaultLimits.Refresh),
		device:    make(l.Device, defaultLimits.Device),
		userCode:  make(l.UserCode, defaultLimits.UserCode),
		noise:     make(l.Noise, defaultLimits.Noise),
	}
}

// Limiter is a token bucket for every source, in a fixed amount of memory. A
// source has one slot in each row, chosen by a secret hash; a slot holds until
// when its tokens are spent. Sources may share a slot, so only one whose slots
// are all spent is refused: that takes thousands of others that are.
type Limiter struct {
	step  time.Duration // for one token to come back; zero: nothing is limited
	burst time.Duration // for all of them
	now   func() time.Time
	seeds [limiterRows]maphash.Seed

	mu   sync.Mutex
	rows [limiterRows][]int64 // nanoseconds since 1970
}

const (
	limiterRows  = 2
	limiterSlots = 1 << 13 // 128 KiB in all
)

// NewLimiter returns a Limiter by the clock now. It is safe for concurrent use.
func NewLimiter(l Limit, now func() time.Time) *Limiter {
	if l.PerMinute < 0 {
		return &Limiter{}
	}
	step := time.Minute / time.Duration(max(1, l.PerMinute))
	made := &Limiter{step: step, burst: step * time.Duration(max(1, l.Burst)), now: now}
	for i := range made.rows {
		made.seeds[i], made.rows[i] = maphash.MakeSeed(), make([]int64, limiterSlots)
	}
	return made
}

// Take takes a token of the source's, or returns after how long there is one.
func (l *Limiter) Take(source netip.Addr) (wait time.Duration) {
	if l.step == 0 {
		return 0
	}
	now := l.now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	var slots [limiterRows]*int64
	spent := int64(math.MaxInt64)
	for i := range slots {
		slots[i] = &l.rows[i][maphash.Comparable(l.seeds[i], sourcePrefix(source))%limiterSlots]
		spent = min(spent, *slots[i])
	}
	spent = max(spent, now) + int64(l.step)
	if over := spent - now - int64(l.burst); over > 0 {
		return time.Duration(over)
	}
	for _, slot := range slots {
		*slot = max(*slot, spent)
	}
	return 0
}

// sourcePrefix is what one customer of a network has at least to itself. A
// limit by the whole IPv6 address would be none.
func sourcePrefix(source netip.Addr) netip.Prefix {
	bits := 32
	if source.Is6() {
		bits = 64
	}
	prefix, _ := source.Prefix(bits) // of an unknown source: the zero Prefix
	return prefix
}

// limit takes a token for the source of the request, or returns an *Error that
// says when to come again.
func (s *Server) limit(ctx context.Context, l *Limiter) error {
	wait := l.Take(sourceFrom(ctx))
	if wait == 0 {
		return nil
	}
	return &Error{
		Code:        codeTemporarilyUnavailable,
		Description: "too many requests from this address; try again later",
		Status:      http.StatusTooManyRequests,
		RetryAfter:  wait,
	}
}

// limited writes a page if the limit is reached.
func (s *Server) limited(w http.ResponseWriter, r *http.Request, l *Limiter) bool {
	err := s.limit(r.Context(), l)
	return err != nil && s.limitPage(w, err)
}

// limitPage writes a page if err is a limit's.
func (s *Server) limitPage(w http.ResponseWriter, err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter == 0 {
		return false
	}
	e.writeRetry(w)
	s.errorPage(w, e.Status, "Too many sign-ins come from your network", "Wait a minute and try again.")
	return true
}

// writeRetry rounds up: whoever comes back a moment early would be refused once
// more.
func (e *Error) writeRetry(w http.ResponseWriter) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	}
}
