package task

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Sealer encrypts what is kept at rest. What is sealed for one place does not
// open at another.
type Sealer interface {
	Seal(place string, plain []byte) ([]byte, error)
	Open(place string, sealed []byte) ([]byte, error)
}

// Database is one that somebody else has opened and closes.
type Database struct {
	Write, Read *sql.DB // may be the same
	Postgres    bool    // else SQLite, whose writers wait for each other anyway

	// Migrate brings tables up to date by the steps in dir, and keeps their
	// versions in the table that versions names.
	Migrate func(ctx context.Context, dir fs.FS, versions string) error
}

// SQLStore is a Store in SQLite or PostgreSQL. Both understand every statement
// of it, parameters being written as question marks.
type SQLStore struct {
	db   Database
	seal Sealer
}

// OpenSQL brings the tables in db up to date. They have a version table of
// their own, so that what else is in the database may change at its own pace.
func OpenSQL(ctx context.Context, db Database, seal Sealer) (*SQLStore, error) {
	s := &SQLStore{db: db, seal: seal}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("open tasks: %w", err)
	}
	return s, nil
}

// migrate lets one process at a time do it.
func (s *SQLStore) migrate(ctx context.Context) error {
	if s.db.Postgres {
		tx, err := s.db.Read.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return s.db.Migrate(ctx, dir, "tasks_version")
}

// lock makes transactions that count wait for each other, where the database
// would let them run at once.
func (s *SQLStore) lock(ctx context.Context, tx *sql.Tx) error {
	if !s.db.Postgres {
		return nil
	}
	const tasks = 0x7268_7461_736b // "rhtask"
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(?)`, int64(tasks))
	return err
}

// Put implements Store.
func (s *SQLStore) Put(ctx context.Context, t Task, now time.Time, l Limits) error {
	sealed, err := s.sealed(t)
	if err != nil {
		return fmt.Errorf("put task: %w", err)
	}
	return s.change(ctx, "put task", func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx); err != nil {
			return err
		}
		if err := admit(ctx, tx, t.Key.User(), now, l); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO tasks (id, user_id, context, status, created_at, updated_at, expires_at, version, runner, lease_until, content)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			t.ID, t.Key.User(), t.Key.String(), string(t.Status), millis(t.Created), millis(t.Updated), millis(t.Expires), t.Version, t.Runner, millis(t.Lease), sealed)
		return changedOne(done, err, ErrConflict)
	})
}

func admit(ctx context.Context, tx *sql.Tx, user string, now time.Time, l Limits) error {
	var kept, working, userKept, userWorking int
	row := tx.QueryRowContext(ctx, `SELECT count(*),
		coalesce(sum(CASE WHEN status IN ('working', 'input_required') THEN 1 ELSE 0 END), 0),
		coalesce(sum(CASE WHEN user_id = ? THEN 1 ELSE 0 END), 0),
		coalesce(sum(CASE WHEN user_id = ? AND status IN ('working', 'input_required') THEN 1 ELSE 0 END), 0)
		FROM tasks WHERE expires_at > ?`, user, user, millis(now))
	if err := row.Scan(&kept, &working, &userKept, &userWorking); err != nil {
		return err
	}
	switch {
	case userWorking >= l.UserWorking:
		return &LimitError{fmt.Sprintf("%d tasks of this user are under way: wait for one of them to end, or cancel one", userWorking)}
	case userKept >= l.UserKept:
		return &LimitError{fmt.Sprintf("%d tasks of this user are kept: wait until the oldest expire", userKept)}
	case working >= l.Working, kept >= l.Kept:
		return &LimitError{"this server has as many tasks as it takes: try again later"}
	}
	return nil
}

// Task implements Store.
func (s *SQLStore) Task(ctx context.Context, ref Ref, now time.Time) (Task, error) {
	t := Task{Ref: ref}
	var created, updated, expires, lease int64
	var sealed []byte
	row := s.db.Read.QueryRowContext(ctx, `SELECT status, created_at, updated_at, expires_at, version, runner, lease_until, content
		FROM tasks WHERE id = ? AND context = ? AND expires_at > ?`, ref.ID, ref.Key.String(), millis(now))
	err := row.Scan(&t.Status, &created, &updated, &expires, &t.Version, &t.Runner, &lease, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Task{}, ErrNotFound
	}
	if err != nil {
		return Task{}, fmt.Errorf("read task: %w", err)
	}
	t.Created, t.Updated, t.Expires, t.Lease = instant(created), instant(updated), instant(expires), instant(lease)
	plain, err := s.seal.Open(place(ref), sealed)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	if err := json.Unmarshal(plain, &t.Content); err != nil {
		return t, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return t, nil
}

// Swap implements Store.
func (s *SQLStore) Swap(ctx context.Context, t Task) error {
	sealed, err := s.sealed(t)
	if err != nil {
		return fmt.Errorf("swap task: %w", err)
	}
	return s.change(ctx, "swap task", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE tasks SET status = ?, updated_at = ?, version = version + 1, runner = ?, lease_until = ?, content = ?
			WHERE id = ? AND context = ? AND version = ? AND status IN ('working', 'input_required')`,
			string(t.Status), millis(t.Updated), t.Runner, millis(t.Lease), sealed, t.ID, t.Key.String(), t.Version)
		if err := changedOne(done, err, ErrConflict); !errors.Is(err, ErrConflict) {
			return err
		}
		var there bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tasks WHERE id = ? AND context = ?)`, t.ID, t.Key.String()).Scan(&there); err != nil {
			return err
		}
		if !there {
			return ErrNotFound
		}
		return ErrConflict
	})
}

// Extend implements Store.
func (s *SQLStore) Extend(ctx context.Context, runner string, until time.Time) (ids []string, err error) {
	err = s.change(ctx, "extend leases", func(tx *sql.Tx) error {
		ids = nil
		rows, err := tx.QueryContext(ctx, `UPDATE tasks SET lease_until = ? WHERE runner = ? AND status = 'working' RETURNING id`, millis(until), runner)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}

// purgeBatch bounds how long a purge holds the database.
const purgeBatch = 500

// Purge implements Store.
func (s *SQLStore) Purge(ctx context.Context, now time.Time) (removed int, err error) {
	err = s.change(ctx, "purge tasks", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE expires_at <= ? LIMIT ?)`, millis(now), purgeBatch)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		removed = int(n)
		return err
	})
	return removed, err
}

func (s *SQLStore) change(ctx context.Context, op string, f func(*sql.Tx) error) error {
	tx, err := s.db.Write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer tx.Rollback() // after Commit, nothing
	if err := f(tx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

func (s *SQLStore) sealed(t Task) ([]byte, error) {
	plain, err := json.Marshal(t.Content)
	if err != nil {
		return nil, err
	}
	if len(plain) > MaxContent {
		return nil, ErrTooLarge
	}
	return s.seal.Seal(place(t.Ref), plain)
}

// place binds the content to the row and to who may read it.
func place(ref Ref) string { return "task " + ref.ID + " " + ref.Key.String() }

func changedOne(done sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
