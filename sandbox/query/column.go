package query

import "strings"

// Type is the type of a field as the events API names it.
type Type string

const (
	String     Type = "string"
	Integer    Type = "integer"
	Number     Type = "number"
	Duration   Type = "duration"
	Date       Type = "date"
	Boolean    Type = "boolean"
	Percentage Type = "percentage"
	Rate       Type = "rate"
	Array      Type = "array"
	// Any is the type of an attribute that no table names: each row may have
	// its own.
	Any Type = ""
)

const (
	millisecond = "millisecond"
	second      = "second"
)

// A column is where the value of a key is found: in a real column, or in a
// row's attributes. The zero column is an attribute of any type.
type column struct {
	expr     string // SQL over it and p, or i and p; empty for an attribute
	typ      Type
	unit     string
	fold     bool // compare without regard to case
	hex      bool // an id in lower case; '' is none
	indexed  bool // finds few rows, fast
	contains bool // a plain value matches anywhere in the text

	attrs []string // names of the attribute, the first that is there wins; nil: those that its key has
	known bool     // some table names it; filled in by dataset.column
}

func (c column) numeric() bool {
	switch c.typ {
	case Integer, Number, Duration, Percentage, Rate:
		return true
	}
	return false
}

// scalar is SQL for a value that can be compared: text, a number, or NULL.
func (c column) scalar() string { return c.sql("->>") }

// sql reads the attribute with one of the operators -> (as JSON) and ->> (as a
// SQL value).
func (c column) sql(arrow string) string {
	if c.expr != "" {
		return c.expr
	}
	var parts []string
	for _, name := range c.attrs {
		parts = append(parts, "it.attrs "+arrow+` '$."`+name+`"'`)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ")"
	}
	return "coalesce(" + strings.Join(parts, ", ") + ")"
}

// elements is a table with a row for each element; a single value is an array
// of one.
func (c column) elements() string { return `json_each(it.attrs, '$."` + c.attrs[0] + `"') el` }

// measure is SQL for a number or NULL, whatever the row holds: SDKs send
// numbers as text too, and text that is no number must not count as 0.
func (c column) measure() string {
	if c.expr != "" {
		return c.expr
	}
	return asNumber(c.scalar())
}

func asNumber(x string) string {
	return "(CASE WHEN typeof(" + x + ") <> 'text' OR " + x + " GLOB '[0-9]*' OR " + x + " GLOB '-[0-9]*' THEN CAST(" + x + " AS REAL) END)"
}

// attributeColumn fills in where the attribute is found.
func attributeColumn(name string, c column) column {
	if c.attrs == nil {
		c.attrs = synonyms[name]
	}
	if c.attrs == nil {
		c.attrs = []string{name}
	}
	return c
}

// synonyms lists, for each name of an attribute that has several, all of them,
// itself first.
var synonyms = spellings([][]string{
	{"http.method", "http.request.method"},
	{"http.status_code", "http.response.status_code"},
	{"http.url", "url", "url.full"},
	{"db.statement", "db.query.text"},
	{"db.system", "db.system.name", "span.system"},
	{"message", "log.body"},
	{"severity", "level"},
	{"user.name", "user.username"},
	{"user.ip", "user.ip_address"},
	{"parent_span", "trace.parent_span", "trace.parent_span_id"},
	{"release", "sentry.release"},
	{"environment", "sentry.environment"},
})

func spellings(groups [][]string) map[string][]string {
	all := map[string][]string{}
	for _, group := range groups {
		for i, name := range group {
			names := append([]string{name}, group[:i]...)
			all[name] = append(names, group[i+1:]...)
		}
	}
	return all
}
