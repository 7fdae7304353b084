package sandbox

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	replaysPage   = 10
	maxDownload   = 32 << 20 // bytes of recordings in one answer
	maxReplayRefs = 100      // issues or replays to count for, and replays of each
)

func (s *Sandbox) replayRoutes(reg func(pattern, scope string, h handler)) {
	const org, project = "/organizations/{org}/", "/projects/{org}/{project}/"
	reg("GET "+org+"replays/", "event:read", listReplays)
	reg("GET "+org+"replays/{replay}/", "event:read", getReplay)
	reg("GET "+org+"replay-count/", "event:read", countReplays)
	reg("GET "+project+"replays/{replay}/", "event:read", getReplay)
	reg("GET "+project+"replays/{replay}/recording-segments/", "event:read", listSegments)
}

// replay is a stored replay.
type replay struct {
	id      string
	project int64
	payload.Replay
}

const replayColumns = "it.event_id, it.project, it.body FROM item it JOIN project p ON p.id = it.project"

func scanReplay(rows *sql.Rows) (rep replay, err error) { return rep, rep.scan(rows.Scan) }

func (rep *replay) scan(scan func(...any) error) error {
	var raw []byte
	if err := scan(&rep.id, &rep.project, &raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &rep.Replay); err != nil {
		return fmt.Errorf("stored replay %s: %w", rep.id, err)
	}
	return nil
}

func listReplays(r *request) (any, error) {
	env, err := r.searchEnv(searchPeriod)
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	if q.Get("per_page") == "" && q.Get("limit") == "" {
		limit = replaysPage
	}
	fields, err := replayFields(nonEmpty(q["field"]))
	if err != nil {
		return nil, err
	}
	cond, err := query.ParseEvents("replays", q.Get("query"), env)
	if err != nil {
		return nil, badQuery(err)
	}
	if having, _ := cond.Having(); having != "1" {
		return nil, badRequest("Replays cannot be searched by functions.")
	}
	order, err := query.ReplaySort(q.Get("sort"))
	if err != nil {
		return nil, badQuery(err)
	}
	where, args := cond.SQL()
	found, err := searched(r, scanReplay, "SELECT "+replayColumns+" WHERE "+where+" ORDER BY "+order+" LIMIT ? OFFSET ?", append(args, limit+1, offset))
	if err != nil {
		return nil, err
	}
	return map[string]any{"data": each(cut(r, found, limit, offset), func(rep replay) map[string]any { return rep.json(fields) })}, nil
}

// replayFields are the members of an answer that the fields name: the part
// before the dot. None means all.
func replayFields(names []string) ([]string, error) {
	var out []string
	all := new(replay).json(nil)
	for _, name := range names {
		member, _, _ := strings.Cut(name, ".")
		if _, ok := all[member]; !ok {
			return nil, badRequest("Invalid field %q. It must be one of %s.", payload.Clip(name, 50), strings.Join(payload.SortedKeys(all), ", "))
		}
		out = append(out, member)
	}
	return out, nil
}

// findReplay looks up {replay} of the path.
func (r *request) findReplay() (rep replay, err error) {
	projects, err := r.projectIDs()
	if err != nil {
		return rep, err
	}
	in, err := json.Marshal(projects)
	if err != nil {
		return rep, err
	}
	row := r.sb.read().QueryRowContext(r.Context(), "SELECT "+replayColumns+` WHERE it.event_id = ? AND it.event_id <> '' AND it.kind = 'replay'
		AND it.project IN (SELECT value FROM json_each(?)) LIMIT 1`, payload.HexID(r.PathValue("replay"), 32), string(in))
	return rep, orNotFound(rep.scan(row.Scan))
}

func getReplay(r *request) (any, error) {
	fields, err := replayFields(nonEmpty(r.URL.Query()["field"]))
	if err != nil {
		return nil, err
	}
	rep, err := r.findReplay()
	if err != nil {
		return nil, err
	}
	return map[string]any{"data": rep.json(fields)}, nil
}

// json has only the members that fields names; nil: all of them.
func (rep *replay) json(fields []string) map[string]any {
	user := payload.Object{"id": nil, "email": nil, "username": nil, "ip": orNil(payload.Text(rep.User["ip_address"])), "display_name": orNil(rep.Display()), "geo": payload.Object{}}
	for _, name := range []string{"id", "email", "username"} {
		user[name] = orNil(payload.Text(rep.User[name]))
	}
	tags := rep.Tags
	if tags == nil {
		tags = map[string][]string{}
	}
	out := map[string]any{
		"id": rep.id, "project_id": strconv.FormatInt(rep.project, 10), "replay_type": rep.Type, "is_archived": false, "has_viewed": false,
		"started_at": stamp(rep.Started), "finished_at": stamp(rep.Finished), "duration": rep.Duration(), "activity": rep.Activity(),
		"urls": some(rep.URLs), "trace_ids": some(rep.Traces), "error_ids": some(rep.Errors), "warning_ids": some(rep.Warnings), "info_ids": some(rep.Infos),
		"count_errors": len(rep.Errors), "count_warnings": len(rep.Warnings), "count_infos": len(rep.Infos), "count_urls": len(rep.URLs),
		"count_segments": rep.Segments, "count_dead_clicks": rep.Dead, "count_rage_clicks": rep.Rage,
		"releases": some(rep.Releases), "environment": orNil(rep.Environment), "platform": orNil(rep.Platform), "dist": orNil(rep.Dist),
		"user": user, "tags": tags, "sdk": described(rep.SDK, "name", "version"), "browser": described(rep.Browser, "name", "version"),
		"os": described(rep.OS, "name", "version"), "device": described(rep.Device, "name", "brand", "model", "family"), "clicks": []any{},
	}
	if fields != nil {
		for name := range out {
			if !slices.Contains(fields, name) {
				delete(out, name)
			}
		}
	}
	return out
}

// some is a list that is never null.
func some(list []string) []string { return append([]string{}, list...) }

// described has all the members, null where nothing is known.
func described(o payload.Object, names ...string) payload.Object {
	out := payload.Object{}
	for _, name := range names {
		out[name] = orNil(payload.Text(o[name]))
	}
	return out
}

// segment is one stored recording.
type segment struct {
	n    int64
	ts   float64
	size int // when inflated
	data []byte
}

func scanSegment(rows *sql.Rows) (g segment, err error) {
	return g, rows.Scan(&g.n, &g.ts, &g.size, &g.data)
}

// listSegments describes the segments, or with ?download= answers with what
// they recorded: an array of events for each. A page ends early rather than be
// too large.
func listSegments(r *request) (any, error) {
	rep, err := r.findReplay()
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	download := r.URL.Query().Has("download")
	data := "NULL"
	if download {
		data = "data"
	}
	found, err := collect(r.Context(), r.sb.read(), scanSegment, `SELECT n, ts, plain, `+data+` FROM (
			SELECT *, sum(plain) OVER (ORDER BY n) AS total FROM (SELECT * FROM segment WHERE project = ?1 AND replay_id = ?2 ORDER BY n LIMIT ?3 OFFSET ?4))
		WHERE NOT ?5 OR total <= ?6 OR total = plain ORDER BY n`, rep.project, rep.id, limit, offset, download, maxDownload)
	if err != nil {
		return nil, err
	}
	var more bool
	if err := r.sb.read().QueryRowContext(r.Context(), "SELECT count(*) > ? FROM segment WHERE project = ? AND replay_id = ?",
		offset+len(found), rep.project, rep.id).Scan(&more); err != nil {
		return nil, err
	}
	r.link(max(1, len(found)), offset, more && len(found) > 0)
	if download {
		return recorded(found)
	}
	return map[string]any{"data": each(found, func(g segment) map[string]any {
		return map[string]any{"replayId": rep.id, "segmentId": g.n, "projectId": strconv.FormatInt(rep.project, 10), "dateAdded": stamp(g.ts)}
	})}, nil
}

func recorded(segments []segment) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for _, g := range segments {
		plain, err := inflate(g.data)
		if err != nil {
			return nil, fmt.Errorf("inflate segment %d: %w", g.n, err)
		}
		out = append(out, plain)
	}
	return out, nil
}

var countQuery = regexp.MustCompile(`^\s*(issue\.id|replay_id):(?:\[([^\[\]]*)\]|(\S+))\s*$`)

// countReplays counts the replays of issues, or tells which replays there are.
func countReplays(r *request) (any, error) {
	m := countQuery.FindStringSubmatch(r.URL.Query().Get("query"))
	if m == nil {
		return nil, badRequest("Write the query as issue.id:[1,2] or as replay_id:[…].")
	}
	var asked []string
	for one := range strings.SplitSeq(m[2]+m[3], ",") {
		if one = strings.Trim(strings.TrimSpace(one), `"`); one != "" {
			asked = append(asked, one)
		}
	}
	if len(asked) == 0 || len(asked) > maxReplayRefs {
		return nil, badRequest("Name from 1 to %d ids.", maxReplayRefs)
	}
	env, err := r.searchEnv(eventsPeriod)
	if err != nil {
		return nil, err
	}
	projects, err := json.Marshal(env.Projects)
	if err != nil {
		return nil, err
	}
	statement := `SELECT CAST(e.issue AS TEXT), r.event_id FROM item e JOIN item r ON r.event_id = e.attrs ->> '$."replayId"' AND r.event_id <> ''
		AND r.kind = 'replay' AND r.project = e.project WHERE e.issue IN (SELECT CAST(value AS INTEGER) FROM json_each(?1))
		AND e.project IN (SELECT value FROM json_each(?2)) AND e.ts >= ?3 AND e.ts <= ?4 GROUP BY 1, 2 ORDER BY max(e.ts) DESC`
	if m[1] == "replay_id" {
		statement = `SELECT e.event_id, e.event_id FROM item e WHERE e.event_id IN (SELECT replace(lower(value), '-', '') FROM json_each(?1)) AND e.event_id <> ''
			AND e.kind = 'replay' AND e.project IN (SELECT value FROM json_each(?2)) AND e.ts >= ?3 AND e.ts <= ?4`
	}
	ids, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	pairs, err := searched(r, scanLink, statement, []any{string(ids), string(projects), seconds(env.Start), seconds(env.End)})
	if err != nil {
		return nil, err
	}
	return counted(pairs, slices.Contains([]string{"1", "true"}, strings.ToLower(r.URL.Query().Get("returnIds")))), nil
}

// counted has, for each first of the pairs, the seconds or how many there are.
func counted(pairs [][2]string, ids bool) any {
	lists, counts := map[string][]string{}, map[string]int{}
	for _, p := range pairs {
		counts[p[0]]++
		if len(lists[p[0]]) < maxReplayRefs {
			lists[p[0]] = append(lists[p[0]], p[1])
		}
	}
	if ids {
		return lists
	}
	return counts
}
