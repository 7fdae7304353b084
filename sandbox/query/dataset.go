package query

import (
	"maps"
	"slices"
	"strings"
)

// A dataset is a kind of items with what is known of their keys.
type dataset struct {
	name     string
	kind     string            // item.kind
	besides  string            // another kind
	text     []string          // keys in which free text is looked for
	duration string            // the field that p95() is of; empty: it needs one
	arrays   []string          // prefixes of keys that hold arrays
	apart    bool              // not for Compile: it has a list of its own
	columns  map[string]column // beyond common; attributes need an entry only for a type
}

const (
	shortID = "(SELECT s.short FROM issue s WHERE s.id = it.issue)"
	// latestRelease holds each project with the release that it was last to start using.
	latestRelease = "(SELECT project, version FROM (SELECT rp.project, r.version, row_number() OVER " +
		"(PARTITION BY rp.project ORDER BY rp.first DESC, r.id DESC) AS n " +
		"FROM release_project rp JOIN release r ON r.id = rp.release) WHERE n = 1)"
)

// common are the columns that every dataset has.
var common = map[string]column{
	"timestamp":       {expr: "it.ts", typ: Date},
	"event.timestamp": {expr: "it.ts", typ: Date},
	"project":         {expr: "p.slug", typ: String, fold: true},
	"project.name":    {expr: "p.slug", typ: String, fold: true},
	"project.id":      {expr: "it.project", typ: Integer},
	"trace":           {expr: "it.trace_id", typ: String, hex: true, indexed: true},
	"trace_id":        {expr: "it.trace_id", typ: String, hex: true, indexed: true},
	"span_id":         {expr: "it.span_id", typ: String, hex: true},
	"trace.span_id":   {expr: "it.span_id", typ: String, hex: true},
	"transaction":     {typ: String},
	"release":         {typ: String},
	"environment":     {typ: String},
}

var (
	milliseconds = column{typ: Duration, unit: millisecond}
	plainNumber  = column{typ: Number}
	plainInteger = column{typ: Integer}
	yesNo        = column{typ: Boolean}
)

var errorEvents = &dataset{
	name: "errors", kind: "error",
	text:   []string{"message", "title"},
	arrays: []string{"error.", "stack."},
	columns: map[string]column{
		"id":       {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"issue":    {expr: shortID, typ: String, fold: true},
		"issue.id": {expr: "it.issue", typ: Integer, indexed: true},
		"message":  {typ: String, contains: true, attrs: []string{"message", "title"}}, // most exceptions have no message
		"title":    {typ: String},
		"culprit":  {typ: String},
		"level":    {typ: String},
		"platform": {typ: String},
	},
}

// feedback is what makes up issues without an error.
var feedback = &dataset{name: "issuePlatform", kind: "feedback", besides: "occurrence", text: errorEvents.text, columns: errorEvents.columns}

var spans = &dataset{
	name: "spans", kind: "span",
	text:     []string{"span.description", "span.name"},
	duration: "span.duration",
	columns: map[string]column{
		"id":                   {expr: "it.span_id", typ: String, hex: true},
		"span.op":              {typ: String},
		"span.description":     {typ: String},
		"span.status":          {typ: String},
		"span.duration":        milliseconds,
		"span.self_time":       milliseconds,
		"transaction.duration": milliseconds,
		"is_transaction":       yesNo,
		"event.type":           {expr: `(CASE WHEN it.attrs ->> '$."is_transaction"' THEN 'transaction' ELSE 'span' END)`, typ: String},
		"measurements.lcp":     milliseconds,
		"measurements.fcp":     milliseconds,
		"measurements.inp":     milliseconds,
		"measurements.ttfb":    milliseconds,
		"measurements.cls":     plainNumber,
		"precise.start_ts":     plainNumber,
		"precise.finish_ts":    plainNumber,
	},
}

var logs = &dataset{
	name: "logs", kind: "log",
	text: []string{"message"},
	columns: map[string]column{
		"id":              {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"sentry.item_id":  {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"message":         {typ: String},
		"log.body":        {typ: String},
		"severity":        {typ: String, fold: true},
		"severity_number": plainInteger,
	},
}

var metrics = &dataset{
	name: "tracemetrics", kind: "metric",
	text: []string{"metric.name"},
	columns: map[string]column{
		"id":                {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"sentry.item_id":    {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"metric.name":       {typ: String},
		"metric.type":       {typ: String},
		"metric.unit":       {typ: String},
		"value":             {expr: metricValue, typ: Number},
		"timestamp_precise": {expr: "CAST(it.ts * 1000000 AS INTEGER) * 1000", typ: Integer}, // nanoseconds, as far as a stored time tells them
	},
}

var profiles = &dataset{
	name: "profiles", kind: "profile",
	text:     []string{"transaction"},
	duration: "profile.duration",
	columns: map[string]column{
		"id":                   {expr: "it.event_id", typ: String, hex: true, indexed: true},
		"profile.id":           {typ: String},
		"profiler.id":          {typ: String},
		"thread.id":            {typ: String},
		"platform.name":        {typ: String},
		"profile.duration":     milliseconds,
		"transaction.duration": milliseconds,
		"precise.start_ts":     plainNumber,
		"precise.finish_ts":    plainNumber,
		"event.type":           {expr: "'transaction'", typ: String}, // clients ask for it who mean profiles of transactions
	},
}

var datasets = map[string]*dataset{
	"errors": errorEvents, "discover": errorEvents,
	"issuePlatform": feedback,
	"spans":         spans,
	"logs":          logs, "ourlogs": logs,
	"tracemetrics": metrics,
	"profiles":     profiles,
	"replays":      replays,
	"sessions":     sessions,
}

func findDataset(name string) (*dataset, error) {
	if d := datasets[name]; d != nil {
		return d, nil
	}
	return nil, noDataset(name)
}

func noDataset(name string) *Error {
	names := slices.Sorted(maps.Keys(datasets))
	names = slices.DeleteFunc(names, func(name string) bool { return datasets[name].apart })
	return invalid("dataset", name, "it must be one of %s", strings.Join(names, ", "))
}

// Dataset is the name of a dataset that may be given by an older name, and that
// Compile makes statements for. The error is an *Error.
func Dataset(name string) (string, error) {
	d, err := findDataset(name)
	if err != nil {
		return "", err
	}
	if d.apart {
		return "", noDataset(name)
	}
	return d.name, nil
}

// column finds where the key's value is. The key's name has been checked.
func (d *dataset) column(k key) column {
	if k.tag {
		c := column{}
		if k.number {
			c.typ = Number
		}
		return attributeColumn(k.name, c)
	}
	c, known := d.columns[k.name]
	if !known {
		c, known = common[k.name]
	}
	c.known = known || synonyms[k.name] != nil || isConventional(k.name)
	if c.expr != "" {
		return c
	}
	if !known && slices.ContainsFunc(d.arrays, func(prefix string) bool { return strings.HasPrefix(k.name, prefix) }) {
		c.typ = Array
	}
	return attributeColumn(k.name, c)
}

// conventional are keys that SDKs set by themselves; each also stands for all
// that begin with it and a dot.
var conventional = []string{
	"browser", "culprit", "db", "device", "dist", "error", "gen_ai", "handled", "http", "is_segment", "logger", "mcp",
	"measurements", "mechanism", "os", "platform", "precise", "profile", "profiler", "replayId", "runtime", "sdk", "sentry", "server_name", "span",
	"stack", "thread", "trace", "transaction", "url", "user", "user_agent",
}

func isConventional(name string) bool {
	first, _, _ := strings.Cut(name, ".")
	return slices.Contains(conventional, first)
}

// Fields are the keys that every row of the dataset has or that have a type of
// their own, by name. The error is an *Error.
func Fields(datasetName string) ([]Column, error) {
	d, err := findDataset(datasetName)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(common)
	maps.Copy(names, d.columns)
	var out []Column
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, Column{Name: name, Type: names[name].typ, Unit: names[name].unit})
	}
	return out, nil
}
