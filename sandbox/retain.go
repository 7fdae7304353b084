package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"roundhouse/sandbox/payload"
)

// What is kept, so that a database that is sent to forever does not grow
// forever. A pass deletes more than may arrive until the next one, and no more,
// so that nobody waits for it long.
const (
	keepFor     = payload.MaxAge // by an item's own time
	keepCount   = 20_000         // of each kind in each project
	retainEvery = time.Hour
	retainAfter = 2_000 // items that arrived
	retainBatch = 2 * retainAfter
)

// itemKinds are all kinds of items that are stored.
var itemKinds = []string{"error", "feedback", "log", "metric", "occurrence", "profile", "replay", "span", "transaction"}

// arrive notes that items were stored and has old ones deleted when that is
// due. What one pass did not get to is owed and done by those after it.
func (s *Sandbox) arrive(ctx context.Context, items int64) {
	owed, last, now := s.arrived.Add(items), s.retained.Load(), s.now()
	if owed < retainAfter && now.Sub(time.Unix(0, last)) < retainEvery {
		return
	}
	if !s.retained.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	s.arrived.Add(-min(owed, retainAfter))
	ctx = context.WithoutCancel(ctx) // a sender that hangs up does not end it
	if err := s.write(ctx, func(tx *sql.Tx) error { return s.retain(ctx, tx) }); err != nil {
		s.log.Error("sandbox retention", slog.Any("error", err))
	}
}

// retain deletes what is too old or too much, and issues with their last event.
// A seed that nobody has added to is left for renewSeed.
func (s *Sandbox) retain(ctx context.Context, tx *sql.Tx) error {
	seeded, err := seedState(ctx, tx)
	if err != nil || seeded.untouched {
		return err
	}
	projects, err := collect(ctx, tx, scanID, "SELECT id FROM project")
	if err != nil {
		return err
	}
	ended := map[int64]bool{} // issues of deleted items; 0: of none
	deleted := false
	for _, project := range projects {
		n, err := s.retainOthers(ctx, tx, project)
		if err != nil {
			return err
		}
		deleted = deleted || n > 0
		for _, kind := range itemKinds {
			issues, err := collect(ctx, tx, scanID, `DELETE FROM item WHERE id IN (
					SELECT id FROM (SELECT id FROM item WHERE kind = ?1 AND project = ?2 AND ts < ?3 LIMIT ?4) UNION
					SELECT id FROM (SELECT id FROM item WHERE kind = ?1 AND project = ?2 ORDER BY ts DESC LIMIT ?4 OFFSET ?5))
				RETURNING coalesce(issue, 0)`, kind, project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep)
			if err != nil {
				return fmt.Errorf("delete old items: %w", err)
			}
			for _, id := range issues {
				ended[id] = true
			}
		}
	}
	if len(ended) == 0 && !deleted {
		return nil
	}
	for id := range ended {
		if err := endIssue(ctx, tx, id); err != nil {
			return fmt.Errorf("delete issue: %w", err)
		}
	}
	// From here on, ids are given out again and say nothing about the seed.
	_, err = tx.ExecContext(ctx, "UPDATE seeding SET item = -1")
	return err
}

func scanID(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) }

func endIssue(ctx context.Context, tx *sql.Tx, id int64) error {
	const over = "NOT EXISTS (SELECT 1 FROM item WHERE item.issue = ?1)"
	if _, err := tx.ExecContext(ctx, "DELETE FROM activity WHERE issue = ?1 AND "+over, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM issue WHERE id = ?1 AND "+over, id)
	return err
}

// retainOthers deletes what is old or too much and not an item.
func (s *Sandbox) retainOthers(ctx context.Context, tx *sql.Tx, project int64) (deleted int64, err error) {
	for _, f := range []func(context.Context, *sql.Tx, int64) (int64, error){s.retainCheckIns, s.retainReports, s.retainAttachments, s.retainReplays, s.retainSessions, s.retainReleases} {
		n, err := f(ctx, tx, project)
		if err != nil {
			return 0, fmt.Errorf("delete old records: %w", err)
		}
		deleted += n
	}
	return deleted, nil
}

// retainReports deletes user reports as items are.
func (s *Sandbox) retainReports(ctx context.Context, tx *sql.Tx, project int64) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM feedback WHERE project = ?1 AND (ts < ?2 OR
		id IN (SELECT id FROM feedback WHERE project = ?1 ORDER BY ts DESC LIMIT ?3 OFFSET ?4))`,
		project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// retainCheckIns deletes check-ins as items are, and monitors with their last.
func (s *Sandbox) retainCheckIns(ctx context.Context, tx *sql.Tx, project int64) (int64, error) {
	const old = "id IN (SELECT c.id FROM checkin c JOIN monitor m ON m.id = c.monitor WHERE m.project = ?1 "
	res, err := tx.ExecContext(ctx, "DELETE FROM checkin WHERE "+old+"AND c.started < ?2 LIMIT ?3) OR "+
		old+"ORDER BY c.started DESC LIMIT ?3 OFFSET ?4)", project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	for _, query := range []string{
		"DELETE FROM monitor WHERE project = ? AND upserted AND NOT EXISTS (SELECT 1 FROM checkin WHERE monitor = monitor.id)",
		`DELETE FROM monitor_env WHERE monitor IN (SELECT id FROM monitor WHERE project = ?)
			AND NOT EXISTS (SELECT 1 FROM checkin c WHERE c.monitor = monitor_env.monitor AND c.env = monitor_env.env)`,
		`DELETE FROM incident WHERE monitor IN (SELECT id FROM monitor WHERE project = ?)
			AND NOT EXISTS (SELECT 1 FROM checkin c WHERE c.monitor = incident.monitor AND c.env = incident.env AND c.started >= incident.started)`,
	} {
		if _, err := tx.ExecContext(ctx, query, project); err != nil {
			return 0, err
		}
	}
	return n, nil
}
