package task_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roundhouse/constraint"
	"roundhouse/oauth"
	"roundhouse/task"
	"roundhouse/task/tasktest"
)

// With the URL of a PostgreSQL server in the environment, the suite runs on
// PostgreSQL too.
var postgresURL = os.Getenv("ROUNDHOUSE_TEST_POSTGRES")

func TestSQLStore_SQLite(t *testing.T) {
	tasktest.TestStore(t, func(t *testing.T) [2]task.Store {
		path := filepath.Join(t.TempDir(), "store.db")
		keys := newKeys(t, 1)
		return [2]task.Store{openStore(t, path, keys), openStore(t, path, keys)}
	})
}

func TestMemory(t *testing.T) {
	tasktest.TestStore(t, func(*testing.T) [2]task.Store {
		m := tasktest.NewMemory()
		return [2]task.Store{m, m}
	})
}

func TestSQLStore_Postgres(t *testing.T) {
	if postgresURL == "" {
		t.Log("without a PostgreSQL server; .ci/postgres, which .ci/run calls, brings one")
		return
	}
	tasktest.TestStore(t, func(t *testing.T) [2]task.Store {
		path, keys := newSchema(t), newKeys(t, 1)
		return [2]task.Store{openStore(t, path, keys), openStore(t, path, keys)}
	})
}

func newSchema(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("task_%d", time.Now().UnixNano())
	db, err := sql.Open("pgx", postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	execute := func(statement string) {
		if _, err := db.Exec(statement); err != nil {
			t.Error(err)
		}
	}
	execute(`CREATE SCHEMA ` + name)
	t.Cleanup(func() {
		execute(`DROP SCHEMA ` + name + ` CASCADE`)
		db.Close()
	})
	u, err := url.Parse(postgresURL)
	if err != nil {
		t.Fatal("ROUNDHOUSE_TEST_POSTGRES is not a URL")
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func newKeys(t *testing.T, seed byte) *oauth.Keyring {
	t.Helper()
	keys, err := oauth.NewKeyring(oauth.NewKey([oauth.KeySize]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// openStore opens tasks where the program keeps them: beside what the
// authorization server does.
func openStore(t *testing.T, path string, keys task.Sealer) *task.SQLStore {
	t.Helper()
	open := oauth.OpenSQLite
	if strings.HasPrefix(path, "postgres://") {
		open = oauth.OpenPostgres
	}
	shared, err := open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shared.Close() })
	write, read, postgres := shared.Databases()
	s, err := task.OpenSQL(context.Background(), task.Database{Write: write, Read: read, Postgres: postgres, Migrate: shared.Migrate}, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// connect goes to a file past the store.
func connect(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestSQLStore_sealed: what a task holds is not in the file, opens with its key
// only, and not as another task's.
func TestSQLStore_sealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, path, newKeys(t, 1))
	key, err := constraint.New("1001", "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	one := task.Task{Ref: task.Ref{Key: key, ID: "one"}, Status: task.Working, Created: now, Expires: now.Add(time.Hour),
		Content: task.Content{Tool: "find-the-needle", Call: []byte(`"find-the-needle"`)}}
	two := one
	two.ID = "two"
	for _, each := range []task.Task{one, two} {
		if err := s.Put(t.Context(), each, now, task.Limits{Working: 9, UserWorking: 9, Kept: 9, UserKept: 9}); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{path, path + "-wal"} {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), "find-the-needle") {
			t.Errorf("%s holds the content as it is", filepath.Base(file))
		}
	}
	if _, err := openStore(t, path, newKeys(t, 2)).Task(t.Context(), one.Ref, now); !errors.Is(err, task.ErrSealed) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := connect(t, path).Exec(`UPDATE tasks SET content = (SELECT content FROM tasks WHERE id = 'two') WHERE id = 'one'`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Task(t.Context(), one.Ref, now); !errors.Is(err, task.ErrSealed) {
		t.Errorf("with the content of another task: %v", err)
	}
}

func TestOpenSQL_newer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	openStore(t, path, newKeys(t, 1))
	shared, err := oauth.OpenSQLite(t.Context(), path) // does not mind the tables of others
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	write, read, _ := shared.Databases()
	if _, err := write.Exec(`INSERT INTO tasks_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
		t.Fatal(err)
	}
	_, err = task.OpenSQL(t.Context(), task.Database{Write: write, Read: read, Migrate: shared.Migrate}, newKeys(t, 1))
	if err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("error %v", err)
	}
}
