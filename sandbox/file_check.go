package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// checkFile refuses a file that is not ours, or not whole. It reads through a
// connection that cannot write: any other would, when it is closed, move what is
// in the write-ahead log into the file that is refused.
func checkFile(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	db, err := sql.Open("sqlite", dataSource(path)+"&mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var tables, app, version int
	var state string
	for _, q := range []struct {
		ask    string
		answer any
		judge  func() error
	}{
		{"SELECT count(*) FROM sqlite_schema", &tables, nil},
		{"PRAGMA application_id", &app, func() error {
			if app != applicationID && (tables > 0 || app != 0) {
				return errors.New("it is not a sandbox database; it was left as it is")
			}
			return nil
		}},
		{"PRAGMA user_version", &version, func() error {
			if version > schemaVersion {
				return fmt.Errorf("it was written by a newer release (schema %d, this one knows %d); use that release or another file", version, schemaVersion)
			}
			return nil
		}},
		{"PRAGMA quick_check(1)", &state, func() error {
			if state != "ok" {
				return fmt.Errorf("it is damaged (%s); move it away to start anew", strings.Join(strings.Fields(state), " "))
			}
			return nil
		}},
	} {
		if err := db.QueryRowContext(ctx, q.ask).Scan(q.answer); err != nil {
			return damaged(err)
		}
		if q.judge == nil {
			continue
		}
		if err := q.judge(); err != nil {
			return err
		}
	}
	return nil
}

// damaged says what to do about a file that SQLite cannot read.
func damaged(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("it is damaged (%w); it was left as it is, move it away to start anew", err)
	}
	return err
}

// sqliteCode is 0 for what is no error of SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff // without what extends it
	}
	return 0
}

// cannotStore explains errors of the file, which are not the request's fault and
// may pass; nil for any other.
func cannotStore(err error) *apiError {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_FULL:
		return refuse(http.StatusServiceUnavailable, "The sandbox cannot store anything: its disk is full.")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return refuse(http.StatusServiceUnavailable, "The sandbox cannot store anything: its database cannot be written.")
	case sqlite3.SQLITE_BUSY:
		return refuse(http.StatusServiceUnavailable, "The sandbox cannot store anything: another process keeps its database locked.")
	}
	return nil
}
