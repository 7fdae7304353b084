package sandbox

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"roundhouse/sandbox/payload"
)

const (
	maxRecorded    = 100 << 20 // stored bytes of recordings in each project; the oldest go
	maxReplayLinks = 200       // events of one replay
)

// replayEvent adds a segment's event to its replay.
func (b *batch) replayEvent(envelopeID string, raw []byte) error {
	ev, err := payload.ParseObject(raw)
	if err != nil {
		return &badPayload{err}
	}
	id := payload.ReplayID(ev, envelopeID)
	if id == "" {
		return &badPayload{errors.New("no replay_id")}
	}
	b.answer = cmp.Or(b.answer, id)
	return b.do(func() error {
		return b.replay(id, func(rep *payload.Replay) error {
			rep.Tell(ev, b.Arrival)
			if n := len(rep.Releases); n > 0 {
				return b.release(rep.Releases[n-1], false)
			}
			return nil
		})
	})
}

// replayRecording keeps a segment's recording. One that comes again changes
// nothing. It is parsed before the transaction, and in it once more only if an
// earlier segment tells of fields for secrets that this one does not.
func (b *batch) replayRecording(envelopeID string, raw []byte) error {
	if envelopeID == "" {
		return &badPayload{errors.New("the envelope has no event_id that the recording belongs to")}
	}
	rec, kept, err := readRecording(raw, nil)
	if err != nil {
		return err
	}
	return b.do(func() error {
		return b.replay(envelopeID, func(rep *payload.Replay) error {
			if rec.Reveals(rep.Secrets) {
				if rec, kept, err = readRecording(raw, rep.Secrets); err != nil {
					return err
				}
			}
			fresh, err := b.segment(envelopeID, rec.Segment, kept)
			if fresh {
				rep.Record(rec, b.Arrival)
			}
			return err
		})
	})
}

// packed is what is kept of a recording: compressed, and how large it was.
type packed struct {
	data []byte
	size int
}

// readRecording parses a recording and packs it.
func readRecording(raw []byte, secrets []int64) (rec *payload.Recording, p packed, err error) {
	rec, err = payload.ParseRecording(raw, secrets)
	if err == nil && rec.Reveals(rec.Secrets) { // it told too late what the field is for
		rec, err = payload.ParseRecording(raw, append(secrets, rec.Secrets...))
	}
	if err != nil {
		return nil, p, &badPayload{err}
	}
	p.size = len(rec.Events)
	p.data, err = deflate(rec.Events)
	rec.Events = nil // they are large, and a batch may wait
	return rec, p, err
}

func (b *batch) segment(replay string, n int64, p packed) (fresh bool, err error) {
	res, err := b.tx.ExecContext(b.ctx, `INSERT INTO segment(project, replay_id, n, ts, size, plain, data) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, b.project.id, replay, n, seconds(b.Received), len(p.data), p.size, p.data)
	if err != nil {
		return false, err
	}
	if added, err := res.RowsAffected(); err != nil || added == 0 {
		return false, err
	}
	b.stored++
	b.bytes += int64(len(p.data))
	return true, nil
}

func deflate(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func inflate(data []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

// replay changes a replay, which comes into being by its first change.
func (b *batch) replay(id string, change func(*payload.Replay) error) error {
	known, rep, err := b.findReplay(id)
	if err != nil {
		return err
	}
	if err := change(rep); err != nil {
		return err
	}
	links, err := collect(b.ctx, b.tx, scanLink, "SELECT event_id, level FROM replay_link WHERE project = ? AND replay_id = ? ORDER BY event_id LIMIT ?",
		b.project.id, id, maxReplayLinks)
	if err != nil {
		return err
	}
	for _, l := range links {
		rep.Link(l[0], l[1])
	}
	it := item{kind: "replay", event: id, ts: rep.Finished, attrs: rep.Attrs()}
	if len(rep.Traces) > 0 {
		it.trace = rep.Traces[0]
	}
	r, err := it.encode()
	if err != nil {
		return err
	}
	if r.body, err = json.Marshal(rep); err != nil {
		return fmt.Errorf("encode replay: %w", err)
	}
	if known == 0 {
		return b.insertRow(r)
	}
	_, err = b.tx.ExecContext(b.ctx, "UPDATE item SET trace_id = ?, ts = ?, attrs = ?, body = ? WHERE id = ?", r.trace, r.ts, r.attrs, r.body, known)
	return err
}

// findReplay returns row 0 and an empty replay when there is none yet.
func (b *batch) findReplay(id string) (row int64, rep *payload.Replay, err error) {
	rep = &payload.Replay{}
	var raw []byte
	err = b.tx.QueryRowContext(b.ctx, "SELECT id, body FROM item WHERE event_id = ? AND event_id <> '' AND project = ? AND kind = 'replay'",
		id, b.project.id).Scan(&row, &raw)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, rep, nil
	}
	if err != nil {
		return 0, nil, err
	}
	return row, rep, json.Unmarshal(raw, rep)
}

func scanLink(rows *sql.Rows) (l [2]string, err error) { return l, rows.Scan(&l[0], &l[1]) }

// linkReplay notes that an event happened during a replay.
func (b *batch) linkReplay(replay, event, level string) error {
	if replay == "" {
		return nil
	}
	_, err := b.tx.ExecContext(b.ctx, "INSERT INTO replay_link(project, replay_id, event_id, level, ts) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.project.id, replay, event, level, seconds(b.Received))
	if err != nil {
		return err
	}
	row, _, err := b.findReplay(replay)
	if err != nil || row == 0 {
		return err
	}
	return b.replay(replay, func(*payload.Replay) error { return nil })
}

// retainReplays deletes recordings and links as items are. What belongs to a
// replay is hardly older than it.
func (s *Sandbox) retainReplays(ctx context.Context, tx *sql.Tx, project int64) (deleted int64, err error) {
	for _, statement := range []string{
		`DELETE FROM segment WHERE project = ?1 AND (ts < ?2 OR
			id IN (SELECT id FROM segment WHERE project = ?1 ORDER BY ts DESC LIMIT ?3 OFFSET ?4))`,
		`DELETE FROM replay_link WHERE project = ?1 AND (ts < ?2 OR (replay_id, event_id) IN
			(SELECT replay_id, event_id FROM replay_link WHERE project = ?1 ORDER BY ts DESC LIMIT ?3 OFFSET ?4))`,
	} {
		res, err := tx.ExecContext(ctx, statement, project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}
