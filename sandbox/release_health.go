package sandbox

import (
	"database/sql"
	"encoding/json"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

// adopted is from how much of a day's sessions on, in percent, a release counts
// as adopted.
const adopted = 10

// health is how the releases of an organization go, by project and release.
type health struct {
	period, day map[tallyKey]*tally // the day's also by project alone
	hours       map[tallyKey]*tally // of the day
	began       time.Time           // the first of the hours
	known       map[tallyKey]bool   // of which there were sessions at all
}

// readHealth reads the health of all releases in the projects. Only whether
// there is any is read without whole.
func (r *request) readHealth(projects []project, whole bool) (h health, err error) {
	env := query.Env{Now: r.sb.now(), Environments: r.environments()}
	for _, p := range projects {
		env.Projects = append(env.Projects, p.id)
	}
	if h.known, err = r.knownHealth(env.Projects); err != nil || !whole {
		return h, err
	}
	period := healthPeriod
	if v := r.URL.Query().Get("summaryStatsPeriod"); v != "" {
		if period, err = parsePeriod(v); err != nil {
			return h, err
		}
	}
	by := tallyBy{project: true, release: true}
	if h.period, err = r.talliesSince(env, period, by); err != nil {
		return h, err
	}
	if h.day, err = r.talliesSince(env, 24*time.Hour, by); err != nil {
		return h, err
	}
	all, err := r.talliesSince(env, 24*time.Hour, tallyBy{project: true})
	if err != nil {
		return h, err
	}
	for k, t := range all {
		h.day[k] = t
	}
	h.began = env.Now.Add(-24 * time.Hour).Truncate(time.Hour)
	by.start, by.interval = h.began, time.Hour
	h.hours, err = r.talliesSince(env, 24*time.Hour, by)
	return h, err
}

func (r *request) talliesSince(env query.Env, period time.Duration, by tallyBy) (map[tallyKey]*tally, error) {
	env.Start = env.Now.Add(-period).Truncate(time.Hour)
	cond, err := query.ParseEvents("sessions", "", env)
	if err != nil {
		return nil, badQuery(err)
	}
	return r.tallies(cond, by)
}

func (r *request) knownHealth(projects []int64) (map[tallyKey]bool, error) {
	in, err := json.Marshal(projects)
	if err != nil {
		return nil, err
	}
	known := map[tallyKey]bool{}
	_, err = searched(r, func(rows *sql.Rows) (k tallyKey, err error) {
		err = rows.Scan(&k.project, &k.release)
		known[k] = true
		return k, err
	}, "SELECT DISTINCT project, release FROM session_count WHERE project IN (SELECT value FROM json_each(?))", []any{string(in)})
	return known, err
}

// describe adds the health of a release to what is said of it in a project.
func (h health) describe(out map[string]any, project int64, version string) {
	k := tallyKey{project: project, release: version}
	out["hasHealthData"] = h.known[k]
	if h.period == nil {
		return
	}
	period, day, all := h.of(h.period, k), h.of(h.day, k), h.of(h.day, tallyKey{project: project})
	percent := func(counts [payload.SessionStates]int64) any {
		if rate, ok := crashRate(counts); ok {
			return 100 * (1 - rate)
		}
		return nil
	}
	out["healthData"] = map[string]any{
		"hasHealthData": h.known[k], "durationP50": nil, "durationP90": nil,
		"crashFreeSessions": percent(period.sessions), "crashFreeUsers": percent(period.users),
		"totalSessions": total(period.sessions), "totalUsers": total(period.users), "totalSessions24h": total(day.sessions), "totalUsers24h": total(day.users),
		"totalProjectSessions24h": total(all.sessions), "totalProjectUsers24h": total(all.users),
		"sessionsCrashed": period.sessions[payload.Crashed], "sessionsErrored": total(period.sessions) - period.sessions[payload.Healthy],
		"adoption": share(total(day.users), total(all.users)), "sessionsAdoption": share(total(day.sessions), total(all.sessions)),
		"stats": map[string]any{"24h": h.stats(k)},
	}
}

// stats are the sessions of each of the hours.
func (h health) stats(k tallyKey) [][2]int64 {
	var out [][2]int64
	for k.interval = 0; k.interval <= 24; k.interval++ {
		at := h.began.Add(time.Duration(k.interval) * time.Hour)
		out = append(out, [2]int64{at.Unix(), total(h.of(h.hours, k).sessions)})
	}
	return out
}

func (h health) of(tallies map[tallyKey]*tally, k tallyKey) tally {
	if t := tallies[k]; t != nil {
		return *t
	}
	return tally{}
}

// share is a part in percent, null of nothing.
func share(part, all int64) any {
	if all == 0 {
		return nil
	}
	return 100 * float64(part) / float64(all)
}

// stages tells how far the release came in each of its projects, as they are
// in its answer.
func (h health) stages(version string, projects any) map[string]any {
	out := map[string]any{}
	list, _ := projects.([]any)
	for _, p := range list {
		ref, _ := p.(map[string]any)
		out[payload.Text(ref["slug"])] = h.stage(asID(payload.Text(ref["id"])), version)
	}
	return out
}

func (h health) stage(project int64, version string) map[string]any {
	k := tallyKey{project: project, release: version}
	day, all := total(h.of(h.day, k).sessions), total(h.of(h.day, tallyKey{project: project}).sessions)
	stage := "low_adoption"
	switch {
	case day == 0 && h.known[k]:
		stage = "replaced"
	case day > 0 && day*100 >= all*adopted:
		stage = "adopted"
	}
	return map[string]any{"stage": stage, "adopted": nil, "unadopted": nil}
}
