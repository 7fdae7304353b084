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

// Limits bound what one source, an IPv4 address or an IPv6 /64, may ask for. An
// IPv6 /48 has sixteen times as much for all of it. They hold in each process:
// behind a balancer, two nodes let through twice as much. A zero Limit is the default; one with a negative
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
	networks := networksOf(source)
	var next [len(networks)]int64
	for i, n := range networks {
		next[i] = max(l.spent(n.prefix), now) + int64(l.step)/n.shares
		wait = max(wait, time.Duration(next[i]-now)-l.burst)
	}
	if wait > 0 {
		return wait
	}
	for i, n := range networks {
		for _, slot := range l.slots(n.prefix) {
			*slot = max(*slot, next[i])
		}
	}
	return 0
}

func (l *Limiter) slots(source netip.Prefix) (slots [limiterRows]*int64) {
	for i := range slots {
		slots[i] = &l.rows[i][maphash.Comparable(l.seeds[i], source)%limiterSlots]
	}
	return slots
}

// spent is until when all tokens of a source are.
func (l *Limiter) spent(source netip.Prefix) int64 {
	spent := int64(math.MaxInt64)
	for _, slot := range l.slots(source) {
		spent = min(spent, *slot)
	}
	return spent
}

// network is what may belong to one customer, and how many times the limit it
// has.
type network struct {
	prefix netip.Prefix
	shares int64
}

// networksOf returns the networks that a source counts for. By the whole IPv6
// address there would be no limit: everybody has a /64 at least, and who has
// a /48 has 65 536 of them.
func networksOf(source netip.Addr) [2]network {
	bits := [2]int{32, 32}
	if source.Is6() {
		bits = [2]int{64, 48}
	}
	near, _ := source.Prefix(bits[0]) // of an unknown source: the zero Prefix
	far, _ := source.Prefix(bits[1])
	if near == far {
		return [2]network{{near, 1}, {near, 1}}
	}
	return [2]network{{near, 1}, {far, 16}}
}

// limit takes a token for the source of the request, or returns an *Error that
// says when to come again.
func (s *Server) limit(ctx context.Context, l *Limiter) error {
	wait := l.Take(sourceFrom(ctx))
	if wait == 0 {
		return nil
	}
	s.observed(EventRefusal, codeTemporarilyUnavailable)
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
