package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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

// storeGroup stores batches in one transaction. The caller holds writing.
func (s *Sandbox) storeGroup(ctx context.Context, group []*delivery) {
	err := errors.New("storing it panicked") // unless the transaction returns
	defer func() {
		for _, d := range group {
			if err != nil {
				d.id, d.err = "", err
			}
			close(d.done)
		}
	}()
	err = s.transact(ctx, func(tx *sql.Tx) error {
		q := s.statements.in(tx)
		for _, d := range group {
			d.ctx, d.tx = ctx, q
			if err := d.storeAlone(); err != nil {
				return err
			}
		}
		return nil
	})
}

// storeAlone stores the batch, or else undoes what it did and keeps the error
// for the sender. What it returns has undone the others, too.
func (d *delivery) storeAlone() error {
	if _, err := d.tx.ExecContext(d.ctx, "SAVEPOINT batch"); err != nil {
		return fmt.Errorf("begin batch: %w", err)
	}
	if d.id, d.err = d.store(); d.err != nil {
		d.stored = 0
		if _, err := d.tx.ExecContext(d.ctx, "ROLLBACK TO batch"); err != nil {
			return fmt.Errorf("undo batch: %w", d.err) // the transaction is gone: a full disk ends it
		}
	}
	if _, err := d.tx.ExecContext(d.ctx, "RELEASE batch"); err != nil {
		return fmt.Errorf("end batch: %w", err)
	}
	return nil
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
