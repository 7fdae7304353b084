package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type nodeAnswer struct {
	SpanID        string `json:"span_id"`
	TransactionID string `json:"transaction_id"`
	Title         string
	Children      []nodeAnswer
	Errors        []struct{ Title string }
}

// outline writes trees as id(children), with what failed in square brackets.
func outline(nodes []nodeAnswer) string {
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.TrimLeft(n.SpanID, "0"))
		for _, e := range n.Errors {
			b.WriteString("[" + e.Title + "]")
		}
		if n.SpanID == "" {
			b.WriteString("[" + n.Title + "]")
		}
		if len(n.Children) > 0 {
			b.WriteString("(" + outline(n.Children) + ")")
		}
	}
	return b.String()
}

// chain is a container of spans; each is of the form "id<parent", in the order
// of their start.
func chain(spans ...string) string {
	items := make([]string, len(spans))
	for i, s := range spans {
		id, parent, _ := strings.Cut(s, "<")
		items[i] = fmt.Sprintf(`{"trace_id":%q,"span_id":"%016s","parent_span_id":"%016s","name":"n","start_timestamp":%d,"end_timestamp":%d,"attributes":{"sentry.op":{"value":"db"}}}`,
			traceID, id, parent, noon.Unix()-1000+int64(i)/10, noon.Unix())
	}
	return `{"items":[` + strings.Join(items, ",") + `]}`
}

func TestTrace_Tree(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	deep := []string{"1"}
	for i := 2; i <= maxTraceDepth+2; i++ {
		deep = append(deep, fmt.Sprintf("%d<%d", i, i-1))
	}
	for _, tt := range []struct{ reason, spans, params, want string }{
		{"children in the order of their start", chain("1", "3<1", "2<1", "4<3"), "", "1(3(4) 2)"},
		{"a parent that never came", chain("2<1", "3<2"), "", "2(3)"},
		{"a parent that came later", chain("2<1", "1"), "", "1(2)"},
		{"its own parent", chain("1<1", "2<1"), "", "1(2)"},
		{"each other's parents", chain("1<3", "2<1", "3<2", "4<2"), "", "2(3(1) 4)"},
		{"sent twice", chain("1", "2<1", "2<1"), "", "1(2)"},
		{"the first of many", chain("1", "2<1", "3<1"), "?limit=2", "1(2)"},
		{"no more than there may be", chain("1"), "?limit=1000000", "1"},
		{"of another project", chain("1"), "?project=checkout-api", ""},
		{"of another time", chain("1"), "?statsPeriod=1m", ""},
	} {
		if _, err := r.sb.writer.Exec("DELETE FROM item"); err != nil {
			t.Fatal(err)
		}
		r.ingest("span", tt.spans)
		var got []nodeAnswer
		r.get("/organizations/acme-outdoors/trace/"+traceID+"/"+tt.params, &got)
		if outline(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.reason, outline(got), tt.want)
		}
	}
	if _, err := r.sb.writer.Exec("DELETE FROM item"); err != nil {
		t.Fatal(err)
	}
	r.ingest("span", chain(deep...))
	var got []nodeAnswer
	r.get("/organizations/acme-outdoors/trace/"+traceID+"/", &got)
	text := outline(got)
	last := fmt.Sprintf("%d(%d %d %d)", maxTraceDepth-1, maxTraceDepth, maxTraceDepth+1, maxTraceDepth+2)
	if strings.Count(text, "(") != maxTraceDepth-1 || !strings.Contains(text, last) {
		t.Errorf("a deep trace: %s, want %s inside", text, last)
	}
}

// TestTrace_Node: what a node says, and where errors go.
func TestTrace_Node(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("transaction", `{"event_id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","transaction":"GET /boots","start_timestamp":"2026-11-20T11:59:00Z","timestamp":"2026-11-20T11:59:02Z",
		"sdk":{"name":"sentry.go"},"measurements":{"lcp":{"value":120}},"tags":{"tier":"gold"},
		"contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"`+rootID+`","op":"http.server","status":"ok"}},
		"spans":[{"span_id":"`+childID+`","parent_span_id":"`+rootID+`","op":"db","description":"SELECT 1","start_timestamp":"2026-11-20T11:59:00Z","timestamp":"2026-11-20T11:59:00.5Z"}]}`)
	r.ingest("event", `{"message":"inside","contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"`+childID+`"}}}`)
	r.ingest("event", `{"event_id":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","timestamp":"2026-11-20T11:59:01Z","message":"beside","level":"warning","transaction":"GET /boots",
		"contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"00000000000000ff"}}}`)
	r.ingest("log", `{"items":[{"timestamp":1795175940,"trace_id":"`+traceID+`","level":"info","body":"x"}]}`)
	r.ingest("span", chain("7<"+childID))

	var got []map[string]any
	r.get("/organizations/acme-outdoors/trace/"+strings.ToUpper(traceID)+"/", &got)
	if len(got) != 2 {
		t.Fatalf("trace = %v, want a root and an error", got)
	}
	children, _ := got[0]["children"].([]any)
	delete(got[0], "children")
	project := r.projectID("storefront")
	root := map[string]any{
		"event_id": rootID, "event_type": "span", "span_id": rootID, "parent_span_id": nil, "transaction_id": strings.Repeat("a", 32), "transaction": "GET /boots",
		"is_transaction": true, "project_id": project, "project_slug": "storefront", "start_timestamp": 1795175940.0, "end_timestamp": 1795175942.0, "duration": 2000.0,
		"exclusive_time": nil, "op": "http.server", "name": "GET /boots", "description": "GET /boots", "status": "ok", "sdk_name": "sentry.go",
		"measurements": map[string]any{"measurements.lcp": 120.0}, "tags": map[string]any{}, "additional_attributes": map[string]any{},
		"errors": []any{}, "occurrences": []any{}, "data": got[0]["data"],
	}
	if diff := cmp.Diff(root, got[0]); diff != "" {
		t.Errorf("root (-want +got):\n%s", diff)
	}
	if data, _ := got[0]["data"].(map[string]any); data["tier"] != "gold" || data["span.op"] != nil {
		t.Errorf("data = %v, want what has no member of its own", data)
	}
	if child, _ := children[0].(map[string]any); child["transaction_id"] != strings.Repeat("a", 32) || child["parent_span_id"] != rootID {
		t.Errorf("child = %v, want it in the transaction", child)
	}
	beside := map[string]any{
		"id": strings.Repeat("b", 32), "event_id": strings.Repeat("b", 32), "event_type": "error", "issue_id": got[1]["issue_id"], "issue": "STOREFRONT-2",
		"project_id": project, "project_slug": "storefront", "title": "beside", "culprit": "GET /boots", "level": "warning", "type": "default",
		"span": "00000000000000ff", "timestamp": 1795175941.0,
	}
	if diff := cmp.Diff(beside, got[1]); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	var again []nodeAnswer
	r.get("/organizations/acme-outdoors/trace/"+traceID+"/", &again)
	if !strings.Contains(outline(again), childID+"[inside](7)") {
		t.Errorf("trace = %s, want the error and the late span in the span", outline(again))
	}

	var meta map[string]any
	r.get("/organizations/acme-outdoors/trace-meta/"+traceID+"/", &meta)
	want := decoded(t, `{"logs":1,"errors":2,"performance_issues":0,"span_count":3,"span_count_map":{"http.server":1,"db":2},
		"transaction_child_count_map":[{"transaction.event_id":"`+strings.Repeat("a", 32)+`","count()":2},{"transaction.event_id":null,"count()":1}]}`)
	if diff := cmp.Diff(want, any(meta)); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}

	// What was stored before bodies were compressed has its spans in the body.
	err := r.sb.write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE item SET attrs = jsonb_remove(attrs, '$."` + spanCount + `"'), body = '{"spans":[{},{}]}' WHERE kind = 'transaction'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	meta = nil
	r.get("/organizations/acme-outdoors/trace-meta/"+traceID+"/", &meta)
	if got := fmt.Sprint(meta["transaction_child_count_map"]); got != "[map[count():3 transaction.event_id:"+strings.Repeat("a", 32)+"]]" {
		t.Errorf("transactions %s, want one of three spans", got)
	}
}

// projectID is as JSON has it.
func (r *runner) projectID(slug string) (id float64) {
	r.Helper()
	if err := r.sb.read().QueryRow("SELECT id FROM project WHERE slug = ?", slug).Scan(&id); err != nil {
		r.Fatal(err)
	}
	return id
}

func TestTrace_Access(t *testing.T) {
	r := start(t, Options{})
	var theirs string
	err := r.sb.read().QueryRow(`SELECT trace_id FROM item JOIN project p ON p.id = item.project JOIN org o ON o.id = p.org
		WHERE o.slug = 'globex-labs' AND kind = 'span' LIMIT 1`).Scan(&theirs)
	if err != nil {
		t.Fatal(err)
	}
	owner, jon := r.as(mara, reading...), r.as(jon, reading...)
	for _, path := range []string{"trace/", "trace-meta/"} {
		shown := owner.api("GET", "/organizations/globex-labs/"+path+theirs+"/", "")
		if text := shown.Body.String(); shown.Code != http.StatusOK || text == "[]" || strings.Contains(text, `"span_count":0`) {
			t.Errorf("%s of a member: %d %s", path, shown.Code, shown.Body)
		}
		for why, tt := range map[string]struct {
			url  string
			want int
		}{
			"another's organization": {"/organizations/globex-labs/" + path + theirs + "/", http.StatusNotFound},
			"no trace id":            {"/organizations/acme-outdoors/" + path + "17/", http.StatusNotFound},
			"another's project":      {"/organizations/acme-outdoors/" + path + theirs + "/?project=51101", http.StatusForbidden},
			"bad period":             {"/organizations/acme-outdoors/" + path + theirs + "/?statsPeriod=x", http.StatusBadRequest},
		} {
			if w := jon.api("GET", tt.url, ""); w.Code != tt.want {
				t.Errorf("%s, %s: %d %s, want %d", path, why, w.Code, w.Body, tt.want)
			}
		}
		own, unknown := jon.api("GET", "/organizations/acme-outdoors/"+path+theirs+"/", ""), jon.api("GET", "/organizations/acme-outdoors/"+path+strings.Repeat("0", 32)+"/", "")
		if own.Code != http.StatusOK || own.Body.String() != unknown.Body.String() {
			t.Errorf("%s of another organization's trace: %d %s, want that of an unknown one: %s", path, own.Code, own.Body, unknown.Body)
		}
		if w := r.as(mara, "event:read").api("GET", "/organizations/acme-outdoors/"+path+theirs+"/", ""); w.Code != http.StatusForbidden {
			t.Errorf("%s without org:read: %d", path, w.Code)
		}
	}
	if w := jon.api("GET", "/organizations/acme-outdoors/trace/"+theirs+"/?limit=0", ""); w.Code != http.StatusBadRequest {
		t.Errorf("limit=0: %d", w.Code)
	}
	var plan string
	rows, err := r.sb.read().Query("EXPLAIN QUERY PLAN SELECT count(*)"+traceItems+ofTrace+"'span'", theirs, "[1]", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "; "
	}
	if !strings.Contains(plan, "item_trace") {
		t.Errorf("plan = %s, want the index of traces", plan)
	}
}
