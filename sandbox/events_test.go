package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var eventsNow = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

const eventsTrace = "0123456789abcdef0123456789abcdef"

// eventsFixture is a sandbox into which two organizations have sent a little.
type eventsFixture struct {
	*testing.T
	sandbox *Sandbox
	mux     *http.ServeMux
	token   string
}

func newEventsFixture(t *testing.T) *eventsFixture {
	t.Helper()
	s, err := New(t.Context(), Options{Empty: true, Now: func() time.Time { return eventsNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &eventsFixture{T: t, sandbox: s, mux: http.NewServeMux()}
	s.eventRoutes(func(pattern, scope string, h handler) { s.register(f.mux, pattern, scope, h) })
	if f.token, err = s.CreateToken(t.Context(), "mara@example.test", []string{"org:read"}); err != nil {
		t.Fatal(err)
	}
	f.send("acme-outdoors", "checkout-api", "event", "a", `{"timestamp":"2026-02-01T11:00:00Z","level":"error",
		"user":{"id":"7"},"tags":{"tier":"gold"},"exception":[{"type":"NilError","value":"no coupon"}]}`)
	f.send("acme-outdoors", "checkout-api", "event", "b", `{"timestamp":"2026-02-01T10:00:00Z","level":"error",
		"user":{"id":"8"},"exception":[{"type":"NilError","value":"no coupon"}]}`)
	f.send("acme-outdoors", "checkout-api", "transaction", "c", `{"type":"transaction","transaction":"GET /orders",
		"start_timestamp":"2026-02-01T11:00:00Z","timestamp":"2026-02-01T11:00:02Z","contexts":{"trace":{"trace_id":"`+eventsTrace+`","span_id":"1111111111111111","op":"http.server"}},
		"spans":[{"span_id":"2222222222222222","parent_span_id":"1111111111111111","op":"db","description":"SELECT 1","data":{"shard":3,"cold":true},
		"start_timestamp":"2026-02-01T11:00:00Z","timestamp":"2026-02-01T11:00:00.5Z"}]}`)
	f.send("globex-labs", "collector", "event", "d", `{"timestamp":"2026-02-01T11:00:00Z","message":"not yours","tags":{"elsewhere":"yes"}}`)
	return f
}

// send posts an envelope of one item to a project. The event's id is digit, 32 times.
func (f *eventsFixture) send(org, project, kind, digit, payload string) {
	f.Helper()
	dsn, err := f.sandbox.DSN(f.Context(), org, project)
	if err != nil {
		f.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		f.Fatal(err)
	}
	body := fmt.Sprintf("{\"event_id\":%q}\n{\"type\":%q}\n%s\n", strings.Repeat(digit, 32), kind, strings.ReplaceAll(payload, "\n", " "))
	w := httptest.NewRecorder()
	f.sandbox.ServeHTTP(w, httptest.NewRequest("POST", "/api"+u.Path+"/envelope/?sentry_key="+u.User.Username(), strings.NewReader(body)))
	if w.Code != http.StatusOK {
		f.Fatalf("envelope to %s/%s: %d %s", org, project, w.Code, w.Body)
	}
}

// get asks one of the endpoints and decodes the answer.
func (f *eventsFixture) get(path, params string) (int, any, http.Header) {
	f.Helper()
	r := httptest.NewRequest("GET", "/api/0/organizations/acme-outdoors/"+path+"?"+params, nil)
	r.Header.Set("Authorization", "Bearer "+f.token)
	w := httptest.NewRecorder()
	f.mux.ServeHTTP(w, r)
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		f.Fatalf("GET %s?%s: %v in %s", path, params, err, w.Body)
	}
	return w.Code, body, w.Header()
}

// params encodes name, value, name, value.
func params(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestEvents(t *testing.T) {
	f := newEventsFixture(t)
	tests := []struct {
		why, params string
		want        string
	}{
		{"rows with their types; issue brings issue.id", params("dataset", "errors", "field", "issue", "field", "error.type", "field", "timestamp", "field", "tier", "query", "tier:gold"),
			`{"data":[{"issue":"CHECKOUT-API-1","issue.id":1,"error.type":["NilError"],"timestamp":"2026-02-01T11:00:00.000Z","tier":"gold"}],
			"meta":{"dataset":"errors","isMetricsData":false,"tips":{},
			"fields":{"issue":"string","issue.id":"integer","error.type":"array","timestamp":"date","tier":"string"},
			"units":{"issue":null,"issue.id":null,"error.type":null,"timestamp":null,"tier":null}}}`},
		{"numbers as numbers, with units, in an order by the older name", params("dataset", "spans", "field", "span.op", "field", "avg(span.duration)", "sort", "-avg_span_duration"),
			`{"data":[{"span.op":"http.server","avg(span.duration)":2000},{"span.op":"db","avg(span.duration)":500}],
			"meta":{"dataset":"spans","isMetricsData":false,"tips":{},
			"fields":{"span.op":"string","avg(span.duration)":"duration"},"units":{"span.op":null,"avg(span.duration)":"millisecond"}}}`},
		{"attributes have the type that was sent", params("dataset", "spans", "field", "shard", "field", "cold", "query", "has:shard"),
			`{"data":[{"shard":3,"cold":true}],"meta":{"dataset":"spans","isMetricsData":false,"tips":{},
			"fields":{"shard":"integer","cold":"boolean"},"units":{"shard":null,"cold":null}}}`},
		{"an equation", params("dataset", "spans", "field", "span.op", "field", "equation|p95(span.duration) / 2", "sort", "-equation|p95(span.duration) / 2"),
			`{"data":[{"span.op":"http.server","equation|p95(span.duration) / 2":1000},{"span.op":"db","equation|p95(span.duration) / 2":250}],
			"meta":{"dataset":"spans","isMetricsData":false,"tips":{},"fields":{"span.op":"string","equation|p95(span.duration) / 2":"duration"},
			"units":{"span.op":null,"equation|p95(span.duration) / 2":"millisecond"}}}`},
		{"no rows is an empty list; errors is the default; other organizations do not exist", params("field", "id", "query", "elsewhere:yes"),
			`{"data":[],"meta":{"dataset":"errors","isMetricsData":false,"tips":{},"fields":{"id":"string"},"units":{"id":null}}}`},
		{"a range without events", params("dataset", "discover", "field", "count()", "statsPeriod", "5m"),
			`{"data":[{"count()":0}],"meta":{"dataset":"errors","isMetricsData":false,"tips":{},"fields":{"count()":"integer"},"units":{"count()":null}}}`},
		{"environments", params("field", "count()", "environment", "nowhere"),
			`{"data":[{"count()":0}],"meta":{"dataset":"errors","isMetricsData":false,"tips":{},"fields":{"count()":"integer"},"units":{"count()":null}}}`},
	}
	for _, tt := range tests {
		status, got, _ := f.get("events/", tt.params)
		if diff := cmp.Diff(decoded(t, tt.want), got); status != http.StatusOK || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", tt.why, status, diff)
		}
	}
}

func TestEvents_Pages(t *testing.T) {
	f := newEventsFixture(t)
	var seen []string
	search := params("field", "id", "per_page", "1")
	for cursor := "0:0:0"; cursor != "" && len(seen) < 9; {
		_, body, header := f.get("events/", search+"&cursor="+url.QueryEscape(cursor))
		for _, row := range body.(map[string]any)["data"].([]any) {
			seen = append(seen, row.(map[string]any)["id"].(string)[:1])
		}
		_, next, _ := strings.Cut(header.Get("Link"), `rel="next"; results="true"; cursor="`)
		cursor = strings.TrimSuffix(next, `"`)
	}
	if got := strings.Join(seen, ""); got != "ab" {
		t.Errorf("pages show %s, want a and b once each", got)
	}
}

func TestEvents_Errors(t *testing.T) {
	f := newEventsFixture(t)
	tests := []struct{ why, path, params, detail string }{
		{"a query that cannot be read", "events/", params("field", "id", "query", "level:[error"), "Error parsing search query: column 7"},
		{"an unknown dataset", "events/", params("dataset", "x", "field", "id"), `Invalid dataset "x"`},
		{"no field", "events/", "", "at least one field"},
		{"too many fields", "events/", strings.Repeat("field=a&", 21), "more than 20"},
		{"an unknown function", "events/", params("field", "cnt()"), "no such function"},
		{"a sort that is not selected", "events/", params("field", "id", "sort", "level"), `Invalid sort "level"`},
		{"too large a page", "events/", params("field", "id", "per_page", "101"), "per_page"},
		{"too many orders", "events/validate/", strings.Repeat("orderby=a&", 21), "orderby"},
		{"too many fields to validate", "events/validate/", strings.Repeat("field=a&", 21), "20 fields"},
		{"no type of item", "trace-items/attributes/", "", "itemType"},
		{"a bad query for attributes", "trace-items/attributes/", params("itemType", "spans", "query", "("), "search term is missing"},
		{"an unknown dataset of tags", "tags/", params("dataset", "x"), "Invalid dataset"},
	}
	for _, tt := range tests {
		status, body, _ := f.get(tt.path, tt.params)
		detail, _ := body.(map[string]any)["detail"].(string)
		if status != http.StatusBadRequest || !strings.Contains(detail, tt.detail) {
			t.Errorf("%s: %d %q, want 400 with %q", tt.why, status, detail, tt.detail)
		}
	}
}

func TestValidateEvents(t *testing.T) {
	f := newEventsFixture(t)
	tests := []struct {
		why, params string
		status      int
		want        string
	}{
		{"a good search", params("dataset", "spans", "field", "span.op", "field", "p95(span.duration)", "field", "shard", "field", "is_transaction",
			"query", "shard:>1 has:span.op", "orderby", "-p95(span.duration)"), 200,
			`{"valid":true,"projects":[],"environment":[],"dataset":[{"name":"spans","valid":true,"error":null}],
			"field":[{"name":"span.op","valid":true,"attrType":"string","error":null},{"name":"p95(span.duration)","valid":true,"attrType":"number","error":null},
			{"name":"shard","valid":true,"attrType":"number","error":null},{"name":"is_transaction","valid":true,"attrType":"boolean","error":null}],
			"query":{"valid":true,"error":null,"fields":[{"name":"shard","valid":true,"attrType":"number","error":null},{"name":"span.op","valid":true,"attrType":"string","error":null}]},
			"orderby":[{"name":"-p95(span.duration)","valid":true,"attrType":"number","error":null}]}`},
		{"each part has its own error", params("dataset", "errors", "field", "cnt()", "field", "level", "query", "level:[error", "orderby", "-timestamp"), 400,
			`{"valid":false,"projects":[],"environment":[],"dataset":[{"name":"errors","valid":true,"error":null}],
			"field":[{"name":"cnt()","valid":false,"attrType":null,"error":"Invalid field \"cnt()\": there is no such function; there are any, avg, count, count_if, count_unique, epm, eps, failure_count, failure_rate, first_seen, last_seen, max, min, p100, p50, p75, p90, p95, p99, percentile, sum"},
			{"name":"level","valid":true,"attrType":"string","error":null}],
			"query":{"valid":false,"error":"Error parsing search query: column 7, near \"[error\": the closing bracket of the list is missing","fields":[]},
			"orderby":[{"name":"-timestamp","valid":false,"attrType":null,"error":"Invalid sort \"-timestamp\": it must be one of the selected fields, with or without a - before it"}]}`},
		{"an attribute that no span has", params("dataset", "spans", "field", "id", "query", "shrad:3"), 400,
			`{"valid":false,"projects":[],"environment":[],"dataset":[{"name":"spans","valid":true,"error":null}],
			"field":[{"name":"id","valid":true,"attrType":"string","error":null}],
			"query":{"valid":false,"error":"no spans of these projects in this time range have an attribute shrad","fields":[
			{"name":"shrad","valid":false,"attrType":null,"error":"no spans of these projects in this time range have an attribute shrad"}]},"orderby":[]}`},
		{"an equation", params("dataset", "spans", "field", "equation|count() / 2", "orderby", "-equation|count() / 2"), 200,
			`{"valid":true,"projects":[],"environment":[],"dataset":[{"name":"spans","valid":true,"error":null}],
			"field":[{"name":"equation|count() / 2","valid":true,"attrType":"number","error":null}],
			"query":{"valid":true,"error":null,"fields":[]},"orderby":[{"name":"-equation|count() / 2","valid":true,"attrType":"number","error":null}]}`},
		{"an equation with an attribute that no span has, and one that cannot be read", params("dataset", "spans", "field", "equation|shard * shrad", "field", "equation|count() +"), 400,
			`{"valid":false,"projects":[],"environment":[],"dataset":[{"name":"spans","valid":true,"error":null}],
			"field":[{"name":"equation|shard * shrad","valid":false,"attrType":null,"error":"no spans of these projects in this time range have an attribute shrad"},
			{"name":"equation|count() +","valid":false,"attrType":null,"error":"Invalid field \"equation|count() +\": column 19: a number, a field, a function or a parenthesis belongs here"}],
			"query":{"valid":true,"error":null,"fields":[]},"orderby":[]}`},
		{"a tag of errors is taken on trust", params("dataset", "errors", "field", "id", "query", "tear:gold"), 200,
			`{"valid":true,"projects":[],"environment":[],"dataset":[{"name":"errors","valid":true,"error":null}],
			"field":[{"name":"id","valid":true,"attrType":"string","error":null}],
			"query":{"valid":true,"error":null,"fields":[{"name":"tear","valid":true,"attrType":null,"error":null}]},"orderby":[]}`},
		{"an unknown dataset", params("dataset", "x", "field", "id"), 400,
			`{"valid":false,"projects":[],"environment":[],"dataset":[{"name":"x","valid":false,"error":"Invalid dataset \"x\": it must be one of discover, errors, issuePlatform, logs, ourlogs, profiles, spans, tracemetrics"}],
			"field":[],"query":{"valid":true,"error":null,"fields":[]},"orderby":[]}`},
	}
	for _, tt := range tests {
		status, got, _ := f.get("events/validate/", tt.params)
		if diff := cmp.Diff(decoded(t, tt.want), got); status != tt.status || diff != "" {
			t.Errorf("%s: %d, want %d (-want +got):\n%s", tt.why, status, tt.status, diff)
		}
	}
}

func TestTags(t *testing.T) {
	f := newEventsFixture(t)
	_, body, _ := f.get("tags/", params("dataset", "events"))
	got := map[string]any{}
	for _, tag := range body.([]any) {
		tag := tag.(map[string]any)
		got[tag["key"].(string)] = tag
	}
	for key, want := range map[string]string{
		"user": `{"key":"user","name":"User","totalValues":2,"uniqueValues":2}`,
		"tier": `{"key":"tier","name":"Tier","totalValues":1,"uniqueValues":1}`,
	} {
		if diff := cmp.Diff(decoded(t, want), got[key]); diff != "" {
			t.Errorf("tag %s (-want +got):\n%s", key, diff)
		}
	}
	if got["elsewhere"] != nil {
		t.Error("a tag of another organization is listed")
	}
	if _, body, _ := f.get("tags/", params("dataset", "replays")); len(body.([]any)) > 0 {
		t.Errorf("tags of replays = %v, want none", body)
	}
}

func TestAttributes(t *testing.T) {
	f := newEventsFixture(t)
	tests := []struct{ why, params, want string }{
		{"one that was sent", params("itemType", "spans", "substringMatch", "SHAR"),
			`[{"key":"shard","name":"shard","attributeType":"number","attributeSource":{"source_type":"user"}}]`},
		{"one that every span has, once", params("itemType", "spans", "substringMatch", "span.dur"),
			`[{"key":"span.duration","name":"span.duration","attributeType":"number","attributeSource":{"source_type":"sentry"}}]`},
		{"of a type", params("itemType", "spans", "attributeType", "boolean"),
			`[{"key":"is_transaction","name":"is_transaction","attributeType":"boolean","attributeSource":{"source_type":"sentry"}},
			{"key":"cold","name":"cold","attributeType":"boolean","attributeSource":{"source_type":"user"}}]`},
		{"a wildcard of LIKE is plain text", params("itemType", "spans", "substringMatch", "s%d"), `[]`},
		{"of spans that match", params("itemType", "spans", "substringMatch", "shard", "query", "span.op:http.server"), `[]`},
	}
	for _, tt := range tests {
		status, got, _ := f.get("trace-items/attributes/", tt.params)
		if diff := cmp.Diff(decoded(t, tt.want), got); status != http.StatusOK || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", tt.why, status, diff)
		}
	}
}

func TestEvents_Scope(t *testing.T) {
	f := newEventsFixture(t)
	for _, path := range []string{"events/", "events/validate/", "tags/", "trace-items/attributes/"} {
		f.token = "nonsense"
		if status, _, _ := f.get(path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a good token: %d, want 401", path, status)
		}
		var err error
		if f.token, err = f.sandbox.CreateToken(t.Context(), "mara@example.test", []string{"team:read"}); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := f.get(path, ""); status != http.StatusForbidden {
			t.Errorf("%s without org:read: %d, want 403", path, status)
		}
	}
}
