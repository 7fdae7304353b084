package oauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
	"roundhouse/oauth/oauthtest"
)

func TestSQLiteStore(t *testing.T) {
	oauthtest.TestStore(t, func(t *testing.T) oauth.Store { return openStore(t, newFile(t)) })
}

func TestSQLiteStore_shared(t *testing.T) {
	oauthtest.TestShared(t, func(t *testing.T) [2]oauth.Store {
		path := newFile(t)
		return [2]oauth.Store{openStore(t, path), openStore(t, path)}
	})
}

func TestOpenSQLite_isPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd ?#% name")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openStore(t, filepath.Join(dir, "store.db"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Errorf("found %v, want the file and its write-ahead log", entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v: others can read it", e.Name(), info.Mode().Perm())
		}
	}
}

func TestOpenSQLite_refuses(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"not a database": {func(t *testing.T, path string) {
			write(t, path, bytes.Repeat([]byte("not a database\n"), 500))
		}, "damaged"},
		"pages overwritten": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 8192; i < len(b); i++ {
				b[i] = 0x5a
			}
			write(t, path, b)
		}, "damaged"},
		"another program's": {func(t *testing.T, path string) {
			execute(t, path, `CREATE TABLE notes (text TEXT)`)
		}, "another program"},
		"newer": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			execute(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		}, "newer version"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			tt.spoil(t, path)
			_, err := oauth.OpenSQLite(t.Context(), path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("OpenSQLite = %v, want %q and the path", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSQLiteStore_isBounded(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	// Too many to put one by one. The rows are as old as their number is low.
	execute(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20500)
		INSERT INTO tickets (key, kind, data, created_at, expires_at, taken) SELECT 'k' || i, 'login', 'd', i, 9e15, i > 20490 FROM n`)
	execute(t, path, `INSERT INTO tickets (key, kind, data, created_at, expires_at) VALUES ('c', 'code', 'd', 0, 9e15)`)
	execute(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
		INSERT INTO clients SELECT 'c' || i, '', '[]', 'none', '', 0, i FROM n`)
	execute(t, path, `INSERT INTO grants SELECT 'g', '', '', 'c1', '', '', '', 0, 9e15, '', 0, '', 0, 0, 0`)

	now := time.UnixMilli(30_000)
	if err := s.PutTicket(t.Context(), oauth.Ticket{Key: oauth.Hash{1}, Kind: "login", Data: []byte{1}, Created: now, Expires: now.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	for which, want := range map[string]int{
		"kind = 'login'": oauth.MaxTickets,
		"kind = 'code'":  1,
		"taken = 1":      0, // though they were among the newest
	} {
		if got := count(t, path, `SELECT count(*) FROM tickets WHERE `+which); got != want {
			t.Errorf("%d tickets with %s, want %d", got, which, want)
		}
	}

	if _, err := s.TakeTicket(t.Context(), oauth.Hash{1}, now); err != nil {
		t.Errorf("the newest ticket: %v", err)
	}

	if err := s.PutClient(t.Context(), oauth.Client{ID: "new"}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]error{"c1": nil, "c2": oauth.ErrNotFound, "c3": nil, "new": nil} {
		if _, err := s.Client(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("client %s: error %v, want %v", id, err, want)
		}
	}
}

// The look at what is too much is rare, but comes.
func TestSQLiteStore_staysBounded(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	execute(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		INSERT INTO tickets (key, kind, data, created_at, expires_at) SELECT 'k' || i, 'login', 'd', i, 9e15 FROM n`)
	execute(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO clients SELECT 'c' || i, '', '[]', 'none', '', 0, i FROM n`)
	const puts, slack = 600, 300
	for i := range puts {
		key := oauth.Hash{byte(i), byte(i >> 8)}
		if err := s.PutTicket(t.Context(), oauth.Ticket{Key: key, Kind: "login", Data: []byte{1}, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if err := s.PutClient(t.Context(), oauth.Client{ID: fmt.Sprint("new", i), Expires: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, path, `SELECT count(*) FROM tickets`); got < oauth.MaxTickets || got > oauth.MaxTickets+slack {
		t.Errorf("%d tickets, want about %d", got, oauth.MaxTickets)
	}
	if got := count(t, path, `SELECT count(*) FROM clients`); got < oauth.MaxIdleClients || got > oauth.MaxIdleClients+slack {
		t.Errorf("%d clients, want about %d", got, oauth.MaxIdleClients)
	}
}

// Whoever does much pushes their own traces out of the record, not others'.
func TestSQLiteStore_boundsEventsPerUser(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	execute(t, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10300)
		INSERT INTO events SELECT 'e' || i, i, 'refresh', 'ok', '', CASE WHEN i <= 300 THEN 'quiet' ELSE 'busy' END, '', '', '', '', '' FROM n`)
	for i := range 10 {
		var events []oauth.Event
		for j := range 500 {
			events = append(events, oauth.Event{ID: fmt.Sprint("new", i, "-", j), Time: time.UnixMilli(20_000), Kind: oauth.EventRefresh, User: "busy"})
		}
		if err := s.AppendEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(t, path, `SELECT count(*) FROM events WHERE user_id = 'quiet'`); got != 300 {
		t.Errorf("%d events of the quiet user, want all 300", got)
	}
	if got := count(t, path, `SELECT count(*) FROM events WHERE user_id = 'busy'`); got < oauth.MaxUserEvents || got > oauth.MaxUserEvents+3000 { // 15 000 otherwise
		t.Errorf("%d events of the busy user, want some more than %d", got, oauth.MaxUserEvents)
	}
}

// What has expired is for the caller's clock to say, which may be far behind
// the machine's.
func TestOpenSQLite_purgesNothing(t *testing.T) {
	path := newFile(t)
	s := openStore(t, path)
	old := time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC)
	if err := s.PutTicket(t.Context(), oauth.Ticket{Data: []byte{1}, Created: old, Expires: old}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	n, err := openStore(t, path).Purge(t.Context(), old.Add(time.Second))
	if err != nil || n != 1 {
		t.Errorf("purge after reopening deleted %d rows, %v; want the ticket", n, err)
	}
}
