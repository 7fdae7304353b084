package sandbox

import (
	"database/sql"
	"encoding/json"
	"errors"

	"roundhouse/sandbox/payload"
)

const (
	maxEarly  = 100  // of a project
	earlyLife = 3600 // seconds
)

// keepEarly keeps the end of a run of a monitor that is not known yet. SDKs may
// send the beginning, which brings the monitor, and the end at the same time,
// and the end of a short run then overtakes it. The first end counts.
func (b *batch) keepEarly(raw []byte) error {
	o, err := payload.ParseObject(raw)
	if err != nil {
		return &badPayload{err}
	}
	payload.Scrub(o)
	id, status := payload.HexID(o["check_in_id"], 32), runStatus(payload.Text(o["status"]))
	if id == "" || id == zeroID || status == inProgress {
		return nil // nothing can be told to be its beginning
	}
	said := payload.Object{"status": status, "environment": payload.Clip(payload.Text(o["environment"]), 64)}
	if duration, ok := payload.Number(o["duration"]); ok {
		said["duration"] = duration
	}
	kept, err := json.Marshal(said)
	if err != nil {
		return err
	}
	_, err = b.tx.ExecContext(b.ctx, "INSERT INTO early_checkin(project, slug, guid, body, ts) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.project.id, monitorSlug(payload.Text(o["monitor_slug"])), id, string(kept), seconds(b.Received))
	if err != nil {
		return err
	}
	_, err = b.tx.ExecContext(b.ctx, `DELETE FROM early_checkin WHERE project = ?1 AND (ts < ?2 OR
		id IN (SELECT id FROM early_checkin WHERE project = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?3))`, b.project.id, seconds(b.Received)-earlyLife, maxEarly)
	return err
}

// takeEarly ends a run that has just begun, if its end came before.
func (b *batch) takeEarly(m monitor, id string) error {
	var raw []byte
	err := b.tx.QueryRowContext(b.ctx, "DELETE FROM early_checkin WHERE project = ? AND slug = ? AND guid = ? AND ts >= ? RETURNING body",
		b.project.id, m.slug, id, seconds(b.Received)-earlyLife).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	o, err := payload.ParseObject(raw)
	if err != nil {
		return err
	}
	_, err = b.run(m, id, o)
	return err
}
