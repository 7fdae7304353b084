package sandbox

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"roundhouse/sandbox/seed"
)

// ErrNone is the error when there is no sandbox at a path.
var ErrNone = errors.New("there is no sandbox")

// Contents are what a file holds.
type Contents struct {
	Size                                                int64 // in bytes, with what is beside the file
	Damaged                                             bool  // the rest could not be counted
	Orgs, Projects, Issues, Items, Tokens, Applications int64
}

// CheckUser refuses whom the sandbox at the path does not know; where there is
// none, whom a new one would not. It changes nothing, and leaves it to New to say
// what is wrong with a file.
func CheckUser(ctx context.Context, path, email string) error {
	users := []User{}
	for _, u := range seed.Users() {
		users = append(users, User(u))
	}
	if err := isSandbox(path); err == nil {
		db, err := sql.Open("sqlite", dataSource(path)+"&_pragma=query_only(1)")
		if err != nil {
			return err
		}
		defer db.Close()
		if users, err = collect(ctx, db, scanUser, "SELECT "+userColumns+" FROM user ORDER BY id"); err != nil {
			return ctx.Err()
		}
	} else if !errors.Is(err, ErrNone) {
		return nil
	}
	if !slices.ContainsFunc(users, func(u User) bool { return strings.EqualFold(u.Email, email) }) {
		return unknownUser(email, users)
	}
	return nil
}

// sidecars are the files that SQLite keeps beside a database.
var sidecars = []string{"-wal", "-shm", "-journal"}

// Inspect counts what the file holds, without changing it. The error is ErrNone
// for a path without a file, and another for a file that is not a sandbox's.
func Inspect(ctx context.Context, path string) (c Contents, err error) {
	if err := isSandbox(path); err != nil {
		return c, err
	}
	for _, end := range append([]string{""}, sidecars...) {
		if info, err := os.Stat(path + end); err == nil {
			c.Size += info.Size()
		}
	}
	db, err := sql.Open("sqlite", dataSource(path)+"&_pragma=query_only(1)")
	if err != nil {
		return c, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM org), (SELECT count(*) FROM project), (SELECT count(*) FROM issue),
		(SELECT count(*) FROM item), (SELECT count(*) FROM token), (SELECT count(*) FROM oauth_app)`).
		Scan(&c.Orgs, &c.Projects, &c.Issues, &c.Items, &c.Tokens, &c.Applications)
	c.Damaged = err != nil
	return c, ctx.Err()
}

// isSandbox reads the header of the file, which says whose it is even when the
// rest is damaged or newer.
func isSandbox(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 72)
	n, err := f.Read(header)
	switch {
	case n == 0 && err != nil:
		return ErrNone
	case n < len(header) || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) || binary.BigEndian.Uint32(header[68:]) != applicationID:
		return fmt.Errorf("%s is not a sandbox database; it was left as it is", path)
	}
	return nil
}

// Delete deletes the file of a sandbox that nobody has open. It refuses any
// other file.
func Delete(ctx context.Context, path string) error {
	if err := isSandbox(path); err != nil {
		return err
	}
	if err := unused(ctx, path); err != nil {
		return err
	}
	for _, end := range append(slices.Clone(sidecars), "") { // the file last: without it, nothing says what the others are
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unused takes the database for itself, which nobody can while another has it
// open: leaving the write-ahead log needs that. A file that is too damaged to
// be opened nobody has open.
func unused(ctx context.Context, path string) error {
	where, _, _ := strings.Cut(dataSource(path), "?") // without the patience of a server
	db, err := sql.Open("sqlite", where)
	if err != nil {
		return err
	}
	defer db.Close()
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if err != nil && strings.Contains(err.Error(), "locked") || err == nil && mode != "delete" {
		return fmt.Errorf("%s is in use; stop what uses it first", path)
	}
	return ctx.Err()
}

// HasStory tells whether the database began with the story: a file keeps what it
// began with, whatever Options.Empty says later.
func (s *Sandbox) HasStory(ctx context.Context) (has bool, err error) {
	if err = s.read().QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM seeding)").Scan(&has); err != nil {
		err = fmt.Errorf("look for the story: %w", err)
	}
	return has, err
}

// ProjectDSN is where SDKs send what is of a project.
type ProjectDSN struct{ Org, Project, DSN string }

// DSNs lists a DSN of every project that has an active key: that of its oldest.
func (s *Sandbox) DSNs(ctx context.Context) ([]ProjectDSN, error) {
	scan := func(rows *sql.Rows) (p ProjectDSN, err error) {
		var key string
		var id int64
		err = rows.Scan(&p.Org, &p.Project, &key, &id)
		p.DSN = s.dsn(key, id)
		return p, err
	}
	all, err := collect(ctx, s.read(), scan, `SELECT o.slug, p.slug, (SELECT d.public FROM dsn d WHERE d.project = p.id AND d.active ORDER BY d.created, d.public LIMIT 1) AS key, p.id
		FROM project p JOIN org o ON o.id = p.org WHERE key IS NOT NULL ORDER BY o.id, p.slug`)
	if err != nil {
		return nil, fmt.Errorf("list DSNs: %w", err)
	}
	return all, nil
}

// snippets are the first error of a program, in three lines.
var snippets = map[string]string{
	"go": `sentry.Init(sentry.ClientOptions{Dsn: "DSN"}) // import "errors", "time" and "github.com/getsentry/sentry-go"
sentry.CaptureException(errors.New("my first error"))
sentry.Flush(2 * time.Second)`,
	"node": `import * as Sentry from "@sentry/node"; // npm install @sentry/node
Sentry.init({ dsn: "DSN" });
Sentry.captureException(new Error("my first error"));`,
	"browser": `import * as Sentry from "@sentry/browser"; // npm install @sentry/browser
Sentry.init({ dsn: "DSN" });
Sentry.captureException(new Error("my first error"));`,
	"python": `import sentry_sdk  # pip install sentry-sdk
sentry_sdk.init(dsn="DSN")
sentry_sdk.capture_exception(RuntimeError("my first error"))`,
}

// SDKs are those that Snippet knows.
var SDKs = []string{"go", "node", "browser", "python"}

// Snippet is three lines of a program that sends an error to the DSN, "" for an
// SDK that is not one of SDKs.
func Snippet(sdk, dsn string) string { return strings.ReplaceAll(snippets[sdk], "DSN\"", dsn+"\"") }
