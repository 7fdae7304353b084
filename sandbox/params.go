package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	maxPage   = 100
	maxOffset = 1_000_000
	maxPeriod = 366 * 24 * time.Hour
)

// projectIDs returns the projects that the request is about: the one of the
// path, those of ?project= (an id, a slug, or -1 for all, repeated), or all of
// the organization's. None of them is ever of another organization.
func (r *request) projectIDs() ([]int64, error) {
	if r.project.id != 0 {
		return []int64{r.project.id}, nil
	}
	all, err := r.sb.projectsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	names := nonEmpty(r.URL.Query()["project"])
	ids := []int64{}
	for _, name := range names {
		if name == "-1" {
			names = nil
			break
		}
		i := indexProject(all, name)
		if i < 0 {
			return nil, refuse(http.StatusForbidden, "There is no project %q in this organization, or you do not have access to it.", payload.Clip(name, 100))
		}
		ids = append(ids, all[i].id)
	}
	if len(names) == 0 {
		ids = ids[:0]
		for _, p := range all {
			ids = append(ids, p.id)
		}
	}
	return ids, nil
}

func indexProject(all []project, name string) int {
	for i, p := range all {
		if strings.EqualFold(p.slug, name) || strconv.FormatInt(p.id, 10) == name {
			return i
		}
	}
	return -1
}

// environments are those of ?environment=, repeated; none means all.
func (r *request) environments() []string { return nonEmpty(r.URL.Query()["environment"]) }

func nonEmpty(values []string) []string {
	var out []string
	for _, v := range values {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// timeRange reads ?statsPeriod=, which wins, or ?start= and ?end=. Without any,
// the range is the last def.
func (r *request) timeRange(def time.Duration) (start, end time.Time, err error) {
	now := r.sb.now()
	q := r.URL.Query()
	if period := q.Get("statsPeriod"); period != "" {
		d, err := parsePeriod(period)
		if err != nil {
			return start, end, err
		}
		return now.Add(-d), now, nil
	}
	if q.Get("start") == "" && q.Get("end") == "" {
		return now.Add(-def), now, nil
	}
	if q.Get("start") == "" || q.Get("end") == "" {
		return start, end, badRequest("start and end are both required")
	}
	if start, err = parseTime("start", q.Get("start")); err != nil {
		return start, end, err
	}
	if end, err = parseTime("end", q.Get("end")); err != nil {
		return start, end, err
	}
	if !start.Before(end) {
		return start, end, badRequest("start must be before end")
	}
	return start, end, nil
}

func parsePeriod(s string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit, number := units[s[len(s)-1]], s[:len(s)-1]
	if unit == 0 { // a bare number is seconds
		unit, number = time.Second, s
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 || time.Duration(n) > maxPeriod/unit {
		return 0, badRequest("Invalid statsPeriod: %q. Write a number and a unit, such as 24h, 14d or 2w, of at most 366 days.", payload.Clip(s, 50))
	}
	return time.Duration(n) * unit, nil
}

func parseTime(name, s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badRequest("Invalid %s: %q. Write an ISO 8601 date or time, such as 2026-01-31 or 2026-01-31T12:00:00Z.", name, payload.Clip(s, 50))
}

// page reads ?per_page= (or ?limit=) and ?cursor=. Ask the database for one row
// more than limit to learn whether there is a next page; max is also the
// default.
func (r *request) page(max int) (limit, offset int, err error) {
	q := r.URL.Query()
	limit = min(max, maxPage)
	for _, name := range []string{"per_page", "limit"} {
		v := q.Get(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPage {
			return 0, 0, badRequest("Invalid %s value %q. Must be between 1 and %d.", name, payload.Clip(v, 50), maxPage)
		}
		limit = min(n, max)
		break
	}
	if v := q.Get("cursor"); v != "" {
		if offset, err = parseCursor(v); err != nil {
			return 0, 0, err
		}
	}
	return limit, offset, nil
}

func parseCursor(s string) (int, error) {
	parts := strings.Split(s, ":")
	if len(parts) == 3 && (parts[2] == "0" || parts[2] == "1") {
		if n, err := strconv.Atoi(parts[1]); err == nil && n >= 0 && n <= maxOffset {
			return n, nil
		}
	}
	return 0, badRequest("Invalid cursor parameter. Take it from the Link header of the page before.")
}

// link sets the Link header. Commas are encoded: a well-known client splits
// the header at every one.
func (r *request) link(limit, offset int, more bool) {
	r.header.Set("Link", r.linkTo("previous", max(0, offset-limit), 1, offset > 0)+", "+
		r.linkTo("next", offset+limit, 0, more))
}

func (r *request) linkTo(rel string, offset, prev int, results bool) string {
	cursor := fmt.Sprintf("0:%d:%d", offset, prev)
	q := r.URL.Query()
	q.Set("cursor", cursor)
	target := r.sb.baseURL() + strings.ReplaceAll((&url.URL{Path: r.URL.Path}).EscapedPath(), ",", "%2C") + "?" + q.Encode()
	return fmt.Sprintf("<%s>; rel=%q; results=%q; cursor=%q", target, rel, strconv.FormatBool(results), cursor)
}

// paged is collect for one page of an answer. The statement, which must not end
// with a LIMIT, has its parameters numbered, or in their order.
func paged[T any](r *request, scan func(*sql.Rows) (T, error), statement string, args ...any) ([]T, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	rows, err := collect(r.Context(), r.sb.read(), scan, statement+" LIMIT ? OFFSET ?", append(args, limit+1, offset)...)
	if err != nil {
		return nil, err
	}
	return cut(r, rows, limit, offset), nil
}

// cut takes one page from rows that were asked for with one row to spare, and
// sets Link.
func cut[T any](r *request, rows []T, limit, offset int) []T {
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	r.link(limit, offset, more)
	return rows
}
