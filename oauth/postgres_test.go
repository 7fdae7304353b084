package oauth_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/oauth"
	"roundhouse/oauth/oauthtest"
)

// withServer tells whether there is a PostgreSQL server to test with.
func withServer(t *testing.T) bool {
	t.Helper()
	if postgresURL == "" {
		t.Log("without a PostgreSQL server; .ci/postgres, which .ci/run calls, brings one")
	}
	return postgresURL != ""
}

func TestPostgresStore(t *testing.T) {
	if withServer(t) {
		oauthtest.TestStore(t, func(t *testing.T) oauth.Store { return openStore(t, newSchema(t)) })
	}
}

func TestPostgresStore_shared(t *testing.T) {
	if withServer(t) {
		oauthtest.TestShared(t, func(t *testing.T) [2]oauth.Store {
			path := newSchema(t)
			return [2]oauth.Store{openStore(t, path), openStore(t, path)}
		})
	}
}

func TestOpenPostgres_refuses(t *testing.T) {
	if !withServer(t) {
		return
	}
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"another program's": {func(t *testing.T, path string) {
			execute(t, path, `CREATE TABLE notes (text TEXT)`)
		}, "another program"},
		"another program's, with a table of that name": {func(t *testing.T, path string) {
			execute(t, path, `CREATE TABLE roundhouse_store AS SELECT CAST(1 AS BIGINT) AS application_id`)
		}, "another program"},
		"newer": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			execute(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
		}, "newer version"},
		"a table lost": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			execute(t, path, `DROP TABLE tickets`)
		}, "damaged"},
		"a column lost": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			execute(t, path, `ALTER TABLE grants DROP COLUMN upstream_lease`)
		}, "damaged"},
		"its mark lost": {func(t *testing.T, path string) {
			openStore(t, path).Close()
			execute(t, path, `DELETE FROM roundhouse_store`)
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newSchema(t)
			tt.spoil(t, path)
			wantRefusal(t, path, tt.want)
		})
	}
	t.Run("no schema", func(t *testing.T) {
		wantRefusal(t, withParameter(t, postgresURL, "search_path", "nowhere"), "search path")
	})
	t.Run("another encoding", func(t *testing.T) {
		execute(t, postgresURL, `CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0`)
		t.Cleanup(func() { execute(t, postgresURL, `DROP DATABASE plain WITH (FORCE)`) })
		wantRefusal(t, withParameter(t, postgresURL, "database", "plain"), "UTF8")
	})
	t.Run("a wrong password", func(t *testing.T) {
		wantRefusal(t, withParameter(t, postgresURL, "password", "upstream-secret"), "password")
	})
	t.Run("nobody there", func(t *testing.T) {
		wantRefusal(t, withParameter(t, postgresURL, "host", t.TempDir()), "connect")
	})
}

// wantRefusal wants one line without the password.
func wantRefusal(t *testing.T, path, want string) {
	t.Helper()
	_, err := oauth.OpenPostgres(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "upstream-secret") {
		t.Errorf("OpenPostgres = %v, want %q", err, want)
	}
	if u, parseErr := url.Parse(path); parseErr == nil && err != nil {
		if password, ok := u.User.Password(); ok && strings.Contains(err.Error(), password) {
			t.Errorf("the error holds the password")
		}
	}
}

func TestOpenPostgres_unreadable(t *testing.T) {
	for _, path := range []string{
		"postgres://u:upstream-secret@host:port/db",
		"postgres://u:upstream-secret@[::1/db",
		"postgres://u:upstream-secret%zz@host/db",
		"postgres://u:upstream-secret@host/db?sslmode=maybe",
		"postgres://u:upstream-secret@host/db?sslmode=verify-full&sslrootcert=/nonexistent",
		"host=h password=upstream-secret port=x",
	} {
		wantRefusal(t, path, "PostgreSQL URL")
	}
}

// Nodes that start at once find each other's tables half made.
func TestOpenPostgres_together(t *testing.T) {
	if !withServer(t) {
		return
	}
	path := newSchema(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := oauth.OpenPostgres(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestPostgresStore_outlivesItsConnections(t *testing.T) {
	if !withServer(t) {
		return
	}
	s := openStore(t, newSchema(t))
	for i := range 3 {
		id := fmt.Sprint("c", i)
		if err := s.PutClient(t.Context(), oauth.Client{ID: id}); err != nil {
			t.Fatal(err)
		}
		execute(t, postgresURL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
		// A call may meet the end of a connection; the next must not.
		if _, err := s.Client(t.Context(), id); errors.Is(err, oauth.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := s.Client(t.Context(), id); err != nil {
			t.Errorf("the second call after the server ended all connections: %v", err)
		}
	}
}

// Two transactions that wait for each other: the server undoes the one of the
// store, which does it again and tells nobody.
func TestPostgresStore_deadlock(t *testing.T) {
	if !withServer(t) {
		return
	}
	schema := newSchema(t)
	s := openStore(t, withParameter(t, schema, "deadlock_timeout", "2s")) // who has waited so long is undone
	other := connect(t, withParameter(t, schema, "deadlock_timeout", "10min"))
	defer other.Close()
	at := time.UnixMilli(60_000).UTC()
	uses := []oauth.Use{{Grant: "g1", Time: at}, {Grant: "g2", Time: at}}
	for _, use := range uses {
		if _, err := s.PutGrant(t.Context(), oauth.StoredGrant{Grant: oauth.Grant{ID: use.Grant, User: use.Grant}, Upstream: oauth.Upstream{Sealed: []byte{1}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutUses(t.Context(), uses); err != nil {
		t.Fatal(err)
	}

	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	touch := func(grant string) {
		t.Helper()
		if _, err := tx.Exec(`UPDATE grant_uses SET used_at = used_at WHERE grant_id = $1`, grant); err != nil {
			t.Fatal(err)
		}
	}
	touch("g2")
	for i := range uses {
		uses[i].Time = at.Add(time.Minute)
	}
	done := make(chan error, 1)
	go func() { done <- s.PutUses(t.Context(), uses) }()
	for count(t, schema, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO grant_uses%'`) == 0 {
	}
	touch("g1") // which the store holds until it is undone
	select {
	case err := <-done:
		t.Fatalf("the store is done, %v, though another still holds what it writes", err)
	default:
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("after a deadlock: %v", err)
	}
	grants, err := s.Grants(t.Context(), oauth.GrantQuery{Limit: 9})
	if err != nil || len(grants) != 2 || !grants[0].Used.Equal(uses[0].Time) || !grants[1].Used.Equal(uses[0].Time) {
		t.Errorf("after a deadlock: %+v, %v", grants, err)
	}
}

// A server that cannot put transactions in an order is asked again, but not for
// ever.
func TestPostgresStore_serializationFailure(t *testing.T) {
	if !withServer(t) {
		return
	}
	schema := newSchema(t)
	s := openStore(t, schema)
	fail := func(times int) { // a sequence counts what was undone, too
		execute(t, schema, fmt.Sprintf(`DROP SEQUENCE IF EXISTS attempts; CREATE SEQUENCE attempts;
			CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF nextval('attempts') <= %d THEN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure'; END IF;
				RETURN NEW;
			END $$;
			CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION fail()`, times))
	}
	fail(4)
	if err := s.PutClient(t.Context(), oauth.Client{ID: "c"}); err != nil {
		t.Errorf("after four failures: %v", err)
	}
	if _, err := s.Client(t.Context(), "c"); err != nil {
		t.Error(err)
	}
	fail(1000)
	if err := s.PutClient(t.Context(), oauth.Client{ID: "d"}); err == nil || !strings.Contains(err.Error(), "serialize") {
		t.Errorf("a server that always fails: %v", err)
	}
	if got := count(t, schema, `SELECT last_value FROM attempts`); got != 5 {
		t.Errorf("%d attempts, want 5", got)
	}
}
