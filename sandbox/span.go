package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// span is a span of any of the three forms that SDKs send.
type span struct {
	trace, id  string
	start, end time.Time
	attrs      attrs
}

// aliases are attributes that go by another name here.
var aliases = map[string]string{
	"sentry.release": "release", "sentry.environment": "environment", "sentry.op": "span.op",
	"sentry.sdk.name": "sdk.name", "sentry.sdk.version": "sdk.version", "sentry.segment.name": "transaction",
	"sentry.trace.parent_span_id": "trace.parent_span", "user.name": "user.username", "user.ip_address": "user.ip",
	"server.address": "server_name",
}

// unwrap flattens {"k": {"value": v, "type": t}} and applies the aliases.
func unwrap(wrapped object) object {
	out := object{}
	for key, v := range wrapped {
		if o, ok := v.(object); ok {
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
func newSpan(o object, endKey string, now time.Time) (sp span, ok bool) {
	sp.trace, sp.id = hexID(o["trace_id"], 32), hexID(o["span_id"], 16)
	if sp.trace == "" || sp.id == "" {
		return sp, false
	}
	sp.end = eventTime(o[endKey], now)
	sp.start = sp.end
	if o["start_timestamp"] != nil {
		if start := eventTime(o["start_timestamp"], now); start.Before(sp.end) {
			sp.start = start
		}
	}
	sp.attrs = attrs{}
	sp.attrs["span.duration"] = float64(sp.end.Sub(sp.start).Microseconds()) / 1000
	sp.attrs["precise.start_ts"] = seconds(sp.start)
	sp.attrs["precise.finish_ts"] = seconds(sp.end)
	for _, key := range []string{"parent_span", "trace.parent_span"} {
		sp.attrs.set(key, text(o["parent_span_id"]))
	}
	sp.attrs.set("span.status", text(o["status"]))
	return sp, true
}

func (sp span) describe(op, description string) {
	sp.attrs.set("span.op", op)
	sp.attrs.set("span.description", description)
	sp.attrs.set("span.name", firstText(description, op))
	category, _, _ := strings.Cut(op, ".")
	sp.attrs.set("span.category", category)
}

// spanV1 reads a span of a transaction, or one that was sent by itself.
func spanV1(o object, now time.Time) (span, bool) {
	sp, ok := newSpan(o, "timestamp", now)
	if !ok {
		return sp, false
	}
	data := unwrap(asObject(o["data"]))
	sp.describe(firstText(text(o["op"]), text(data["span.op"])), text(o["description"]))
	if self, ok := number(o["exclusive_time"]); ok {
		sp.attrs.set("span.self_time", self)
	}
	sp.attrs["is_transaction"] = o["is_segment"] == true
	sp.attrs.setAll(tagMap(o["tags"]), "")
	sp.attrs.setAll(data, "")
	return sp, true
}

// spanV2 reads an element of a span container.
func spanV2(o object, now time.Time) (span, bool) {
	sp, ok := newSpan(o, "end_timestamp", now)
	if !ok {
		return sp, false
	}
	data := unwrap(asObject(o["attributes"]))
	sp.describe(text(data["span.op"]), text(o["name"]))
	sp.attrs["is_transaction"] = o["is_segment"] == true
	if o["is_segment"] == true {
		sp.attrs.set("transaction", text(o["name"]))
		sp.attrs.set("transaction.op", sp.attrs["span.op"])
		sp.attrs.set("transaction.duration", sp.attrs["span.duration"])
	}
	sp.attrs.setAll(data, "")
	return sp, true
}

// transactionSpans returns the root span of a normalized transaction event and
// the spans in it, all with what they inherit from the event.
func transactionSpans(ev object, now time.Time) []span {
	context := asObject(at(ev, "contexts", "trace"))
	root := object{
		"trace_id": context["trace_id"], "span_id": context["span_id"], "parent_span_id": context["parent_span_id"],
		"op": context["op"], "status": context["status"], "description": ev["transaction"], "data": context["data"],
		"start_timestamp": ev["start_timestamp"], "timestamp": ev["timestamp"], "is_segment": true,
	}
	var out []span
	for i, o := range append([]object{root}, objects(ev["spans"])...) {
		if text(o["trace_id"]) == "" {
			o["trace_id"] = context["trace_id"]
		}
		sp, ok := spanV1(o, now)
		if !ok {
			continue
		}
		if i == 0 {
			sp.attrs.set("transaction.op", text(context["op"]))
			sp.attrs.set("transaction.status", text(context["status"]))
			sp.attrs.set("transaction.duration", sp.attrs["span.duration"])
			sp.setMeasurements(asObject(ev["measurements"]))
		}
		sp.attrs.set("transaction", text(ev["transaction"]))
		sp.attrs.set("platform", text(ev["platform"]))
		sp.attrs.set("http.method", textAt(ev, "request", "method"))
		sp.attrs.setAll(asObject(ev["tags"]), "")
		sp.attrs.setCommon(ev)
		out = append(out, sp)
	}
	return out
}

func (sp span) setMeasurements(measurements object) {
	for name, m := range measurements {
		if value, ok := number(at(asObject(m), "value")); ok {
			sp.attrs.set("measurements."+name, value)
		}
	}
}

// container is the payload of a span, log or metric item.
type container struct {
	Items []json.RawMessage `json:"items"`
}

func parseContainer(payload []byte) ([]object, error) {
	var c container
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	if len(c.Items) > maxContainerItems {
		return nil, fmt.Errorf("container: more than %d items", maxContainerItems)
	}
	out := make([]object, len(c.Items))
	for i, raw := range c.Items {
		o, err := parseObject(raw)
		if err != nil {
			return nil, fmt.Errorf("container item %d: %w", i+1, err)
		}
		out[i] = o
	}
	return out, nil
}

func logAttrs(o object) attrs {
	a := attrs{}
	a.set("message", text(o["body"]))
	a.set("severity", text(o["level"]))
	if n, ok := number(o["severity_number"]); ok {
		a.set("severity_number", n)
	}
	a.setAll(unwrap(asObject(o["attributes"])), "")
	return a
}
