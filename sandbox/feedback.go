package sandbox

import (
	"cmp"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxComment = 4096
	maxContact = 200
)

// itemKind of an event is also the category of its issue.
func itemKind(ev payload.Object) string {
	if payload.IsFeedback(ev) {
		return "feedback"
	}
	return "error"
}

// feedback stores what a user wrote as an issue of its own, and as a report on
// the event that it is about, if any.
func (b *batch) feedback(id string, ev payload.Object) error {
	said := payload.AsObject(payload.At(ev, "contexts", "feedback"))
	comment := payload.Clip(strings.TrimSpace(payload.Text(said["message"])), maxComment)
	if comment == "" {
		return &badPayload{errors.New("no message in contexts.feedback")}
	}
	name, email := payload.Clip(payload.Text(said["name"]), maxContact), payload.Clip(payload.Text(said["contact_email"]), maxContact)
	said["message"], said["name"], said["contact_email"] = comment, name, email
	ev["type"], ev["message"] = "feedback", comment
	ev["level"] = cmp.Or(payload.Text(ev["level"]), "info")
	if payload.AsObject(ev["user"]) == nil && email != "" {
		ev["user"] = payload.Object{"email": email, "name": name}
	}
	if about := payload.HexID(said["associated_event_id"], 32); about != "" {
		if err := b.report(about, name, email, comment); err != nil {
			return err
		}
	}
	return b.event(id, ev)
}

func feedbackMeta(ev payload.Object) payload.Object {
	said := payload.AsObject(payload.At(ev, "contexts", "feedback"))
	return payload.Object{
		"title": payload.Title(ev), "value": payload.Clip(payload.Text(said["message"]), 1024), "message": said["message"], "name": orNil(payload.Text(said["name"])),
		"contact_email": orNil(payload.Text(said["contact_email"])), "source": orNil(payload.Text(said["source"])),
		"associated_event_id": orNil(payload.Text(said["associated_event_id"])),
	}
}

// userReport stores what a user wrote about an event, in the older form.
func (b *batch) userReport(raw []byte) error {
	o, err := payload.ParseObject(raw)
	if err != nil {
		return &badPayload{err}
	}
	about, comment := payload.HexID(o["event_id"], 32), payload.Clip(strings.TrimSpace(payload.Text(o["comments"])), maxComment)
	if about == "" || comment == "" {
		return &badPayload{errors.New("a user report needs an event_id of 32 hex digits, and comments")}
	}
	return b.report(about, payload.Clip(payload.Text(o["name"]), maxContact), payload.Clip(payload.Text(o["email"]), maxContact), comment)
}

func (b *batch) report(event, name, email, comment string) error {
	_, err := b.tx.ExecContext(b.ctx, "INSERT INTO feedback(project, event_id, name, email, comments, ts) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.project.id, event, payload.ScrubText(name), email, payload.ScrubText(comment), seconds(b.Received))
	b.stored++
	return err
}

// asksForFeedback: like Sentry, a search shows feedback only when it names
// categories or types of issues, or one issue.
func asksForFeedback(search string) bool {
	search = strings.ToLower(search)
	for _, key := range []string{"issue.category:", "issue.type:", "issue:", "issue.id:"} {
		if strings.Contains(search, key) {
			return true
		}
	}
	return false
}

type userReport struct {
	id                    int64
	event, name, email, c string
	ts                    float64
}

func listUserReports(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	all, err := paged(r, func(rows *sql.Rows) (u userReport, err error) {
		return u, rows.Scan(&u.id, &u.event, &u.name, &u.email, &u.c, &u.ts)
	}, `SELECT f.id, f.event_id, f.name, f.email, f.comments, f.ts FROM feedback f WHERE f.project = ?1
			AND EXISTS (SELECT 1 FROM item WHERE event_id = f.event_id AND project = ?1 AND issue = ?2)
		ORDER BY f.ts DESC, f.id DESC`, is.project, is.id)
	if err != nil {
		return nil, err
	}
	return each(all, userReport.json), nil
}

func (u userReport) json() map[string]any {
	return map[string]any{
		"id": strconv.FormatInt(u.id, 10), "eventID": u.event, "name": orNil(u.name), "email": orNil(u.email), "comments": u.c,
		"dateCreated": stamp(u.ts), "user": nil, "event": payload.Object{"id": u.event, "eventID": u.event},
	}
}
