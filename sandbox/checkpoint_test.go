package sandbox

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
)

// TestCheckpoints: the write-ahead log begins anew while there is writing, and is
// gone when the sandbox is closed.
func TestCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	r := start(t, Options{Path: path, Empty: true})
	const transactions, size = 40 * checkpointAfter, 200 << 10
	for n := range transactions {
		err := r.sb.write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS ballast (id INTEGER PRIMARY KEY, b BLOB); INSERT INTO ballast(b) VALUES (zeroblob(?))", size)
			return err
		})
		if err != nil {
			t.Fatalf("transaction %d: %v", n, err)
		}
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(transactions * size / 2); wal.Size() > most {
		t.Errorf("after %d bytes the log has %d, and was to begin anew before %d", transactions*size, wal.Size(), most)
	}
	if err := r.sb.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is still there: %v", err)
	}
}
