package query

import (
	"maps"
	"slices"
	"strings"
)

// metricArgs is how many arguments a function has that is about one metric, as
// in sum(value,orders.placed,counter,-).
const metricArgs = 4

var (
	metricTypes = []string{"counter", "distribution", "gauge"}

	metricFunctions = map[string]bool{
		"sum": true, "avg": true, "min": true, "max": true, "count": true, "p50": true, "p75": true, "p90": true,
		"p95": true, "p99": true, "p100": true, "per_second": true, "per_minute": true,
	}
)

// SQL for what every metric has; a value is always stored as a number.
const (
	metricValue = `(it.attrs ->> '$."value"')`
	metricName  = `(it.attrs ->> '$."metric.name"')`
	metricType  = `(it.attrs ->> '$."metric.type"')`
	metricUnit  = `coalesce(it.attrs ->> '$."metric.unit"', '')`
)

// metricCall compiles a function that is about one metric. Rows of others are
// NULL to it, which no function counts.
func (c compiler) metricCall(text, name string, f function, args []string) (column, fragment, error) {
	wrong := func(format string, a ...any) (column, fragment, error) {
		return column{}, fragment{}, invalid("field", text, format, a...)
	}
	metric, typ, unit := args[1], args[2], args[3]
	if unit == "-" || unit == "none" {
		unit = ""
	}
	switch {
	case !metricFunctions[name]:
		return wrong("this is no function of one metric; there are %s", strings.Join(slices.Sorted(maps.Keys(metricFunctions)), ", "))
	case args[0] != "value":
		return wrong("of a metric there is only the value, as in %s(value,NAME,TYPE,UNIT)", name)
	case metric == "":
		return wrong("the second argument is the name of the metric")
	case !slices.Contains(metricTypes, typ):
		return wrong("the third argument, the metric's type, is one of %s", strings.Join(metricTypes, ", "))
	}
	is := raw(metricName+" = ? AND "+metricType+" = ? AND "+metricUnit+" = ?", metric, typ, unit)
	if c.metrics != nil {
		*c.metrics = append(*c.metrics, is)
	}
	x := metricValue
	if f.weighed && typ != "counter" {
		x = "1"
	}
	out := column{typ: f.typ, unit: f.unit, known: true}
	if f.typ == Any {
		out.typ, out.unit = unitType(unit), unit
	}
	out.expr = f.fill("(CASE WHEN "+is.sql+" THEN "+x+" END)", "?")
	bound := slices.Clone(is.args)
	if f.weighed {
		bound = append(bound, c.rangeSeconds())
	}
	return out, fragment{out.expr, bound}, nil
}

// weight is how often a metric happened: a counter its value, others once.
const weight = "(CASE " + metricType + " WHEN 'counter' THEN " + metricValue + " ELSE 1 END)"

// unitType is the type of a number that has a unit.
func unitType(unit string) Type {
	switch {
	case durationUnits[unit] != 0:
		return Duration
	case unit == "ratio":
		return Percentage
	}
	return Number
}
