package sandbox

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
)

const applicationID = 0x52484f53 // "RHOS", in the file's header: tells our file from any other SQLite file

// The nth file leads to schema n from the one before. What a release has shipped
// is not edited any more.
//
//go:embed schema/*.sql
var schemaFiles embed.FS

var (
	schemas       = readSchemas()
	schemaVersion = len(schemas)
)

// readSchemas reads the files in the order of their names.
func readSchemas() (out []string) {
	names, err := fs.Glob(schemaFiles, "schema/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, name := range names {
		raw, err := schemaFiles.ReadFile(name)
		var n int
		if _, scanned := fmt.Sscanf(name, "schema/%d_", &n); err != nil || scanned != nil || n != i+1 {
			panic(fmt.Sprintf("sandbox: %s is not schema %d: %v", name, i+1, err))
		}
		out = append(out, string(raw))
	}
	return out
}

// migrate makes the tables and accounts of a new database, or brings an older
// one up to date. It asks for the version again: another process may have been
// here since checkFile. The seed of a file of schema 1 cannot be told from what
// was added to it, so it is never renewed.
func (s *Sandbox) migrate(ctx context.Context, tx *sql.Tx) (created bool, err error) {
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return false, err
	}
	if version == schemaVersion {
		return false, nil
	}
	for v := version; v < schemaVersion; v++ {
		if _, err := tx.ExecContext(ctx, schemas[v]); err != nil {
			return false, fmt.Errorf("make schema %d: %w", v+1, err)
		}
	}
	if err := s.accounts(ctx, tx); err != nil {
		return false, fmt.Errorf("create accounts: %w", err)
	}
	pragmas := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)
	if _, err := tx.ExecContext(ctx, pragmas); err != nil {
		return false, fmt.Errorf("mark the file: %w", err)
	}
	return version == 0, nil
}
