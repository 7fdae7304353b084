package query

import (
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rowsOf runs a plan and renders each row as JSON, in the order of its columns.
func rowsOf(t *testing.T, db *sql.DB, plan *Plan) []string {
	t.Helper()
	rows, err := db.Query(plan.SQL, plan.Args...)
	if err != nil {
		t.Fatalf("%s: %v", plan.SQL, err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		cells, into := make([]any, len(plan.Columns)), make([]any, len(plan.Columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, c := range plan.Columns {
			cells[i] = c.Value(cells[i])
		}
		text, err := json.Marshal(cells)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", plan.SQL, err)
	}
	return out
}

func TestCompile(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	tests := []struct {
		why     string
		request Select
		want    []string
	}{
		{"rows, newest first, with the types they have",
			Select{Dataset: "errors", Fields: []string{"id", "http.status_code", "retry", "error.type", "timestamp"}, Query: "project:shop"},
			[]string{
				`["` + eventA + `",500,null,["TypeError","CauseError"],"2026-02-01T11:00:00.000Z"]`,
				`["` + eventB + `","503",true,null,"2026-01-31T10:00:00.000Z"]`,
				`["cc",404,null,null,"2026-01-29T12:00:00.000Z"]`}},
		{"issue brings issue.id",
			Select{Dataset: "errors", Fields: []string{"issue", "project"}, Query: "level:fatal"},
			[]string{`["PAY-1","pay",3]`}},
		{"but not twice",
			Select{Dataset: "errors", Fields: []string{"issue", "issue.id"}, Query: "level:fatal"},
			[]string{`["PAY-1",3]`}},
		{"numbers sort as numbers, also those sent as text",
			Select{Dataset: "spans", Fields: []string{"span_id", "span.duration"}, Sort: "span.duration"},
			[]string{`["b1",10]`, `["b2",30.5]`, `["b3","1500"]`}},
		{"limit and offset",
			Select{Dataset: "spans", Fields: []string{"span_id"}, Sort: "-span_id", Limit: 1, Offset: 1},
			[]string{`["b2"]`}},
		{"groups, largest first",
			Select{Dataset: "errors", Fields: []string{"level", "count()"}},
			[]string{`["error",2]`, `["fatal",1]`, `["warning",1]`}},
		{"groups with a condition",
			Select{Dataset: "errors", Fields: []string{"level", "count()"}, Query: "count():>1"},
			[]string{`["error",2]`}},
		{"a condition on a function that is not selected makes groups too",
			Select{Dataset: "errors", Fields: []string{"level"}, Query: "count():<2 !level:fatal"},
			[]string{`["warning"]`}},
		{"sorted by the function's text",
			Select{Dataset: "spans", Fields: []string{"span.op", "avg(span.duration)"}, Sort: "-avg(span.duration)"},
			[]string{`["http.server",1500]`, `["db",20.25]`}},
		{"or by its older name",
			Select{Dataset: "spans", Fields: []string{"span.op", "avg(span.duration)"}, Sort: "avg_span_duration"},
			[]string{`["db",20.25]`, `["http.server",1500]`}},
		{"one row without groups",
			Select{Dataset: "spans", Fields: []string{"count()", "count(span.status)", "count_unique(span.op)", "sum(span.duration)", "min(span.duration)", "max(span.duration)"}},
			[]string{`[3,2,2,1540.5,10,1500]`}},
		{"percentiles between two values",
			Select{Dataset: "spans", Fields: []string{"p50()", "p75(span.duration)", "p100()", "percentile(span.duration,0.25)"}},
			[]string{`[30.5,765.25,1500,20.25]`}},
		{"a percentile of nothing",
			Select{Dataset: "spans", Fields: []string{"p95()", "sum(span.duration)", "count()"}, Query: "span.op:none"},
			[]string{`[null,null,0]`}},
		{"count_if with text, a number and a negation",
			Select{Dataset: "spans", Fields: []string{"count_if(span.op,equals,db)", "count_if(span.duration,greater,1s)", `count_if(span.status,notEquals,"ok")`}},
			[]string{`[2,1,2]`}},
		{"values of a function in a condition",
			Select{Dataset: "spans", Fields: []string{"span.op", "count_if(span.op,equals,db)"}, Query: "span.description:* count_if(span.op,equals,db):>1"},
			[]string{`["db",2]`}},
		{"failures",
			Select{Dataset: "spans", Fields: []string{"transaction", "failure_count()", "failure_rate()"}, Query: "failure_rate():>30%"},
			[]string{`["GET /orders",1,0.3333333333333333]`}},
		{"rates over the range",
			Select{Dataset: "spans", Fields: []string{"eps()", "epm()"}, Env: Env{Projects: []int64{1}, Start: now.Add(-5 * time.Hour), End: now.Add(-5*time.Hour + 6*time.Hour)}},
			[]string{`[0.0001388888888888889,0.008333333333333333]`}},
		{"first and last",
			Select{Dataset: "spans", Fields: []string{"first_seen()", "last_seen()", "max(timestamp)", "any(transaction)"}},
			[]string{`["2026-02-01T10:00:00.000Z","2026-02-01T11:00:00.000Z","2026-02-01T11:00:00.000Z","GET /orders"]`}},
		{"any value keeps its type",
			Select{Dataset: "errors", Fields: []string{"level", "any(error.type)"}, Query: "level:fatal"},
			[]string{`["fatal",["CardError"]]`}},
		{"any boolean",
			Select{Dataset: "spans", Fields: []string{"any(is_transaction)"}},
			[]string{`[true]`}},
		{"groups of the same size have an order",
			Select{Dataset: "spans", Fields: []string{"count()", "span_id", "span.op"}},
			[]string{`[1,"b1","db"]`, `[1,"b2","db"]`, `[1,"b3","http.server"]`}},
		{"a condition on a date of a group",
			Select{Dataset: "spans", Fields: []string{"span.op"}, Query: "last_seen():<-90m"},
			[]string{`["http.server"]`}},
		{"tags by name",
			Select{Dataset: "errors", Fields: []string{"tags[checkout.step,number]", "tags[project]"}, Query: "has:checkout.step"},
			[]string{`[3,null]`}},
		{"grouped by an issue",
			Select{Dataset: "errors", Fields: []string{"issue", "count_unique(user)"}, Sort: "-count_unique_user"},
			[]string{`["SHOP-1",2,1]`, `["SHOP-2",1,2]`, `["PAY-1",0,3]`}},
	}
	for _, tt := range tests {
		if tt.request.Env.Projects == nil {
			tt.request.Env = testEnv()
		}
		plan, err := Compile(tt.request)
		if err != nil {
			t.Errorf("%s: Compile() = %v", tt.why, err)
			continue
		}
		if diff := cmp.Diff(tt.want, rowsOf(t, db, plan)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tt.why, diff, plan.SQL)
		}
	}
}

func TestCompile_Columns(t *testing.T) {
	plan, err := Compile(Select{Dataset: "spans", Env: testEnv(), Query: "level:x", Fields: []string{
		"span.op", "span.duration", "timestamp", "is_transaction", "checkout.step", "count()", "p95(span.duration)",
		"avg(checkout.step)", "max(timestamp)", "epm()", "failure_rate()", "avg(span.self_time)"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range plan.Columns {
		got = append(got, strings.Join([]string{c.Name, string(c.Type), c.Unit}, " "))
	}
	want := []string{
		"span.op string ", "span.duration duration millisecond", "timestamp date ", "is_transaction boolean ", "checkout.step  ",
		"count() integer ", "p95(span.duration) duration millisecond", "avg(checkout.step) number ", "max(timestamp) date ",
		"epm() rate 1/minute", "failure_rate() percentage ", "avg(span.self_time) duration millisecond",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"level"}, plan.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestCompile_Errors(t *testing.T) {
	tests := []struct {
		why     string
		request Select
		part    string
		reason  string
	}{
		{"an unknown dataset", Select{Dataset: "events", Fields: []string{"id"}}, "dataset", "errors"},
		{"no field", Select{Dataset: "spans"}, "field", "at least one"},
		{"too many fields", Select{Dataset: "spans", Fields: strings.Split(strings.Repeat("a,", 21)+"a", ",")}, "field", "more than 20"},
		{"a field with a quote", Select{Dataset: "spans", Fields: []string{`a"b`}}, "field", "a key may have"},
		{"a tag with a quote", Select{Dataset: "spans", Fields: []string{`tags[a'b]`}}, "field", "a key may have"},
		{"an unknown function", Select{Dataset: "spans", Fields: []string{"median(x)"}}, "field", "no such function"},
		{"a function of a function", Select{Dataset: "spans", Fields: []string{"sum(count())"}}, "field", "a key may have"},
		{"too few arguments", Select{Dataset: "spans", Fields: []string{"sum()"}}, "field", "arguments wanted: 1"},
		{"too many arguments", Select{Dataset: "spans", Fields: []string{"count(a,b)"}}, "field", "arguments wanted: 1"},
		{"a quantile above 1", Select{Dataset: "spans", Fields: []string{"percentile(span.duration,95)"}}, "field", "from 0 to 1"},
		{"a quantile that is not one", Select{Dataset: "spans", Fields: []string{"percentile(span.duration,NaN)"}}, "field", "from 0 to 1"},
		{"an unknown operator", Select{Dataset: "spans", Fields: []string{"count_if(span.op,is,db)"}}, "field", "equals"},
		{"a value of the wrong type", Select{Dataset: "spans", Fields: []string{"count_if(span.duration,greater,db)"}}, "field", "a number belongs"},
		{"a percentile without durations", Select{Dataset: "logs", Fields: []string{"p95()"}}, "field", "name the field"},
		{"a sort that is not selected", Select{Dataset: "spans", Fields: []string{"id"}, Sort: "-timestamp"}, "sort", "one of the selected"},
		{"a bad query", Select{Dataset: "spans", Fields: []string{"id"}, Query: "("}, "", "is missing"},
	}
	for _, tt := range tests {
		tt.request.Env = testEnv()
		_, err := Compile(tt.request)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: Compile() = %v, want an *Error", tt.why, err)
			continue
		}
		if e.Part != tt.part || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: Compile(): %s, %q; want %s, %q", tt.why, e.Part, e.Reason, tt.part, tt.reason)
		}
	}
}

func TestField_Attribute(t *testing.T) {
	for name, want := range map[string]string{
		"span.duration":         "", // a table has it
		"http.route":            "", // SDKs set such keys
		"db.system.name":        "",
		"parent_span":           "", // has several spellings
		"checkout.step":         "checkout.step",
		"tags[checkout.step]":   "checkout.step",
		"database":              "database", // begins like db, but is not one
		"count()":               "",
		"p95()":                 "",
		"count_unique(user)":    "",
		"avg(checkout.step)":    "checkout.step",
		"count_if(tier,less,2)": "tier",
	} {
		c, err := Field("spans", name)
		if err != nil {
			t.Errorf("Field(%q) = %v", name, err)
		}
		if c.Attribute != want {
			t.Errorf("Field(%q).Attribute = %q, want %q", name, c.Attribute, want)
		}
	}
}

func TestFields(t *testing.T) {
	fields, err := Fields("spans")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Column{
		{Name: "timestamp", Type: Date},
		{Name: "span.duration", Type: Duration, Unit: "millisecond"},
	} {
		if !slices.Contains(fields, want) {
			t.Errorf("Fields(spans) lacks %v", want)
		}
	}
	if _, err := Fields("none"); err == nil {
		t.Error("Fields(none) = nil")
	}
}

func TestTypeOf(t *testing.T) {
	for text, want := range map[string]Type{
		`"a"`: String, `[1]`: Array, `true`: Boolean, `false`: Boolean, `12`: Integer, `-1`: Integer, `1.5`: Number, `1e3`: Number,
	} {
		if got := TypeOf(json.RawMessage(text)); got != want {
			t.Errorf("TypeOf(%s) = %s, want %s", text, got, want)
		}
	}
	for value, want := range map[any]Type{int64(1): Integer, 1.5: Number, "a": String} {
		if got := TypeOf(value); got != want {
			t.Errorf("TypeOf(%v) = %s, want %s", value, got, want)
		}
	}
}
