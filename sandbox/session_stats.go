package sandbox

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	maxPoints   = 10_000 // groups times intervals in one answer
	statsLayout = "2006-01-02T15:04:05Z"
)

func (s *Sandbox) sessionRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /organizations/{org}/sessions/", "org:read|project:read", sessionStats)
}

// shownStates are the values of session.status.
var shownStates = []struct {
	name  string
	state payload.SessionState
}{{"healthy", payload.Healthy}, {"errored", payload.Errored}, {"unhandled", payload.Unhandled}, {"abnormal", payload.Abnormal}, {"crashed", payload.Crashed}}

// sessionFields make a number of a tally. Only the first two can be told apart
// by session.status.
var sessionFields = map[string]func(t tally) any{
	"sum(session)":             func(t tally) any { return total(t.sessions) },
	"count_unique(user)":       func(t tally) any { return total(t.users) },
	"crash_rate(session)":      func(t tally) any { return rateOrNil(t.sessions, false) },
	"crash_rate(user)":         func(t tally) any { return rateOrNil(t.users, false) },
	"crash_free_rate(session)": func(t tally) any { return rateOrNil(t.sessions, true) },
	"crash_free_rate(user)":    func(t tally) any { return rateOrNil(t.users, true) },
}

func rateOrNil(counts [payload.SessionStates]int64, free bool) any {
	rate, ok := crashRate(counts)
	switch {
	case !ok:
		return nil
	case free:
		return 1 - rate
	}
	return rate
}

// statsRequest is what /sessions/ is asked for.
type statsRequest struct {
	fields, groups []string
	by             tallyBy
	byStatus       bool
	end            time.Time
	intervals      int
	order          string
	descending     bool
	totals, series bool
}

func (r *request) statsRequest() (q statsRequest, err error) {
	v := r.URL.Query()
	q = statsRequest{fields: nonEmpty(v["field"]), groups: nonEmpty(v["groupBy"]), totals: v.Get("includeTotals") != "0", series: v.Get("includeSeries") != "0"}
	if len(q.fields) == 0 || len(q.fields) > maxSelected {
		return q, badRequest("Request is missing a \"field\". There can be at most %d.", maxSelected)
	}
	for _, f := range q.fields {
		if sessionFields[f] == nil {
			return q, badRequest("Invalid field: %q. It must be one of %s.", payload.Clip(f, 50), strings.Join(payload.SortedKeys(anyKeys(sessionFields)), ", "))
		}
	}
	for _, g := range q.groups {
		switch g {
		case "project":
			q.by.project = true
		case "release":
			q.by.release = true
		case "environment":
			q.by.environment = true
		case "session.status":
			q.byStatus = true
		default:
			return q, badRequest("Invalid groupBy: %q. It must be one of environment, project, release, session.status.", payload.Clip(g, 50))
		}
	}
	if rate := slices.IndexFunc(q.fields, func(f string) bool { return strings.Contains(f, "_rate(") }); q.byStatus && rate >= 0 {
		return q, badRequest("Cannot group by session.status with the field %s.", q.fields[rate])
	}
	q.order, q.descending = q.fields[0], true
	if order := v.Get("orderBy"); order != "" {
		q.order, q.descending = strings.CutPrefix(order, "-")
		if !slices.Contains(q.fields, q.order) {
			return q, badRequest("Invalid orderBy: %q. It must be one of the fields, with or without a - before it.", payload.Clip(order, 50))
		}
	}
	return q, r.statsRange(&q)
}

func anyKeys[T any](m map[string]T) map[string]any {
	out := map[string]any{}
	for key := range m {
		out[key] = nil
	}
	return out
}

// statsRange has the range begin and end with an interval.
func (r *request) statsRange(q *statsRequest) error {
	interval := time.Hour
	if v := r.URL.Query().Get("interval"); v != "" {
		var err error
		if interval, err = parsePeriod(v); err != nil {
			return badRequest("Invalid interval: %q. Write a number and a unit, such as 1h or 1d.", payload.Clip(v, 50))
		}
	}
	if day := 24 * time.Hour; interval%time.Hour != 0 || interval > day || day%interval != 0 {
		return badRequest("The interval has to be whole hours, at most a day, and divide the day.")
	}
	start, end, err := r.timeRange(keysPeriod)
	if err != nil {
		return err
	}
	q.by.start, q.by.interval = start.Truncate(interval), interval
	if q.end = end.Truncate(interval); q.end.Before(end) {
		q.end = q.end.Add(interval)
	}
	if q.intervals = int(q.end.Sub(q.by.start) / interval); q.intervals > maxPoints {
		return badRequest("There would be more than %d intervals. Ask for a longer interval or a shorter time range.", maxPoints)
	}
	return nil
}

// statsGroup is one group of the answer.
type statsGroup struct {
	by     map[string]any
	total  tally
	series map[int64]tally
}

// sessionStats counts sessions and users, altogether and by interval.
func sessionStats(r *request) (any, error) {
	q, err := r.statsRequest()
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	env, err := r.searchEnv(keysPeriod)
	if err != nil {
		return nil, err
	}
	env.Start, env.End = q.by.start, q.end.Add(-time.Millisecond)
	text := r.URL.Query().Get("query")
	cond, err := query.ParseEvents("sessions", text, env)
	if err != nil {
		return nil, badQuery(err)
	}
	if having, _ := cond.Having(); having != "1" {
		return nil, badRequest("Sessions cannot be searched by functions.")
	}
	groups, err := r.statsGroups(cond, q)
	if err != nil {
		return nil, err
	}
	groups = groups[min(offset, len(groups)):]
	limit = min(limit, max(1, maxPoints/(q.intervals+1)))
	groups = cut(r, groups, limit, offset)
	intervals := make([]string, q.intervals)
	for i := range intervals {
		intervals[i] = q.by.start.Add(time.Duration(i) * q.by.interval).UTC().Format(statsLayout)
	}
	return map[string]any{
		"start": q.by.start.UTC().Format(statsLayout), "end": q.end.UTC().Format(statsLayout), "query": text, "intervals": intervals,
		"groups": each(groups, q.json),
	}, nil
}

// statsGroups are all groups, in order.
func (r *request) statsGroups(cond *query.Cond, q statsRequest) ([]statsGroup, error) {
	whole := q.by
	whole.interval = 0
	totals, err := r.tallies(cond, whole)
	if err != nil {
		return nil, err
	}
	parts := map[tallyKey]*tally{}
	if q.series {
		if parts, err = r.tallies(cond, q.by); err != nil {
			return nil, err
		}
	}
	if len(totals) == 0 && !q.by.project && !q.by.release && !q.by.environment {
		totals[tallyKey{}] = &tally{} // the one group that there always is
	}
	series := map[tallyKey]map[int64]tally{}
	for k, t := range parts {
		i := k.interval
		k.interval = 0
		if series[k] == nil {
			series[k] = map[int64]tally{}
		}
		series[k][i] = *t
	}
	var out []statsGroup
	for k, t := range totals {
		out = append(out, q.split(statsGroup{q.name(k), *t, series[k]})...)
	}
	value := func(g statsGroup) float64 { return asFloat(sessionFields[q.order](g.total)) }
	slices.SortFunc(out, func(a, b statsGroup) int {
		by := cmp.Compare(value(a), value(b))
		if q.descending {
			by = -by
		}
		return cmp.Or(by, cmp.Compare(nameOf(a.by), nameOf(b.by)))
	})
	return out, nil
}

func (q statsRequest) name(k tallyKey) map[string]any {
	by := map[string]any{}
	for _, g := range q.groups {
		switch g {
		case "project":
			by[g] = k.project
		case "release":
			by[g] = k.release
		case "environment":
			by[g] = k.environment
		}
	}
	return by
}

// split makes a group of each session.status, if that is asked for.
func (q statsRequest) split(g statsGroup) []statsGroup {
	if !q.byStatus {
		return []statsGroup{g}
	}
	var out []statsGroup
	for _, s := range shownStates {
		by := map[string]any{"session.status": s.name}
		for name, v := range g.by {
			by[name] = v
		}
		one := statsGroup{by, g.total.only(s.state), map[int64]tally{}}
		for i, t := range g.series {
			one.series[i] = t.only(s.state)
		}
		out = append(out, one)
	}
	return out
}

// only is the tally of one state.
func (t tally) only(state payload.SessionState) (out tally) {
	out.sessions[state], out.users[state] = t.sessions[state], t.users[state]
	return out
}

func (q statsRequest) json(g statsGroup) map[string]any {
	out := map[string]any{"by": g.by}
	totals, series := map[string]any{}, map[string]any{}
	for _, f := range q.fields {
		totals[f] = sessionFields[f](g.total)
		points := make([]any, q.intervals)
		for i := range points {
			points[i] = sessionFields[f](g.series[int64(i)])
		}
		series[f] = points
	}
	if q.totals {
		out["totals"] = totals
	}
	if q.series {
		out["series"] = series
	}
	return out
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.Inf(-1)
}

// nameOf orders groups that are equal.
func nameOf(by map[string]any) string {
	var parts []string
	for _, key := range payload.SortedKeys(by) {
		parts = append(parts, fmt.Sprint(by[key]))
	}
	return strings.Join(parts, "\x00")
}
