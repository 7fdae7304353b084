package sandbox

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"roundhouse/sandbox/payload"
)

// cronFailure is the type of the issues that failing jobs make.
const cronFailure = "monitor_check_in_failure"

func (c run) failed() bool {
	return c.status == "error" || c.status == statusMissed || c.status == statusTimeout
}

// judge opens, carries on or ends the incident of a monitor, now that a run of
// it has ended one way or another.
func (b *batch) judge(w watched, c run) error {
	var open int64
	err := b.tx.QueryRowContext(b.ctx, "SELECT id FROM incident WHERE monitor = ? AND env = ? AND resolved IS NULL ORDER BY id LIMIT 1", w.id, c.env).Scan(&open)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	switch {
	case c.failed() && open != 0:
		return b.failure(w, open, c)
	case c.failed():
		return b.openIncident(w, c)
	case c.status == "ok" && open != 0:
		return b.endIncident(w, open, c)
	}
	return nil
}

// lately are the last n runs that have ended, newest first, or none if there
// are not so many of the kind asked for without one of another between.
func (b *batch) lately(w watched, env string, n int, of func(run) bool) ([]run, error) {
	all, err := collect(b.ctx, b.tx, scanRun, "SELECT "+runColumns+` WHERE monitor = ? AND env = ? AND status IN ('ok', 'error', 'missed', 'timeout')
		ORDER BY updated DESC, id DESC LIMIT ?`, w.id, env, n)
	if err != nil || len(all) < n || slices.ContainsFunc(all, func(c run) bool { return !of(c) }) {
		return nil, err
	}
	return all, nil
}

func (b *batch) openIncident(w watched, c run) error {
	failed, err := b.lately(w, c.env, w.config.Failures, run.failed)
	if err != nil || len(failed) == 0 {
		return err
	}
	done, err := b.tx.ExecContext(b.ctx, "INSERT INTO incident(monitor, env, started) VALUES (?, ?, ?)", w.id, c.env, failed[len(failed)-1].started)
	if err != nil {
		return err
	}
	id, err := done.LastInsertId()
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(failed) {
		if err := b.failure(w, id, f); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) endIncident(w watched, id int64, c run) error {
	if well, err := b.lately(w, c.env, w.config.Recovered, func(c run) bool { return c.status == "ok" }); err != nil || len(well) == 0 {
		return err
	}
	var issueID int64
	err := b.tx.QueryRowContext(b.ctx, "UPDATE incident SET resolved = ? WHERE id = ? RETURNING issue", c.updated, id).Scan(&issueID)
	if err != nil || issueID == 0 {
		return err
	}
	var open bool
	err = b.tx.QueryRowContext(b.ctx, "SELECT EXISTS (SELECT 1 FROM issue WHERE id = ? AND status = 'unresolved')", issueID).Scan(&open)
	if err != nil || !open {
		return err
	}
	if err := setStatus(b.ctx, b.tx, issueID, resolved, "", payload.Object{"_at": c.updated}); err != nil {
		return err
	}
	return addActivity(b.ctx, b.tx, issueID, 0, "set_resolved", nil, c.updated)
}

// failure makes an event of a failed run, unless the monitor is muted.
func (b *batch) failure(w watched, incident int64, c run) error {
	if w.muted || w.envMuted {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", w.project.id, w.slug, c.guid))
	id := hex.EncodeToString(sum[:16])
	ev, err := b.occurrence(w, incident, id, c)
	if err != nil {
		return err
	}
	received := b.Received
	b.Received = fromSeconds(c.updated)
	defer func() { b.Received = received }()
	issueID, err := b.occurred(id, ev, c.trace)
	if err != nil || issueID == 0 {
		return err
	}
	_, err = b.tx.ExecContext(b.ctx, "UPDATE incident SET issue = ? WHERE id = ?", issueID, incident)
	if err != nil {
		return err
	}
	_, err = b.tx.ExecContext(b.ctx, "UPDATE checkin SET issue = ? WHERE monitor = ? AND guid = ?", issueID, w.id, c.guid)
	return err
}

// occurred stores an event that the sandbox made, once.
func (b *batch) occurred(id string, ev payload.Object, trace string) (issueID int64, err error) {
	var known bool
	err = b.tx.QueryRowContext(b.ctx, "SELECT EXISTS (SELECT 1 FROM item WHERE event_id = ? AND project = ?)", id, b.project.id).Scan(&known)
	if err != nil || known {
		return 0, err
	}
	payload.Prepare(ev, id, payload.Arrival{Received: b.Received})
	if issueID, err = b.sighted(sightingOf(ev)); err != nil {
		return 0, fmt.Errorf("issue: %w", err)
	}
	return issueID, b.insert(item{kind: "occurrence", issue: issueID, event: id, ts: timestamp(ev), attrs: payload.ErrorAttrs(ev), body: ev, trace: trace})
}

// failures says what went wrong with a run.
var failures = map[string]string{
	"error":       "The job reported that it failed",
	statusMissed:  "The job did not begin in time",
	statusTimeout: "The job did not end in time",
}

func (b *batch) occurrence(w watched, incident int64, id string, c run) (payload.Object, error) {
	var well sql.NullFloat64
	err := b.tx.QueryRowContext(b.ctx, "SELECT max(started) FROM checkin WHERE monitor = ? AND env = ? AND status = 'ok' AND started < ?", w.id, c.env, c.started).Scan(&well)
	if err != nil {
		return nil, err
	}
	wasWell := "Never"
	if well.Valid {
		wasWell = stamp(well.Float64)
	}
	title, subtitle := "Cron failure: "+w.name, failures[c.status]+" ("+c.env+")"
	evidence := func(name, value string, important bool) any {
		return payload.Object{"name": name, "value": value, "important": important}
	}
	tags := payload.Object{"monitor.id": strconv.FormatInt(w.id, 10), "monitor.slug": w.slug, "monitor.incident": strconv.FormatInt(incident, 10), "checkin.status": c.status}
	for key, v := range b.tags {
		tags[key] = v
	}
	return payload.Object{
		"event_id": id, "timestamp": c.updated, "environment": c.env, "platform": "other", "level": "error", "message": subtitle, "tags": tags,
		"contexts": payload.Object{"monitor": payload.Object{
			"type": "monitor", "id": strconv.FormatInt(w.id, 10), "slug": w.slug, "name": w.name, "status": cmp.Or(w.status, active), "config": w.config.object(),
		}},
		"occurrence": payload.Object{
			"id": id, "eventId": id, "projectId": w.project.id, "type": 4001, "issueType": cronFailure, "issueTitle": title, "subtitle": subtitle, "culprit": "", "level": "error",
			"fingerprint": []any{"cron monitor", w.slug, c.env}, "resourceId": nil, "detectionTime": c.updated, "priority": 75,
			"evidenceData": payload.Object{"checkInId": c.guid, "incidentId": strconv.FormatInt(incident, 10)},
			"evidenceDisplay": []any{
				evidence("Failure reason", failures[c.status], true), evidence("Environment", c.env, false), evidence("Last successful check-in", wasWell, false),
			},
		},
	}, nil
}

// issueKind is the category, the type and the priority of the issue that an
// event makes.
func issueKind(ev payload.Object) (category, kind, urgency string) {
	if o := payload.Occurrence(ev); o != nil {
		return "cron", payload.Text(o["issueType"]), "high"
	}
	return itemKind(ev), itemKind(ev), priority(payload.Text(ev["level"]))
}
