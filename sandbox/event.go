package sandbox

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

// event is a stored error, feedback or occurrence, which are all that issues are
// made of, with its normalized body.
type event struct {
	id   string
	ts   float64
	body payload.Object
}

func scanEvent(rows *sql.Rows) (ev event, err error) { return ev, ev.scan(rows.Scan) }

func (ev *event) scan(scan func(...any) error) error {
	var raw []byte
	if err := scan(&ev.id, &ev.ts, &raw); err != nil {
		return err
	}
	raw, err := payload.Unpack(raw)
	if err != nil {
		return fmt.Errorf("stored event %s: %w", ev.id, err)
	}
	body, err := payload.ParseObject(raw)
	if err != nil {
		return fmt.Errorf("stored event %s: %w", ev.id, err)
	}
	ev.body = body
	return nil
}

const eventColumns = "it.event_id, it.ts, it.body FROM item it JOIN project p ON p.id = it.project"

func listIssueEvents(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	env, err := r.searchEnv(searchPeriod)
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	order, ok := map[string]string{"": "DESC", "-timestamp": "DESC", "timestamp": "ASC"}[r.URL.Query().Get("sort")]
	if !ok {
		return nil, badRequest("sort must be timestamp or -timestamp")
	}
	dataset := "errors"
	if is.category != "error" {
		dataset = "issuePlatform"
	}
	cond, err := query.ParseEvents(dataset, r.URL.Query().Get("query"), env)
	if err != nil {
		return nil, badQuery(err)
	}
	where, args := cond.SQL()
	args = append(args, is.id, limit+1, offset)
	events, err := searched(r, scanEvent, "SELECT "+eventColumns+" WHERE ("+where+
		") AND it.issue = ? ORDER BY it.ts "+order+", it.id "+order+" LIMIT ? OFFSET ?", args)
	if err != nil {
		return nil, err
	}
	full := slices.Contains([]string{"1", "true"}, r.URL.Query().Get("full"))
	out := each(cut(r, events, limit, offset), func(ev event) map[string]any {
		out := ev.summary(is)
		if full {
			maps.Copy(out, ev.details())
		}
		return out
	})
	return out, r.describeReleases(out...)
}

func getIssueEvent(r *request) (any, error) {
	is, err := r.issue()
	if err != nil {
		return nil, err
	}
	ev, err := r.eventOf(is)
	if err != nil {
		return nil, err
	}
	out := ev.summary(is)
	maps.Copy(out, ev.details())
	if err := r.describeReleases(out); err != nil {
		return nil, err
	}
	return out, r.neighbors(out, is, ev)
}

// eventOf finds {event} of an issue by id, or the latest, the oldest, or the one
// that is recommended for reading, which is the latest too.
func (r *request) eventOf(is issue) (ev event, err error) {
	where, args := "", []any{is.id}
	switch name := r.PathValue("event"); name {
	case "latest", "recommended":
		where = "ORDER BY it.ts DESC, it.id DESC"
	case "oldest":
		where = "ORDER BY it.ts, it.id"
	default:
		id := payload.HexID(name, 32)
		if id == "" {
			return ev, notFound()
		}
		where, args = "AND it.event_id = ?", append(args, id)
	}
	row := r.sb.read().QueryRowContext(r.Context(), "SELECT "+eventColumns+" WHERE it.issue = ? "+where+" LIMIT 1", args...)
	return ev, orNotFound(ev.scan(row.Scan))
}

// neighbors names the events before and after.
func (r *request) neighbors(out map[string]any, is issue, ev event) error {
	var before, after sql.NullString
	err := r.sb.read().QueryRowContext(r.Context(), `SELECT
		(SELECT event_id FROM item WHERE issue = ?1 AND (ts, event_id) < (?2, ?3) ORDER BY ts DESC, event_id DESC LIMIT 1),
		(SELECT event_id FROM item WHERE issue = ?1 AND (ts, event_id) > (?2, ?3) ORDER BY ts, event_id LIMIT 1)`,
		is.id, ev.ts, ev.id).Scan(&before, &after)
	out["previousEventID"], out["nextEventID"] = orNil(before.String), orNil(after.String)
	return err
}

// summary is what a list shows of an event.
func (ev event) summary(is issue) map[string]any {
	b := ev.body
	return map[string]any{
		"id": ev.id, "eventID": ev.id, "groupID": strconv.FormatInt(is.id, 10), "projectID": strconv.FormatInt(is.project, 10),
		"title": payload.Title(b), "message": payload.TextAt(b, "logentry", "formatted"), "culprit": payload.Culprit(b), "type": payload.EventType(b), "event.type": payload.EventType(b),
		"platform": payload.Text(b["platform"]), "dateCreated": stamp(ev.ts), "user": b["user"], "tags": tagList(payload.AsObject(b["tags"])),
		"location": orNil(location(b)),
	}
}

func location(body payload.Object) string {
	own := payload.OwnFrames(payload.FramesOf(payload.MainException(body)))
	if len(own) == 0 {
		return ""
	}
	return payload.Text(own[len(own)-1]["filename"])
}

// tagList is sorted by key.
func tagList(tags payload.Object) []payload.Object {
	out := []payload.Object{}
	for _, key := range payload.SortedKeys(tags) {
		out = append(out, payload.Object{"key": key, "value": tags[key]})
	}
	return out
}

// details are the rest of an event, in Sentry's camelCase.
func (ev event) details() map[string]any {
	b := ev.body
	received, _ := payload.Number(b["received"])
	out := map[string]any{
		"entries": entries(b), "contexts": orEmpty(b["contexts"]), "context": orEmpty(b["extra"]), "sdk": b["sdk"], "dateReceived": stamp(received),
		"errors": []any{}, "metadata": meta(b), "fingerprints": []string{payload.Group(b).Hash}, "release": nil, "dist": orNil(payload.Text(b["dist"])),
		"occurrence": b["occurrence"], "packages": orEmpty(b["modules"]),
	}
	if version := payload.Text(b["release"]); version != "" {
		out["release"] = payload.Object{"version": version, "lastCommit": nil}
	}
	return out
}

func orEmpty(v any) any {
	if o := payload.AsObject(v); o != nil {
		return o
	}
	return payload.Object{}
}

func entries(b payload.Object) []payload.Object {
	out := []payload.Object{}
	add := func(kind string, data payload.Object) { out = append(out, payload.Object{"type": kind, "data": data}) }
	if entry := payload.AsObject(b["logentry"]); entry != nil {
		add("message", payload.Object{"formatted": entry["formatted"], "message": entry["message"], "params": entry["params"]})
	}
	if list := payload.Objects(b["exception"]); len(list) > 0 {
		add("exception", payload.Object{"values": stackHolders(list), "hasSystemFrames": true, "excOmitted": nil})
	}
	if list := payload.Objects(b["threads"]); len(list) > 0 {
		add("threads", payload.Object{"values": stackHolders(list)})
	}
	if list := payload.Objects(b["breadcrumbs"]); len(list) > 0 {
		add("breadcrumbs", payload.Object{"values": breadcrumbs(list)})
	}
	if req := payload.AsObject(b["request"]); req != nil {
		add("request", payload.Object{
			"method": req["method"], "url": req["url"], "fragment": req["fragment"], "query": req["query_string"],
			"headers": req["headers"], "data": req["data"], "env": req["env"], "inferredContentType": nil,
		})
	}
	return out
}

// stackHolders renders exceptions or threads: all members but for the stack as
// they came.
func stackHolders(list []payload.Object) []payload.Object {
	out := make([]payload.Object, len(list))
	for i, holder := range list {
		shown := maps.Clone(holder)
		delete(shown, "thread_id")
		shown["threadId"] = holder["thread_id"]
		shown["stacktrace"] = nil
		if stack := payload.AsObject(holder["stacktrace"]); stack != nil {
			shown["stacktrace"] = payload.Object{
				"frames": framesJSON(payload.FramesOf(holder)), "framesOmitted": nil, "hasSystemFrames": true, "registers": stack["registers"],
			}
		}
		out[i] = shown
	}
	return out
}

func framesJSON(frames []payload.Object) []payload.Object {
	out := make([]payload.Object, len(frames))
	for i, f := range frames {
		out[i] = payload.Object{
			"filename": f["filename"], "absPath": f["abs_path"], "module": f["module"], "package": f["package"],
			"platform": f["platform"], "function": f["function"], "lineNo": f["lineno"], "colNo": f["colno"],
			"inApp": f["in_app"] == true, "context": sourceLines(f), "vars": f["vars"], "sourceLink": nil,
		}
	}
	return out
}

// sourceLines are pairs of a line number and a line, around the frame's own.
func sourceLines(f payload.Object) [][2]any {
	out := [][2]any{}
	line, ok := payload.Number(f["lineno"])
	if !ok || payload.Text(f["context_line"]) == "" {
		return out
	}
	before, _ := f["pre_context"].([]any)
	after, _ := f["post_context"].([]any)
	all := slices.Concat(before, []any{f["context_line"]}, after)
	for i, source := range all {
		out = append(out, [2]any{int(line) - len(before) + i, strings.TrimRight(payload.Text(source), "\r\n")})
	}
	return out
}

func breadcrumbs(list []payload.Object) []payload.Object {
	out := make([]payload.Object, len(list))
	for i, c := range list {
		when := any(nil)
		if f, ok := payload.Number(c["timestamp"]); ok {
			when = stamp(f)
		} else if s := payload.Text(c["timestamp"]); s != "" {
			when = s
		}
		out[i] = payload.Object{
			"timestamp": when, "type": cmp.Or(payload.Text(c["type"]), "default"), "level": cmp.Or(payload.Text(c["level"]), "info"),
			"category": c["category"], "message": c["message"], "data": c["data"], "event_id": nil,
		}
	}
	return out
}
