package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
	"roundhouse/sandbox/query"
)

const (
	eventsPeriod  = 14 * 24 * time.Hour
	keysPeriod    = 90 * 24 * time.Hour // names of what was ever sent stay useful longer
	eventsPage    = 50
	maxKeys       = 1000
	maxSelected   = 20 // fields, and orders to validate
	searchTimeout = 15 * time.Second
	maxSearches   = maxReaders - 3 // at a time; the rest is for what is looked up quickly
	maxOwn        = 2              // of these, by one user
)

func (s *Sandbox) eventRoutes(reg func(pattern, scope string, h handler)) {
	const org = "/organizations/{org}"
	reg("GET "+org+"/events/", "org:read", listEvents)
	reg("GET "+org+"/events/validate/", "org:read", validateEvents)
	reg("GET "+org+"/tags/", "org:read", listTags)
	reg("GET "+org+"/trace-items/attributes/", "org:read", listAttributes)
}

// selection reads what /events/ and its validation share.
func (r *request) selection(sort string) (query.Select, error) {
	env, err := r.searchEnv(eventsPeriod)
	q := r.URL.Query()
	dataset := q.Get("dataset")
	if dataset == "" {
		dataset = "errors"
	}
	return query.Select{Dataset: dataset, Fields: q["field"], Query: q.Get("query"), Sort: q.Get(sort), Env: env}, err
}

func listEvents(r *request) (any, error) {
	sel, err := r.selection("sort")
	if err != nil {
		return nil, err
	}
	limit, offset, err := r.page(maxPage)
	if err != nil {
		return nil, err
	}
	if q := r.URL.Query(); q.Get("per_page") == "" && q.Get("limit") == "" {
		limit = eventsPage
	}
	sel.Limit, sel.Offset = limit+1, offset
	plan, err := query.Compile(sel)
	if err != nil {
		return nil, badQuery(err)
	}
	rows, err := r.rows(plan)
	if err != nil {
		return nil, err
	}
	dataset, err := query.Dataset(sel.Dataset)
	if err != nil {
		return nil, badQuery(err)
	}
	rows = cut(r, rows, limit, offset)
	return payload.Object{"data": rows, "meta": eventsMeta(dataset, plan.Columns, rows)}, nil
}

// rows runs a plan. A row is an object keyed by the fields as they were asked for.
func (r *request) rows(plan *query.Plan) ([]payload.Object, error) {
	return searched(r, func(rows *sql.Rows) (payload.Object, error) {
		cells, into := make([]any, len(plan.Columns)), make([]any, len(plan.Columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(payload.Object, len(cells))
		for i, c := range plan.Columns {
			row[c.Name] = c.Value(cells[i])
		}
		return row, nil
	}, plan.SQL, plan.Args)
}

// searched is collect for statements that may have to read everything: they
// wait for each other, and are given up when that and they take too long.
func searched[T any](r *request, scan func(*sql.Rows) (T, error), statement string, args []any) ([]T, error) {
	ctx, cancel := context.WithTimeout(r.Context(), searchTimeout)
	defer cancel()
	out, err := inTurn(ctx, r, scan, statement, args)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, badRequest("The search took longer than %s. Ask for a shorter time range or fewer projects.", searchTimeout)
	}
	return out, err
}

// searchedRow is searched for a statement that gives one row.
func (r *request) searchedRow(statement string, args []any, into ...any) error {
	_, err := searched(r, func(rows *sql.Rows) (none struct{}, err error) { return none, rows.Scan(into...) }, statement, args)
	return err
}

func inTurn[T any](ctx context.Context, r *request, scan func(*sql.Rows) (T, error), statement string, args []any) ([]T, error) {
	leave, err := r.sb.searchers.enter(ctx, strconv.FormatInt(r.user.ID, 10))
	if err != nil {
		return nil, err
	}
	defer leave()
	done, err := r.sb.searching.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return collect(ctx, r.sb.read(), scan, statement, args...)
}

func eventsMeta(dataset string, columns []query.Column, rows []payload.Object) payload.Object {
	fields, units := payload.Object{}, payload.Object{}
	for _, c := range columns {
		fields[c.Name] = typeIn(rows, c)
		units[c.Name] = nil
		if c.Unit != "" {
			units[c.Name] = c.Unit
		}
	}
	return payload.Object{"fields": fields, "units": units, "dataset": dataset, "isMetricsData": false, "tips": payload.Object{}}
}

// typeIn is the type of a column: its own, or that of the first value.
func typeIn(rows []payload.Object, c query.Column) query.Type {
	if c.Type != query.Any {
		return c.Type
	}
	for _, row := range rows {
		if v := row[c.Name]; v != nil {
			return query.TypeOf(v)
		}
	}
	return query.String
}

// checked is the verdict on one part of a search.
type checked struct {
	Name  string  `json:"name"`
	Valid bool    `json:"valid"`
	Type  *string `json:"attrType"` // nil: not known
	Error *string `json:"error"`
}

type checkedDataset struct {
	Name  string  `json:"name"`
	Valid bool    `json:"valid"`
	Error *string `json:"error"`
}

type checkedQuery struct {
	Valid  bool      `json:"valid"`
	Error  *string   `json:"error"`
	Fields []checked `json:"fields"`
}

// validation is an answer of /events/validate/. Every member is always there.
type validation struct {
	Valid       bool             `json:"valid"`
	Projects    []any            `json:"projects"`
	Dataset     []checkedDataset `json:"dataset"`
	Environment []any            `json:"environment"`
	Fields      []checked        `json:"field"`
	Query       checkedQuery     `json:"query"`
	OrderBy     []checked        `json:"orderby"`
}

// validateEvents compiles a search without running it. It answers the same
// body with 200 and with 400.
func validateEvents(r *request) (any, error) {
	// There may be a look at the rows for each name: one limit is for all.
	ctx, cancel := context.WithTimeout(r.Context(), searchTimeout)
	defer cancel()
	r.Request = r.WithContext(ctx)
	sel, err := r.selection("orderby")
	if err != nil {
		return nil, err
	}
	sorts := nonEmpty(r.URL.Query()["orderby"])
	if len(sorts) > maxSelected || len(sel.Fields) > maxSelected {
		return nil, badRequest("There are more than %d fields, or values of orderby.", maxSelected)
	}
	v := validation{
		Projects: []any{}, Environment: []any{}, Fields: []checked{}, OrderBy: []checked{},
		Dataset: []checkedDataset{{Name: payload.Clip(sel.Dataset, 100), Valid: true}},
		Query:   checkedQuery{Valid: true, Fields: []checked{}},
	}
	if _, err := query.Dataset(sel.Dataset); err != nil {
		v.Dataset[0].Valid, v.Dataset[0].Error = false, reason(err)
	} else if err := r.check(sel, sorts, &v); err != nil {
		return nil, err
	}
	bad := func(c checked) bool { return !c.Valid }
	v.Valid = v.Dataset[0].Valid && v.Query.Valid && !slices.ContainsFunc(v.Fields, bad) && !slices.ContainsFunc(v.OrderBy, bad)
	if !v.Valid {
		r.status = http.StatusBadRequest
	}
	return v, nil
}

// check fills in the verdicts on fields, query and order.
func (r *request) check(sel query.Select, sorts []string, v *validation) (err error) {
	names := sel.Fields
	sel.Fields = nil
	for _, name := range names {
		c, err := r.checkField(sel, name)
		if err != nil {
			return err
		}
		if v.Fields = append(v.Fields, c); c.Valid {
			sel.Fields = append(sel.Fields, name)
		}
	}
	if v.Query, err = r.checkQuery(sel); err != nil {
		return err
	}
	sel.Query = ""
	for _, sel.Sort = range sorts {
		v.OrderBy = append(v.OrderBy, checkSort(sel))
	}
	return nil
}

func (r *request) checkQuery(sel query.Select) (checkedQuery, error) {
	out := checkedQuery{Valid: true, Fields: []checked{}}
	cond, err := query.ParseEvents(sel.Dataset, sel.Query, sel.Env)
	if err != nil {
		out.Valid, out.Error = false, reason(err)
		return out, nil
	}
	for _, name := range cond.Keys() {
		c, err := r.checkField(sel, name)
		if err != nil {
			return out, err
		}
		out.Fields = append(out.Fields, c)
		if !c.Valid && out.Valid {
			out.Valid, out.Error = false, c.Error
		}
	}
	return out, nil
}

// checkField tells whether a field can be had. A key that only data can tell
// to exist must be in some row of spans and logs: there a misspelt attribute
// would otherwise look like a search without results. Tags of errors are
// taken on trust, as Sentry does.
func (r *request) checkField(sel query.Select, name string) (checked, error) {
	col, err := query.Field(sel.Dataset, name)
	if err != nil {
		return checked{Name: payload.Clip(name, 200), Error: reason(err)}, nil
	}
	out := checked{Name: name, Valid: true, Type: attrType(col.Type)}
	operands, err := query.Operands(sel.Dataset, name)
	if err != nil {
		return out, err
	}
	if len(operands) > 1 || operands[0] != name {
		return r.checkOperands(sel, out, operands)
	}
	if dataset, _ := query.Dataset(sel.Dataset); col.Attribute == "" || dataset == "errors" {
		return out, nil
	}
	plan, err := query.Compile(query.Select{Dataset: sel.Dataset, Fields: []string{"tags[" + col.Attribute + "]"},
		Query: "has:tags[" + col.Attribute + "]", Env: sel.Env, Limit: 1})
	if err != nil {
		return out, err
	}
	rows, err := r.rows(plan)
	if err != nil {
		return out, err
	}
	if len(rows) == 0 {
		unknown := "no " + sel.Dataset + " of these projects in this time range have an attribute " + col.Attribute
		return checked{Name: name, Error: &unknown}, nil
	}
	if out.Type == nil {
		for _, v := range rows[0] {
			out.Type = attrType(query.TypeOf(v))
		}
	}
	return out, nil
}

// checkOperands finds the verdict on an equation that can be read: each of what
// it is computed of has to be there.
func (r *request) checkOperands(sel query.Select, equation checked, operands []string) (checked, error) {
	for _, name := range operands {
		one, err := r.checkField(sel, name)
		if err != nil {
			return equation, err
		}
		if !one.Valid {
			return checked{Name: payload.Clip(equation.Name, 200), Error: one.Error}, nil
		}
	}
	return equation, nil
}

func checkSort(sel query.Select) checked {
	out := checked{Name: payload.Clip(sel.Sort, 200)}
	plan, err := query.Compile(sel)
	if err != nil {
		out.Error = reason(err)
		return out
	}
	out.Valid = true
	for _, c := range plan.Columns {
		if c.Name == strings.TrimPrefix(sel.Sort, "-") {
			out.Type = attrType(c.Type)
		}
	}
	return out
}

func reason(err error) *string {
	text := err.Error()
	return &text
}

// attrType is the coarse type of an attribute, nil when it is not known.
func attrType(t query.Type) *string {
	coarse := "number"
	switch t {
	case query.Any:
		return nil
	case query.String, query.Date, query.Array:
		coarse = "string"
	case query.Boolean:
		coarse = "boolean"
	}
	return &coarse
}

// sentKey is a key that some items have, and of what type most values are.
type sentKey struct {
	name, typ      string
	rows, distinct int64
}

// sentKeys counts the keys of a dataset's items, most frequent first. contains
// is a part of the name.
func (r *request) sentKeys(dataset, contains string) ([]sentKey, error) {
	env, err := r.searchEnv(keysPeriod)
	if err != nil {
		return nil, err
	}
	cond, err := query.ParseEvents(dataset, r.URL.Query().Get("query"), env)
	if err != nil {
		return nil, badQuery(err)
	}
	where, args := cond.SQL()
	args = append(args, strings.ToLower(contains), maxKeys)
	keys, err := searched(r, func(rows *sql.Rows) (k sentKey, err error) {
		return k, rows.Scan(&k.name, &k.typ, &k.rows, &k.distinct)
	}, `SELECT a.key, CASE WHEN a.type IN ('true', 'false') THEN 'boolean' WHEN a.type IN ('integer', 'real') THEN 'number' ELSE 'string' END,
		count(*), count(DISTINCT a.value)
		FROM item it JOIN project p ON p.id = it.project, json_each(it.attrs) a
		WHERE `+where+` AND instr(lower(a.key), ?) > 0 GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?`, args)
	return mergeKeys(dataset, keys), err
}

// mergeKeys keeps the most frequent type of a key that comes with several, and
// drops those that no search can name, such as one with a space.
func mergeKeys(dataset string, keys []sentKey) []sentKey {
	index := map[string]int{}
	out := []sentKey{}
	for _, k := range keys {
		if _, err := query.Field(dataset, k.name); err != nil {
			continue
		}
		if i, ok := index[k.name]; ok {
			out[i].rows += k.rows
			out[i].distinct += k.distinct
			continue
		}
		index[k.name] = len(out)
		out = append(out, k)
	}
	return out
}

// tagDatasets are the values of ?dataset= of /tags/ with whose keys they mean.
var tagDatasets = map[string]string{"": "errors", "events": "errors", "errors": "errors", "discover": "errors", "search_issues": "errors", "replays": "replays"}

func listTags(r *request) (any, error) {
	asked := r.URL.Query().Get("dataset")
	dataset, ok := tagDatasets[asked]
	if !ok {
		return nil, badRequest("Invalid dataset %q. It must be one of events, errors, search_issues, replays.", payload.Clip(asked, 50))
	}
	out := []payload.Object{}
	keys, err := r.sentKeys(dataset, "")
	for _, k := range keys {
		out = append(out, payload.Object{"key": k.name, "name": tagLabel(k.name), "totalValues": k.rows, "uniqueValues": k.distinct})
	}
	return out, err
}

// tagLabel is a key in words: Server Name for server_name.
func tagLabel(key string) string {
	words := strings.Split(strings.ReplaceAll(key, "_", " "), " ")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// attribute is a key of a trace item that can be searched and selected.
type attribute struct {
	Key    string          `json:"key"`
	Name   string          `json:"name"`
	Type   string          `json:"attributeType"`
	Source attributeSource `json:"attributeSource"`
}

type attributeSource struct {
	Type string `json:"source_type"` // "sentry" or "user"
}

// listAttributes lists the keys that every item has, then those that were sent.
func listAttributes(r *request) (any, error) {
	q := r.URL.Query()
	dataset := q.Get("itemType")
	fields, err := query.Fields(dataset)
	if err != nil {
		return nil, badRequest("Invalid itemType %q. It must be one of spans, logs, tracemetrics, profiles.", payload.Clip(dataset, 50))
	}
	contains, wanted := q.Get("substringMatch"), q.Get("attributeType")
	sent, err := r.sentKeys(dataset, contains)
	if err != nil {
		return nil, err
	}
	out, listed := []attribute{}, map[string]bool{}
	add := func(key, typ, source string) {
		if !listed[key] && (wanted == "" || wanted == typ) {
			out = append(out, attribute{key, key, typ, attributeSource{source}})
		}
		listed[key] = true
	}
	for _, f := range fields {
		if typ := attrType(f.Type); typ != nil && strings.Contains(strings.ToLower(f.Name), strings.ToLower(contains)) {
			add(f.Name, *typ, "sentry")
		}
	}
	for _, k := range sent {
		source := "user"
		if col, err := query.Field(dataset, k.name); err == nil && col.Attribute == "" {
			source = "sentry"
		}
		add(k.name, k.typ, source)
	}
	return out, nil
}
