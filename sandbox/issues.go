package sandbox

import (
	"database/sql"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	searchPeriod  = 90 * 24 * time.Hour
	issuePage     = 25
	maxTagValues  = 100
	defaultSearch = "is:unresolved"
)

func (s *Sandbox) issueRoutes(reg func(pattern, scope string, h handler)) {
	const one = "/organizations/{org}/issues/{issue}"
	reg("GET /organizations/{org}/issues/", "event:read", listIssues)
	reg("GET /projects/{org}/{project}/issues/", "event:read", listIssues)
	reg("GET "+one+"/", "event:read", getIssue)
	reg("PUT "+one+"/", "event:write", updateIssue)
	reg("GET "+one+"/events/", "event:read", listIssueEvents)
	reg("GET "+one+"/events/{event}/", "event:read", getIssueEvent)
	reg("GET "+one+"/events/{event}/grouping-info/", "event:read", getIssueGrouping)
	reg("GET /projects/{org}/{project}/events/{event}/grouping-info/", "event:read", getEventGrouping)
	reg("GET "+one+"/hashes/", "event:read", listHashes)
	reg("GET "+one+"/tags/{key}/", "event:read", issueTag)
	reg("GET "+one+"/activities/", "event:read", listActivities)
	reg("GET "+one+"/notes/", "event:read", listNotes)
	reg("POST "+one+"/notes/", "event:write", addNote)
	reg("GET "+one+"/user-reports/", "event:read", listUserReports)
	reg("GET "+one+"/external-issues/", "event:read", ofIssue([]any{}))
	s.seerRoutes(reg)
}

// ofIssue answers the same for every issue there is.
func ofIssue(answer any) handler {
	return func(r *request) (any, error) {
		_, err := r.issue()
		return answer, err
	}
}

// issue looks up {issue} of the path, a short id or a number.
func (r *request) issue() (is issue, err error) {
	if err := r.sb.settle(r.Context(), r.org.id); err != nil {
		return is, err
	}
	name := r.PathValue("issue")
	row := r.sb.read().QueryRowContext(r.Context(), "SELECT "+issueColumns+` FROM issue i JOIN project p ON p.id = i.project
		WHERE p.org = ?1 AND (i.id = ?2 OR i.short = ?3) AND p.id IN (SELECT project FROM access WHERE user = ?4) LIMIT 1`,
		r.org.id, asID(name), strings.ToUpper(name), r.user.ID)
	return is, orNotFound(is.scan(row.Scan))
}

// searchEnv is what a search depends on besides its text.
func (r *request) searchEnv(def time.Duration) (env query.Env, err error) {
	env = query.Env{Now: r.sb.now(), UserID: r.user.ID, Guest: r.org.role == "guest", Environments: r.environments(), Teams: map[string]int64{}}
	teams, err := r.sb.teamsOf(r.Context(), r.org)
	if err != nil {
		return env, err
	}
	for _, t := range teams {
		if env.Teams[strings.ToLower(t.slug)] = t.id; t.mine {
			env.MyTeams = append(env.MyTeams, t.id)
		}
	}
	if env.Projects, err = r.projectIDs(); err != nil {
		return env, err
	}
	env.Start, env.End, err = r.timeRange(def)
	if env.End.Equal(env.Now) { // what a sender with a fast clock just sent is to be found
		env.End = env.End.Add(payload.MaxAhead)
	}
	return env, err
}

// badQuery answers for a search that cannot be read.
func badQuery(err error) error {
	var qe *query.Error
	if errors.As(err, &qe) {
		return badRequest("%s", qe.Error())
	}
	return err
}

func listIssues(r *request) (any, error) {
	if err := r.sb.settle(r.Context(), r.org.id); err != nil {
		return nil, err
	}
	env, err := r.searchEnv(searchPeriod)
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.issuePage()
	if err != nil {
		return nil, err
	}
	text := defaultSearch
	if q, ok := r.URL.Query()["query"]; ok {
		text = q[0] // an empty query asks for everything
	}
	cond, err := query.ParseIssues(text, env)
	if err != nil {
		return nil, badQuery(err)
	}
	order, err := query.IssueSort(r.URL.Query().Get("sort"))
	if err != nil {
		return nil, badQuery(err)
	}
	where, args := cond.SQL()
	if !asksForFeedback(text) {
		where = "(" + where + ") AND i.category <> 'feedback'"
	}
	// The organization is asked for again: no search text may reach beyond it.
	args = append(args, r.org.id, limit+1, offset)
	// The page is cut first, or the users of every issue found would be counted.
	issues, err := searched(r, scanIssue, "SELECT "+issueColumns+` FROM (
			SELECT i.id AS page_id, row_number() OVER (ORDER BY `+order+`) AS page_row FROM issue i JOIN project p ON p.id = i.project
			WHERE (`+where+`) AND p.org = ? ORDER BY page_row LIMIT ? OFFSET ?)
		JOIN issue i ON i.id = page_id ORDER BY page_row`, args)
	if err != nil {
		return nil, err
	}
	return r.issuesJSON(cut(r, issues, limit, offset))
}

// issuePage is page, but for a default that is smaller than what may be asked.
func (r *request) issuePage() (limit, offset int, err error) {
	q := r.URL.Query()
	if limit, offset, err = r.page(maxPage); q.Get("limit") == "" && q.Get("per_page") == "" {
		limit = issuePage
	}
	return limit, offset, err
}

func getIssue(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	return r.issueJSON(is)
}

func (r *request) issueJSON(is issue) (any, error) {
	out, err := r.issuesJSON([]issue{is})
	if err != nil {
		return nil, err
	}
	out[0]["activity"] = []any{}
	out[0]["grouping"] = is.parts
	return out[0], nil
}

func (r *request) issuesJSON(issues []issue) ([]map[string]any, error) {
	projects, err := r.sb.projectsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	members, err := collect(r.Context(), r.sb.read(), scanUser,
		"SELECT "+userColumns+" FROM user WHERE id IN ("+seenMembers+")", r.org.id, r.user.ID)
	if err != nil {
		return nil, err
	}
	teams, err := r.sb.teamsOf(r.Context(), r.org)
	if err != nil {
		return nil, err
	}
	return each(issues, func(is issue) map[string]any {
		id := strconv.FormatInt(is.id, 10)
		return map[string]any{
			"id": id, "shortId": is.short, "title": is.title, "culprit": is.culprit, "type": is.kind, "level": is.level, "platform": is.platform,
			"issueCategory": is.category, "issueType": is.issueType, "priority": is.priority, "metadata": is.meta,
			"status": is.status, "substatus": orNil(is.substatus), "statusDetails": shown(is.details), "assignedTo": assigneeJSON(is.assignee, members, teams),
			"firstSeen": stamp(is.first), "lastSeen": stamp(is.last), "count": strconv.FormatInt(is.count, 10), "userCount": is.users,
			"permalink": r.sb.baseURL() + "/organizations/" + r.org.slug + "/issues/" + id + "/",
			"project":   projectRef(projects, is.project), "annotations": []any{}, "firstRelease": is.firstReleaseJSON(),
		}
	}), nil
}

// firstReleaseJSON is null for an issue that was never seen in a release.
func (i issue) firstReleaseJSON() any {
	if i.firstRelease == "" {
		return nil
	}
	return payload.Object{"version": i.firstRelease, "shortVersion": shortVersion(i.firstRelease), "dateCreated": stamp(i.released), "dateReleased": stampOrNil(i.dateReleased)}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func projectRef(projects []project, id int64) any {
	i := indexProject(projects, strconv.FormatInt(id, 10))
	if i < 0 {
		return nil
	}
	p := projects[i]
	return map[string]any{"id": strconv.FormatInt(p.id, 10), "slug": p.slug, "name": p.name, "platform": p.platform}
}

func assigneeJSON(assignee string, members []User, teams []team) any {
	for _, u := range members {
		if id := strconv.FormatInt(u.ID, 10); assignee == "user:"+id {
			return map[string]any{"type": "user", "id": id, "name": u.Name, "email": u.Email}
		}
	}
	for _, t := range teams {
		if id := strconv.FormatInt(t.id, 10); assignee == "team:"+id {
			return map[string]any{"type": "team", "id": id, "name": t.slug}
		}
	}
	return nil
}

// tagKey is a key that can stand in a JSON path.
var tagKey = regexp.MustCompile(`^[A-Za-z_][\w.:/@-]{0,199}$`)

// issueTag counts the values that a tag has in the issue's events.
func issueTag(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	if !tagKey.MatchString(key) {
		return nil, notFound()
	}
	scan := func(rows *sql.Rows) (map[string]any, error) {
		var value string
		var count int64
		var first, last float64
		err := rows.Scan(&value, &count, &first, &last)
		return map[string]any{"value": value, "name": value, "count": count, "firstSeen": stamp(first), "lastSeen": stamp(last)}, err
	}
	path := `$."` + key + `"`
	const from = " FROM item WHERE issue = ? AND json_type(attrs, ?) IN ('text', 'integer', 'real', 'true', 'false')"
	top, err := searched(r, scan, "SELECT CAST(attrs ->> ? AS TEXT), count(*), min(ts), max(ts)"+from+
		" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?", []any{path, is.id, path, maxTagValues})
	if err != nil {
		return nil, err
	}
	if len(top) == 0 {
		return nil, notFound()
	}
	var total, unique int64
	if err := r.searchedRow("SELECT count(*), count(DISTINCT attrs ->> ?)"+from, []any{path, is.id, path}, &total, &unique); err != nil {
		return nil, err
	}
	return map[string]any{"key": key, "name": key, "totalValues": total, "uniqueValues": unique, "topValues": top}, nil
}
