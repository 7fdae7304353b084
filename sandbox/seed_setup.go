package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"roundhouse/sandbox/seed"
)

// setUp makes what people have set up in an organization of the seed. A monitor
// has no schedule before its first check-in.
func setUp(ctx context.Context, tx *sql.Tx, o seed.Org, now time.Time) error {
	for _, s := range o.Setups(Mark(o.Slug)) {
		created := seconds(now.Add(-s.Ago))
		if s.Kind == "monitor" {
			_, err := tx.ExecContext(ctx, "INSERT INTO monitor(project, slug, name, config, created, owner) VALUES (?, ?, ?, '{}', ?, ?)",
				s.Projects[0], s.Slug, s.Name, created, s.Owner)
			if err != nil {
				return fmt.Errorf("monitor %s: %w", s.Slug, err)
			}
			continue
		}
		body, err := json.Marshal(s.Body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Name, err)
		}
		t := setting{kind: s.Kind, org: o.ID, name: s.Name, body: body, created: created, updated: created, projects: s.Projects}
		if err := t.insert(ctx, tx); err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Name, err)
		}
	}
	return nil
}
