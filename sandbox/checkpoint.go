package sandbox

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
)

// checkpointAfter is how many transactions go into the write-ahead log before
// they are copied from there to the file. Those that ingest commits are of about
// a megabyte when there is much to do.
const checkpointAfter = 16

// checkpoints copies the write-ahead log to the file on a connection of its own:
// what SQLite would otherwise do inside a commit, while everybody waits for the
// disk. It has one goroutine, from begin to end.
type checkpoints struct {
	db      *sql.DB
	log     *slog.Logger
	writing chan struct{} // held by who writes
	ended   sync.WaitGroup

	commits int           // since the last signal; guarded by writing, as the following
	due     chan struct{} // room for one; nil before begin and after end
}

// begin takes over the checkpoints of the file that source names. Nobody writes
// yet.
func (c *checkpoints) begin(source string, writing chan struct{}, log *slog.Logger) (err error) {
	if c.db, err = sql.Open("sqlite", source); err != nil {
		return err
	}
	c.db.SetMaxOpenConns(1)
	due := make(chan struct{}, 1)
	c.log, c.writing, c.due = log, writing, due
	c.ended.Go(func() {
		for range due {
			c.copy()
			// What came meanwhile is little. Nobody adds to it now, so the log
			// is copied to its end, and begins anew with the next transaction.
			writing <- struct{}{}
			c.copy()
			<-writing
		}
	})
	return nil
}

func (c *checkpoints) copy() {
	if _, err := c.db.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		c.log.Error("sandbox checkpoint", slog.Any("error", err))
	}
}

// committed is called by who holds writing.
func (c *checkpoints) committed() {
	if c.commits++; c.due == nil || c.commits < checkpointAfter {
		return
	}
	c.commits = 0
	select {
	case c.due <- struct{}{}:
	default: // one is under way, and one is due
	}
}

// end leaves what is in the log to the last connection that is closed.
func (c *checkpoints) end() error {
	if c.db == nil {
		return nil
	}
	c.writing <- struct{}{}
	if c.due != nil {
		close(c.due)
		c.due = nil
	}
	<-c.writing
	c.ended.Wait()
	return c.db.Close()
}
