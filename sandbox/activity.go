package sandbox

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxNote       = 64 << 10
	maxActivities = 1000 // of an issue; the oldest go
)

const activityColumns = `a.id, a.type, a.data, a.ts, coalesce(u.id, 0), coalesce(u.email, ''), coalesce(u.name, ''), coalesce(u.username, '')
	FROM activity a LEFT JOIN user u ON u.id = a.user`

func scanActivity(rows *sql.Rows) (map[string]any, error) {
	var id int64
	var kind string
	var raw []byte
	var ts float64
	var u User
	if err := rows.Scan(append([]any{&id, &kind, &raw, &ts}, u.fields()...)...); err != nil {
		return nil, err
	}
	var data payload.Object
	if err := json.Unmarshal(raw, &data); err != nil {
		return nil, err
	}
	out := map[string]any{"id": strconv.FormatInt(id, 10), "type": kind, "dateCreated": stamp(ts), "user": nil, "data": data}
	if u.ID != 0 {
		out["user"] = userJSON(u)
	}
	return out, nil
}

// listActivities ends, as Sentry's does, with the first time the issue was seen.
func listActivities(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	rows, err := collect(r.Context(), r.sb.read(), scanActivity,
		"SELECT "+activityColumns+" WHERE a.issue = ? ORDER BY a.ts DESC, a.id DESC LIMIT ?", is.id, maxPage)
	if err != nil {
		return nil, err
	}
	rows = append(rows, map[string]any{
		"id": "0", "type": "first_seen", "dateCreated": stamp(is.first), "user": nil, "data": payload.Object{"priority": is.priority},
	})
	return map[string]any{"activity": rows}, nil
}

func listNotes(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	return paged(r, scanActivity, "SELECT "+activityColumns+" WHERE a.issue = ? AND a.type = 'note' ORDER BY a.ts DESC, a.id DESC", is.id)
}

func addNote(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	var body struct {
		Text string `json:"text"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if strings.TrimSpace(body.Text) == "" || len(body.Text) > maxNote {
		return nil, badRequest("text must not be empty, and at most %d bytes", maxNote)
	}
	var id int64
	err = r.sb.write(r.Context(), func(tx *sql.Tx) error {
		if err := addActivity(r.Context(), tx, is.id, r.user.ID, "note", payload.Object{"text": body.Text}, seconds(r.sb.now())); err != nil {
			return err
		}
		return tx.QueryRowContext(r.Context(), "SELECT last_insert_rowid()").Scan(&id)
	})
	if err != nil {
		return nil, err
	}
	rows, err := collect(r.Context(), r.sb.read(), scanActivity, "SELECT "+activityColumns+" WHERE a.id = ?", id)
	if err != nil || len(rows) == 0 {
		return nil, orNotFound(err)
	}
	r.status = http.StatusCreated
	return rows[0], nil
}
