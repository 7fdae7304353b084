package sandbox

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	maxBuckets = 2_000

	active   = "active"
	disabled = "disabled"
)

type monitor struct {
	id       int64
	project  project
	slug     string
	name     string
	status   string // active or disabled
	owner    string // "user:1001", "team:61001", or "" for nobody
	config   monitorConfig
	muted    bool
	upserted bool
	created  float64
	since    float64
}

const monitorColumns = "m.id, m.slug, m.name, m.status, m.owner, m.config, m.muted, m.upserted, m.created, m.since, " + projectColumns + " FROM monitor m JOIN project p ON p.id = m.project"

func (m *monitor) scan(scan func(...any) error) error {
	var raw []byte
	if err := scan(append([]any{&m.id, &m.slug, &m.name, &m.status, &m.owner, &raw, &m.muted, &m.upserted, &m.created, &m.since}, m.project.fields()...)...); err != nil {
		return err
	}
	var err error
	if m.config, err = parseConfig(raw); err != nil {
		return fmt.Errorf("stored monitor %s: %w", m.slug, err)
	}
	return nil
}

func scanMonitor(rows *sql.Rows) (m monitor, err error) { return m, m.scan(rows.Scan) }

// run is one run of a monitor's job, or one that did not take place.
type run struct {
	guid, env, status, trace string
	started, updated         float64
	duration                 sql.NullFloat64 // ms
	expected                 sql.NullFloat64 // when it was due
	issue                    int64           // that it is an event of; 0: none
	short                    string          // of the issue; "" when that is gone
}

const runColumns = "guid, env, checkin.status, trace_id, started, updated, duration, expected, checkin.issue FROM checkin"

func (c *run) fields() []any {
	return []any{&c.guid, &c.env, &c.status, &c.trace, &c.started, &c.updated, &c.duration, &c.expected, &c.issue}
}

func scanRun(rows *sql.Rows) (c run, err error) { return c, rows.Scan(c.fields()...) }

func (s *Sandbox) monitorRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /organizations/{org}/monitors/", "org:read", listMonitors)
	for at, scope := range map[string]string{
		"/organizations/{org}/monitors/{monitor}/": "org:read", "/projects/{org}/{project}/monitors/{monitor}/": "project:read",
	} {
		reg("GET "+at, scope, getMonitor)
		reg("GET "+at+"checkins/", scope, listCheckIns)
		reg("GET "+at+"stats/", scope, monitorStats)
	}
}

func listMonitors(r *request) (any, error) {
	if err := r.sb.notice(r.Context(), r.org.id); err != nil {
		return nil, err
	}
	ids, err := r.monitorProjects()
	if err != nil {
		return nil, err
	}
	projects, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	envs, err := json.Marshal(r.environments())
	if err != nil {
		return nil, err
	}
	owners, err := r.owners()
	if err != nil {
		return nil, err
	}
	all, err := paged(r, scanMonitor, "SELECT "+monitorColumns+` WHERE p.org = ?1 AND p.id IN (SELECT value FROM json_each(?2))
			AND (instr(lower(m.slug), ?3) OR instr(lower(m.name), ?3))
			AND (?4 = 'null' OR EXISTS (SELECT 1 FROM monitor_env e WHERE e.monitor = m.id AND e.env IN (SELECT value FROM json_each(?4))))
			AND (?5 = 'null' OR m.owner IN (SELECT value FROM json_each(?5)))
		ORDER BY m.slug, m.id`, r.org.id, string(projects), r.text("query"), string(envs), owners)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, m := range all {
		shown, err := r.monitorJSON(m)
		if err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}

// monitorProjects also reads ?projectSlug=, which only monitors have.
func (r *request) monitorProjects() ([]int64, error) {
	name := r.URL.Query().Get("projectSlug")
	if name == "" {
		return r.projectIDs()
	}
	p, err := r.sb.projectOf(r.Context(), r.org, name)
	return []int64{p.id}, err
}

// monitor looks up {monitor} of the path, a slug or an id.
func (r *request) monitor() (m monitor, err error) {
	if err := r.sb.notice(r.Context(), r.org.id); err != nil {
		return m, err
	}
	name := r.PathValue("monitor")
	row := r.sb.read().QueryRowContext(r.Context(), "SELECT "+monitorColumns+` WHERE p.org = ?1 AND (?2 = 0 OR p.id = ?2) AND (m.slug = ?3 OR m.id = ?4)
			AND p.id IN (SELECT project FROM access WHERE user = ?5)
		ORDER BY m.slug = ?3 DESC, m.id LIMIT 1`, r.org.id, r.project.id, strings.ToLower(name), asID(name), r.user.ID)
	return m, orNotFound(m.scan(row.Scan))
}

func getMonitor(r *request) (any, error) {
	m, err := r.monitor()
	if err != nil {
		return nil, err
	}
	return r.monitorJSON(m)
}

func (r *request) monitorJSON(m monitor) (map[string]any, error) {
	states, err := r.monitorStates(m)
	if err != nil {
		return nil, err
	}
	owner, err := r.ownerJSON(m.owner)
	if err != nil {
		return nil, err
	}
	p := m.project
	return map[string]any{
		"id": strconv.FormatInt(m.id, 10), "slug": m.slug, "name": m.name, "status": m.status, "isMuted": m.muted, "isUpserting": m.upserted, "type": "cron_job",
		"config": m.config, "dateCreated": stamp(m.created), "owner": owner, "environments": states, "mark": Mark(r.org.slug),
		"project": map[string]any{"id": strconv.FormatInt(p.id, 10), "slug": p.slug, "name": p.name, "platform": p.platform},
	}, nil
}

// monitorStates tells for each environment how the last runs went and when the
// next one is due.
func (r *request) monitorStates(m monitor) ([]map[string]any, error) {
	envs, err := json.Marshal(r.environments())
	if err != nil {
		return nil, err
	}
	next, err := m.config.next()
	if err != nil {
		return nil, err
	}
	return collect(r.Context(), r.sb.read(), func(rows *sql.Rows) (map[string]any, error) {
		var e monitorEnv
		err := rows.Scan(&e.name, &e.created, &e.muted, &e.last, &e.heard, &e.well, &e.incident, &e.issue, &e.short)
		return e.json(m, next), err
	}, `SELECT e.env, e.created, e.muted, (SELECT max(started) FROM checkin c WHERE c.monitor = e.monitor AND c.env = e.env),
			(SELECT max(started) FROM checkin c WHERE c.monitor = e.monitor AND c.env = e.env AND c.status <> 'missed'),
			EXISTS (SELECT 1 FROM checkin c WHERE c.monitor = e.monitor AND c.env = e.env AND c.status = 'ok'),
			i.started, coalesce(g.id, 0), coalesce(g.short, '')
		FROM monitor_env e LEFT JOIN incident i ON i.id = (SELECT min(id) FROM incident WHERE monitor = e.monitor AND env = e.env AND resolved IS NULL)
			LEFT JOIN issue g ON g.id = i.issue
		WHERE e.monitor = ?1 AND (?2 = 'null' OR e.env IN (SELECT value FROM json_each(?2))) ORDER BY e.env`, m.id, string(envs))
}

// monitorEnv is what is shown of a monitor in an environment.
type monitorEnv struct {
	name, short string
	created     float64
	muted, well bool
	last, heard sql.NullFloat64 // when a run was due or began; when one began
	incident    sql.NullFloat64 // since when
	issue       int64
}

func (e monitorEnv) json(m monitor, next func(time.Time) time.Time) map[string]any {
	status := active
	switch {
	case e.incident.Valid:
		status = "error"
	case e.well:
		status = "ok"
	}
	out := map[string]any{
		"name": e.name, "status": status, "isMuted": m.muted || e.muted, "dateCreated": stamp(e.created), "lastCheckIn": stampOrNil(e.heard),
		"nextCheckIn": nil, "nextCheckInLatest": nil, "activeIncident": nil,
	}
	if due := next(fromSeconds(max(e.last.Float64, m.since))); e.last.Valid && m.status == active && !due.IsZero() {
		out["nextCheckIn"], out["nextCheckInLatest"] = stamp(seconds(due)), stamp(seconds(due.Add(m.config.margin())))
	}
	if e.incident.Valid {
		out["activeIncident"] = map[string]any{
			"startingTimestamp": stamp(e.incident.Float64), "resolvingTimestamp": nil, "brokenNotice": nil, "groups": issueRefs(e.issue, e.short),
		}
	}
	return out
}

// issueRefs are the links from a monitor to its issue, if that is still there.
func issueRefs(id int64, short string) []any {
	if short == "" {
		return []any{}
	}
	return []any{map[string]any{"id": strconv.FormatInt(id, 10), "shortId": short}}
}

// runs are those of the time range, newest first: all of them, or a page.
func (r *request) runs(m monitor, start, end time.Time, limit, offset int) ([]run, error) {
	envs, err := json.Marshal(r.environments())
	if err != nil {
		return nil, err
	}
	return collect(r.Context(), r.sb.read(), func(rows *sql.Rows) (c run, err error) {
		return c, rows.Scan(append([]any{&c.short}, c.fields()...)...)
	},
		"SELECT coalesce((SELECT short FROM issue WHERE issue.id = checkin.issue), ''), "+runColumns+` WHERE monitor = ?1 AND started BETWEEN ?2 AND ?3
			AND (?4 = 'null' OR env IN (SELECT value FROM json_each(?4))) ORDER BY started DESC, id DESC LIMIT ?5 OFFSET ?6`,
		m.id, seconds(start), seconds(end), string(envs), limit, offset)
}

func listCheckIns(r *request) (any, error) {
	m, err := r.monitor()
	if err != nil {
		return nil, err
	}
	start, end, err := r.timeRange(searchPeriod)
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	all, err := r.runs(m, start, end, limit+1, offset)
	if err != nil {
		return nil, err
	}
	return each(cut(r, all, limit, offset), func(c run) map[string]any {
		out := c.json()
		out["mark"] = Mark(r.org.slug)
		return out
	}), nil
}

func (c run) json() map[string]any {
	out := map[string]any{
		"id": c.guid, "status": c.status, "environment": c.env, "dateCreated": stamp(c.started), "dateUpdated": stamp(c.updated),
		"duration": nil, "expectedTime": stampOrNil(c.expected), "traceId": orNil(c.trace), "groups": issueRefs(c.issue, c.short),
	}
	if c.duration.Valid {
		out["duration"] = int64(c.duration.Float64)
	}
	return out
}

// monitorStats counts runs by how they went, for each step of time.
func monitorStats(r *request) (any, error) {
	m, err := r.monitor()
	if err != nil {
		return nil, err
	}
	since, until, step, err := r.steps()
	if err != nil {
		return nil, err
	}
	all, err := r.runs(m, time.Unix(since, 0), time.Unix(until, 0).Add(-time.Nanosecond), -1, 0)
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	took, ended := map[int64]float64{}, map[int64]float64{}
	for ts := since; ts < until; ts += step {
		out = append(out, map[string]any{
			"ts": ts, "ok": 0, "error": 0, "missed": 0, "timeout": 0, inProgress: 0, "unknown": 0, "duration": 0.,
		})
	}
	for _, c := range all {
		i := (int64(c.started) - since) / step
		if i < 0 || i >= int64(len(out)) {
			continue
		}
		n, _ := out[i][c.status].(int)
		out[i][c.status] = n + 1
		if c.duration.Valid {
			took[i] += c.duration.Float64
			ended[i]++
			out[i]["duration"] = took[i] / ended[i]
		}
	}
	return out, nil
}

// steps reads since and until, in Unix seconds, and resolution, such as 3600s.
// Without them it is the last day by the hour.
func (r *request) steps() (since, until, step int64, err error) {
	q := r.URL.Query()
	now := r.sb.now().Unix()
	read := func(name string, def int64) int64 {
		if q.Get(name) == "" || err != nil {
			return def
		}
		f, ok := payload.Number(q.Get(name))
		if !ok || f < 0 || f > 1e11 {
			err = badRequest("Invalid %s: %q. Write Unix seconds.", name, payload.Clip(q.Get(name), 50))
		}
		return int64(f)
	}
	until = read("until", now)
	since = read("since", until-24*3600)
	step = 3600
	if s := q.Get("resolution"); s != "" && err == nil {
		var d time.Duration
		d, err = parsePeriod(s)
		step = int64(d.Seconds())
	}
	if err == nil && (since >= until || (until-since)/max(1, step) > maxBuckets) {
		err = badRequest("since must be before until, by at most %d times the resolution", maxBuckets)
	}
	return since - since%max(1, step), until, step, err
}
