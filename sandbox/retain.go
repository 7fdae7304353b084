package sandbox

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math"
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
	keepBytes   = 200 << 20      // likewise
	maxReleases = 1000           // likewise, beside those in which an issue began
	retainEvery = time.Hour
	retainAfter = 2_000    // items that arrived in the project
	retainBytes = 16 << 20 // likewise; to count what there is takes long, so not with every item
	retainBatch = 2 * retainAfter
)

// itemKinds are all kinds of items that are stored.
var itemKinds = []string{"error", "feedback", "log", "metric", "occurrence", "profile", "replay", "span", "transaction"}

// arrivals are the items that came to each project since its old ones were
// deleted. What one pass did not get to is owed and done by those after it.
type arrivals struct {
	mu   sync.Mutex
	owed map[int64]int64    // by project
	size map[int64]int64    // bytes, by project
	room map[int64]headroom // likewise
	last time.Time          // when all projects were looked at
}

// headroom is what may come to a project before any kind of items can be too much.
// To count them takes as long as there are items, so it is not done while there
// is room.
type headroom struct{ items, bytes int64 }

// pass says what to look at now.
type pass struct {
	one, all bool // the project, or all of them
	items    bool // count items, too
	sizes    bool // and bytes
}

func (a *arrivals) add(project, items, bytes, bulk int64, now time.Time) (p pass) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owed == nil {
		a.owed, a.size = map[int64]int64{}, map[int64]int64{}
	}
	a.owed[project] += items
	a.size[project] += bytes
	left := a.room[project]
	left.items, left.bytes = left.items-items, left.bytes-bytes
	a.note(project, left)
	if now.Sub(a.last) >= retainEvery {
		a.last = now
		clear(a.size)
		return pass{all: true, items: true, sizes: true}
	}
	if a.owed[project] >= retainAfter {
		a.owed[project] -= retainAfter
		p.one, p.items = true, left.items < 0
	}
	if a.size[project] >= bulk {
		a.size[project] = 0
		p.sizes = left.bytes < 0
		p.one = p.one || p.sizes
	}
	return p
}

// note is for who holds mu.
func (a *arrivals) note(project int64, left headroom) {
	if a.room == nil {
		a.room = map[int64]headroom{}
	}
	a.room[project] = left
}

// counted notes what a pass found. What arrives meanwhile waits to be stored, and
// is added later.
func (a *arrivals) counted(project int64, p pass, found headroom) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.room[project]
	if p.items {
		left.items = found.items
	}
	if p.sizes {
		left.bytes = found.bytes
	}
	a.note(project, left)
}

// arrive notes that a batch was stored and has old items deleted when that is
// due: those of the project, which may have got too many, or hourly of all.
func (s *Sandbox) arrive(ctx context.Context, b *batch) {
	p := s.arrived.add(b.project.id, b.stored, b.bytes, s.bulk, s.now())
	if !p.one && !p.all {
		return
	}
	ctx = context.WithoutCancel(ctx) // a sender that hangs up does not end it
	err := s.write(ctx, func(tx *sql.Tx) error {
		if p.all {
			return s.retainAll(ctx, tx)
		}
		return s.retain(ctx, tx, []int64{b.project.id}, p)
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
	return s.retain(ctx, tx, projects, pass{items: true, sizes: true})
}

// retain deletes what is too old and, if asked to count that, too many or too large,
// and issues with their last event. A seed that nobody has added to is left for
// renewSeed.
func (s *Sandbox) retain(ctx context.Context, tx *sql.Tx, projects []int64, p pass) error {
	seeded, err := seedState(ctx, tx)
	if err != nil || seeded.untouched {
		return err
	}
	var sizes map[projectKind]int64
	if p.sizes {
		if sizes, err = itemSizes(ctx, tx); err != nil {
			return fmt.Errorf("add up sizes: %w", err)
		}
	}
	ended := map[int64]bool{} // issues of deleted items; 0: of none
	deleted := false
	for _, project := range projects {
		n, err := s.retainOthers(ctx, tx, project)
		if err != nil {
			return err
		}
		deleted = deleted || n > 0
		left := headroom{math.MaxInt64, math.MaxInt64}
		var issues, more []int64
		if p.sizes {
			if issues, err = s.retainSizes(ctx, tx, project, sizes, &left); err != nil {
				return fmt.Errorf("delete what is too large: %w", err)
			}
		}
		if p.items {
			if more, err = s.retainItems(ctx, tx, project, &left); err != nil {
				return fmt.Errorf("delete old items: %w", err)
			}
		}
		for _, id := range append(issues, more...) {
			ended[id] = true
		}
		s.arrived.counted(project, p, left)
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

// retainItems deletes the oldest of the items that are too old or too many, and
// returns their issues.
func (s *Sandbox) retainItems(ctx context.Context, tx *sql.Tx, project int64, left *headroom) (issues []int64, err error) {
	for _, kind := range itemKinds {
		var count int64
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM item WHERE kind = ? AND project = ?", kind, project).Scan(&count); err != nil {
			return nil, err
		}
		of, err := collect(ctx, tx, scanID, `DELETE FROM item WHERE id IN (
				SELECT id FROM (SELECT id FROM item WHERE kind = ?1 AND project = ?2 AND ts < ?3 LIMIT ?4) UNION
				SELECT id FROM (SELECT id FROM item WHERE kind = ?1 AND project = ?2 ORDER BY ts LIMIT ?5))
			RETURNING coalesce(issue, 0)`, kind, project, seconds(s.now().Add(-keepFor)), retainBatch, min(max(count-int64(s.keep), 0), retainBatch))
		if err != nil {
			return nil, err
		}
		issues = append(issues, of...)
		left.items = min(left.items, int64(s.keep)-count+int64(len(of)))
	}
	return issues, nil
}

// bulky are rows of a project that may take up so much, and no more.
type bulky struct {
	table, kind string // kind of items alone
	size        string // of a row
	where       string // ?1 is the project, ?2 the kind
	issue       string
	most        int64
}

func (s *Sandbox) bulky() []bulky {
	all := []bulky{
		{table: "attachment", size: "size", where: "project = ?1 AND ?2 = ''", issue: "0", most: s.attached},
		{table: "segment", size: "size", where: "project = ?1 AND ?2 = ''", issue: "0", most: s.recorded},
	}
	for _, kind := range itemKinds {
		all = append(all, bulky{"item", kind, itemSize, "project = ?1 AND kind = ?2", "coalesce(issue, 0)", s.keepSize})
	}
	return all
}

// itemSize is what a row of item takes up.
const itemSize = "octet_length(attrs) + coalesce(octet_length(body), 0)"

type projectKind struct {
	project int64
	kind    string
}

// itemSizes adds up the items of all projects in one go through the table: by an
// index, each row would be a page somewhere else in the file.
func itemSizes(ctx context.Context, tx *sql.Tx) (map[projectKind]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT project, kind, sum("+itemSize+") FROM item NOT INDEXED GROUP BY project, kind")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sizes := map[projectKind]int64{}
	for rows.Next() {
		var of projectKind
		var size int64
		if err := rows.Scan(&of.project, &of.kind, &size); err != nil {
			return nil, err
		}
		sizes[of] = size
	}
	return sizes, rows.Err()
}

// retainSizes deletes the oldest of what takes up more than the project may have,
// and returns the issues of it, 0 for what has none.
func (s *Sandbox) retainSizes(ctx context.Context, tx *sql.Tx, project int64, sizes map[projectKind]int64, left *headroom) (issues []int64, err error) {
	for _, of := range s.bulky() {
		size := sizes[projectKind{project, of.kind}]
		if of.kind == "" {
			err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT coalesce(sum(%s), 0) FROM %s WHERE %s", of.size, of.table, of.where), project, of.kind).Scan(&size)
			if err != nil {
				return nil, err
			}
		}
		if left.bytes = min(left.bytes, max(of.most-size, 0)); size <= of.most {
			continue
		}
		gone, err := collect(ctx, tx, scanID, fmt.Sprintf(`DELETE FROM %[1]s WHERE id IN (SELECT id FROM
			(SELECT id, sum(%[2]s) OVER (ORDER BY ts DESC, id DESC) AS total FROM %[1]s WHERE %[3]s) WHERE total > ?3) RETURNING %[4]s`,
			of.table, of.size, of.where, of.issue), project, of.kind, of.most)
		if err != nil {
			return nil, err
		}
		issues = append(issues, gone...)
	}
	return issues, nil
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
