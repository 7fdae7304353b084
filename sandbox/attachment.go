package sandbox

import (
	"cmp"
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"strconv"

	"roundhouse/sandbox/payload"
)

// maxAttached is how many bytes of attachments a project keeps. The oldest go.
const maxAttached = 100 << 20

// attachment is a file that came with an event. It is kept as it came: scrubbing
// does not look into files.
type attachment struct {
	id                     int64
	name, kind, mime, sha1 string
	size                   int64
	ts                     float64
}

const attachmentColumns = "a.id, a.name, a.type, a.mime, a.sha1, a.size, a.ts"

func (a *attachment) fields() []any {
	return []any{&a.id, &a.name, &a.kind, &a.mime, &a.sha1, &a.size, &a.ts}
}

func scanAttachment(rows *sql.Rows) (a attachment, err error) { return a, rows.Scan(a.fields()...) }

// attach stores a file with the event of the envelope.
func (b *batch) attach(event string, item payload.Item) error {
	if event == "" {
		return &badPayload{errors.New("the envelope has no event_id that the attachment belongs to")}
	}
	sum := sha1.Sum(item.Payload) // Sentry's name for a file, no protection
	name := payload.Clip(payload.BaseName(cmp.Or(payload.Text(item.Header["filename"]), "unnamed")), 200)
	kind := cmp.Or(payload.Clip(payload.Text(item.Header["attachment_type"]), 64), "event.attachment")
	_, err := b.tx.ExecContext(b.ctx, `INSERT INTO attachment(project, event_id, name, type, mime, sha1, size, ts, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, b.project.id, event, name, kind,
		mediaType(payload.Text(item.Header["content_type"]), item.Payload), hex.EncodeToString(sum[:]), len(item.Payload), seconds(b.Received), item.Payload)
	if err != nil {
		return err
	}
	b.stored++
	b.bytes += int64(len(item.Payload))
	return nil
}

// mediaType is what the sender says, if it says something sensible.
func mediaType(given string, data []byte) string {
	if kind, _, err := mime.ParseMediaType(given); err == nil && len(kind) <= 100 {
		return kind
	}
	kind, _, _ := mime.ParseMediaType(http.DetectContentType(data))
	return kind
}

// retainAttachments deletes attachments as items are.
func (s *Sandbox) retainAttachments(ctx context.Context, tx *sql.Tx, project int64) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM attachment WHERE project = ?1 AND (ts < ?2 OR
		id IN (SELECT id FROM attachment WHERE project = ?1 ORDER BY ts DESC LIMIT ?3 OFFSET ?4))`,
		project, seconds(s.now().Add(-keepFor)), retainBatch, s.keep)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *Sandbox) attachmentRoutes(reg func(pattern, scope string, h handler)) {
	const all = "/projects/{org}/{project}/events/{event}/attachments/"
	reg("GET "+all, "event:read", listAttachments)
	reg("GET "+all+"{attachment}/", "event:read", getAttachment)
}

// eventID is {event} of the path, if the project has such an event.
func (r *request) eventID() (id string, err error) {
	id = payload.HexID(r.PathValue("event"), 32)
	var known bool
	err = r.sb.read().QueryRowContext(r.Context(), "SELECT EXISTS (SELECT 1 FROM item WHERE event_id = ? AND event_id <> '' AND project = ?)",
		id, r.project.id).Scan(&known)
	if err == nil && !known {
		err = notFound()
	}
	return id, err
}

func listAttachments(r *request) (any, error) {
	event, err := r.eventID()
	if err != nil {
		return nil, err
	}
	all, err := paged(r, scanAttachment, "SELECT "+attachmentColumns+" FROM attachment a WHERE a.project = ? AND a.event_id = ? ORDER BY a.ts, a.id", r.project.id, event)
	if err != nil {
		return nil, err
	}
	return each(all, func(a attachment) map[string]any { return a.json(event) }), nil
}

func (a attachment) json(event string) map[string]any {
	return map[string]any{
		"id": strconv.FormatInt(a.id, 10), "event_id": event, "name": a.name, "type": a.kind, "mimetype": a.mime, "size": a.size,
		"sha1": a.sha1, "dateCreated": stamp(a.ts), "headers": payload.Object{"Content-Type": a.mime},
	}
}

// getAttachment describes a file, or with ?download= answers with it.
func getAttachment(r *request) (any, error) {
	event, err := r.eventID()
	if err != nil {
		return nil, err
	}
	var a attachment
	const one = " FROM attachment a WHERE a.project = ? AND a.event_id = ? AND a.id = ?"
	args := []any{r.project.id, event, asID(r.PathValue("attachment"))}
	if err := r.sb.read().QueryRowContext(r.Context(), "SELECT "+attachmentColumns+one, args...).Scan(a.fields()...); err != nil {
		return nil, orNotFound(err)
	}
	if !r.URL.Query().Has("download") {
		return a.json(event), nil
	}
	f := file{name: a.name, mime: a.mime}
	if err := r.sb.read().QueryRowContext(r.Context(), "SELECT a.data"+one, args...).Scan(&f.data); err != nil {
		return nil, orNotFound(err)
	}
	return f, nil
}

// file is an answer that is not JSON.
type file struct {
	name, mime string
	data       []byte
}

// write lets no browser take the file for a page of ours.
func (f file) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
	h.Set("Content-Length", strconv.Itoa(len(f.data)))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.Write(f.data)
}
