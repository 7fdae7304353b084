package sandbox

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	defaultSpans   = 1000
	maxSpans       = 10_000 // of one trace, in one answer
	maxTraceErrors = 1000
	// maxTraceDepth keeps the nesting of an answer below what JSON decoders
	// put up with: what is deeper hangs beside its parent.
	maxTraceDepth = 200
	maxCounted    = 1000 // operations, and transactions, that are counted one by one
)

func (s *Sandbox) traceRoutes(reg func(pattern, scope string, h handler)) {
	reg("GET /organizations/{org}/trace-meta/{trace}/", "org:read", getTraceMeta)
	reg("GET /organizations/{org}/trace/{trace}/", "org:read", getTrace)
}

// traceNode is a span with what happened below it.
type traceNode struct {
	EventID       string         `json:"event_id"` // the span's id
	EventType     string         `json:"event_type"`
	SpanID        string         `json:"span_id"`
	ParentSpanID  *string        `json:"parent_span_id"`
	TransactionID string         `json:"transaction_id"` // event of the nearest transaction above; "" when it came without one
	Transaction   string         `json:"transaction"`
	IsTransaction bool           `json:"is_transaction"`
	ProjectID     int64          `json:"project_id"`
	ProjectSlug   string         `json:"project_slug"`
	Start         float64        `json:"start_timestamp"`
	End           float64        `json:"end_timestamp"`
	Duration      float64        `json:"duration"` // in milliseconds
	SelfTime      any            `json:"exclusive_time"`
	Op            string         `json:"op"`
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	Status        any            `json:"status"`
	SDK           string         `json:"sdk_name"`
	Measurements  payload.Object `json:"measurements"`
	Tags          payload.Object `json:"tags"`
	Data          payload.Object `json:"data"`
	Additional    payload.Object `json:"additional_attributes"`
	Errors        []traceError   `json:"errors"`
	Occurrences   []any          `json:"occurrences"`
	Children      []*traceNode   `json:"children"`

	event string // the transaction event that the span is the root of
	depth int    // 0: not placed; visiting: being placed
}

// traceError is an error of a trace, in its span's list or beside the roots.
type traceError struct {
	ID          string  `json:"id"`
	EventID     string  `json:"event_id"`
	EventType   string  `json:"event_type"`
	IssueID     int64   `json:"issue_id"`
	Issue       string  `json:"issue"` // short id
	ProjectID   int64   `json:"project_id"`
	ProjectSlug string  `json:"project_slug"`
	Title       string  `json:"title"`
	Culprit     string  `json:"culprit"`
	Level       string  `json:"level"`
	Type        string  `json:"type"`
	Span        string  `json:"span"`
	Timestamp   float64 `json:"timestamp"`
}

const (
	traceItems = " FROM item it JOIN project p ON p.id = it.project"
	// ofTrace leaves items of one trace. The index of traces is without the
	// empty id, and is used only where the query says so too.
	ofTrace = ` WHERE it.trace_id = ?1 AND it.trace_id <> '' AND +it.project IN (SELECT value FROM json_each(?2))
		AND +it.ts BETWEEN ?3 AND ?4 AND +it.kind = `
)

// traceArgs are those of ofTrace.
func (r *request) traceArgs() ([]any, error) {
	id := payload.HexID(r.PathValue("trace"), 32)
	if id == "" {
		return nil, notFound()
	}
	env, err := r.searchEnv(searchPeriod)
	if err != nil {
		return nil, err
	}
	projects, err := json.Marshal(env.Projects)
	return []any{id, string(projects), seconds(env.Start), seconds(env.End)}, err
}

func getTrace(r *request) (any, error) {
	limit := defaultSpans
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, badRequest("Invalid limit value %q. Must be between 1 and %d.", payload.Clip(v, 50), maxSpans)
		}
		limit = min(n, maxSpans)
	}
	roots, alone, err := r.trace(limit)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(roots)+len(alone))
	for _, n := range roots {
		out = append(out, n)
	}
	for _, e := range alone {
		out = append(out, e)
	}
	return out, nil
}

// trace returns the first spans of a trace as trees, and the errors that none
// of these spans has.
func (r *request) trace(limit int) (roots []*traceNode, alone []traceError, err error) {
	args, err := r.traceArgs()
	if err != nil {
		return nil, nil, err
	}
	nodes, err := searched(r, scanTraceNode, "SELECT it.span_id, it.event_id, p.id, p.slug, json(it.attrs)"+
		traceItems+ofTrace+"'span' ORDER BY it.ts, it.id LIMIT ?5", append(args, limit))
	if err != nil {
		return nil, nil, err
	}
	failures, err := searched(r, scanTraceError, `SELECT it.event_id, it.span_id, p.id, p.slug, it.ts, i.id, i.short, i.title, i.culprit, i.type,
		coalesce(it.attrs ->> '$.level', i.level)`+traceItems+" JOIN issue i ON i.id = it.issue"+ofTrace+
		"'error' ORDER BY it.ts, it.id LIMIT ?5", append(args, maxTraceErrors))
	if err != nil {
		return nil, nil, err
	}
	t := growTree(nodes)
	for _, e := range failures {
		if n := t.spans[e.Span]; n != nil {
			n.Errors = append(n.Errors, e)
		} else {
			alone = append(alone, e)
		}
	}
	return t.roots, alone, nil
}

func scanTraceError(rows *sql.Rows) (e traceError, err error) {
	err = rows.Scan(&e.ID, &e.Span, &e.ProjectID, &e.ProjectSlug, &e.Timestamp, &e.IssueID, &e.Issue, &e.Title, &e.Culprit, &e.Type, &e.Level)
	e.EventID, e.EventType = e.ID, "error"
	return e, err
}

func scanTraceNode(rows *sql.Rows) (*traceNode, error) {
	n := &traceNode{EventType: "span", Tags: payload.Object{}, Additional: payload.Object{}, Measurements: payload.Object{},
		Errors: []traceError{}, Occurrences: []any{}, Children: []*traceNode{}}
	var raw []byte
	if err := rows.Scan(&n.SpanID, &n.event, &n.ProjectID, &n.ProjectSlug, &raw); err != nil {
		return nil, err
	}
	a, err := payload.ParseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("stored span %s: %w", n.SpanID, err)
	}
	n.read(a)
	return n, nil
}

// read takes from the attributes what a node has members for; the rest is data.
func (n *traceNode) read(a payload.Object) {
	take := func(key string) any {
		v := a[key]
		delete(a, key)
		return v
	}
	n.EventID = n.SpanID
	if parent := payload.Text(take("parent_span")); parent != "" {
		n.ParentSpanID = &parent
	}
	n.Op, n.Name, n.Description = payload.Text(take("span.op")), payload.Text(take("span.name")), payload.Text(take("span.description"))
	n.Duration, _ = payload.Number(take("span.duration"))
	n.Start, _ = payload.Number(take("precise.start_ts"))
	n.End, _ = payload.Number(take("precise.finish_ts"))
	n.Status, n.SelfTime = take("span.status"), take("span.self_time")
	n.IsTransaction = take("is_transaction") == true
	n.Transaction, n.SDK = payload.Text(take("transaction")), payload.Text(take("sdk.name"))
	delete(a, "trace.parent_span")
	for key, v := range a {
		if strings.HasPrefix(key, "measurements.") {
			n.Measurements[key] = v
			delete(a, key)
		}
	}
	n.Data = a
}

// visiting is the depth of a span while its ancestors are looked up.
const visiting = -1

// spanTree is a trace being put together. Parents are what senders say they
// are: missing, each other's, or too many.
type spanTree struct {
	spans  map[string]*traceNode
	parent map[*traceNode]*traceNode
	roots  []*traceNode
}

// growTree hangs spans, in the order of their start, below their parents. A
// span that was sent twice counts once.
func growTree(nodes []*traceNode) *spanTree {
	t := &spanTree{spans: make(map[string]*traceNode, len(nodes)), parent: map[*traceNode]*traceNode{}}
	first := nodes[:0]
	for _, n := range nodes {
		if t.spans[n.SpanID] == nil {
			t.spans[n.SpanID] = n
			first = append(first, n)
		}
	}
	for _, n := range first {
		t.place(n)
	}
	for _, n := range first {
		if p := t.parent[n]; p != nil {
			p.Children = append(p.Children, n)
		} else {
			t.roots = append(t.roots, n)
		}
	}
	return t
}

// place finds a span's parent and returns the span's depth. A span that is its
// own ancestor is a root.
func (t *spanTree) place(n *traceNode) int {
	if n.depth != 0 {
		return n.depth
	}
	n.depth = visiting
	var parent *traceNode
	if n.ParentSpanID != nil {
		parent = t.spans[*n.ParentSpanID]
	}
	depth := 0
	if parent != nil {
		depth = t.place(parent)
	}
	if depth == visiting {
		parent, depth = nil, 0
	}
	if parent != nil {
		n.TransactionID = parent.TransactionID
	}
	if n.IsTransaction {
		n.TransactionID = n.event
	}
	if depth == maxTraceDepth {
		parent, depth = t.parent[parent], depth-1
	}
	t.parent[n], n.depth = parent, depth+1
	return n.depth
}

// traceMeta counts what a trace has. The list and the map have rows of the
// forms that SQL would give them.
type traceMeta struct {
	Logs         int64            `json:"logs"`
	Errors       int64            `json:"errors"`
	Performance  int64            `json:"performance_issues"`
	Spans        int64            `json:"span_count"`
	Transactions []payload.Object `json:"transaction_child_count_map"`
	Ops          map[string]int64 `json:"span_count_map"`
}

func getTraceMeta(r *request) (any, error) {
	args, err := r.traceArgs()
	if err != nil {
		return nil, err
	}
	m := traceMeta{Ops: map[string]int64{}}
	count := func(kind, what string, into *int64) error {
		return r.searchedRow("SELECT count("+what+")"+traceItems+ofTrace+"'"+kind+"'", args, into)
	}
	for _, err := range []error{count("log", "*", &m.Logs), count("error", "*", &m.Errors), count("span", "DISTINCT it.span_id", &m.Spans)} {
		if err != nil {
			return nil, err
		}
	}
	if err := m.countOps(r, args); err != nil {
		return nil, err
	}
	if err := m.countTransactions(r, args); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *traceMeta) countOps(r *request, args []any) error {
	scan := func(rows *sql.Rows) (_ struct{}, err error) {
		var op string
		var n int64
		err = rows.Scan(&op, &n)
		m.Ops[op] = n
		return struct{}{}, err
	}
	_, err := searched(r, scan, "SELECT coalesce(it.attrs ->> '$.\"span.op\"', '') AS op, count(DISTINCT it.span_id)"+
		traceItems+ofTrace+"'span' GROUP BY op ORDER BY 2 DESC LIMIT ?5", append(args, maxCounted))
	return err
}

// countTransactions counts the spans that came in each transaction, its root
// among them, and as one more row those that came by themselves.
func (m *traceMeta) countTransactions(r *request, args []any) error {
	var inside int64
	scan := func(rows *sql.Rows) (payload.Object, error) {
		var event string
		var n int64
		err := rows.Scan(&event, &n)
		inside += n
		return payload.Object{"transaction.event_id": event, "count()": n}, err
	}
	var err error
	m.Transactions, err = searched(r, scan, `SELECT it.event_id, coalesce(it.attrs ->> '$."sentry.spans"', 1 + json_array_length(CAST(it.body AS TEXT), '$.spans'), 1)`+
		traceItems+ofTrace+"'transaction' GROUP BY it.event_id ORDER BY min(it.ts) LIMIT ?5", append(args, maxCounted))
	if others := m.Spans - inside; err == nil && others > 0 {
		m.Transactions = append(m.Transactions, payload.Object{"transaction.event_id": nil, "count()": others})
	}
	return err
}
