package sandbox

import (
	"context"
	"database/sql"
)

func (s *Sandbox) seed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO user(id, email, name, username) VALUES
		(1001, 'mara@example.test', 'Mara Lindqvist', 'mara'), (1002, 'jon@example.test', 'Jon Abara', 'jon'), (1003, 'priya@example.test', 'Priya Raman', 'priya')`)
	return err
}
