package tools

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"roundhouse/sentry"
)

type searchEventsIn struct {
	inOrg
	Dataset     string   `json:"dataset,omitempty" enum:"errors|spans|logs" default:"errors" doc:"errors: error events; spans: performance; logs: log lines."`
	Query       string   `json:"query,omitempty" max:"4000" doc:"Sentry's search syntax, such as: error.type:TimeoutError environment:production, span.op:db span.duration:>500ms, severity:error. Empty finds everything."`
	Fields      []string `json:"fields,omitempty" max:"20" doc:"Columns. With an aggregate such as count(), p95(span.duration) or count_unique(user), rows are grouped by the other columns. Default: the dataset's usual ones."`
	Sort        string   `json:"sort,omitempty" max:"200" doc:"One of fields, - before it for descending. Default: newest first, or the first aggregate."`
	ProjectSlug string   `json:"projectSlug,omitempty" form:"a slug, such as storefront" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" max:"100" doc:"Only events of this project."`
	Environment []string `json:"environment,omitempty" max:"20" doc:"Only events of these environments."`
	Period      string   `json:"period,omitempty" form:"a number and h, d or w, such as 24h" pattern:"^[0-9]{1,4}[hdw]$" default:"14d" doc:"How far to look back, such as 24h or 7d."`
	Limit       int      `json:"limit,omitempty" min:"1" max:"100" default:"10" doc:"Rows per page."`
	Cursor      string   `json:"cursor,omitempty" form:"nextCursor of the page before" pattern:"^[A-Za-z0-9:_=/+.-]*$" max:"200" doc:"nextCursor of the page before."`
}

func searchEvents() Tool {
	return Define(Definition{
		Name:        "search_events",
		Title:       "Search events",
		Description: "Search single errors, spans or log lines, or count and aggregate them. Sentry checks the search first; what is wrong with it is explained, with field names that exist. For groups of errors use search_issues.",
		Skills:      []string{Inspect, Triage},
		Listed:      true,
		Annotations: hints(true, false, true, true),
	}, runSearchEvents)
}

func runSearchEvents(ctx context.Context, env Env, in searchEventsIn) (markdown, error) {
	search, err := in.search()
	if err != nil {
		return "", err
	}
	if search.ProjectID, err = env.project(ctx, in.OrganizationSlug, in.ProjectSlug); err != nil {
		return "", err
	}
	progress(ctx, 0, 2, "Sentry checks the search")
	if err := validateSearch(ctx, env, in.OrganizationSlug, search); err != nil {
		return "", err
	}
	progress(ctx, 1, 2, "Sentry searches "+word(search.Dataset))
	rows, page, err := env.Sentry.Events(ctx, in.OrganizationSlug, search)
	if err != nil {
		return "", refusedSearch(err)
	}
	own := slices.DeleteFunc([]map[string]any(rows.Rows), func(row map[string]any) bool { return !env.ownsRow(row) })
	d := writeEvents(env, in.OrganizationSlug, search, own, page)
	d.hint(doubts(ctx, env, in.OrganizationSlug, search, own))
	return d.markdown(), nil
}

// search fills in what the caller left open.
func (in searchEventsIn) search() (sentry.EventSearch, error) {
	s := sentry.EventSearch{
		Dataset: in.Dataset, Query: in.Query, Fields: in.Fields, Sort: in.Sort,
		Environments: in.Environment, Period: in.Period, Cursor: in.Cursor, Limit: in.Limit,
	}
	if len(s.Fields) == 0 {
		s.Fields = usualFields[s.Dataset]
	}
	aggregate := slices.IndexFunc(s.Fields, isAggregate)
	if s.Sort == "" {
		s.Sort = "-timestamp"
		if aggregate >= 0 {
			s.Sort = "-" + s.Fields[aggregate]
		}
	}
	column := strings.TrimPrefix(s.Sort, "-")
	switch {
	case slices.Contains(s.Fields, column):
	case aggregate >= 0 && !isAggregate(column):
		return s, &inputError{"sort", "must be one of the fields when rows are grouped", "Sort by " + inline(s.Fields[aggregate]) + ", or add " + inline(column) + " to fields."}
	default:
		s.Fields = append(slices.Clone(s.Fields), column)
	}
	if name := spanName(s); name != "" && s.Dataset == "errors" {
		return s, &inputError{"dataset", "errors has no " + inline(name), "Send dataset spans."}
	}
	return s, nil
}

// spanName is the first name in the search that only spans have. An error
// could not match it, and an answer of none would look like one.
func spanName(s sentry.EventSearch) string {
	for _, name := range append(selectedNames(s.Fields), queryNames(s.Query)...) {
		if strings.HasPrefix(name, "span.") {
			return name
		}
	}
	return ""
}

func isAggregate(field string) bool {
	return strings.HasSuffix(field, ")") || strings.HasPrefix(field, "equation|")
}

// validateSearch asks Sentry what it thinks of the search. Where Sentry cannot
// say, because it is too old or that endpoint is down, the search is run as it
// is: it has an opinion of its own.
func validateSearch(ctx context.Context, env Env, org string, s sentry.EventSearch) error {
	v, err := env.Sentry.ValidateEvents(ctx, org, s)
	switch {
	case errors.Is(err, sentry.ErrNoValidator), errors.Is(err, sentry.ErrUnavailable):
		return nil
	case err != nil:
		return refusedSearch(err)
	case bool(v.Valid):
		return nil
	}
	problems, wrong := problemsOf(v)
	if len(problems) == 0 {
		return nil
	}
	var fix markdown = "Correct the search and repeat the call."
	if len(wrong) > 0 {
		fix = suggestNames(ctx, env, org, fieldSearch(s), wrong)
	}
	return &inputError{problem: "Sentry does not accept this search: " + join(problems, "; "), fix: fix}
}

// problemsOf lists what is wrong, and the names of the fields that are.
func problemsOf(v *sentry.Validation) (problems []markdown, wrongFields []string) {
	add := func(part markdown, checked []sentry.CheckedPart) {
		for _, c := range checked {
			if c.Valid {
				continue
			}
			problem := part + " " + inline(c.Name)
			if c.Error != "" {
				problem += ": " + inline(c.Error)
			}
			if !slices.Contains(problems, problem) {
				problems = append(problems, problem)
			}
			if name := strings.TrimPrefix(string(c.Name), "-"); part != "dataset" && !isAggregate(name) {
				wrongFields = append(wrongFields, name)
			}
		}
	}
	add("dataset", v.Dataset)
	add("field", v.Fields)
	if !v.Query.Valid && v.Query.Error != "" {
		problems = append(problems, "query: "+inline(v.Query.Error))
	}
	add("query field", v.Query.Fields)
	if len(problems) == 0 {
		add("sort", v.OrderBy) // a sort by a wrong field only says the same again
	}
	if len(problems) == 0 && v.Detail != "" {
		problems = append(problems, inline(v.Detail))
	}
	return problems, wrongFields
}

// refusedSearch says about a 400 that the search is what was refused.
func refusedSearch(err error) error {
	var e *sentry.Error
	if !errors.As(err, &e) || e.StatusCode != http.StatusBadRequest || isCursorError(e) {
		return err
	}
	return &inputError{
		problem: "Sentry does not accept this search: " + detail(e),
		fix:     "Filters are key:value, values with spaces need double quotes, and free text needs no key.",
	}
}

func writeEvents(env Env, org string, s sentry.EventSearch, rows []map[string]any, page sentry.Page) *document {
	d := new(document)
	d.heading(1, "%s in %s", word(strings.ToUpper(s.Dataset[:1])+s.Dataset[1:]), word(org))
	d.fact("Query", inline(s.Query))
	d.fact("Fields", inline(strings.Join(s.Fields, ", ")))
	d.fact("Sort", inline(s.Sort))
	d.fact("Period", word(s.Period))
	d.fact("View in Sentry", address(env.Sentry.EventsURL(org, s)))
	var b strings.Builder
	for _, row := range rows {
		writeRow(&b, s.Fields, row)
	}
	d.line("")
	if len(rows) > 0 {
		d.line(untrustedNote)
		d.line("%s:\n", counted(len(rows), "row"))
		d.untrusted(b.String(), maxText-8<<10)
	} else {
		d.line("No rows match. A longer period or fewer filters may find some.")
	}
	d.fact("nextCursor", cursor(page))
	return d
}

// writeRow writes one row as a line of JSON, in the order of the fields.
func writeRow(b *strings.Builder, fields []string, row map[string]any) {
	var w objectWriter
	for _, name := range fields {
		value, ok := row[name]
		if text, isText := value.(string); isText {
			value = cut(printable(text), 1000)
		}
		if ok && value != nil {
			w.field(name, value)
		}
	}
	fmt.Fprintf(b, "%s\n", w.bytes())
}

// ownsRow drops a row that says itself that it is of another project: the
// search was limited to the key's project, but not every endpoint keeps to it.
func (e Env) ownsRow(row map[string]any) bool {
	if e.Key.Project() == "" {
		return true
	}
	for name, want := range map[string]string{"project": e.Key.Project(), "project.name": e.Key.Project(), "project.id": e.ProjectID} {
		value, ok := row[name]
		if ok && value != nil && fmt.Sprint(value) != want && fmt.Sprint(value) != e.ProjectID {
			return false
		}
	}
	return true
}
