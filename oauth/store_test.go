package oauth_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

// With the URL of a PostgreSQL server in the environment, the tests of the
// server run on PostgreSQL.
var postgresURL = os.Getenv("ROUNDHOUSE_TEST_POSTGRES")

// newStorePath returns where a new store can be opened: a file, or a schema of
// its own in the server.
func newStorePath(t testing.TB) string {
	t.Helper()
	if postgresURL == "" {
		return newFile(t)
	}
	return newSchema(t)
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") }

// newSchema returns a URL.
func newSchema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", time.Now().UnixNano())
	execute(t, postgresURL, `CREATE SCHEMA `+name)
	t.Cleanup(func() { execute(t, postgresURL, `DROP SCHEMA `+name+` CASCADE`) })
	return withParameter(t, postgresURL, "search_path", name)
}

func withParameter(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("ROUNDHOUSE_TEST_POSTGRES is not a URL")
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func isURL(path string) bool { return strings.HasPrefix(path, "postgres://") }

func openStore(t testing.TB, path string) *oauth.SQLStore {
	t.Helper()
	open := oauth.OpenSQLite
	if isURL(path) {
		open = oauth.OpenPostgres
	}
	s, err := open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// connect goes to a store past its methods.
func connect(t testing.TB, path string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if isURL(path) {
		driver = "pgx"
	}
	db, err := sql.Open(driver, path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func execute(t testing.TB, path, query string) {
	t.Helper()
	db := connect(t, path)
	defer db.Close()
	if !isURL(path) {
		query = "PRAGMA busy_timeout = 5000; " + query
	}
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, path, query string) int {
	t.Helper()
	db := connect(t, path)
	defer db.Close()
	var n int
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// storeBytes returns all that is kept: the file and the log beside it, or every
// value of every row.
func storeBytes(t *testing.T, path string) []byte {
	t.Helper()
	if isURL(path) {
		return rowBytes(t, path)
	}
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func rowBytes(t *testing.T, dsn string) []byte {
	t.Helper()
	db := connect(t, dsn)
	defer db.Close()
	var all []byte
	for _, table := range column(t, db, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`) {
		for _, name := range column(t, db, `SELECT column_name FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = '`+table+`'`) {
			for _, value := range column(t, db, `SELECT `+name+` FROM `+table) {
				all = append(append(all, value...), '\n')
			}
		}
	}
	return all
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		var value []byte
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, string(value))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}
