package sandbox

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sandbox/payload"
)

const sentMetrics = `{"items":[
	{"timestamp":"2026-02-01T11:00:00Z","trace_id":"` + eventsTrace + `","span_id":"1111111111111111","name":"orders.placed","type":"counter","value":3,
	 "attributes":{"region":{"value":"eu","type":"string"},"api_key":{"value":"x","type":"string"},"sentry.release":{"value":"shop@4","type":"string"}}},
	{"timestamp":1769943601.5,"trace_id":"` + eventsTrace + `","name":"orders.placed","type":"counter","value":4,"attributes":{"region":{"value":"us","type":"string"}}},
	{"timestamp":1769943602,"trace_id":"` + eventsTrace + `","name":"checkout.latency","type":"distribution","unit":"millisecond","value":250.5,
	 "attributes":{"sentry.trace.parent_span_id":{"value":"2222222222222222","type":"string"},"region":{"value":"ap","type":"string"}}},
	{"timestamp":1769943603,"name":"queue.depth","type":"gauge","unit":"none","value":"7"}]}`

func TestIngest_Metrics(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	raw := pack(`{"trace":{"environment":"staging","release":"shop@3"}}`, "trace_metric", sentMetrics)
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := []payload.Object{
		{"metric.name": "orders.placed", "metric.type": "counter", "value": 3., "region": "eu", "api_key": payload.Filtered, "release": "shop@4", "environment": "staging"},
		{"metric.name": "orders.placed", "metric.type": "counter", "value": 4., "region": "us", "release": "shop@3", "environment": "staging"},
		{"metric.name": "checkout.latency", "metric.type": "distribution", "metric.unit": "millisecond", "value": 250.5, "region": "ap",
			"trace.parent_span": "2222222222222222", "release": "shop@3", "environment": "staging"},
		{"metric.name": "queue.depth", "metric.type": "gauge", "value": 7., "release": "shop@3", "environment": "staging"},
	}
	if diff := cmp.Diff(want, r.attrsOf("metric")); diff != "" {
		t.Error(diff)
	}
	spans, err := collect(t.Context(), r.sb.read(), scanText, "SELECT span_id FROM item WHERE kind = 'metric' AND trace_id <> '' ORDER BY id")
	if diff := cmp.Diff([]string{"1111111111111111", "", "2222222222222222"}, spans); err != nil || diff != "" {
		t.Errorf("spans: %v %s", err, diff)
	}
}

func TestIngest_BadMetrics(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	for why, metric := range map[string]string{
		"no name":             `{"type":"counter","value":1}`,
		"no value":            `{"name":"a","type":"counter"}`,
		"a value too large":   `{"name":"a","type":"counter","value":1e999}`,
		"a type that is none": `{"name":"a","type":"set","value":1}`,
		"not an object":       `7`,
	} {
		raw := pack("{}", "trace_metric", `{"items":[{"name":"good","type":"gauge","value":1},`+metric+`]}`)
		if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", why, w.Code, w.Body)
		}
	}
	if got := r.attrsOf("metric"); len(got) > 0 {
		t.Errorf("half of an envelope is stored: %v", got)
	}
}

func TestEvents_Metrics(t *testing.T) {
	f := newEventsFixture(t)
	f.send("acme-outdoors", "checkout-api", "trace_metric", "e", sentMetrics)
	f.send("globex-labs", "collector", "trace_metric", "e", sentMetrics)
	const orders = "sum(value,orders.placed,counter,-)"
	tests := []struct{ why, params, want string }{
		{"rows", params("field", "metric.name", "field", "metric.type", "field", "metric.unit", "field", "value", "field", "trace", "query", "metric.name:checkout.latency value:>200"),
			`{"data":[{"metric.name":"checkout.latency","metric.type":"distribution","metric.unit":"millisecond","value":250.5,"trace":"` + eventsTrace + `"}],
			"meta":{"dataset":"tracemetrics","isMetricsData":false,"tips":{},
			"fields":{"metric.name":"string","metric.type":"string","metric.unit":"string","value":"number","trace":"string"},
			"units":{"metric.name":null,"metric.type":null,"metric.unit":null,"value":null,"trace":null}}}`},
		{"groups, without those that have none of it", params("field", "region", "field", orders, "sort", "-"+orders),
			`{"data":[{"region":"us","` + orders + `":4},{"region":"eu","` + orders + `":3}],
			"meta":{"dataset":"tracemetrics","isMetricsData":false,"tips":{},"fields":{"region":"string","` + orders + `":"number"},"units":{"region":null,"` + orders + `":null}}}`},
		{"with their units", params("field", "p95(value,checkout.latency,distribution,millisecond)"),
			`{"data":[{"p95(value,checkout.latency,distribution,millisecond)":250.5}],
			"meta":{"dataset":"tracemetrics","isMetricsData":false,"tips":{},"fields":{"p95(value,checkout.latency,distribution,millisecond)":"duration"},
			"units":{"p95(value,checkout.latency,distribution,millisecond)":"millisecond"}}}`},
	}
	for _, tt := range tests {
		status, got, _ := f.get("events/", "dataset=tracemetrics&"+tt.params)
		if diff := cmp.Diff(decoded(t, tt.want), got); status != http.StatusOK || diff != "" {
			t.Errorf("%s: %d (-want +got):\n%s", tt.why, status, diff)
		}
	}
	status, got, _ := f.get("events/validate/", params("dataset", "tracemetrics", "field", orders, "field", "region", "query", "metric.type:counter regoin:eu", "orderby", "-"+orders))
	verdict := got.(map[string]any)
	if q := verdict["query"].(map[string]any); status != http.StatusBadRequest || q["error"] != "no tracemetrics of these projects in this time range have an attribute regoin" {
		t.Errorf("validation: %d %v", status, verdict)
	}
	if _, got, _ := f.get("trace-items/attributes/", params("itemType", "tracemetrics", "substringMatch", "region")); !cmp.Equal(got,
		decoded(t, `[{"key":"region","name":"region","attributeType":"string","attributeSource":{"source_type":"user"}}]`)) {
		t.Errorf("attributes: %v", got)
	}
}

func scanText(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }
