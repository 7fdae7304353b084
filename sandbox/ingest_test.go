package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sandbox/payload"
)

const (
	traceID = "9ec79c33ec9942ab8353589fcb2e04dc"
	rootID  = "aaaaaaaaaaaaaaaa"
	childID = "bbbbbbbbbbbbbbbb"
)

// attrsOf reads the attributes of the items of a kind, in the order they came.
func (r *runner) attrsOf(kind string) []payload.Object {
	r.Helper()
	rows, err := r.sb.read().Query("SELECT json(attrs) FROM item WHERE kind = ? ORDER BY id", kind)
	if err != nil {
		r.Fatal(err)
	}
	defer rows.Close()
	var out []payload.Object
	for rows.Next() {
		var raw []byte
		var a payload.Object
		if err := rows.Scan(&raw); err != nil {
			r.Fatal(err)
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			r.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// pick is the part of an object that a test is about.
func pick(o payload.Object, keys ...string) payload.Object {
	out := payload.Object{}
	for _, key := range keys {
		out[key] = o[key]
	}
	return out
}

func TestIngest_Transaction(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("transaction", `{"transaction":"GET /tents","platform":"go","release":"shop@1","environment":"staging","user":{"id":7},"tags":{"shelf":"3"},
		"start_timestamp":"2026-11-20T11:59:58Z","timestamp":"2026-11-20T11:59:58.250Z","request":{"method":"GET"},"measurements":{"lcp":{"value":120.5,"unit":"millisecond"}},
		"contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"`+rootID+`","op":"http.server","status":"ok","data":{"http.response.status_code":200}}},
		"spans":[{"span_id":"`+childID+`","parent_span_id":"`+rootID+`","op":"db.query","description":"SELECT 1","start_timestamp":1795175998.1,"timestamp":1795175998.15,"exclusive_time":50,"data":{"db.system":"postgresql","password":"x"}}]}`)
	spans := r.attrsOf("span")
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	root := pick(spans[0], "span.op", "transaction", "span.duration", "transaction.duration", "is_transaction", "http.method", "http.response.status_code", "measurements.lcp", "release", "environment", "user.id", "shelf", "platform", "level")
	if diff := cmp.Diff(payload.Object{"span.op": "http.server", "transaction": "GET /tents", "span.duration": 250., "transaction.duration": 250., "is_transaction": true, "http.method": "GET",
		"http.response.status_code": 200., "measurements.lcp": 120.5, "release": "shop@1", "environment": "staging", "user.id": "7", "shelf": "3", "platform": "go", "level": "info"}, root); diff != "" {
		t.Errorf("root: %s", diff)
	}
	child := pick(spans[1], "span.op", "span.description", "span.category", "span.duration", "span.self_time", "parent_span", "db.system", "password", "transaction", "is_transaction")
	if diff := cmp.Diff(payload.Object{"span.op": "db.query", "span.description": "SELECT 1", "span.category": "db", "span.duration": 50., "span.self_time": 50., "parent_span": rootID,
		"db.system": "postgresql", "password": payload.Filtered, "transaction": "GET /tents", "is_transaction": false}, child); diff != "" {
		t.Errorf("child: %s", diff)
	}
}

func TestIngest_SpanContainer(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("span", `{"version":2,"items":[
		{"trace_id":"`+traceID+`","span_id":"`+rootID+`","name":"GET /boots","is_segment":true,"status":"ok","start_timestamp":1795175998,"end_timestamp":1795175999.5,
		 "attributes":{"sentry.op":{"value":"http.server","type":"string"},"sentry.release":{"value":"shop@2","type":"string"},"sentry.environment":{"value":"production","type":"string"},"gen_ai.usage.input_tokens":{"value":12,"type":"integer"},"session.id":{"value":"secret","type":"string"}}},
		{"trace_id":"`+traceID+`","span_id":"`+childID+`","parent_span_id":"`+rootID+`","name":"chat","start_timestamp":1795175998,"end_timestamp":1795175998.5,"attributes":{"sentry.segment.name":{"value":"GET /boots","type":"string"}}}]}`)
	spans := r.attrsOf("span")
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	want := payload.Object{"span.op": "http.server", "span.name": "GET /boots", "transaction": "GET /boots", "span.duration": 1500., "is_transaction": true, "release": "shop@2", "gen_ai.usage.input_tokens": 12., "session.id": payload.Filtered}
	if diff := cmp.Diff(want, pick(spans[0], "span.op", "span.name", "transaction", "span.duration", "is_transaction", "release", "gen_ai.usage.input_tokens", "session.id")); diff != "" {
		t.Errorf("segment: %s", diff)
	}
	if diff := cmp.Diff(payload.Object{"transaction": "GET /boots", "is_transaction": false, "parent_span": rootID}, pick(spans[1], "transaction", "is_transaction", "parent_span")); diff != "" {
		t.Errorf("span: %s", diff)
	}
}

func TestIngest_BareSpan(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("span", `{"trace_id":"`+traceID+`","span_id":"`+childID+`","op":"cache.get","description":"tents","start_timestamp":1795175998,"timestamp":1795175998.5,"data":{"cache.hit":true}}`)
	if spans := r.attrsOf("span"); len(spans) != 1 || spans[0]["span.op"] != "cache.get" || spans[0]["cache.hit"] != true || spans[0]["span.duration"] != 500. {
		t.Errorf("spans %v", spans)
	}
}

func TestIngest_Logs(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	logs := `{"items":[{"timestamp":1795175998,"trace_id":"` + traceID + `","level":"warn","severity_number":13,"body":"retry with token=abc",
		"attributes":{"sentry.trace.parent_span_id":{"value":"` + rootID + `","type":"string"},"queue":{"value":"slow","type":"string"},"depth":{"value":3,"type":"integer"}}},{"body":"second"}]}`
	raw := pack(`{"trace":{"environment":"staging","release":"shop@3"}}`, "log", logs)
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := r.attrsOf("log")
	if len(got) != 2 {
		t.Fatalf("%d logs", len(got))
	}
	want := payload.Object{"message": "retry with token=" + payload.Filtered, "severity": "warn", "severity_number": 13., "queue": "slow", "depth": 3., "environment": "staging", "release": "shop@3"}
	if diff := cmp.Diff(want, pick(got[0], "message", "severity", "severity_number", "queue", "depth", "environment", "release")); diff != "" {
		t.Error(diff)
	}
	var trace, span string
	if err := r.sb.read().QueryRow("SELECT trace_id, span_id FROM item WHERE kind = 'log' ORDER BY id LIMIT 1").Scan(&trace, &span); err != nil || trace != traceID || span != rootID {
		t.Errorf("trace %q, span %q, %v: some SDKs name the span in an attribute alone", trace, span, err)
	}
}

// TestIngest_TraceHeader: some SDKs name transaction and trace in the
// envelope's header alone.
func TestIngest_TraceHeader(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	raw := pack(`{"trace":{"trace_id":"`+traceID+`","transaction":"GET /maps"}}`, "event", `{"message":"lost"}`)
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := r.issues("transaction:\"GET /maps\" trace:" + traceID); len(got) != 1 || got[0].Culprit != "GET /maps" {
		t.Errorf("issues %+v", got)
	}
}

// thrown is an event with one exception and one frame, in which %s stands for
// more of the frame.
func thrown(kind, value, frame string) string {
	return fmt.Sprintf(`{"platform":"python","exception":[{"type":%q,"value":%q,"stacktrace":{"frames":[%s]}}]}`, kind, value, frame)
}

// BenchmarkIngest: an error event with two frames, through the handler into
// memory.
func BenchmarkIngest(b *testing.B) {
	sb, err := New(b.Context(), Options{Empty: true})
	if err != nil {
		b.Fatal(err)
	}
	defer sb.Close()
	dsn, err := sb.DSN(b.Context(), "acme-outdoors", "storefront")
	if err != nil {
		b.Fatal(err)
	}
	raw := pack(`{"dsn":"`+dsn+`"}`, "event", thrown("E", "v", `{"function":"f","module":"m","in_app":true},{"function":"g","module":"m","in_app":true}`))
	for b.Loop() {
		w := httptest.NewRecorder()
		sb.ServeHTTP(w, httptest.NewRequest("POST", "/api/51001/envelope/", strings.NewReader(raw)))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// FuzzEnvelope: nothing that is sent may bring ingest down, or store a secret.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n"))
	f.Add([]byte("{\"trace\":{\"transaction\":\"t\"}}\n{\"type\":\"event\",\"length\":2}\n{}\n{\"type\":\"event\"}\n{\"exception\":[{\"type\":1,\"stacktrace\":{\"frames\":[{\"lineno\":\"x\"},null]}}],\"tags\":[[\"a\",\"b\"],{\"key\":\"c\"}]}"))
	f.Add([]byte("{}\n{\"type\":\"transaction\"}\n{\"contexts\":{\"trace\":{\"trace_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"span_id\":\"9ec79c33ec9942ab\"}},\"spans\":[1,{}]}"))
	f.Add([]byte("{}\n{\"type\":\"log\"}\n{\"items\":[{\"body\":1,\"attributes\":{\"a\":{\"value\":1}}}]}\n{\"type\":\"span\"}\n{\"items\":[{}]}"))
	sb, err := New(f.Context(), Options{Empty: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { sb.Close() })
	p := project{id: 51001, org: 41001, slug: "storefront"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		env, err := payload.ParseEnvelope(raw)
		if err != nil {
			return
		}
		if env.EventID == "" {
			env.EventID = randomHex(16)
		}
		if _, err := sb.ingestEnvelope(t.Context(), p, env, "192.0.2.1", nil); err != nil {
			var bad *badPayload
			if !errors.As(err, &bad) {
				t.Fatalf("ingest %q: %v", raw, err)
			}
			return
		}
		rows, err := collect(t.Context(), sb.read(), scanEvent, "SELECT "+eventColumns+" WHERE it.kind = 'error' AND it.event_id = ?", env.EventID)
		if err != nil {
			t.Fatalf("read back %q: %v", raw, err)
		}
		for _, ev := range rows {
			ev.details()
		}
	})
}

// TestItemIDs: ids that arrive later come later.
func TestItemIDs(t *testing.T) {
	b := &batch{Arrival: payload.Arrival{Received: noon}}
	first, second := b.itemIDs([]byte("a")), b.itemIDs([]byte("b"))
	b = &batch{Arrival: payload.Arrival{Received: noon.Add(time.Nanosecond)}}
	third := b.itemIDs([]byte("a"))
	for _, pair := range [][2]string{{first(0), first(1)}, {first(9999), third(0)}, {second(9999), third(0)}} {
		if pair[0] >= pair[1] || !payload.IsHex(pair[0], 32) || !payload.IsHex(pair[1], 32) {
			t.Errorf("%s and then %s", pair[0], pair[1])
		}
	}
	if first(0) == second(0) {
		t.Errorf("%s is the id of two items", first(0))
	}
}
