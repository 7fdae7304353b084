package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// ErrTooMany: as much is watched already as may be.
var ErrTooMany = errors.New("too many resources are watched")

// Subscriber is one stream, on which a client is told of what it watches.
type Subscriber struct {
	w       *Watcher
	ctx     context.Context
	changed func(uri string)

	mu    sync.Mutex        // guards stops
	stops map[string]func() // by URI; nil after Leave
}

// Join returns a Subscriber that watches nothing yet. changed is called from
// the Watcher's goroutine each time something that it watches has changed, and
// must not block. What it watches is read with ctx, until Leave.
func (w *Watcher) Join(ctx context.Context, changed func(uri string)) *Subscriber {
	return &Subscriber{w: w, ctx: ctx, changed: changed, stops: map[string]func(){}}
}

// Watch begins to watch what the caller can read, here and now, and tells of
// every change from then on. To watch it twice is to watch it once. The error is
// ErrTooMany, or what Read answered.
func (s *Subscriber) Watch(uri string) error {
	if s.watching(uri) {
		return nil
	}
	seen, _, err := s.w.once(s.ctx, uri)
	if err != nil {
		return err
	}
	return s.add(uri, &seen)
}

// Again begins to watch what the same client has been let read before, without
// asking. content is what it was then; if nil, changes are told from the first
// look on.
func (s *Subscriber) Again(uri string, content []byte) error {
	if content == nil {
		return s.add(uri, nil)
	}
	seen := fingerprint(sha256.Sum256(content))
	return s.add(uri, &seen)
}

func (s *Subscriber) watching(uri string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stops == nil || s.stops[uri] != nil
}

func (s *Subscriber) add(uri string, seen *fingerprint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stops == nil || s.stops[uri] != nil {
		return nil
	}
	stop := s.w.watch(s.ctx, uri, seen, func() { s.changed(uri) })
	if stop == nil {
		return ErrTooMany
	}
	s.stops[uri] = stop
	return nil
}

// Unwatch ends what Watch began.
func (s *Subscriber) Unwatch(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.stops[uri]; stop != nil {
		stop()
		delete(s.stops, uri)
	}
}

// Leave ends all that Watch began, for good.
func (s *Subscriber) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stop := range s.stops {
		stop()
	}
	s.stops = nil
}
