package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxGroup is how many batches share a transaction.
const maxGroup = 32

// delivery is a batch on its way to being stored.
type delivery struct {
	*batch
	id   string
	err  error
	done chan struct{} // closed when id and err stand
}

// commit stores a batch, together with those that wait for the same: a commit
// costs about what a batch does. It returns after the commit, so what is
// acknowledged is in the file. A batch that fails leaves its neighbors alone.
func (s *Sandbox) commit(ctx context.Context, b *batch) (string, error) {
	d := &delivery{batch: b, done: make(chan struct{})}
	s.waiting.add(d)
	select {
	case <-d.done:
		return d.id, d.err
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	}
	for {
		select {
		case <-d.done: // by one who wrote meanwhile, or by the round below
			return d.id, d.err
		default:
			// The sender of one of them may hang up; the others do not.
			s.storeGroup(context.WithoutCancel(ctx), s.waiting.take(maxGroup))
		}
	}
}

// storeGroup stores batches in one transaction or, when one of them fails, each
// in one of its own. Savepoints would undo the one alone, but for them SQLite
// copies every page before it is changed. The caller holds writing.
func (s *Sandbox) storeGroup(ctx context.Context, group []*delivery) {
	defer func() {
		for _, d := range group {
			close(d.done)
		}
	}()
	if s.storeTogether(ctx, group) == nil || len(group) == 1 {
		return
	}
	for i := range group {
		s.storeTogether(ctx, group[i:i+1]) // the error is the sender's
	}
}

// storeTogether stores all of the batches or none.
func (s *Sandbox) storeTogether(ctx context.Context, group []*delivery) (err error) {
	err = errors.New("storing it panicked") // unless the transaction returns
	defer func() {
		for _, d := range group {
			if d.err = err; err != nil {
				d.id, d.stored, d.bytes, d.noticed = "", 0, 0, 0
			}
		}
	}()
	return s.transact(ctx, func(tx *sql.Tx) (err error) {
		q := s.statements.in(tx)
		for _, d := range group {
			d.ctx, d.tx = ctx, q
			if d.id, err = d.store(); err != nil {
				return err
			}
		}
		return nil
	})
}

// line is where deliveries wait.
type line struct {
	mu      sync.Mutex
	waiting []*delivery
}

func (l *line) add(d *delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, d)
}

// take removes the first n at most.
func (l *line) take(n int) []*delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, len(l.waiting))
	taken := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return taken
}
