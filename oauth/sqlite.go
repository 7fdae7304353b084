package oauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// applicationID marks the file as ours in SQLite's header: "rhoa".
const applicationID = 0x72686f61

// OpenSQLite opens the store at path, making it if there is none, and brings
// it up to date. What expired stays until Purge is called, with the clock of
// whoever calls. A file that is not ours, is damaged or was written by a newer
// version is refused; the error says which.
func OpenSQLite(ctx context.Context, path string) (*SQLStore, error) {
	s, err := openSQLite(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func openSQLite(ctx context.Context, path string) (*SQLStore, error) {
	if err := touchPrivate(path); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := new(SQLStore)
	if s.write, err = sql.Open("sqlite", dataSource(path, "synchronous(FULL)", "foreign_keys(1)")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	s.group = &groupCommit{db: s.write}
	if s.read, err = sql.Open("sqlite", dataSource(path, "query_only(1)")); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.read.SetMaxOpenConns(1 + max(4, runtime.GOMAXPROCS(0))) // one of them is s.others'
	s.read.SetMaxIdleConns(1 + max(4, runtime.GOMAXPROCS(0)))
	if err := checkSQLite(ctx, s.write); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := migrate(ctx, goose.DialectSQLite3, s.write); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.compile(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.others, err = watchWriters(ctx, s.read); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.tokens, s.grants = newCache[Hash](grantedToken.clone, s.others), newCache[string](StoredGrant.clone, s.others)
	return s, nil
}

// touchPrivate makes the file before SQLite would, which lets others read it.
// SQLite gives the files beside it the same mode.
func touchPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func dataSource(path string, pragmas ...string) string {
	q := url.Values{"_txlock": {"immediate"}} // a transaction that reads first must not deadlock when it writes
	q["_pragma"] = append([]string{"busy_timeout(5000)", "journal_mode(WAL)"}, pragmas...)
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// checkSQLite refuses another program's file and a damaged one, before a
// migration could write to it. Checking every page takes a second per few
// hundred megabytes.
func checkSQLite(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	row := db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id`)
	if err := row.Scan(&id, &tables); err != nil {
		return fmt.Errorf("damaged, or not a SQLite file; restore it from a backup or move it away: %w", err)
	}
	if id == 0 && tables == 0 {
		_, err := db.ExecContext(ctx, "PRAGMA application_id = "+strconv.Itoa(applicationID))
		return err
	}
	if id != applicationID {
		return errors.New("the file belongs to another program; choose another path")
	}
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return fmt.Errorf("damaged; restore it from a backup or move it away: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("damaged; restore it from a backup or move it away: %s", verdict)
	}
	return nil
}
