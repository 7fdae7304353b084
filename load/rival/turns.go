package rival

import (
	"context"
	"slices"
	"sync"

	"roundhouse/constraint"
)

// turns let calls of one context in at any time, and those of another when all
// have left and what is shared has been changed for them. Contexts come in the
// order in which somebody began to wait for them.
type turns struct {
	change func(context.Context, constraint.Key) error // called by one at a time, while nobody is in

	mu       sync.Mutex // guards the rest
	key      constraint.Key
	running  int
	changing bool
	waiting  []*turn
}

// turn is one change, and those who wait for it.
type turn struct {
	key   constraint.Key
	ctx   context.Context // of the first of them: theirs is the credential
	n     int
	begun bool // taken out of waiting
	ready chan struct{}
	err   error // set before ready is closed
}

// enter returns when a call in key's context may run; then leave must be called.
func (t *turns) enter(ctx context.Context, key constraint.Key) error {
	t.mu.Lock()
	if t.key == key && !t.changing && len(t.waiting) == 0 {
		t.running++
		t.mu.Unlock()
		return nil
	}
	mine := t.join(ctx, key)
	t.next()
	t.mu.Unlock()
	select {
	case <-mine.ready:
		return mine.err
	case <-ctx.Done():
		t.abandon(mine)
		return ctx.Err()
	}
}

// join adds one to those who wait for key.
func (t *turns) join(ctx context.Context, key constraint.Key) *turn {
	i := slices.IndexFunc(t.waiting, func(w *turn) bool { return w.key == key })
	if i < 0 {
		i = len(t.waiting)
		t.waiting = append(t.waiting, &turn{key: key, ctx: context.WithoutCancel(ctx), ready: make(chan struct{})})
	}
	t.waiting[i].n++
	return t.waiting[i]
}

// abandon is for one who no longer waits. A turn that has begun counts them in.
func (t *turns) abandon(mine *turn) {
	t.mu.Lock()
	if !mine.begun {
		if mine.n--; mine.n == 0 {
			t.waiting = slices.DeleteFunc(t.waiting, func(w *turn) bool { return w == mine })
		}
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	if <-mine.ready; mine.err == nil {
		t.leave()
	}
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	t.next()
}

// next begins the turn of whoever waits longest, if nobody is in. mu is held.
func (t *turns) next() {
	if t.running > 0 || t.changing || len(t.waiting) == 0 {
		return
	}
	first := t.waiting[0]
	t.waiting = t.waiting[1:]
	first.begun = true
	if first.key == t.key {
		t.running = first.n
		close(first.ready)
		return
	}
	t.changing = true
	go t.begin(first) // ends with change, which is bounded by the time that Sentry gets
}

func (t *turns) begin(first *turn) {
	err := t.change(first.ctx, first.key)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changing = false
	if first.err = err; err == nil {
		t.key = first.key
		t.running = first.n
	}
	close(first.ready)
	t.next()
}
