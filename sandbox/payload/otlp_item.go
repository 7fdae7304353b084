package payload

import (
	"cmp"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// otlpSource is what all spans or logs of a resource and a scope have.
func otlpSource(res *resource.Resource, scope *common.InstrumentationScope) Object {
	sent := otlpObject("", res.GetAttributes(), maxOTLPDepth)
	out := Object{}
	for key, v := range sent {
		out["resource."+key] = v
	}
	set := func(key string, values ...any) {
		for _, v := range values {
			if text := Text(v); text != "" {
				out[key] = text
				return
			}
		}
	}
	set("sentry.environment", sent["deployment.environment.name"], sent["deployment.environment"])
	set("sentry.release", sent["service.version"])
	set("sentry.sdk.name", sent["telemetry.sdk.name"])
	set("sentry.sdk.version", sent["telemetry.sdk.version"])
	set("instrumentation.name", scope.GetName())
	set("instrumentation.version", scope.GetVersion())
	return out
}

// attributesOf puts an item's own attributes over those of its source.
func attributesOf(source Object, own []*common.KeyValue) Object {
	all := maps.Clone(source)
	maps.Copy(all, otlpObject("", own, maxOTLPDepth))
	return all
}

// wrapped is the form in which spans and logs of a container have attributes.
// None of them is an object there: what is one here becomes text.
func wrapped(attributes Object) Object {
	out := make(Object, len(attributes))
	for key, v := range attributes {
		if o, ok := v.(Object); ok {
			v = scrubbedText(o)
		}
		out[key] = Object{"value": v}
	}
	return out
}

// scrubbedText is JSON. It is scrubbed here, where its parts have names still.
func scrubbedText(v any) string {
	raw, err := json.Marshal(Scrub(v))
	if err != nil {
		return ""
	}
	return string(raw)
}

// otlpSpans makes elements of a span container. Spans without ids are dropped,
// and counted.
func otlpSpans(all []*trace.ResourceSpans) (list []Object, dropped int) {
	for _, rs := range all {
		for _, ss := range rs.GetScopeSpans() {
			source := otlpSource(rs.GetResource(), ss.GetScope())
			for _, sp := range ss.GetSpans() {
				o := otlpSpan(sp, attributesOf(source, sp.GetAttributes()))
				if o == nil {
					dropped++
					continue
				}
				list = append(list, o)
			}
		}
	}
	nameSegments(list)
	return list, dropped
}

func otlpSpan(sp *trace.Span, attributes Object) Object {
	traceID, id, parent := otlpID(sp.GetTraceId(), 16), otlpID(sp.GetSpanId(), 8), otlpID(sp.GetParentSpanId(), 8)
	if traceID == "" || id == "" {
		return nil
	}
	kind := otlpKinds[sp.GetKind()]
	if attributes["sentry.op"] == nil {
		attributes["sentry.op"] = otlpOp(kind, attributes)
	}
	if kind != "" {
		attributes["sentry.kind"] = kind
	}
	o := Object{
		"trace_id": traceID, "span_id": id, "name": sp.GetName(), "status": otlpStatus(sp.GetStatus(), attributes),
		"is_segment":      isSegment(sp, parent, kind),
		"start_timestamp": otlpTime(sp.GetStartTimeUnixNano()), "end_timestamp": otlpTime(sp.GetEndTimeUnixNano()),
		"attributes": wrapped(attributes),
	}
	if parent != "" {
		o["parent_span_id"] = parent
	}
	return o
}

// otlpTime is in Unix seconds; no time, 0, is none.
func otlpTime(nanoseconds uint64) any {
	if nanoseconds == 0 {
		return nil
	}
	return json.Number(strconv.FormatUint(nanoseconds/1e9, 10) + "." + strconv.FormatUint(1e9+nanoseconds%1e9, 10)[1:])
}

var otlpKinds = map[trace.Span_SpanKind]string{
	trace.Span_SPAN_KIND_INTERNAL: "internal", trace.Span_SPAN_KIND_SERVER: "server", trace.Span_SPAN_KIND_CLIENT: "client",
	trace.Span_SPAN_KIND_PRODUCER: "producer", trace.Span_SPAN_KIND_CONSUMER: "consumer",
}

// isSegment tells the first span of a service: it has no parent, or one in
// another service. Older exporters do not say where the parent is; then what
// serves or consumes is taken for the first.
func isSegment(sp *trace.Span, parent, kind string) bool {
	const known, remote = uint32(trace.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK), uint32(trace.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	switch {
	case parent == "":
		return true
	case sp.GetFlags()&known != 0:
		return sp.GetFlags()&remote != 0
	}
	return kind == "server" || kind == "consumer"
}

// otlpOp is what kind of work a span is, as Sentry's SDKs would name it.
func otlpOp(kind string, attributes Object) string {
	has := func(keys ...string) bool {
		for _, key := range keys {
			if attributes[key] != nil {
				return true
			}
		}
		return false
	}
	switch {
	case has("http.request.method", "http.method"):
		if kind == "server" || kind == "client" {
			return "http." + kind
		}
		return "http"
	case has("db.system.name", "db.system"):
		return "db"
	case has("gen_ai.operation.name"):
		return "gen_ai." + Text(attributes["gen_ai.operation.name"])
	case has("messaging.system"):
		return "message"
	case has("rpc.system", "rpc.system.name", "rpc.service"):
		return "rpc"
	case has("faas.trigger"):
		return Text(attributes["faas.trigger"])
	}
	return "default"
}

// spanStatuses are Sentry's names of what can go wrong, by HTTP status.
var spanStatuses = map[string]string{
	"400": "invalid_argument", "401": "unauthenticated", "403": "permission_denied", "404": "not_found", "409": "already_exists",
	"429": "resource_exhausted", "499": "cancelled", "500": "internal_error", "501": "unimplemented", "503": "unavailable", "504": "deadline_exceeded",
}

func otlpStatus(status *trace.Status, attributes Object) string {
	if status.GetCode() != trace.Status_STATUS_CODE_ERROR {
		return "ok"
	}
	code := cmp.Or(Text(attributes["http.response.status_code"]), Text(attributes["http.status_code"]))
	return cmp.Or(spanStatuses[code], "internal_error")
}

// nameSegments gives each span the name of the segment that it is part of, as
// far as that came with it.
func nameSegments(list []Object) {
	byID := make(map[string]Object, len(list))
	for _, o := range list {
		byID[Text(o["trace_id"])+Text(o["span_id"])] = o
	}
	for _, o := range list {
		top := o
		// A loop of parents ends, too.
		for range maxOTLPDepth {
			parent := byID[Text(top["trace_id"])+Text(top["parent_span_id"])]
			if top["is_segment"] == true || parent == nil {
				break
			}
			top = parent
		}
		if attributes := AsObject(o["attributes"]); top["is_segment"] == true && attributes["sentry.segment.name"] == nil {
			attributes["sentry.segment.name"] = Object{"value": top["name"]}
		}
	}
}

// otlpLogs makes elements of a log container.
func otlpLogs(all []*logs.ResourceLogs) (list []Object) {
	for _, rl := range all {
		for _, sl := range rl.GetScopeLogs() {
			source := otlpSource(rl.GetResource(), sl.GetScope())
			for _, record := range sl.GetLogRecords() {
				list = append(list, otlpLog(record, attributesOf(source, record.GetAttributes())))
			}
		}
	}
	return list
}

func otlpLog(record *logs.LogRecord, attributes Object) Object {
	if name := record.GetEventName(); name != "" {
		attributes["event.name"] = name
	}
	if observed := record.GetObservedTimeUnixNano(); observed != 0 {
		attributes["sentry.observed_timestamp_nanos"] = strconv.FormatUint(observed, 10)
	}
	number := int(record.GetSeverityNumber())
	o := Object{
		"timestamp": otlpTime(cmp.Or(record.GetTimeUnixNano(), record.GetObservedTimeUnixNano())),
		"body":      otlpBody(record.GetBody()), "level": otlpSeverity(number, record.GetSeverityText()),
		"trace_id": otlpID(record.GetTraceId(), 16), "span_id": otlpID(record.GetSpanId(), 8), "attributes": wrapped(attributes),
	}
	if number != 0 {
		o["severity_number"] = number
	}
	return o
}

func otlpBody(v *common.AnyValue) string {
	body := otlpValue(v, maxOTLPDepth)
	if text, ok := body.(string); ok || body == nil {
		return text
	}
	return scrubbedText(body)
}

// otlpSeverity is the range that the number is in, or else what the text says.
func otlpSeverity(number int, text string) string {
	if number >= 1 && number <= 24 {
		return []string{"trace", "debug", "info", "warn", "error", "fatal"}[(number-1)/4]
	}
	return cmp.Or(strings.ToLower(text), "info")
}
