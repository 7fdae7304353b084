package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
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
	retainAfter = 2_000 // items that arrived in the project
	retainBatch = 2 * retainAfter
)

// itemKinds are all kinds of items that are stored.
var itemKinds = []string{"error", "feedback", "log", "metric", "occurrence", "profile", "replay", "span", "transaction"}

// arrivals are the items that came to each project since its old ones were
// deleted. What one pass did not get to is owed and done by those after it.
type arrivals struct {
	mu   sync.Mutex
	owed map[int64]int64 // by project
	last time.Time       // when all projects were looked at
}

// add tells whether to look at the project now, or at all of them.
func (a *arrivals) add(project, items int64, now time.Time) (one, all bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owed == nil {
		a.owed = map[int64]int64{}
	}
	a.owed[project] += items
	if now.Sub(a.last) >= retainEvery {
		a.last = now
		return false, true
	}
	if a.owed[project] < retainAfter {
		return false, false
	}
	a.owed[project] -= retainAfter
	return true, false
}

// arrive notes that items were stored and has old ones deleted when that is due:
// those of the project, which may have got too many, or hourly of all.
func (s *Sandbox) arrive(ctx context.Context, project, items int64) {
	one, all := s.arrived.add(project, items, s.now())
	if !one && !all {
		return
	}
	ctx = context.WithoutCancel(ctx) // a sender that hangs up does not end it
	err := s.write(ctx, func(tx *sql.Tx) error {
		if one {
			return s.retain(ctx, tx, []int64{project})
		}
		return s.retainAll(ctx, tx)
	})
	if err != nil {
		s.log.Error("sandbox retention", slog.Any("error", err))
	}
}

func (s *Sandbox) retainAll(ctx context.Context, tx *sql.Tx) error {
	projects, err := collect(ctx, tx, scanID, "SELECT id FROM project")
	if err != nil {
		return err
	}
	return s.retain(ctx, tx, projects)
}

// retain deletes what is too old or too much, and issues with their last event.
// A seed that nobody has added to is left for renewSeed.
func (s *Sandbox) retain(ctx context.Context, tx *sql.Tx, projects []int64) error {
	seeded, err := seedState(ctx, tx)
	if err != nil || seeded.untouched {
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
