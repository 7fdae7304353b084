package sandbox

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	maxRuns    = 20_000 // of a monitor that one answer looks at
	maxSlots   = 50_000 // times when a run was due, as well; a month has fewer minutes
	maxBuckets = 2_000
)

type monitor struct {
	id      int64
	project project
	slug    string
	name    string
	config  monitorConfig
	created float64
}

const monitorColumns = "m.id, m.slug, m.name, m.config, m.created, " + projectColumns + " FROM monitor m JOIN project p ON p.id = m.project"

func (m *monitor) scan(scan func(...any) error) error {
	var raw []byte
	if err := scan(append([]any{&m.id, &m.slug, &m.name, &raw, &m.created}, m.project.fields()...)...); err != nil {
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
	expected                 time.Time       // zero: not known
}

const runColumns = "guid, env, status, trace_id, started, updated, duration FROM checkin"

func scanRun(rows *sql.Rows) (c run, err error) {
	return c, rows.Scan(&c.guid, &c.env, &c.status, &c.trace, &c.started, &c.updated, &c.duration)
}

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
	ids, err := r.monitorProjects()
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
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
	all, err := collect(r.Context(), r.sb.read(), scanMonitor, "SELECT "+monitorColumns+` WHERE p.org = ?1 AND p.id IN (SELECT value FROM json_each(?2))
			AND (instr(lower(m.slug), ?3) OR instr(lower(m.name), ?3))
			AND (?4 = 'null' OR EXISTS (SELECT 1 FROM checkin c WHERE c.monitor = m.id AND c.env IN (SELECT value FROM json_each(?4))))
		ORDER BY m.slug, m.id LIMIT ?5 OFFSET ?6`, r.org.id, string(projects), r.text("query"), string(envs), limit+1, offset)
	if err != nil {
		return nil, err
	}
	if owners := nonEmpty(r.URL.Query()["owner"]); len(owners) > 0 && !slices.Contains(owners, "unassigned") {
		all = nil // here, no monitor belongs to anybody
	}
	out := []map[string]any{}
	for _, m := range cut(r, all, limit, offset) {
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
	p := m.project
	return map[string]any{
		"id": strconv.FormatInt(m.id, 10), "slug": m.slug, "name": m.name, "status": "active", "isMuted": false, "isUpserting": true,
		"config": m.config, "dateCreated": stamp(m.created), "owner": nil, "environments": states,
		"project": map[string]any{"id": strconv.FormatInt(p.id, 10), "slug": p.slug, "name": p.name, "platform": p.platform},
	}, nil
}

// monitorStates tells for each environment how the last run went and when the
// next one is due.
func (r *request) monitorStates(m monitor) ([]map[string]any, error) {
	// With max(), SQLite takes the other columns from the row that has it.
	last, err := collect(r.Context(), r.sb.read(), func(rows *sql.Rows) (c run, err error) {
		return c, rows.Scan(&c.env, &c.status, &c.started)
	}, "SELECT env, status, max(started) FROM checkin WHERE monitor = ? GROUP BY env ORDER BY env", m.id)
	if err != nil {
		return nil, err
	}
	next, err := m.config.next()
	if err != nil {
		return nil, err
	}
	out, now, asked := []map[string]any{}, r.sb.now(), r.environments()
	for _, c := range last {
		if len(asked) > 0 && !slices.Contains(asked, c.env) {
			continue
		}
		status := c.status
		if c.late(m.config, now) {
			status = "error"
		} else if status == inProgress {
			if status, err = r.lastOutcome(m.id, c.env); err != nil {
				return nil, err
			}
		}
		due := next(fromSeconds(c.started))
		if !due.IsZero() && due.Add(m.config.margin()).Before(now) {
			status, due = "error", next(now)
		}
		out = append(out, map[string]any{
			"name": c.env, "status": status, "isMuted": false, "dateCreated": stamp(m.created), "lastCheckIn": stamp(c.started),
			"nextCheckIn": stamp(seconds(due)), "nextCheckInLatest": stamp(seconds(due.Add(m.config.margin()))), "activeIncident": nil,
		})
	}
	return out, nil
}

// late: a run that should have ended.
func (c run) late(config monitorConfig, now time.Time) bool {
	return c.status == inProgress && fromSeconds(c.started).Add(config.runtime()).Before(now)
}

// lastOutcome is that of the last run that has ended; "active" when none has.
func (r *request) lastOutcome(monitor int64, env string) (status string, err error) {
	status = "active"
	err = r.sb.read().QueryRowContext(r.Context(), `SELECT coalesce((SELECT status FROM checkin
		WHERE monitor = ? AND env = ? AND status <> 'in_progress' ORDER BY started DESC, id DESC LIMIT 1), 'active')`, monitor, env).Scan(&status)
	return status, err
}

// runs are those of the time range, newest first, with those that did not take
// place and those that did not end in time.
func (r *request) runs(m monitor, start, end time.Time) ([]run, error) {
	// The runs before the range tell what was due in it, and one just after it
	// may be one of it that began late.
	all, err := collect(r.Context(), r.sb.read(), scanRun, "SELECT "+runColumns+" WHERE monitor = ? AND started <= ? ORDER BY started DESC, id DESC LIMIT ?",
		m.id, seconds(end.Add(m.config.margin())), maxRuns)
	if err != nil {
		return nil, err
	}
	next, err := m.config.next()
	if err != nil {
		return nil, err
	}
	now, asked := r.sb.now(), r.environments()
	out, until, slots := []run{}, map[string]time.Time{}, maxSlots
	for _, c := range all {
		if len(asked) > 0 && !slices.Contains(asked, c.env) {
			continue
		}
		begun := fromSeconds(c.started)
		bound, ok := until[c.env]
		if !ok {
			bound = now
		}
		until[c.env] = begun
		due := next(begun)
		for ; slots > 0 && !due.IsZero() && due.Add(m.config.margin()).Before(bound) && !due.After(end); slots-- {
			if !due.Before(start) {
				out = append(out, run{env: c.env, status: "missed", started: seconds(due), updated: seconds(due.Add(m.config.margin())), expected: due})
			}
			due = next(due)
		}
		if c.late(m.config, now) {
			c.status = "timeout"
		}
		if !begun.Before(start) && !begun.After(end) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b run) int { return cmp.Compare(b.started, a.started) })
	return out, nil
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
	all, err := r.runs(m, start, end)
	if err != nil {
		return nil, err
	}
	all = all[min(offset, len(all)):]
	return each(cut(r, all[:min(len(all), limit+1)], limit, offset), run.json), nil
}

func (c run) json() map[string]any {
	id := c.guid
	if c.status == "missed" { // the same each time it is asked for
		sum := sha256.Sum256([]byte(c.env + " " + stamp(c.started)))
		id = hex.EncodeToString(sum[:16])
	}
	out := map[string]any{
		"id": id, "status": c.status, "environment": c.env, "dateCreated": stamp(c.started), "dateUpdated": stamp(c.updated),
		"duration": nil, "expectedTime": nil, "traceId": orNil(c.trace), "groups": []any{},
	}
	if c.duration.Valid {
		out["duration"] = int64(c.duration.Float64)
	}
	if !c.expected.IsZero() {
		out["expectedTime"] = stamp(seconds(c.expected))
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
	all, err := r.runs(m, time.Unix(since, 0), time.Unix(until, 0).Add(-time.Nanosecond))
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
