package sandbox

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	inProgress  = "in_progress"
	zeroID      = "00000000000000000000000000000000" // the check-in that is in progress, for senders that keep no id
	maxSlug     = 50
	maxDuration = 1e9 // seconds
)

// errNoMonitor: a check-in of a monitor that nobody has configured.
var errNoMonitor = errors.New("there is no such monitor; its first check-in has to bring a monitor_config")

// checkIn stores what a job tells of its run, and returns the run's id.
func (b *batch) checkIn(raw []byte) (id string, err error) {
	o, err := payload.ParseObject(raw)
	if err != nil {
		return "", &badPayload{err}
	}
	given := zeroID
	if s := payload.Text(o["check_in_id"]); s != "" {
		if given = payload.HexID(s, 32); given == "" {
			return "", &badPayload{errors.New("check_in_id is not 32 hex digits")}
		}
	}
	monitor, err := b.monitor(o)
	if err != nil {
		return "", err
	}
	if id, err = b.run(monitor, given, o); err != nil || id == "" {
		return id, err
	}
	return id, b.takeEarly(monitor, monitorSlug(payload.Text(o["monitor_slug"])), id)
}

// monitor finds the monitor of a check-in, and makes or changes it as the
// check-in asks.
func (b *batch) monitor(o payload.Object) (id int64, err error) {
	slug := monitorSlug(payload.Text(o["monitor_slug"]))
	if slug == "" {
		return 0, &badPayload{errors.New("no monitor_slug")}
	}
	sent := payload.AsObject(o["monitor_config"])
	if sent == nil {
		err = b.tx.QueryRowContext(b.ctx, "SELECT id FROM monitor WHERE project = ? AND slug = ?", b.project.id, slug).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, errNoMonitor
		}
		return id, err
	}
	config, err := configOf(sent)
	if err != nil {
		return 0, &badPayload{err}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return 0, err
	}
	err = b.tx.QueryRowContext(b.ctx, `INSERT INTO monitor(project, slug, name, config, created) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT(project, slug) DO UPDATE SET config = excluded.config RETURNING id`,
		b.project.id, slug, payload.Clip(payload.Text(o["monitor_slug"]), 128), string(raw), seconds(b.Received)).Scan(&id)
	return id, err
}

// monitorSlug keeps of a name what a slug may have.
func monitorSlug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r == ' ' || r == '.' || r == '/':
			return '-'
		}
		return -1
	}, strings.ToLower(s))
	return strings.Trim(payload.Clip(s, maxSlug), "-")
}

// run begins a run or ends one. What has ended stays as it is.
func (b *batch) run(monitor int64, id string, o payload.Object) (string, error) {
	env, status, now := cmp.Or(payload.Clip(payload.Text(o["environment"]), 64), "production"), runStatus(payload.Text(o["status"])), seconds(b.Received)
	duration, known := payload.Number(o["duration"])
	known = known && duration >= 0 && duration <= maxDuration
	var found string
	var started float64
	err := b.tx.QueryRowContext(b.ctx, `SELECT guid, started FROM checkin
		WHERE monitor = ?1 AND status = 'in_progress' AND (guid = ?2 OR ?2 = ?3 AND env = ?4) ORDER BY started DESC, id DESC LIMIT 1`,
		monitor, id, zeroID, env).Scan(&found, &started)
	// Without an id, what begins is a run of its own.
	if err == nil && (id != zeroID || status != inProgress || payload.Text(o["check_in_id"]) != "") {
		if !known && status != inProgress {
			duration, known = max(0, now-started), true
		}
		_, err = b.tx.ExecContext(b.ctx, "UPDATE checkin SET status = ?, duration = coalesce(?, duration), updated = ? WHERE monitor = ? AND guid = ?",
			status, sql.NullFloat64{Float64: duration * 1000, Valid: known}, now, monitor, found)
		return found, err
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if id == zeroID {
		id = randomHex(16)
	}
	_, err = b.tx.ExecContext(b.ctx, `INSERT INTO checkin(monitor, guid, env, status, duration, started, updated, trace_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, monitor, id, env, status,
		sql.NullFloat64{Float64: duration * 1000, Valid: known}, now, now, payload.HexID(payload.At(o, "contexts", "trace", "trace_id"), 32))
	b.stored++
	return id, err
}

func runStatus(s string) string {
	switch s {
	case inProgress, "ok", "error":
		return s
	}
	return "unknown"
}

// cronRoutes are for jobs that have no SDK but curl.
func (s *Sandbox) cronRoutes(mux *http.ServeMux) {
	h := s.answerSender(http.StatusAccepted, s.acceptCheckIn)
	for _, end := range []string{"", "/{$}"} {
		path := "/api/{project}/cron/{slug}/{key}" + end
		mux.HandleFunc("GET "+path, h)
		mux.HandleFunc("POST "+path, h)
		mux.HandleFunc("OPTIONS "+path, preflight)
	}
}

// acceptCheckIn reads a check-in from the query and, of a POST, the JSON body,
// which may have a monitor_config.
func (s *Sandbox) acceptCheckIn(w http.ResponseWriter, r *http.Request) (string, error) {
	p, err := s.authorizeKeys(r, append(sentKeys(r), r.PathValue("key")))
	if err != nil {
		return "", err
	}
	o := payload.Object{}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	raw, err := readBody(w, r)
	if err != nil {
		return "", err
	}
	if r.Method == http.MethodPost && len(strings.TrimSpace(string(raw))) > 0 {
		if o, err = payload.ParseObject(raw); err != nil {
			return "", badRequest("check-in: %v", err)
		}
	}
	for _, name := range []string{"status", "environment", "check_in_id", "duration"} {
		if v := r.URL.Query().Get(name); v != "" {
			o[name] = v
		}
	}
	o["monitor_slug"] = r.PathValue("slug")
	raw, err = json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("check-in: %w", err)
	}
	return s.ingestCheckIn(r, p, raw)
}

// ingestCheckIn tells a person with curl also what an SDK need not know.
func (s *Sandbox) ingestCheckIn(r *http.Request, p project, raw []byte) (id string, err error) {
	b := &batch{Arrival: payload.Arrival{Received: s.now()}, ctx: r.Context(), project: p}
	err = s.write(r.Context(), func(tx *sql.Tx) error {
		b.tx = tx
		id, err = b.checkIn(raw)
		return err
	})
	var bad *badPayload
	switch {
	case errors.Is(err, errNoMonitor):
		return "", refuse(http.StatusNotFound, "%v", err)
	case errors.As(err, &bad):
		return "", badRequest("check-in: %v", err)
	case err != nil:
		return "", err
	}
	s.arrive(r.Context(), b.stored)
	return id, nil
}
