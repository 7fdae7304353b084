package oauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	maxGroup  = 64
	groupTime = 15 * time.Second
)

// groupCommit has callers that wait for SQLite's one writer share a commit: what
// takes long is to see the disk keep it, and that takes as long for one as for
// many. Each caller's part is undone alone if it fails; none is told of success
// before the commit.
type groupCommit struct {
	db *sql.DB

	mu      sync.Mutex
	led     bool // by somebody
	waiting []*part
}

// part is what one caller wants done.
type part struct {
	do   func(context.Context, *sql.Tx) error
	err  error
	lead chan struct{} // told when the caller is to lead the next group
	done chan struct{} // closed when err is final
}

var errGroup = errors.New("the transaction was given up")

// run does f in a transaction, possibly with others'. Once begun, it ends,
// whether or not ctx does: SQLite undoes a whole transaction of which one
// statement is interrupted.
func (g *groupCommit) run(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &part{do: f, err: errGroup, lead: make(chan struct{}, 1), done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	if !g.led {
		g.led = true
		p.lead <- struct{}{}
	}
	g.mu.Unlock()
	select {
	case <-p.lead:
		g.leadOne(context.WithoutCancel(ctx))
	case <-p.done:
	}
	return p.err
}

// leadOne commits one group, the caller's own part in it, and has the next
// waiting caller lead the next.
func (g *groupCommit) leadOne(ctx context.Context) {
	g.mu.Lock()
	n := min(len(g.waiting), maxGroup)
	group := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.mu.Unlock()
	defer func() { // after a panic, too: nobody must wait for ever
		for _, p := range group {
			close(p.done)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.led = len(g.waiting) > 0; g.led {
			g.waiting[0].lead <- struct{}{}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, groupTime)
	defer cancel()
	errs, err := g.commit(ctx, group)
	for i, p := range group {
		if p.err = err; err == nil {
			p.err = errs[i]
		}
	}
}

// commit returns what came of each part, or why there is nothing of any.
func (g *groupCommit) commit(ctx context.Context, group []*part) ([]error, error) {
	tx, err := g.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // after Commit, nothing
	errs := make([]error, len(group))
	for i, p := range group {
		if _, err := tx.ExecContext(ctx, `SAVEPOINT part`); err != nil {
			return nil, err
		}
		if errs[i] = p.do(ctx, tx); errs[i] != nil {
			if _, err := tx.ExecContext(ctx, `ROLLBACK TO part`); err != nil { // it has undone everything, as when the disk is full
				return nil, fmt.Errorf("%w: %w", errGroup, errs[i])
			}
		}
		if _, err := tx.ExecContext(ctx, `RELEASE part`); err != nil {
			return nil, err
		}
	}
	return errs, tx.Commit()
}
