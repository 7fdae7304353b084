package sandbox

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	conversationSpans    = 100     // in one answer, unless it is asked for more
	maxConversation      = 1000    // spans in one answer
	maxConversationBytes = 4 << 20 // of attributes, but for those of the last span
	conversationKey      = `CAST(it.attrs ->> '$."gen_ai.conversation.id"' AS TEXT)`
)

// conversationRoutes has two paths for one thing: Sentry's own MCP server asks
// at the first one since its version 0.39, and asked at the second one before,
// where a conversation is a bare list of spans.
func (s *Sandbox) conversationRoutes(reg func(pattern, scope string, h handler)) {
	const newer, older = "/organizations/{org}/agents/conversations/", "/organizations/{org}/ai-conversations/"
	reg("GET "+newer, "org:read", listConversations)
	reg("GET "+newer+"{conversation}/", "org:read", getConversation)
	reg("GET "+older, "org:read", listConversations)
	reg("GET "+older+"{conversation}/", "org:read", listConversationSpans)
}

// conversationItems is the part of a statement that finds spans that match a
// search. It ends with the id of the conversation, for the caller to compare.
func (r *request) conversationItems(q string) (from string, args []any, err error) {
	env, err := r.searchEnv(searchPeriod)
	if err != nil {
		return "", nil, err
	}
	cond, err := query.ParseEvents("spans", q, env)
	if err != nil {
		return "", nil, badQuery(err)
	}
	if having, _ := cond.Having(); having != "1" {
		return "", nil, badRequest("Error parsing search query: conversations are found by keys of their spans, not by functions")
	}
	where, args := cond.SQL()
	return " FROM item it JOIN project p ON p.id = it.project WHERE " + where + " AND " + conversationKey, args, nil
}

// listConversations finds conversations by any of their spans, the latest
// first, and tells of all of their spans that are in the time range.
func listConversations(r *request) (any, error) {
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	from, args, err := r.conversationItems(r.URL.Query().Get("query"))
	if err != nil {
		return nil, err
	}
	found, err := searched(r, scanConversation, "SELECT "+conversationKey+from+
		" IS NOT NULL GROUP BY 1 ORDER BY max(it.ts) DESC, 1 LIMIT ? OFFSET ?", append(args, limit+1, offset))
	if err != nil {
		return nil, err
	}
	found = cut(r, found, limit, offset)
	return found, r.describeConversations(found)
}

func scanConversation(rows *sql.Rows) (*conversation, error) {
	c := newConversation()
	return c, rows.Scan(&c.ID)
}

// describeConversations fills in what the spans of conversations tell.
func (r *request) describeConversations(all []*conversation) error {
	byID := make(map[string]*conversation, len(all))
	ids := make([]string, len(all))
	for i, c := range all {
		byID[c.ID], ids[i] = c, c.ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	from, args, err := r.conversationItems("")
	if err != nil {
		return err
	}
	// One after the other, in no order: all of them together may be large.
	_, err = searched(r, func(rows *sql.Rows) (none struct{}, err error) {
		var id, trace string
		var raw []byte
		if err := rows.Scan(&id, &trace, &raw); err != nil {
			return none, err
		}
		a, err := payload.ParseObject(raw)
		if err != nil {
			return none, fmt.Errorf("stored span of a conversation: %w", err)
		}
		byID[id].add(trace, a)
		return none, nil
	}, "SELECT "+conversationKey+", it.trace_id, json(it.attrs)"+from+" IN (SELECT value FROM json_each(?))", append(args, string(list)))
	for _, c := range all {
		c.finish()
	}
	return err
}

// conversationPage is page for clients that want a whole conversation at once.
func (r *request) conversationPage() (limit, offset int, err error) {
	q := r.URL.Query()
	limit = conversationSpans
	if v := q.Get("per_page"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxConversation {
			return 0, 0, badRequest("Invalid per_page value %q. Must be between 1 and %d.", payload.Clip(v, 50), maxConversation)
		}
	}
	if v := q.Get("cursor"); v != "" {
		offset, err = parseCursor(v)
	}
	return limit, offset, err
}

// getConversation answers the same for an id that was never there as for one
// without spans in the time range: it is known by its spans alone.
func getConversation(r *request) (any, error) {
	spans, err := listConversationSpans(r)
	return payload.Object{"conversationId": r.PathValue("conversation"), "title": nil, "spans": spans}, err
}

// listConversationSpans answers with spans in the order of their start, fewer
// than asked for when they are large.
func listConversationSpans(r *request) (any, error) {
	limit, offset, err := r.conversationPage()
	if err != nil {
		return nil, err
	}
	from, args, err := r.conversationItems("")
	if err != nil {
		return nil, err
	}
	there := 0
	spans, err := searched(r, func(rows *sql.Rows) (payload.Object, error) { return scanConversationSpan(rows, &there) },
		`SELECT span_id, trace_id, slug, project, attrs, there FROM (
			SELECT *, count(*) OVER () AS there, sum(length(attrs)) OVER (ORDER BY ts, id ROWS UNBOUNDED PRECEDING) - length(attrs) AS before
			FROM (SELECT it.id, it.span_id, it.trace_id, p.slug, it.project, it.ts, json(it.attrs) AS attrs`+from+` = ? ORDER BY it.ts, it.id LIMIT ? OFFSET ?))
		WHERE before < ? ORDER BY ts, id`, append(args, r.PathValue("conversation"), limit+1, offset, maxConversationBytes))
	if err != nil {
		return nil, err
	}
	spans = spans[:min(len(spans), limit)]
	r.link(len(spans), offset, there > len(spans))
	return spans, nil
}

// scanConversationSpan reads a span, flat, and how many there are on this page
// and just after it.
func scanConversationSpan(rows *sql.Rows, there *int) (payload.Object, error) {
	var span, trace, slug string
	var project int64
	var raw []byte
	if err := rows.Scan(&span, &trace, &slug, &project, &raw, there); err != nil {
		return nil, err
	}
	a, err := payload.ParseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("stored span %s: %w", span, err)
	}
	a["span_id"], a["trace"], a["project"], a["project.id"], a["timestamp"] = span, trace, slug, project, a["precise.start_ts"]
	return a, nil
}
