package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrGone is what Read answers when there is no such resource, or not for the
// caller in its ctx.
var ErrGone = errors.New("no such resource")

// Read returns a resource as the caller in ctx would be shown it, or ErrGone,
// or why it cannot be read just now.
type Read func(ctx context.Context, uri string) ([]byte, error)

// Config bounds a Watcher. Zero values mean the defaults that the fields tell.
type Config struct {
	MinInterval time.Duration // from one read of a resource to the next; 30 seconds
	MaxInterval time.Duration // the same, after many that found nothing new; 5 minutes
	Timeout     time.Duration // the longest that a read may take; 20 seconds

	MaxResources   int // watched at the same time; 64
	MaxSubscribers int // of all of them together; 1024

	// Take is asked for room for one more resource, in a limit that several
	// Watchers share; give is called when it is no longer watched. Both are
	// called under the Watcher's lock. Nil: there is room.
	Take func() (give func(), ok bool)

	Logger *slog.Logger // nil: nothing is logged
}

func (cfg Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	limit := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&cfg.MinInterval, 30*time.Second)
	set(&cfg.MaxInterval, 5*time.Minute)
	cfg.MaxInterval = max(cfg.MaxInterval, cfg.MinInterval)
	set(&cfg.Timeout, 20*time.Second)
	limit(&cfg.MaxResources, 64)
	limit(&cfg.MaxSubscribers, 1024)
	if cfg.Take == nil {
		cfg.Take = func() (func(), bool) { return func() {}, true }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Watcher looks at the resources of one context. It is safe for concurrent use.
type Watcher struct {
	read Read
	cfg  Config

	mu          sync.Mutex // guards the rest
	resources   map[string]*resource
	subscribers int
	notBefore   time.Time     // Sentry wants no request before then
	changed     chan struct{} // room for one: something is due sooner, or no longer; nil while nothing runs
}

// resource is one that somebody watches.
type resource struct {
	uri         string
	subscribers []*subscriber // the first one's context is read with
	due         time.Time
	interval    time.Duration
	failures    int // in a row, each with another subscriber's context

	known bool // seen has been set
	seen  fingerprint

	give func() // what Take returned
}

// fingerprint is of what was read; the zero one of a resource that is gone.
type fingerprint [sha256.Size]byte

// New returns a Watcher that watches nothing yet.
func New(read Read, cfg Config) *Watcher {
	return &Watcher{read: read, cfg: cfg.withDefaults()}
}

// subscriber is one who watches one resource.
type subscriber struct {
	ctx     context.Context
	changed func()
	left    bool // guarded by Watcher.mu
}

// once reads the resource, as the goroutine does in its turn.
func (w *Watcher) once(ctx context.Context, uri string) (found fingerprint, pause time.Duration, err error) {
	var p asked
	ctx, cancel := context.WithTimeout(withPause(ctx, &p), w.cfg.Timeout)
	defer cancel()
	content, err := w.read(ctx, uri)
	if err == nil {
		found = sha256.Sum256(content)
	}
	return found, time.Duration(p.Load()), err
}

// watch calls changed each time the resource is not what it was, at first what
// the caller has seen, until stop is called. Where too much is watched already,
// it does nothing and returns nil.
func (w *Watcher) watch(ctx context.Context, uri string, seen *fingerprint, changed func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	r := w.resources[uri]
	switch {
	case w.subscribers >= w.cfg.MaxSubscribers, r == nil && len(w.resources) >= w.cfg.MaxResources:
		return nil
	case r == nil:
		give, ok := w.cfg.Take()
		if !ok {
			return nil
		}
		r = &resource{uri: uri, due: now, give: give}
		if seen != nil {
			r.known, r.seen = true, *seen
			r.due = now.Add(jitter(w.cfg.MinInterval))
		}
		if w.resources == nil {
			w.resources = map[string]*resource{}
		}
		w.resources[uri] = r
	}
	s := &subscriber{ctx: ctx, changed: changed}
	r.subscribers = append(r.subscribers, s)
	w.subscribers++
	r.interval = w.cfg.MinInterval // somebody has begun to care
	if soon := now.Add(w.cfg.MinInterval); soon.Before(r.due) {
		r.due = soon
	}
	w.wake()
	return func() { w.leave(r, s) }
}

func (w *Watcher) leave(r *resource, s *subscriber) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	w.subscribers--
	r.subscribers = slices.DeleteFunc(slices.Clone(r.subscribers), func(other *subscriber) bool { return other == s })
	if len(r.subscribers) == 0 {
		delete(w.resources, r.uri)
		r.give()
	}
	w.wake()
}

// wake lets the goroutine think again, or starts it. It is called under mu.
func (w *Watcher) wake() {
	if w.changed == nil {
		if len(w.resources) > 0 {
			w.changed = make(chan struct{}, 1)
			go w.run(w.changed) // ends when nothing is watched
		}
		return
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *Watcher) run(changed <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r, reader, wait := w.next()
		switch {
		case r == nil:
			return
		case wait <= 0:
			w.look(r, reader)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-changed:
		}
	}
}

// next returns what is due first, whose context to read it with, and how long
// to wait until then; or nil when nothing is watched, after which this
// goroutine is no longer the one.
func (w *Watcher) next() (r *resource, reader *subscriber, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.resources {
		if r == nil || other.due.Before(r.due) {
			r = other
		}
	}
	if r == nil {
		w.resources, w.changed = nil, nil
		return nil, nil, 0
	}
	due := r.due
	if due.Before(w.notBefore) {
		due = w.notBefore
	}
	return r, r.subscribers[0], time.Until(due)
}

// look reads r and tells its subscribers when it is not what it was.
func (w *Watcher) look(r *resource, reader *subscriber) {
	found, pause, err := w.inTurn(reader.ctx, r.uri)
	for _, s := range w.learn(r, reader, found, pause, err) {
		s.changed()
	}
}

var errPanicked = errors.New("the read panicked")

// inTurn is once on a goroutine that belongs to no request: a panic there would
// be the end of the process.
func (w *Watcher) inTurn(ctx context.Context, uri string) (found fingerprint, pause time.Duration, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.cfg.Logger.Error("watched resource panicked", "panic", fmt.Sprint(v))
			err = errPanicked
		}
	}()
	return w.once(ctx, uri)
}

// learn notes what a read has found and returns whom to tell.
func (w *Watcher) learn(r *resource, reader *subscriber, found fingerprint, pause time.Duration, err error) []*subscriber {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if pause > 0 {
		w.notBefore = now.Add(pause)
	}
	if w.resources[r.uri] != r {
		return nil // nobody watches it any more
	}
	if reader.left && err != nil {
		return nil // the reader left, which may be why; due as before, with another's context
	}
	if err != nil {
		r.failures++
		r.next(reader)
		if !errors.Is(err, ErrGone) || r.failures < len(r.subscribers) {
			w.postpone(r, now)
			return nil
		}
	}
	r.failures = 0
	news := r.known && found != r.seen
	r.known, r.seen = true, found
	if !news {
		w.postpone(r, now)
		return nil
	}
	r.interval = w.cfg.MinInterval
	r.due = now.Add(jitter(r.interval))
	return slices.Clone(r.subscribers)
}

// postpone sets when r is due again after a read that brought nothing new.
func (w *Watcher) postpone(r *resource, now time.Time) {
	r.due = now.Add(jitter(r.interval))
	r.interval = min(2*r.interval, w.cfg.MaxInterval)
}

// next lets another subscriber's context be read with.
func (r *resource) next(failed *subscriber) {
	if len(r.subscribers) > 1 && r.subscribers[0] == failed {
		r.subscribers = append(slices.Clone(r.subscribers[1:]), failed)
	}
}

// jitter spreads d by a tenth, so that contexts which were opened together do
// not ask Sentry together for ever.
func jitter(d time.Duration) time.Duration {
	return d - d/20 + rand.N(d/10+1)
}
