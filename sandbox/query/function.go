package query

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A function makes one value of a group of rows. Its SQL has %f for its field
// and %q for its second argument.
type function struct {
	args     int  // how many there must be
	optional bool // the one argument may be left out
	measured bool // the field is taken as a number
	weighed  bool // of metrics alone: the field is the value, taken as how often they happened
	sql      string
	typ      Type // Any: that of the field
	unit     string
}

// failed is the condition that a row reports a failure. A row without a status
// reports none.
const failed = `coalesce(it.attrs ->> '$."span.status"', 'ok') NOT IN ('ok', 'cancelled', 'unknown')`

var functions = map[string]function{
	"count":         {args: 1, optional: true, sql: "count(%f)", typ: Integer},
	"count_unique":  {args: 1, sql: "count(DISTINCT %f)", typ: Integer},
	"count_if":      {args: 3, sql: "count(*) FILTER (WHERE %q)", typ: Integer},
	"sum":           {args: 1, measured: true, sql: "sum(%f)"},
	"avg":           {args: 1, measured: true, sql: "avg(%f)"},
	"min":           {args: 1, measured: true, sql: "min(%f)"},
	"max":           {args: 1, measured: true, sql: "max(%f)"},
	"p50":           percentile("0.5"),
	"p75":           percentile("0.75"),
	"p90":           percentile("0.9"),
	"p95":           percentile("0.95"),
	"p99":           percentile("0.99"),
	"p100":          percentile("1.0"),
	"percentile":    {args: 2, measured: true, sql: "rh_percentile(%f, %q)"},
	"any":           {args: 1, sql: "min(%f)"},
	"last_seen":     {sql: "max(it.ts)", typ: Date},
	"first_seen":    {sql: "min(it.ts)", typ: Date},
	"eps":           {sql: "count(*) / %q", typ: Rate, unit: "1/second"},
	"epm":           {sql: "count(*) * 60.0 / %q", typ: Rate, unit: "1/minute"},
	"failure_count": {sql: "count(*) FILTER (WHERE " + failed + ")", typ: Integer},
	"failure_rate":  {sql: "avg(" + failed + ")", typ: Percentage},
	"per_second":    {args: 1, weighed: true, sql: "total(%f) / %q", typ: Rate, unit: "1/second"},
	"per_minute":    {args: 1, weighed: true, sql: "total(%f) * 60.0 / %q", typ: Rate, unit: "1/minute"},
}

func percentile(q string) function {
	return function{args: 1, optional: true, measured: true, sql: "rh_percentile(%f, " + q + ")"}
}

// has tells whether the function means something in the dataset.
func (d *dataset) has(f function) bool { return !f.weighed || d == metrics }

func (d *dataset) functions() []string {
	names := slices.Sorted(maps.Keys(functions))
	return slices.DeleteFunc(names, func(name string) bool { return !d.has(functions[name]) })
}

// conditions are the operators of count_if.
var conditions = map[string]struct {
	op  string
	neg bool
}{
	"equals": {"=", false}, "notEquals": {"=", true},
	"less": {"<", false}, "lessOrEquals": {"<=", false},
	"greater": {">", false}, "greaterOrEquals": {">=", false},
}

// String is the key as a field would name it.
func (k key) String() string {
	switch {
	case k.call != nil:
		return k.call.name + "(" + strings.Join(k.call.args, ",") + ")"
	case k.number:
		return "tags[" + k.name + ",number]"
	case k.tag:
		return "tags[" + k.name + "]"
	}
	return k.name
}

// call compiles a function. The column's expr is complete but for the values
// that the fragment, which is the same SQL, binds.
func (c compiler) call(text string, call *call) (column, fragment, error) {
	f, ok := functions[call.name]
	if !ok || !c.data.has(f) {
		return column{}, fragment{}, invalid("field", text, "there is no such function; there are %s", strings.Join(c.data.functions(), ", "))
	}
	args := call.args
	if c.data == metrics && len(args) == metricArgs {
		return c.metricCall(text, call.name, f, args)
	}
	if len(args) == 0 && f.optional && f.measured && c.data.duration != "" {
		args = []string{c.data.duration}
	}
	field, x, err := c.argument(text, f, args)
	if err != nil {
		return column{}, fragment{}, err
	}
	bound, err := c.second(text, call.name, args, field)
	if err != nil {
		return column{}, fragment{}, err
	}
	out := column{typ: f.typ, unit: f.unit, attrs: field.attrs, known: field.known}
	if f.typ == Any {
		out.typ, out.unit = field.typ, field.unit
	}
	if f.measured && f.typ == Any && out.typ != Duration && out.typ != Date {
		out.typ = Number
	}
	out.expr = f.fill(x, bound.sql)
	return out, fragment{out.expr, bound.args}, nil
}

// fill puts the field and the second argument into the function's SQL.
func (f function) fill(field, second string) string {
	return strings.NewReplacer("%f", field, "%q", second).Replace(f.sql)
}

// argument finds the field that a function is of, and the SQL for it.
func (c compiler) argument(text string, f function, args []string) (field column, x string, err error) {
	if len(args) == 0 && f.optional && f.measured {
		return field, "", invalid("field", text, "name the field, as in %s", strings.Replace(text, "()", "(span.duration)", 1))
	}
	if len(args) != f.args && !(len(args) == 0 && f.optional) {
		return field, "", invalid("field", text, "arguments wanted: %d, given: %d", f.args, len(args))
	}
	if len(args) == 0 {
		return column{known: true}, "*", nil
	}
	k, ok := parseKey(args[0])
	if !ok || k.call != nil {
		return field, "", invalid("field", text, "%q is not a field: %s", cut(args[0]), badName)
	}
	field = c.data.column(k)
	switch {
	case f.weighed && k.name != "value":
		return field, "", invalid("field", text, "of a metric there is only the value")
	case f.weighed:
		return field, weight, nil
	case f.measured:
		return field, field.measure(), nil
	}
	return field, field.scalar(), nil
}

// second compiles what a function has besides its field.
func (c compiler) second(text, name string, args []string, field column) (fragment, error) {
	switch name {
	case "percentile":
		q, err := strconv.ParseFloat(args[1], 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return fragment{}, invalid("field", text, "the second argument is a number from 0 to 1")
		}
		return raw("?", q), nil
	case "count_if":
		return c.countIf(text, args, field)
	case "eps", "epm", "per_second", "per_minute":
		return raw("?", c.rangeSeconds()), nil
	}
	return fragment{}, nil
}

func (c compiler) countIf(text string, args []string, field column) (fragment, error) {
	op, ok := conditions[args[1]]
	if !ok {
		names := slices.Sorted(maps.Keys(conditions))
		return fragment{}, invalid("field", text, "the second argument of count_if is one of %s", strings.Join(names, ", "))
	}
	v := args[2]
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	t := term{key: key{name: args[0]}, op: op.op, neg: op.neg, values: []value{value(v)}}
	f, err := t.on(field, c.env.Now)
	if e, isQuery := err.(*Error); isQuery {
		return f, invalid("field", text, "%s", e.Reason)
	}
	return f, nil
}

// rangeSeconds is the length of the time range, at least a second. An open
// range has none: rates are then totals.
func (c compiler) rangeSeconds() float64 {
	if c.env.Start.IsZero() || c.env.End.IsZero() {
		return 1
	}
	return max(1, c.env.End.Sub(c.env.Start).Seconds())
}

// aggregate compiles a condition on a function.
func (c compiler) aggregate(t *term) (fragment, error) {
	col, f, err := c.call(t.key.String(), t.key.call)
	if e, refused := err.(*Error); refused {
		return f, t.errorf("%s", e.Reason)
	}
	// The function's own values come before those it is compared with, and
	// its SQL may stand in the condition only once.
	if t.list || t.values[0].wild() || t.missing() || col.typ == Date && t.op == "=" {
		return f, t.errorf("a function is compared with one value, as in count():>10")
	}
	cond, err := t.on(column{expr: f.sql, typ: col.typ, unit: col.unit}, c.env.Now)
	cond.args = append(slices.Clone(f.args), cond.args...)
	return cond, err
}
