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
	maxUpserted = 200 // monitors of a project that check-ins made
	maxDuration = 1e9 // seconds
)

// errNoMonitor: a check-in of a monitor that nobody has configured.
var errNoMonitor = errors.New("there is no such monitor; its first check-in has to bring a monitor_config")

// errFull: a check-in of one monitor too many. It is not kept.
var errFull = errors.New("check-ins have made too many monitors of the project")

// checkIn stores what a job tells of its run, and returns the run's id.
func (b *batch) checkIn(raw []byte) (id string, err error) {
	o, err := payload.ParseObject(raw)
	if err != nil {
		return "", &badPayload{err}
	}
	payload.Scrub(o)
	given := zeroID
	if s := payload.Text(o["check_in_id"]); s != "" {
		if given = payload.HexID(s, 32); given == "" {
			return "", &badPayload{errors.New("check_in_id is not 32 hex digits")}
		}
	}
	m, err := b.monitor(o)
	if errors.Is(err, errFull) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if m.status != active { // a disabled monitor takes nothing
		return given, nil
	}
	if id, err = b.run(m, given, o); err != nil || id == "" {
		return id, err
	}
	return id, b.takeEarly(m, id)
}

// monitor finds the monitor of a check-in, and makes or changes it as the
// check-in asks.
func (b *batch) monitor(o payload.Object) (m monitor, err error) {
	slug := monitorSlug(payload.Text(o["monitor_slug"]))
	if slug == "" {
		return m, &badPayload{errors.New("no monitor_slug")}
	}
	sent := payload.AsObject(o["monitor_config"])
	if sent != nil {
		if err := b.configure(slug, payload.Clip(payload.Text(o["monitor_slug"]), 128), sent); err != nil {
			return m, err
		}
	}
	row := b.tx.QueryRowContext(b.ctx, "SELECT "+monitorColumns+" WHERE m.project = ? AND m.slug = ?", b.project.id, slug)
	if err = m.scan(row.Scan); errors.Is(err, sql.ErrNoRows) {
		if sent != nil {
			return m, errFull
		}
		return m, errNoMonitor
	}
	return m, err
}

// configure makes a monitor or gives it another schedule. What was due by the
// old one is not asked for any more.
func (b *batch) configure(slug, name string, sent payload.Object) error {
	config, err := configOf(sent)
	if err != nil {
		return &badPayload{err}
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	_, err = b.tx.ExecContext(b.ctx, `INSERT INTO monitor(project, slug, name, config, created) SELECT ?1, ?2, ?3, ?4, ?5
		WHERE EXISTS (SELECT 1 FROM monitor WHERE project = ?1 AND slug = ?2) OR (SELECT count(*) FROM monitor WHERE project = ?1 AND upserted) < ?6
		ON CONFLICT(project, slug) DO UPDATE SET config = excluded.config, since = excluded.created WHERE config <> excluded.config`,
		b.project.id, slug, name, string(raw), seconds(b.Received), maxUpserted)
	return err
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

// run begins a run or ends one. It returns "" for one that is not kept.
func (b *batch) run(m monitor, id string, o payload.Object) (string, error) {
	w, ok, err := b.watch(m, cmp.Or(payload.Clip(payload.Text(o["environment"]), 64), "production"))
	if err != nil || !ok {
		return "", err
	}
	c, changed, err := b.tell(w, id, o)
	if err != nil {
		return "", err
	}
	if w.env = c.env; changed && c.status != inProgress {
		if err := b.judge(w, c); err != nil {
			return "", err
		}
	}
	next, _, err := b.upcoming(w)
	if err != nil {
		return "", err
	}
	_, err = b.tx.ExecContext(b.ctx, "UPDATE monitor_env SET due = ? WHERE monitor = ? AND env = ?", next, w.id, w.env)
	return c.guid, err
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
	live, err := s.authorizeKeys(r, append(sentKeys(r), r.PathValue("key")))
	if err != nil {
		return "", err
	}
	o := payload.Object{}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	raw, done, err := s.takeBody(w, r)
	if err != nil {
		return "", err
	}
	defer done()
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
	return s.ingestCheckIn(r, live.project, raw)
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
	s.arrive(r.Context(), b)
	return id, nil
}
