package payload

import "cmp"

// metricTypes are the types that a metric may have, by the names that SDKs give
// them.
var metricTypes = map[string]string{"counter": "counter", "c": "counter", "gauge": "gauge", "g": "gauge", "distribution": "distribution", "d": "distribution"}

const noUnit = "none" // what some SDKs send instead of nothing

// MetricAttrs are the attributes of a metric with unwrapped attributes; ok is
// false for what has no name, no number or no type that is known.
func MetricAttrs(o Object) (a Attrs, ok bool) {
	name, typ := Text(o["name"]), metricTypes[Text(o["type"])]
	value, isNumber := Number(o["value"])
	if name == "" || typ == "" || !isNumber {
		return nil, false
	}
	a = Attrs{"value": value}
	a.Set("metric.name", Clip(name, maxTagRunes))
	a.Set("metric.type", typ)
	if unit := Text(o["unit"]); unit != noUnit {
		a.Set("metric.unit", Clip(unit, maxTagRunes))
	}
	a.setAll(Unwrap(AsObject(o["attributes"])), "")
	return a, true
}

// MetricSpan is the span that a metric belongs to, "" for none.
func MetricSpan(o Object, a Attrs) string {
	return cmp.Or(HexID(o["span_id"], 16), HexID(a["trace.parent_span"], 16))
}
