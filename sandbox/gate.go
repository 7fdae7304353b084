package sandbox

import (
	"context"
	"sync"
)

// gate lets so many in at a time.
type gate chan struct{}

func (g gate) enter(ctx context.Context) (leave func(), err error) {
	select {
	case g <- struct{}{}:
		return func() { <-g }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// gates are one gate for each of those who come, so that nobody fills what is
// there for all.
type gates struct {
	most int // in each

	mu sync.Mutex
	of map[string]*ownGate // those that somebody is in, or waits at
}

type ownGate struct {
	gate
	here int
}

func newGates(most int) *gates { return &gates{most: most, of: map[string]*ownGate{}} }

func (g *gates) enter(ctx context.Context, who string) (leave func(), err error) {
	own := g.come(who)
	out, err := own.enter(ctx)
	if err != nil {
		g.part(who, own)
		return nil, err
	}
	return func() { out(); g.part(who, own) }, nil
}

func (g *gates) come(who string) *ownGate {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.of[who]
	if own == nil {
		own = &ownGate{gate: make(gate, g.most)}
		g.of[who] = own
	}
	own.here++
	return own
}

func (g *gates) part(who string, own *ownGate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if own.here--; own.here == 0 {
		delete(g.of, who)
	}
}
