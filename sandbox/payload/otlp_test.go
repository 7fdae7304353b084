package payload

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	otlpTrace  = "5b8efff798038103d269b633813fc60c"
	otlpParent = "eee19b7ec3c1b174"
	otlpChild  = "eee19b7ec3c1b173"
)

// spanJSON is a request of one resource with the spans.
func spanJSON(spans string) []byte {
	return []byte(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
		{"key":"service.version","value":{"stringValue":"shop@5"}},{"key":"deployment.environment.name","value":{"stringValue":"staging"}}]},
		"scopeSpans":[{"scope":{"name":"net/http","version":"1"},"spans":[` + spans + `]}]}],"unknown":true}`)
}

func elements(t *testing.T, env *Envelope) (list []Object) {
	t.Helper()
	for _, it := range env.Items {
		all, err := ParseContainer(it.Payload)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, all...)
	}
	return list
}

func TestParseOTLP_Spans(t *testing.T) {
	env, dropped, err := ParseOTLP(OTLPTraces, "application/json; charset=utf-8", spanJSON(`
		{"traceId":"`+strings.ToUpper(otlpTrace)+`","spanId":"`+otlpChild+`","parentSpanId":"`+otlpParent+`","name":"SELECT 1","kind":3,
		 "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000001",
		 "attributes":[{"key":"db.system.name","value":{"stringValue":"postgresql"}},{"key":"rows","value":{"intValue":"3"}},{"key":"cold","value":{"boolValue":true}},
		 {"key":"tables","value":{"arrayValue":{"values":[{"stringValue":"a"},{"doubleValue":1.5}]}}},
		 {"key":"args","value":{"kvlistValue":{"values":[{"key":"password","value":{"stringValue":"x"}}]}}},{"key":"raw","value":{"bytesValue":"aGk="}}]},
		{"traceId":"`+otlpTrace+`","spanId":"`+otlpParent+`","name":"GET /tents","kind":"SPAN_KIND_SERVER","status":{"code":2},
		 "attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"http.response.status_code","value":{"intValue":"503"}}]},
		{"traceId":"00000000000000000000000000000000","spanId":"`+otlpParent+`"},{"traceId":"`+otlpTrace+`","spanId":"zz"}`))
	if err != nil || dropped != 2 {
		t.Fatalf("ParseOTLP() = %d dropped, %v", dropped, err)
	}
	source := Object{"resource.service.name": "shop", "resource.service.version": "shop@5", "resource.deployment.environment.name": "staging",
		"sentry.release": "shop@5", "sentry.environment": "staging", "instrumentation.name": "net/http", "instrumentation.version": "1"}
	attributes := func(own Object) Object {
		all := Object{}
		for _, o := range []Object{source, own} {
			for key, v := range o {
				all[key] = Object{"value": v}
			}
		}
		return all
	}
	want := []Object{
		{"trace_id": otlpTrace, "span_id": otlpChild, "parent_span_id": otlpParent, "name": "SELECT 1", "status": "ok", "is_segment": false,
			"start_timestamp": json.Number("1544712660.000000000"), "end_timestamp": json.Number("1544712661.000000001"),
			"attributes": attributes(Object{"sentry.op": "db", "sentry.kind": "client", "sentry.segment.name": "GET /tents", "db.system.name": "postgresql",
				"rows": json.Number("3"), "cold": true, "tables": []any{"a", json.Number("1.5")}, "args": `{"password":"[Filtered]"}`, "raw": "aGk="})},
		{"trace_id": otlpTrace, "span_id": otlpParent, "name": "GET /tents", "status": "unavailable", "is_segment": true, "start_timestamp": nil, "end_timestamp": nil,
			"attributes": attributes(Object{"sentry.op": "http.server", "sentry.kind": "server", "sentry.segment.name": "GET /tents",
				"http.request.method": "GET", "http.response.status_code": json.Number("503")})},
	}
	if diff := cmp.Diff(want, elements(t, env)); diff != "" {
		t.Error(diff)
	}
}

func TestParseOTLP_Logs(t *testing.T) {
	env, _, err := ParseOTLP(OTLPLogs, "application/json", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[
		{"timeUnixNano":"1544712660300000000","severityNumber":14,"severityText":"Warning","body":{"stringValue":"few tents"},"traceId":"`+otlpTrace+`","spanId":"`+otlpChild+`",
		 "attributes":[{"key":"left","value":{"intValue":"2"}}]},
		{"observedTimeUnixNano":"1544712661000000000","severityText":"NOTICE","eventName":"stock","body":{"kvlistValue":{"values":[{"key":"token","value":{"stringValue":"x"}}]}}}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Object{
		{"timestamp": json.Number("1544712660.300000000"), "body": "few tents", "level": "warn", "severity_number": json.Number("14"),
			"trace_id": otlpTrace, "span_id": otlpChild, "attributes": Object{"left": Object{"value": json.Number("2")}}},
		{"timestamp": json.Number("1544712661.000000000"), "body": `{"token":"[Filtered]"}`, "level": "notice", "trace_id": "", "span_id": "",
			"attributes": Object{"event.name": Object{"value": "stock"}, "sentry.observed_timestamp_nanos": Object{"value": "1544712661000000000"}}},
	}
	if diff := cmp.Diff(want, elements(t, env)); diff != "" {
		t.Error(diff)
	}
}

func TestParseOTLP_Protobuf(t *testing.T) {
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	sp := &trace.Span{TraceId: append(id, id...), SpanId: id, Name: "work", Attributes: []*common.KeyValue{
		{Key: "nan", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: math.NaN()}}},
		{Key: "n", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 2.5}}}}}
	raw, err := proto.Marshal(&collectortrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{sp}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	env, dropped, err := ParseOTLP(OTLPTraces, "application/x-protobuf", raw)
	if err != nil || dropped != 0 {
		t.Fatalf("ParseOTLP() = %d, %v", dropped, err)
	}
	got := elements(t, env)
	if len(got) != 1 || got[0]["trace_id"] != "01020304050607080102030405060708" || got[0]["span_id"] != "0102030405060708" {
		t.Fatalf("spans %v", got)
	}
	if diff := cmp.Diff(Object{"n": Object{"value": json.Number("2.5")}, "sentry.op": Object{"value": "default"}, "sentry.segment.name": Object{"value": "work"}}, got[0]["attributes"]); diff != "" {
		t.Error(diff)
	}
}

func TestParseOTLP_Segments(t *testing.T) {
	const remote, local = 0x300, 0x100
	for _, tt := range []struct {
		why          string
		parent, kind string
		flags        uint32
		want         bool
	}{
		{"no parent", "", "internal", local, true},
		{"a parent elsewhere", otlpParent, "internal", remote, true},
		{"a parent in the same service", otlpParent, "server", local, false},
		{"nobody says, and it serves", otlpParent, "server", 0, true},
		{"nobody says", otlpParent, "client", 0, false},
	} {
		if got := isSegment(&trace.Span{Flags: tt.flags}, tt.parent, tt.kind); got != tt.want {
			t.Errorf("%s: %v", tt.why, got)
		}
	}
	// Parents in a circle.
	env, _, err := ParseOTLP(OTLPTraces, "application/json", spanJSON(`{"traceId":"`+otlpTrace+`","spanId":"`+otlpChild+`","parentSpanId":"`+otlpParent+`"},
		{"traceId":"`+otlpTrace+`","spanId":"`+otlpParent+`","parentSpanId":"`+otlpChild+`"}`))
	if err != nil || len(elements(t, env)) != 2 {
		t.Errorf("parents in a circle: %v", err)
	}
}

func TestParseOTLP_Chunks(t *testing.T) {
	one := `{"traceId":"` + otlpTrace + `","spanId":"` + otlpChild + `"},`
	env, _, err := ParseOTLP(OTLPTraces, "application/json", spanJSON(strings.TrimSuffix(strings.Repeat(one, otlpChunk+1), ",")))
	if err != nil || len(env.Items) != 2 || len(elements(t, env)) != otlpChunk+1 {
		t.Errorf("%d items, %v", len(env.Items), err)
	}
	_, _, err = ParseOTLP(OTLPTraces, "application/json", spanJSON(strings.TrimSuffix(strings.Repeat(one, maxContainerItems+1), ",")))
	if err == nil || !strings.Contains(err.Error(), "more than 10000 traces") {
		t.Errorf("too many spans: %v", err)
	}
}

// nested is n messages, each the field of the one around it, with a value inside.
func nested(n int, path ...protowire.Number) []byte {
	var raw []byte
	for i := range n {
		raw = append(protowire.AppendTag(nil, path[i%len(path)], protowire.BytesType), protowire.AppendBytes(nil, raw)...)
	}
	return raw
}

func TestParseOTLP_Hostile(t *testing.T) {
	field := func(number protowire.Number, inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), inner)
	}
	inSpan := func(inner []byte) []byte { return field(1, field(2, field(2, inner))) }
	deep := `{"stringValue":"x"}`
	for range 200 {
		deep = `{"arrayValue":{"values":[` + deep + `]}}`
	}
	for _, tt := range []struct {
		why, contentType string
		raw              []byte
		reason           string
	}{
		{"not protobuf", "application/x-protobuf", []byte("{}"), "not the protobuf message"},
		{"cut off", "application/x-protobuf", inSpan([]byte{0x0a, 0x10, 1})[:7], "not the protobuf message"},
		{"not JSON", "application/json", []byte("x"), "not the message in JSON"},
		{"JSON of another kind", "application/json", []byte(`{"resourceSpans":3}`), "not the message in JSON"},
		{"many empty spans", "application/x-protobuf", field(1, field(2, []byte(strings.Repeat("\x12\x00", maxMessages)))), errTooMany.Error()},
		{"many empty attributes", "application/x-protobuf", inSpan([]byte(strings.Repeat("\x4a\x00", maxMessages))), errTooMany.Error()},
		{"many empty objects", "application/json", spanJSON(strings.Repeat("{},", maxMessages) + "{}"), errTooMany.Error()},
		{"deep values", "application/x-protobuf", inSpan(field(9, field(2, nested(200, 1, 5)))), "too deep"},
		{"deep values in JSON", "application/json", spanJSON(`{"attributes":[{"key":"a","value":` + deep + `}]}`), "not the message in JSON"},
	} {
		if _, _, err := ParseOTLP(OTLPTraces, tt.contentType, tt.raw); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %.200v, want %s", tt.why, err, tt.reason)
		}
	}
	if _, _, err := ParseOTLP(OTLPLogs, "application/x-protobuf", nil); err != nil {
		t.Errorf("an empty request: %v", err)
	}
}

// FuzzParseOTLP checks that no request makes the decoder panic, and that what it
// makes can be read as what SDKs send.
func FuzzParseOTLP(f *testing.F) {
	f.Add(true, spanJSON(`{"traceId":"`+otlpTrace+`","spanId":"`+otlpChild+`","name":"a","kind":2,"attributes":[{"key":"k","value":{"intValue":"3"}}]}`))
	f.Add(true, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"},"severityNumber":9}]}]}]}`))
	f.Add(false, []byte("\x0a\x10\x12\x0e\x12\x0c\x0a\x02\x01\x02\x12\x02\x03\x04\x2a\x01a"))
	f.Fuzz(func(t *testing.T, asJSON bool, raw []byte) {
		for signal, read := range map[OTLPSignal]func(Object) bool{
			OTLPTraces: func(o Object) bool { _, ok := SpanV2(o, noon); return ok },
			OTLPLogs:   func(o Object) bool { return LogAttrs(o) != nil },
		} {
			env, _, err := ParseOTLP(signal, map[bool]string{true: "application/json", false: "application/x-protobuf"}[asJSON], raw)
			if err != nil {
				continue
			}
			for _, it := range env.Items {
				list, err := ParseContainer(it.Payload)
				for _, o := range list {
					if !read(o) {
						err = errors.New("not an element")
					}
				}
				if err != nil {
					t.Fatalf("%s: %v", it.Payload, err)
				}
			}
		}
	})
}
