package watch

import (
	"context"
	"errors"
	"sync"
)

// ErrTooMany: as much is watched already as may be.
var ErrTooMany = errors.New("too many resources are watched")

// Subscriber is one stream on which a client is told of what it watches.
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

// Watch begins to watch what MayWatch has approved of. To watch it twice is to
// watch it once. The error is ErrTooMany.
func (s *Subscriber) Watch(uri string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stops == nil || s.stops[uri] != nil {
		return nil
	}
	stop := s.w.Watch(s.ctx, uri, func() { s.changed(uri) })
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
