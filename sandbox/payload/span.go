package payload

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Span is a span of any of the three forms that SDKs send.
type Span struct {
	Trace, ID  string
	Start, End time.Time
	Attrs      Attrs
}

// aliases are attributes that go by another name here.
var aliases = map[string]string{
	"sentry.release": "release", "sentry.environment": "environment", "sentry.op": "span.op",
	"sentry.sdk.name": "sdk.name", "sentry.sdk.version": "sdk.version", "sentry.segment.name": "transaction",
	"sentry.trace.parent_span_id": "trace.parent_span", "user.name": "user.username", "user.ip_address": "user.ip",
	"server.address": "server_name", "profiler_id": "profiler.id", "sentry.profiler_id": "profiler.id", "sentry.profile_id": "profile.id",
}

// Unwrap flattens {"k": {"value": v, "type": t}} and applies the aliases.
func Unwrap(wrapped Object) Object {
	out := Object{}
	for key, v := range wrapped {
		if o, ok := v.(Object); ok {
			v = o["value"]
		}
		if alias := aliases[key]; alias != "" {
			key = alias
		}
		out[key] = v
	}
	return out
}

// newSpan reads what the forms have in common; ok is false for what has no ids.
func newSpan(o Object, endKey string, now time.Time) (sp Span, ok bool) {
	sp.Trace, sp.ID = HexID(o["trace_id"], 32), HexID(o["span_id"], 16)
	if sp.Trace == "" || sp.ID == "" {
		return sp, false
	}
	sp.End = EventTime(o[endKey], now)
	sp.Start = sp.End
	if o["start_timestamp"] != nil {
		if start := EventTime(o["start_timestamp"], now); start.Before(sp.End) {
			sp.Start = start
		}
	}
	sp.Attrs = Attrs{}
	sp.Attrs["span.duration"] = float64(sp.End.Sub(sp.Start).Microseconds()) / 1000
	sp.Attrs["precise.start_ts"] = unixSeconds(sp.Start)
	sp.Attrs["precise.finish_ts"] = unixSeconds(sp.End)
	for _, key := range []string{"parent_span", "trace.parent_span"} {
		sp.Attrs.Set(key, Text(o["parent_span_id"]))
	}
	sp.Attrs.Set("span.status", Text(o["status"]))
	return sp, true
}

func (sp Span) describe(op, description string) {
	sp.Attrs.Set("span.op", op)
	sp.Attrs.Set("span.description", description)
	sp.Attrs.Set("span.name", cmp.Or(description, op))
	category, _, _ := strings.Cut(op, ".")
	sp.Attrs.Set("span.category", category)
}

// SpanV1 reads a span of a transaction, or one that was sent by itself.
func SpanV1(o Object, now time.Time) (Span, bool) {
	sp, ok := newSpan(o, "timestamp", now)
	if !ok {
		return sp, false
	}
	data := Unwrap(AsObject(o["data"]))
	sp.describe(cmp.Or(Text(o["op"]), Text(data["span.op"])), Text(o["description"]))
	if self, ok := Number(o["exclusive_time"]); ok {
		sp.Attrs.Set("span.self_time", self)
	}
	sp.Attrs["is_transaction"] = o["is_segment"] == true
	sp.Attrs.setAll(tagMap(o["tags"]), "")
	sp.Attrs.setAll(data, "")
	sp.setGenAI()
	return sp, true
}

// SpanV2 reads an element of a span container.
func SpanV2(o Object, now time.Time) (Span, bool) {
	sp, ok := newSpan(o, "end_timestamp", now)
	if !ok {
		return sp, false
	}
	data := Unwrap(AsObject(o["attributes"]))
	sp.describe(Text(data["span.op"]), Text(o["name"]))
	sp.Attrs["is_transaction"] = o["is_segment"] == true
	if o["is_segment"] == true {
		sp.Attrs.Set("transaction", Text(o["name"]))
		sp.Attrs.Set("transaction.op", sp.Attrs["span.op"])
		sp.Attrs.Set("transaction.duration", sp.Attrs["span.duration"])
	}
	sp.Attrs.setAll(data, "")
	sp.setGenAI()
	return sp, true
}

// TransactionSpans returns the root span of a normalized transaction event and
// the spans in it, all with what they inherit from the event.
func TransactionSpans(ev Object, now time.Time) []Span {
	context := AsObject(At(ev, "contexts", "trace"))
	root := Object{
		"trace_id": context["trace_id"], "span_id": context["span_id"], "parent_span_id": context["parent_span_id"],
		"op": context["op"], "status": context["status"], "description": ev["transaction"], "data": context["data"],
		"start_timestamp": ev["start_timestamp"], "timestamp": ev["timestamp"], "is_segment": true,
	}
	var out []Span
	for i, o := range append([]Object{root}, Objects(ev["spans"])...) {
		if Text(o["trace_id"]) == "" {
			o["trace_id"] = context["trace_id"]
		}
		sp, ok := SpanV1(o, now)
		if !ok {
			continue
		}
		if i == 0 {
			sp.Attrs.Set("transaction.op", Text(context["op"]))
			sp.Attrs.Set("transaction.status", Text(context["status"]))
			sp.Attrs.Set("transaction.duration", sp.Attrs["span.duration"])
			sp.setMeasurements(AsObject(ev["measurements"]))
			sp.Attrs.Set("profile.id", HexID(At(ev, "contexts", "profile", "profile_id"), 32))
			sp.Attrs.Set("profiler.id", HexID(At(ev, "contexts", "profile", "profiler_id"), 32))
		}
		sp.Attrs.Set("transaction", Text(ev["transaction"]))
		sp.Attrs.Set("platform", Text(ev["platform"]))
		sp.Attrs.Set("http.method", TextAt(ev, "request", "method"))
		sp.Attrs.setAll(AsObject(ev["tags"]), "")
		sp.Attrs.setCommon(ev)
		out = append(out, sp)
	}
	return out
}

func (sp Span) setMeasurements(measurements Object) {
	for name, m := range measurements {
		if value, ok := Number(At(AsObject(m), "value")); ok {
			sp.Attrs.Set("measurements."+name, value)
		}
	}
}

// ParseContainer reads the list of spans, logs or metrics that one item carries.
func ParseContainer(payload []byte) ([]Object, error) {
	o, err := ParseObject(payload)
	if err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	return Contained(o)
}

// Contained is the list that a container holds.
func Contained(o Object) ([]Object, error) {
	list, ok := o["items"].([]any)
	if !ok && o["items"] != nil {
		return nil, errors.New("container: items is not a list")
	}
	if len(list) > maxContainerItems {
		return nil, fmt.Errorf("container: more than %d items", maxContainerItems)
	}
	out := make([]Object, len(list))
	for i, item := range list {
		if out[i], ok = item.(Object); !ok {
			return nil, fmt.Errorf("container item %d: not a JSON object", i+1)
		}
	}
	return out, nil
}

// LogAttrs are the attributes of a log record with unwrapped attributes.
func LogAttrs(o Object) Attrs {
	a := Attrs{}
	a.Set("message", Text(o["body"]))
	a.Set("severity", Text(o["level"]))
	if n, ok := Number(o["severity_number"]); ok {
		a.Set("severity_number", n)
	}
	a.setAll(Unwrap(AsObject(o["attributes"])), "")
	return a
}
