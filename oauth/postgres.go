package oauth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// OpenPostgres opens the store in the database that url names, such as
// "postgres://user:password@host:5432/roundhouse", and brings it up to date.
// Any number of processes may have it open. It wants a database, or a schema
// first in the search path, of its own: one that holds other tables, is
// damaged or was written by a newer version is refused; the error says which.
// No error holds the password.
func OpenPostgres(ctx context.Context, url string) (*SQLStore, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", unreadableURL(err))
	}
	s, err := openPostgres(ctx, cfg)
	var unreachable *pgconn.ConnectError
	if errors.As(err, &unreachable) { // tells of each address on a line of its own
		err = errors.New(strings.Join(strings.Fields(unreachable.Error()), " "))
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s at %s: %w", cfg.Database, cfg.Host, err)
	}
	return s, nil
}

// unreadableURL keeps what is safe to show. The text of pgx's errors can hold
// the password, and so can that of url.Parse.
func unreadableURL(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		return fmt.Errorf("PostgreSQL URL: %w", file)
	}
	return errors.New("the PostgreSQL URL cannot be read; a good one looks like postgres://user:password@host:5432/database")
}

func openPostgres(ctx context.Context, cfg *pgx.ConnConfig) (*SQLStore, error) {
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	pool := postgresPool(cfg, "15s")
	s := &SQLStore{
		write: pool,
		read:  pool,
		begin: &sql.TxOptions{Isolation: sql.LevelReadCommitted}, // each statement sees what others committed before it
		lock:  postgresLock,
		again: postgresAgain,

		tokens: newCache[Hash](grantedToken.clone, nil),
	}
	// A migration may take longer than any request.
	patient := postgresPool(cfg, "0")
	defer patient.Close()
	if err := preparePostgres(ctx, patient); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.compile(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func postgresPool(cfg *pgx.ConnConfig, timeout string) *sql.DB {
	db := sql.OpenDB(questionMarks{stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(sessionSettings(timeout)))})
	most := max(10, 4*runtime.GOMAXPROCS(0)) // of the 100 that a server takes by default
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

// sessionSettings bounds how long a statement, a lock or a forgotten
// transaction may take. Where the server was told to promise a commit before it
// is on disk, it makes it wait: a refresh token that comes back after a crash
// looks stolen.
func sessionSettings(timeout string) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT set_config('statement_timeout', $1, false),
			set_config('idle_in_transaction_session_timeout', $1, false),
			set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
				ELSE current_setting('synchronous_commit') END, false)`, timeout)
		return err
	}
}

// preparePostgres lets one process at a time look at the database and bring it
// up to date.
func preparePostgres(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := postgresLock(ctx, tx, "open", true); err != nil {
		return err
	}
	if err := checkPostgres(ctx, db); err != nil {
		return err
	}
	return migrate(ctx, goose.DialectPostgres, db)
}

// checkPostgres refuses a database that is not ours, before a migration could
// write to it. A table of its own marks one that is.
func checkPostgres(ctx context.Context, db *sql.DB) error {
	var encoding string
	var schema sql.NullString
	var tables int
	var marked bool
	row := db.QueryRowContext(ctx, `SELECT current_setting('server_encoding'), current_schema(),
		count(*), coalesce(bool_or(relname = 'roundhouse_store'), false)
		FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind IN ('r', 'p', 'v')`)
	if err := row.Scan(&encoding, &schema, &tables, &marked); err != nil {
		return err
	}
	switch {
	case !schema.Valid:
		return errors.New("there is no schema to keep tables in; check the search path")
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s; create one with ENCODING 'UTF8'", encoding)
	case tables > 0 && !marked:
		return errors.New("the database belongs to another program; choose another, or a schema of its own by ?search_path=")
	case marked:
		return checkMark(ctx, db)
	}
	_, err := db.ExecContext(ctx, `CREATE TABLE roundhouse_store AS SELECT CAST(`+strconv.Itoa(applicationID)+` AS BIGINT) AS application_id`)
	return err
}

func checkMark(ctx context.Context, db *sql.DB) error {
	var id int64
	if err := db.QueryRowContext(ctx, `SELECT application_id FROM roundhouse_store`).Scan(&id); err != nil {
		return fmt.Errorf("damaged; restore it from a backup or choose another: %w", err)
	}
	if id != applicationID {
		return errors.New("the database belongs to another program; choose another")
	}
	return nil
}

// postgresLock ends with the transaction, so it survives a pooler between us
// and the server.
func postgresLock(ctx context.Context, tx *sql.Tx, name string, alone bool) error {
	function := "pg_advisory_xact_lock_shared"
	if alone {
		function = "pg_advisory_xact_lock"
	}
	sum := sha256.Sum256([]byte("roundhouse oauth " + name))
	_, err := tx.ExecContext(ctx, `SELECT `+function+`(?)`, int64(binary.BigEndian.Uint64(sum[:])))
	return err
}

// postgresAgain is for transactions that the server undid because they were in
// each other's way.
func postgresAgain(err error) bool {
	const serializationFailure, deadlock = "40001", "40P01"
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == serializationFailure || answer.Code == deadlock)
}

// questionMarks lets statements have their parameters written as SQLite wants
// them. None of ours has a question mark that means anything else.
type questionMarks struct{ driver.Connector }

func (c questionMarks) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return questionMarkConn{conn.(*stdlib.Conn)}, nil
}

type questionMarkConn struct{ *stdlib.Conn }

func (c questionMarkConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.PrepareContext(ctx, numbered(query))
}

func (c questionMarkConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(ctx, numbered(query), args)
}

func (c questionMarkConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(ctx, numbered(query), args)
}

// CheckNamedValue mends text from outside, an invented client id for one: a
// PostgreSQL text holds no zero byte and no broken UTF-8, and would fail.
func (c questionMarkConn) CheckNamedValue(v *driver.NamedValue) error {
	if text, ok := v.Value.(string); ok {
		v.Value = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
	}
	return c.Conn.CheckNamedValue(v)
}

var numberedQueries sync.Map // from query to query; as many as the program has

func numbered(query string) string {
	if !strings.Contains(query, "?") {
		return query
	}
	if known, ok := numberedQueries.Load(query); ok {
		return known.(string)
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	numberedQueries.Store(query, b.String())
	return b.String()
}
