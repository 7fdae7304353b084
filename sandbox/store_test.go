package sandbox

import (
	"path/filepath"
	"testing"
)

// TestNew_PageSize: a new file has the pages that searches like, an older one
// keeps those it has.
func TestNew_PageSize(t *testing.T) {
	for _, tt := range []struct {
		name, begun string
		want        int
	}{
		{"New", "", pageSize},
		{"Older", "PRAGMA page_size = 4096; VACUUM", 4096},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sandbox.db")
			if tt.begun != "" {
				first := start(t, Options{Path: path, Empty: true})
				if _, err := first.sb.writer.Exec("PRAGMA journal_mode = DELETE; " + tt.begun); err != nil {
					t.Fatal(err)
				}
				if err := first.sb.Close(); err != nil {
					t.Fatal(err)
				}
			}
			var size int
			r := start(t, Options{Path: path, Empty: true})
			if err := r.sb.read().QueryRow("PRAGMA page_size").Scan(&size); err != nil || size != tt.want {
				t.Errorf("pages of %d bytes, %v, want %d", size, err, tt.want)
			}
		})
	}
}
