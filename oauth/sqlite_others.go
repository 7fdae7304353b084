package oauth

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// othersLag is how long it may take to see what another process has written to
// a SQLite file.
const othersLag = 20 * time.Millisecond

// otherWriters tells how often a SQLite file may have been written to by other
// connections than its own, which never writes: those of this process and of
// all others. It asks no more than once in othersLag. A nil otherWriters never
// tells of any.
type otherWriters struct {
	conn *sql.Conn // one and the same: the number that it is told is its own
	ask  *sql.Stmt

	mu      sync.Mutex // guards the rest
	asked   time.Time
	version int64
	count   uint64
}

func watchWriters(ctx context.Context, db *sql.DB) (*otherWriters, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	o := &otherWriters{conn: conn}
	if o.ask, err = conn.PrepareContext(ctx, `PRAGMA data_version`); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return o, nil
}

// changes returns the count as it was at now, or less than othersLag before.
func (o *otherWriters) changes(now time.Time) uint64 {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.asked) < othersLag {
		return o.count
	}
	var version int64
	if err := o.ask.QueryRow().Scan(&version); err != nil { // without a request's ctx: it is asked for all
		o.count++ // there may have been one, each time
		return o.count
	}
	if version != o.version {
		o.version = version
		o.count++
	}
	o.asked = now
	return o.count
}

func (o *otherWriters) close() error {
	if o == nil {
		return nil
	}
	return errors.Join(o.ask.Close(), o.conn.Close())
}
