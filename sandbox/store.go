package sandbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	busyTimeout = 30 * time.Second // another process may be seeding
	maxReaders  = 8
	pageSize    = 16 << 10 // searches read long stretches: with SQLite's 4 KiB they take half again as long
)

// open connects, refuses what is not ours, and makes tables and seed, or renews
// them, in one transaction, so that a half-made database cannot be left behind
// and two processes cannot both seed.
func (s *Sandbox) open(ctx context.Context, o Options) (err error) {
	name := o.Path
	if name == "" {
		name = "in memory"
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open sandbox database (%s): %w", name, err)
		}
	}()
	if err = private(o.Path); err != nil {
		return err
	}
	source := dataSource(o.Path)
	if s.writer, err = sql.Open("sqlite", source+"&_txlock=immediate"); err != nil {
		return err
	}
	// The one connection is never closed while idle: a database in memory
	// lives as long as its last connection.
	s.writer.SetMaxOpenConns(1)
	s.writer.SetConnMaxIdleTime(0)
	if s.readers, err = sql.Open("sqlite", source+"&_pragma=query_only(1)"); err != nil {
		return errors.Join(err, s.writer.Close())
	}
	s.readers.SetMaxOpenConns(maxReaders)
	if err = s.prepare(ctx, o); err != nil {
		s.writer.Close()
		s.readers.Close()
		return err
	}
	if o.Path == "" {
		return nil // in memory there is no log
	}
	if _, err = s.writer.ExecContext(ctx, "PRAGMA wal_autocheckpoint = 0"); err != nil {
		return err
	}
	return s.checkpoints.begin(source, s.writing, s.log)
}

// private makes the file, which SQLite would make readable to everybody.
func private(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func dataSource(path string) string {
	pragmas := fmt.Sprintf("_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&_pragma=synchronous(NORMAL)", busyTimeout.Milliseconds())
	if path == "" {
		return "file:/" + rand.Text() + "?vfs=memdb&" + pragmas
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + pragmas
}

func (s *Sandbox) prepare(ctx context.Context, o Options) error {
	if err := checkFile(ctx, o.Path); err != nil {
		return err
	}
	if o.Path != "" {
		// Only after the check: this writes to the file. Of one that has
		// pages already, it leaves them as they are.
		if _, err := s.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; PRAGMA journal_mode = WAL", pageSize)); err != nil {
			return fmt.Errorf("switch to WAL: %w", err)
		}
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		created, err := s.migrate(ctx, tx)
		if err != nil {
			return err
		}
		if err := s.purge(ctx, tx); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		s.arrived.last = s.now()
		if err := s.retainAll(ctx, tx); err != nil {
			return fmt.Errorf("retention: %w", err)
		}
		switch {
		case o.Empty:
		case created:
			err = s.seed(ctx, tx)
		default:
			err = s.renewSeed(ctx, tx)
		}
		if err != nil {
			return fmt.Errorf("seed: %w", err)
		}
		if o.Scale != (Scale{}) {
			return s.scale(ctx, tx, o.Scale)
		}
		return nil
	})
}

// purge deletes the secrets that have expired. At open it is often enough: a
// program that makes a token at each start leaves only those still good.
func (s *Sandbox) purge(ctx context.Context, tx *sql.Tx) error {
	now := s.now()
	for _, query := range []string{
		"DELETE FROM oauth_grant WHERE expires <= ?1",
		"DELETE FROM web_session WHERE expires <= ?1",
		"DELETE FROM device_code WHERE expires <= ?1",
		"DELETE FROM token WHERE expires <= ?1 AND (refresh_hash IS NULL OR created <= ?2)",
	} {
		if _, err := tx.ExecContext(ctx, query, seconds(now), seconds(now.Add(-renewalLife))); err != nil {
			return err
		}
	}
	return nil
}

// read is for queries; it refuses to write.
func (s *Sandbox) read() *sql.DB { return s.readers }

// write runs f in the one write transaction there may be. f must not call
// read: in memory, a reader waits for the writer.
func (s *Sandbox) write(ctx context.Context, f func(*sql.Tx) error) error {
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	defer s.known.forget() // f may have changed a key
	return s.transact(ctx, f)
}

// transact is write for who holds writing.
func (s *Sandbox) transact(ctx context.Context, f func(*sql.Tx) error) error {
	if err := s.statements.prepare(ctx, s.writer); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.checkpoints.committed()
	return nil
}

// querier is what a *sql.DB and a *sql.Tx share.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect runs a query and scans every row.
func collect[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// seconds is how times are stored: Unix seconds with a fraction.
func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func fromSeconds(f float64) time.Time { return time.UnixMicro(int64(f*1e6 + 0.5)).UTC() }

// stamp renders a stored time as Sentry does, with the literal Z that clients insist on.
func stamp(f float64) string { return fromSeconds(f).Format("2006-01-02T15:04:05.000000Z") }
