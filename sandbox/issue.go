package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	unresolved = "unresolved"
	resolved   = "resolved"
	ignored    = "ignored"

	// newFor is how long an issue is new.
	newFor = 7 * 24 * time.Hour
	// settleEvery bounds how stale a state that only time changes may be.
	settleEvery = time.Minute
)

// issue is one fault: all the events that group to the same hash.
type issue struct {
	id, project                                            int64
	short, title, culprit, kind, category, issueType       string
	level, platform, status, substatus, assignee, priority string
	firstRelease                                           string // version
	details, meta                                          payload.Object
	first, last                                            float64
	count, users                                           int64
	released                                               float64 // when the first release was first seen; 0: no release
	dateReleased                                           sql.NullFloat64
	parts                                                  []string // why these events are one issue
}

// issueFields are for an issue i, without what is in other tables.
const issueFields = `i.id, i.project, i.short, i.title, i.culprit, i.type, i.category, i.issue_type, i.level, i.platform,
	i.status, coalesce(i.substatus, ''), i.assignee, i.priority, i.first_release, i.details, i.meta, i.parts, i.first_seen, i.last_seen, i.count`

// issueColumns count the users from the events, so there is no counter to
// drift; it takes time, and ingest does without.
const issueColumns = issueFields + `,
	(SELECT count(DISTINCT u.attrs ->> '$.user') FROM item u WHERE u.issue = i.id),
	coalesce((SELECT fr.created FROM release fr JOIN project fp ON fp.org = fr.org WHERE fp.id = i.project AND fr.version = i.first_release), 0),
	(SELECT fr.released FROM release fr JOIN project fp ON fp.org = fr.org WHERE fp.id = i.project AND fr.version = i.first_release)`

func (i *issue) scan(scan func(...any) error) error {
	var details, meta, parts []byte
	err := scan(&i.id, &i.project, &i.short, &i.title, &i.culprit, &i.kind, &i.category, &i.issueType, &i.level, &i.platform,
		&i.status, &i.substatus, &i.assignee, &i.priority, &i.firstRelease, &details, &meta, &parts, &i.first, &i.last, &i.count, &i.users, &i.released, &i.dateReleased)
	if err != nil {
		return err
	}
	return errors.Join(json.Unmarshal(details, &i.details), json.Unmarshal(meta, &i.meta), json.Unmarshal(parts, &i.parts))
}

func scanIssue(rows *sql.Rows) (i issue, err error) { return i, i.scan(rows.Scan) }

// sighting is what an event tells of its issue.
type sighting struct {
	grouping                                  payload.Grouping
	title, culprit, kind, category, issueType string
	platform, level, priority, release, meta  string
	ts                                        float64
}

// sightingOf reads a prepared event.
func sightingOf(ev payload.Object) sighting {
	category, kind, urgency := issueKind(ev)
	return sighting{
		grouping: payload.Group(ev), title: payload.Title(ev), culprit: payload.Culprit(ev), kind: payload.EventType(ev), category: category, issueType: kind, priority: urgency,
		platform: payload.Text(ev["platform"]), level: payload.Text(ev["level"]), release: payload.Text(ev["release"]), meta: metaJSON(ev), ts: timestamp(ev),
	}
}

// sighted finds or makes the issue of an event, counts the event, and lets it
// change the issue's state.
func (b *batch) sighted(seen sighting) (int64, error) {
	var is issue
	row := b.tx.QueryRowContext(b.ctx, "SELECT "+issueFields+", 0, 0, NULL FROM issue i WHERE i.project = ? AND i.hash = ?", b.project.id, seen.grouping.Hash)
	err := is.scan(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return b.newIssue(seen)
	}
	if err != nil {
		return 0, err
	}
	return is.id, b.seenAgain(is, seen)
}

func (b *batch) newIssue(seen sighting) (int64, error) {
	var n int64
	if err := b.tx.QueryRowContext(b.ctx, "UPDATE project SET shorts = shorts + 1 WHERE id = ? RETURNING shorts", b.project.id).Scan(&n); err != nil {
		return 0, fmt.Errorf("short id: %w", err)
	}
	parts, err := json.Marshal(seen.grouping.Parts)
	if err != nil {
		return 0, err
	}
	res, err := b.tx.ExecContext(b.ctx, `INSERT INTO issue(project, short, hash, parts, title, culprit, type, category, issue_type, level, platform,
			status, substatus, meta, first_seen, last_seen, count, first_release, priority)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'unresolved', 'new', ?, ?, ?, 1, ?, ?)`,
		b.project.id, shortID(b.project.slug, n), seen.grouping.Hash, parts, seen.title, seen.culprit, seen.kind, seen.category, seen.issueType, seen.level, seen.platform,
		seen.meta, seen.ts, seen.ts, seen.release, seen.priority)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// shortID is the name people use, such as STOREFRONT-1C.
func shortID(slug string, n int64) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	digits := ""
	for ; n > 0; n /= 32 {
		digits = string(alphabet[n%32]) + digits
	}
	return strings.ToUpper(slug) + "-" + digits
}

func priority(level string) string {
	switch level {
	case "fatal":
		return "high"
	case "error":
		return "medium"
	}
	return "low"
}

// meta is what lists show of an issue besides its title.
func meta(ev payload.Object) payload.Object {
	if payload.IsFeedback(ev) {
		return feedbackMeta(ev)
	}
	meta := payload.Object{"title": payload.Title(ev)}
	if o := payload.Occurrence(ev); o != nil {
		meta["value"] = o["subtitle"]
	}
	if e := payload.MainException(ev); payload.EventType(ev) == "error" {
		meta["type"], meta["value"] = payload.Text(e["type"]), payload.Clip(payload.Text(e["value"]), 1024)
		if own := payload.OwnFrames(payload.FramesOf(e)); len(own) > 0 {
			top := own[len(own)-1]
			meta["filename"], meta["function"] = payload.Text(top["filename"]), payload.Text(top["function"])
		}
	}
	return meta
}

func metaJSON(ev payload.Object) string {
	raw, err := json.Marshal(meta(ev))
	if err != nil {
		return "{}"
	}
	return string(raw)
}

// seenAgain counts one more event. The newest event gives the issue its title.
func (b *batch) seenAgain(is issue, seen sighting) error {
	_, err := b.tx.ExecContext(b.ctx, `UPDATE issue SET count = count + 1, first_seen = min(first_seen, ?1), last_seen = max(last_seen, ?1),
			first_release = iif(first_release = '', ?2, first_release) WHERE id = ?3`, seen.ts, seen.release, is.id)
	if err != nil {
		return err
	}
	if seen.ts >= is.last {
		_, err = b.tx.ExecContext(b.ctx, "UPDATE issue SET title = ?, culprit = ?, level = ?, meta = ? WHERE id = ?",
			seen.title, seen.culprit, seen.level, seen.meta, is.id)
		if err != nil {
			return err
		}
	}
	switch {
	case is.status == resolved && regresses(is, seen):
		return b.regress(is, seen.ts)
	case is.status == ignored:
		return b.endIgnore(is, seen.ts)
	}
	return nil
}

// regresses tells whether an event brings a resolved issue back: not one that
// happened before, and not one of the release that still has the fault.
func regresses(is issue, seen sighting) bool {
	if at, ok := payload.Number(is.details["_at"]); ok && seen.ts <= at {
		return false
	}
	if is.details["inNextRelease"] == true {
		return seen.release != "" && seen.release != payload.Text(is.details["_release"])
	}
	return true
}

func (b *batch) regress(is issue, ts float64) error {
	if err := setStatus(b.ctx, b.tx, is.id, unresolved, "regressed", nil); err != nil {
		return err
	}
	return addActivity(b.ctx, b.tx, is.id, 0, "set_regression", nil, ts)
}

// endIgnore wakes an ignored issue whose conditions are met: so many events,
// or so many users, since it was ignored or within a window of minutes.
func (b *batch) endIgnore(is issue, ts float64) error {
	since, _ := payload.Number(is.details["_at"])
	met := false
	for _, c := range []struct{ limit, window, count string }{
		{"ignoreCount", "ignoreWindow", "count(*)"},
		{"ignoreUserCount", "ignoreUserWindow", "count(DISTINCT attrs ->> '$.user')"},
	} {
		limit, ok := payload.Number(is.details[c.limit])
		if !ok {
			continue
		}
		from := since
		if window, ok := payload.Number(is.details[c.window]); ok {
			from = max(since, ts-window*60)
		}
		var seen float64
		// The event at hand is not stored yet: it is the one more.
		err := b.tx.QueryRowContext(b.ctx, "SELECT "+c.count+" FROM item WHERE issue = ? AND ts > ?", is.id, from).Scan(&seen)
		if err != nil {
			return err
		}
		met = met || seen+1 >= limit
	}
	if !met {
		return nil
	}
	if err := setStatus(b.ctx, b.tx, is.id, unresolved, "ongoing", nil); err != nil {
		return err
	}
	return addActivity(b.ctx, b.tx, is.id, 0, "set_unresolved", nil, ts)
}

// setStatus also says since when and on which conditions: members of details
// that begin with "_" are never shown.
func setStatus(ctx context.Context, q querier, id int64, status, substatus string, details payload.Object) error {
	if details == nil {
		details = payload.Object{}
	}
	raw, err := json.Marshal(details)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE issue SET status = ?, substatus = nullif(?, ''), details = ? WHERE id = ?", status, substatus, string(raw), id)
	return err
}

func addActivity(ctx context.Context, q querier, issueID, userID int64, kind string, data payload.Object, ts float64) error {
	if data == nil {
		data = payload.Object{}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "INSERT INTO activity(issue, user, type, data, ts) VALUES (?, nullif(?, 0), ?, ?, ?)",
		issueID, userID, kind, string(raw), ts)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE issue = ? ORDER BY ts DESC, id DESC LIMIT -1 OFFSET ?)", issueID, maxActivities)
	return err
}

// settle brings up to date what only time changes: new issues grow old, and
// those ignored until a time come back. Search reads the columns, so they have
// to be right in the table.
func (s *Sandbox) settle(ctx context.Context, org int64) error {
	if err := s.notice(ctx, org); err != nil {
		return err
	}
	now := s.now()
	last := s.settled.Load()
	if ago := now.Unix() - last; last != 0 && ago >= 0 && ago < int64(settleEvery.Seconds()) {
		return nil
	}
	if !s.settled.CompareAndSwap(last, now.Unix()) {
		return nil // another request has just begun to
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE issue SET substatus = 'ongoing'
			WHERE status = 'unresolved' AND substatus = 'new' AND first_seen < ?`, seconds(now.Add(-newFor)))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE issue SET status = 'unresolved', substatus = 'ongoing', details = '{}'
			WHERE status = 'ignored' AND details ->> '$._until' <= ?`, seconds(now))
		return err
	})
	if err != nil {
		s.settled.CompareAndSwap(now.Unix(), last)
		return fmt.Errorf("settle issues: %w", err)
	}
	return nil
}
