package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	attr "go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"roundhouse/sandbox/payload"
)

// export posts an OTLP request.
func (r *runner) export(path, contentType, key, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", path, strings.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	if key != "" {
		req.Header.Set("X-Sentry-Auth", "sentry sentry_key="+key)
	}
	return r.send(req)
}

// TestSDK_OpenTelemetry lets OpenTelemetry's own SDK and exporter send.
func TestSDK_OpenTelemetry(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.clock.pass(time.Since(noon)) // the SDK's clock is the real one
	server := httptest.NewServer(r.sb)
	defer server.Close()
	if err := r.sb.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	var keys []struct {
		DSN struct {
			Traces string `json:"otlp_traces"`
		}
	}
	r.get("/projects/acme-outdoors/checkout-api/keys/", &keys)
	_, key := r.dsn("acme-outdoors", "checkout-api")
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(keys[0].DSN.Traces), otlptracehttp.WithHeaders(map[string]string{"x-sentry-auth": "sentry sentry_key=" + key}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(noting{exporter, &failed}), sdktrace.WithResource(resource.NewSchemaless(
		attr.String("service.name", "shop"), attr.String("service.version", "shop@6"), attr.String("deployment.environment.name", "staging"))))
	tracer := provider.Tracer("tents")
	ctx, parent := tracer.Start(t.Context(), "GET /tents", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attr.String("http.request.method", "GET")))
	_, child := tracer.Start(ctx, "SELECT * FROM tents", trace.WithAttributes(attr.String("db.system.name", "postgresql"), attr.Int("left", 2)))
	child.End()
	parent.End()
	if err := provider.Shutdown(t.Context()); err != nil || failed != nil {
		t.Fatalf("the exporter could not send: %v, %v", err, failed)
	}
	var out struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=spans&sort=span.op&field=span.op&field=span.description&field=transaction&field=left&field=trace&query=environment:staging+release:shop@6+resource.service.name:shop", &out)
	id := parent.SpanContext().TraceID().String()
	want := []map[string]any{
		{"span.op": "db", "span.description": "SELECT * FROM tents", "transaction": "GET /tents", "left": 2., "trace": id},
		{"span.op": "http.server", "span.description": "GET /tents", "transaction": "GET /tents", "left": nil, "trace": id},
	}
	if diff := cmp.Diff(want, out.Data); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	var tree []struct {
		Op       string
		Children []struct{ Op string }
	}
	r.get("/organizations/acme-outdoors/trace/"+id+"/", &tree)
	if len(tree) != 1 || tree[0].Op != "http.server" || len(tree[0].Children) != 1 || tree[0].Children[0].Op != "db" {
		t.Errorf("trace %+v", tree)
	}
}

// noting keeps the error of an export, which a batcher only logs.
type noting struct {
	sdktrace.SpanExporter
	failed *error
}

func (n noting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := n.SpanExporter.ExportSpans(ctx, spans)
	*n.failed = errors.Join(*n.failed, err)
	return err
}

func TestOTLP_Logs(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "checkout-api")
	w := r.export(path+"/integration/otlp/v1/logs/", "application/json", key, `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.version","value":{"stringValue":"shop@6"}}]},
		"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795175998000000000","severityNumber":13,"body":{"stringValue":"few tents, token=abc"},"traceId":"`+traceID+`","spanId":"`+rootID+`",
		"attributes":[{"key":"left","value":{"intValue":"2"}},{"key":"config","value":{"kvlistValue":{"values":[{"key":"password","value":{"stringValue":"x"}}]}}}]}]}]}]}`)
	if w.Code != http.StatusOK || w.Body.String() != "{}" || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	want := []payload.Object{{"message": "few tents, token=" + payload.Filtered, "severity": "warn", "severity_number": 13., "left": 2., "config": `{"password":"[Filtered]"}`,
		"release": "shop@6", "resource.service.version": "shop@6", "environment": "production"}}
	got := r.attrsOf("log")
	for _, a := range got {
		delete(a, "sentry.item_id")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var out struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=logs&field=trace&field=span_id&query=few+tents+severity:warn", &out)
	if len(out.Data) != 1 || out.Data[0]["trace"] != traceID || out.Data[0]["span_id"] != rootID {
		t.Errorf("logs %v", out.Data)
	}
}

func TestOTLP_Answers(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "checkout-api")
	otherPath, _ := r.dsn("acme-outdoors", "storefront")
	const asJSON, asProto = "application/json", "application/x-protobuf"
	traces := path + "/integration/otlp/v1/traces"
	for _, tt := range []struct {
		why, path, contentType, key, body string
		status                            int
		detail                            string
	}{
		{"no key", traces, asJSON, "", `{}`, 403, "no key"},
		{"a key of another project", otherPath + "/integration/otlp/v1/traces", asJSON, key, `{}`, 403, "belongs to another project"},
		{"an unknown key", traces, asJSON, "00000000000000000000000000000000", `{}`, 403, "the key is unknown"},
		{"not JSON", traces, asJSON, key, `[`, 400, "bad OTLP traces: not the message in JSON"},
		{"not protobuf", traces, asProto, key, `{}`, 400, "bad OTLP traces: not the protobuf message"},
		{"too large", traces, asProto, key, strings.Repeat(" ", maxOTLP+1), 413, "larger than"},
		{"nothing", traces, asProto, key, "", 200, ""},
		{"metrics, which Sentry does not take", path + "/integration/otlp/v1/metrics", asProto, key, "", 404, ""},
	} {
		w := r.export(tt.path, tt.contentType, tt.key, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.detail) {
			t.Errorf("%s: %d %s, want %d with %s", tt.why, w.Code, w.Body, tt.status, tt.detail)
		}
	}
	w := r.export(traces, asJSON, key, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"aaaaaaaaaaaaaaaa"},{"traceId":"`+traceID+`","spanId":"`+rootID+`"}]}]}]}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `rejectedSpans`) || len(r.attrsOf("span")) != 1 {
		t.Errorf("a span without ids: %d %s", w.Code, w.Body)
	}
	raw, err := proto.Marshal(&collectortrace.ExportTraceServiceRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if w := r.export(traces, asProto, key, string(raw)); w.Code != 200 || w.Header().Get("Content-Type") != asProto || w.Body.Len() != 0 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("in protobuf: %d %v", w.Code, w.Header())
	}
}
