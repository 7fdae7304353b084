package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	maxFields = 20
	maxLimit  = 1000
)

// Select is a request for rows: of items, or of groups of items when a field
// is a function.
type Select struct {
	Dataset       string
	Fields        []string // at most 20
	Query         string
	Sort          string // a field, "-" before it for descending; empty: newest or largest first
	Env           Env
	Limit, Offset int // a limit below 1 or above 1000 means 1000
}

// Plan is a compiled Select.
type Plan struct {
	SQL     string
	Args    []any
	Columns []Column // in the order of the result; may have one that goes with a field
	Keys    []string // the keys that the query names
}

// Column is one column of the result.
type Column struct {
	Name string // as the field was given
	Type Type   // Any: see TypeOf
	Unit string // empty for none
	// Attribute is what the column is or is computed of, when that is
	// something only the data can tell to exist; empty otherwise.
	Attribute string

	json bool // holds JSON
}

// Value is v, a value scanned into an any, as it is to appear in JSON.
func (c Column) Value(v any) any {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	switch x := v.(type) {
	case string:
		if c.json {
			return json.RawMessage(x)
		}
	case int64:
		if c.Type == Boolean { // SQL's; as JSON it would have been text
			return x != 0
		}
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) { // which JSON has no number for
			return nil
		}
		if c.Type == Date {
			return time.UnixMilli(int64(math.Round(x * 1e3))).UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	return v
}

// TypeOf tells the type of a value that Column.Value returned.
func TypeOf(v any) Type {
	switch v := v.(type) {
	case json.RawMessage:
		switch {
		case bytes.HasPrefix(v, []byte(`"`)):
			return String
		case bytes.HasPrefix(v, []byte("[")):
			return Array
		case bytes.Equal(v, []byte("true")), bytes.Equal(v, []byte("false")):
			return Boolean
		case bytes.ContainsAny(v, ".eE"):
			return Number
		}
		return Integer
	case int64:
		return Integer
	case float64:
		return Number
	}
	return String
}

// Field tells what a field of a dataset will be in a result. The error is an
// *Error.
func Field(datasetName, name string) (Column, error) {
	d, err := findDataset(datasetName)
	if err != nil {
		return Column{}, err
	}
	f, err := compiler{data: d}.field(name)
	return f.Column, err
}

// field is a selected column on its way to SQL.
type field struct {
	Column
	out   fragment // what is selected
	order string   // what it is ordered by; empty: the selected column itself
	isAgg bool
}

func (c compiler) field(name string) (field, error) {
	if strings.HasPrefix(name, equationPrefix) {
		x, _, err := c.equation(name)
		return field{Column: Column{Name: name, Type: x.typ, Unit: x.unit}, out: x.fragment, isAgg: x.isAgg}, err
	}
	k, ok := parseKey(name)
	if !ok {
		return field{}, invalid("field", name, "a field is a key such as user.email or a function such as count(); %s", badName)
	}
	if k.call != nil {
		col, f, err := c.call(name, k.call)
		out := field{Column: col.named(name), out: f, isAgg: true}
		out.json = col.typ == Array
		return out, err
	}
	col := c.data.column(k)
	f := field{Column: col.named(name), out: raw(col.sql("->"))}
	if col.expr == "" {
		f.json, f.order = true, col.scalar()
	}
	return f, nil
}

func (c column) named(name string) Column {
	out := Column{Name: name, Type: c.typ, Unit: c.unit}
	if !c.known && len(c.attrs) > 0 {
		out.Attribute = c.attrs[0]
	}
	return out
}

// Compile makes the statement. The error is an *Error.
func Compile(s Select) (*Plan, error) {
	if _, err := Dataset(s.Dataset); err != nil {
		return nil, err
	}
	cond, err := ParseEvents(s.Dataset, s.Query, s.Env)
	if err != nil {
		return nil, err
	}
	c := compiler{s.Env, datasets[s.Dataset], &cond.metrics}
	fields, err := c.fields(s.Fields)
	if err != nil {
		return nil, err
	}
	grouped := cond.having.sql != "1" || slices.ContainsFunc(fields, func(f field) bool { return f.isAgg })
	order, err := orderBy(s.Sort, fields, grouped)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Keys: cond.keys}
	var b strings.Builder
	add := func(text string, f fragment) {
		b.WriteString(text + f.sql)
		plan.Args = append(plan.Args, f.args...)
	}
	separator := "SELECT "
	var groups []string
	for i, f := range fields {
		add(separator, f.out.wrap("", fmt.Sprintf(" AS c%d", i)))
		separator = ", "
		plan.Columns = append(plan.Columns, f.Column)
		if !f.isAgg {
			groups = append(groups, fmt.Sprint(i+1))
		}
	}
	// A group without any of the metrics asked for would be a row of nulls.
	where := cond.where
	if len(cond.metrics) > 0 {
		where = join(" AND ", []fragment{where, join(" OR ", cond.metrics)})
	}
	add(" FROM item it JOIN project p ON p.id = it.project WHERE ", where)
	if grouped && len(groups) > 0 {
		add(" GROUP BY ", raw(strings.Join(groups, ", ")))
	}
	if grouped {
		add(" HAVING ", cond.having)
	}
	limit := s.Limit
	if limit < 1 || limit > maxLimit {
		limit = maxLimit
	}
	add(" ORDER BY ", raw(order+" LIMIT ? OFFSET ?", limit, max(0, s.Offset)))
	plan.SQL = b.String()
	return plan, nil
}

func (c compiler) fields(names []string) ([]field, error) {
	if len(names) == 0 {
		return nil, invalid("field", "", "select at least one field")
	}
	if len(names) > maxFields {
		return nil, invalid("field", names[maxFields], "there are more than %d fields", maxFields)
	}
	var all []field
	for _, name := range names {
		f, err := c.field(name)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	// Whoever shows an issue's short id wants to link to it.
	if slices.Contains(names, "issue") && !slices.Contains(names, "issue.id") && (c.data == errorEvents || c.data == feedback) {
		f, err := c.field("issue.id")
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// orderBy ends with what is unique to a row or a group, so that pages do not
// overlap.
func orderBy(sort string, fields []field, grouped bool) (string, error) {
	last := "it.id DESC"
	if grouped {
		last = "1"
		for i := 1; i < len(fields); i++ {
			last += fmt.Sprintf(", %d", i+1)
		}
	}
	if sort == "" {
		if i := slices.IndexFunc(fields, func(f field) bool { return f.isAgg }); i >= 0 {
			return fmt.Sprintf("c%d DESC, %s", i, last), nil
		}
		if grouped {
			return last, nil
		}
		return "it.ts DESC, " + last, nil
	}
	name, direction := sort, "ASC"
	if after, ok := strings.CutPrefix(sort, "-"); ok {
		name, direction = after, "DESC"
	}
	i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name || f.isAgg && mangle(f.Name) == name })
	if i < 0 {
		i = equationAt(name, fields)
	}
	if i < 0 {
		return "", invalid("sort", sort, "it must be one of the selected fields, with or without a - before it")
	}
	x := fields[i].order
	if x == "" {
		x = fmt.Sprintf("c%d", i)
	}
	return x + " " + direction + ", " + last, nil
}

// equationAt finds the equation that "equation[0]" means, -1 for none.
func equationAt(name string, fields []field) int {
	for i, n := 0, 0; i < len(fields); i++ {
		if !strings.HasPrefix(fields[i].Name, equationPrefix) {
			continue
		}
		if name == fmt.Sprintf("equation[%d]", n) {
			return i
		}
		n++
	}
	return -1
}

// mangle is the older way to name a function in sort: avg_span_duration for
// avg(span.duration), count for count().
func mangle(function string) string {
	words := strings.FieldsFunc(function, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	return strings.Join(words, "_")
}
