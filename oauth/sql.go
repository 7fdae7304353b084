package oauth

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SQLStore is a Store in SQLite or PostgreSQL. Both understand every statement
// of it; how they are opened, and what keeps two writers apart, differs. Close
// it when done.
type SQLStore struct {
	write *sql.DB
	read  *sql.DB   // may be write
	token *sql.Stmt // runs on every request to a resource, so it is compiled once

	group *groupCommit   // nil: every change has a transaction of its own
	begin *sql.TxOptions // nil: the driver's default

	// lock, unless nil, keeps other transactions that name the same thing
	// waiting until tx ends: all of them, or only those that want it for
	// themselves alone. It is nil where there is one writer anyway.
	lock func(ctx context.Context, tx *sql.Tx, name string, alone bool) error

	// again, unless nil, reports whether a transaction that failed, and was
	// undone, is worth another attempt.
	again func(error) bool

	tokens *cache[Hash, grantedToken]  // nil: every token is looked up
	grants *cache[string, StoredGrant] // nil: every grant is
	others *otherWriters               // of the file; nil: there is none

	clients, tickets atomic.Uint64 // how many were put, for trimEvery
}

// lockClients is held by whoever drops clients, and shared by whoever makes a
// grant: the one must see the other's, or a client goes whose grant stays.
const lockClients = "clients"

// Close ends all work and closes the store.
func (s *SQLStore) Close() error {
	errs := []error{s.others.close()}
	if s.token != nil {
		errs = append(errs, s.token.Close())
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(errs...)
}

// Databases returns what the store writes to and what it reads from, for tables
// that others keep beside its own. The store closes both.
func (s *SQLStore) Databases() (write, read *sql.DB, postgres bool) {
	return s.write, s.read, s.lock != nil
}

// compile checks that every table is as the statements want it, which the
// migrations alone do not tell of a database that somebody has repaired.
func (s *SQLStore) compile(ctx context.Context) error {
	for _, columns := range tableColumns {
		rows, err := s.read.QueryContext(ctx, `SELECT `+columns+` WHERE FALSE`)
		if err != nil {
			return fmt.Errorf("damaged; restore it from a backup: %w", err)
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	var err error
	s.token, err = s.read.PrepareContext(ctx, selectToken)
	return err
}

// tableColumns are the tables and what statements read of them.
var tableColumns = []string{
	`id, name, redirect_uris, auth_method, secret_hash, created_at, expires_at FROM clients`,
	`key, kind, data, created_at, expires_at, taken FROM tickets`,
	grantColumns + ` FROM grants`,
	`hash, grant_id, resource, scopes, created_at, expires_at FROM access_tokens`,
	`grant_id, used_at FROM grant_uses`,
	`hash, user_id, user_name, admin, created_at, expires_at FROM sessions`,
	`id, happened_at, kind, outcome, client_id, user_id, by_user, grant_id, source, resource, detail FROM events`,
	`id, sealed FROM canary`,
}

// Migrate brings tables that others keep beside the store's own up to date, by
// the steps in dir. Their versions are in a table of their own, which versions
// names.
func (s *SQLStore) Migrate(ctx context.Context, dir fs.FS, versions string) error {
	dialect := goose.DialectSQLite3
	if _, _, postgres := s.Databases(); postgres {
		dialect = goose.DialectPostgres
	}
	return migrateBy(ctx, dialect, s.write, dir, goose.WithTableName(versions))
}

// migrate brings the store's own tables up to date.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrateBy(ctx, dialect, db, dir)
}

// migrateBy refuses a schema that is ahead of dir.
func migrateBy(ctx context.Context, dialect goose.Dialect, db *sql.DB, dir fs.FS, options ...goose.ProviderOption) error {
	provider, err := goose.NewProvider(dialect, db, dir, append(options, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > known {
		return fmt.Errorf("written by a newer version of Roundhouse (schema %d, this one knows %d); run that version", have, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// change is changeQuietly for what may end a token.
func (s *SQLStore) change(ctx context.Context, op string, f func(context.Context, *sql.Tx) error) error {
	defer s.tokens.forget() // after an error, too, which does not say that nothing was changed
	return s.changeQuietly(ctx, op, f)
}

// changeQuietly runs f in a transaction. It may run it more than once, each time with
// nothing of the time before. In f, only the ctx that f is given may be used.
func (s *SQLStore) changeQuietly(ctx context.Context, op string, f func(context.Context, *sql.Tx) error) error {
	defer s.grants.forget()
	if s.group != nil {
		return wrap(op, s.group.run(ctx, f))
	}
	const attempts = 5
	var err error
	for range attempts {
		if err = s.changeOnce(ctx, f); err == nil || s.again == nil || !s.again(err) {
			break
		}
	}
	return wrap(op, err)
}

func (s *SQLStore) changeOnce(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, s.begin)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit, nothing
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *SQLStore) hold(ctx context.Context, tx *sql.Tx, name string, alone bool) error {
	if s.lock == nil {
		return nil
	}
	return s.lock(ctx, tx, name, alone)
}

func wrap(op string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
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
