package query

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompile_Equations(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	tests := []struct {
		why     string
		request Select
		want    []string
	}{
		{"of functions", Select{Fields: []string{"equation|sum(span.duration) / count()"}}, []string{`[513.5]`}},
		{"products bind before sums", Select{Fields: []string{"equation|1 + count() * 2", "equation|(1 + count()) * 2"}}, []string{`[7,8]`}},
		{"from left to right", Select{Fields: []string{"equation|count() - 1 - 1", "equation|count() / 2 / 2"}}, []string{`[1,0.75]`}},
		{"signs", Select{Fields: []string{"equation|-count() - -1", "equation|-(count())*-2"}}, []string{`[-2,6]`}},
		{"without space", Select{Fields: []string{"equation|count()+1-.5*1e1"}}, []string{`[-1]`}},
		{"division by zero", Select{Fields: []string{"equation|count() / 0", "equation|count() / (count() - 3)"}}, []string{`[null,null]`}},
		{"of what is not there", Select{Fields: []string{"equation|p95(nothing) * 2", "equation|sum(span.duration) + 1"}, Query: "span.op:none"}, []string{`[null,null]`}},
		{"too large for a number of JSON", Select{Fields: []string{"equation|count() * 1e200 * 1e200"}}, []string{`[null]`}},
		{"of fields, row by row", Select{Fields: []string{"span_id", "equation|span.duration * 2"}, Sort: "span_id"},
			[]string{`["b1",20]`, `["b2",61]`, `["b3",3000]`}},
		{"a field that is text, and one that is missing", Select{Fields: []string{"span_id", "equation|tags[transaction] + 1", "equation|nothing + 1"}, Query: "span_id:b1"},
			[]string{`["b1",null,null]`}},
		{"sorted by its text", Select{Fields: []string{"span.op", "equation|avg(span.duration) - count()"}, Sort: "-equation|avg(span.duration) - count()"},
			[]string{`["http.server",1499]`, `["db",18.25]`}},
		{"or by its place", Select{Fields: []string{"span.op", "equation|count() * 1", "equation|avg(span.duration) * 1"}, Sort: "equation[1]"},
			[]string{`["db",2,20.25]`, `["http.server",1,1500]`}},
		{"groups by it", Select{Fields: []string{"equation|span.duration * 0 + 1", "count()"}}, []string{`[1,3]`}},
		{"values within keep their order", Select{Fields: []string{"equation|2 * count_if(span.op,equals,db) + 3 * count_if(span.op,equals,http.server)", "count_if(span.op,equals,db)"},
			Query: "count_if(span.op,equals,db):>1"}, []string{`[7,2]`}},
	}
	for _, tt := range tests {
		tt.request.Dataset, tt.request.Env = "spans", testEnv()
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

func TestField_Equation(t *testing.T) {
	for name, want := range map[string]Column{
		"equation|count() + count_unique(span.op)":               {Type: Integer},
		"equation|count() / 2":                                   {Type: Integer},
		"equation|count() / count_unique(span.op)":               {Type: Number},
		"equation|p95(span.duration) - p50(span.duration)":       {Type: Duration, Unit: millisecond},
		"equation|2 * p95(span.duration)":                        {Type: Duration, Unit: millisecond},
		"equation|1 / p95(span.duration)":                        {Type: Number},
		"equation|p95(span.duration) / p50(span.duration)":       {Type: Number},
		"equation|p95(span.duration) + count()":                  {Type: Number},
		"equation|span.duration - span.self_time":                {Type: Duration, Unit: millisecond},
		"equation|failure_rate() * 100":                          {Type: Number},
		"equation|http.response.status_code / 100":               {Type: Number},
		"equation|tags[a-b] + tags[c,number]":                    {Type: Number},
		"equation|((((((((count()))))))))":                       {Type: Integer},
		"equation|count_if(span.description,equals,\"a ) + b\")": {Type: Integer},
	} {
		want.Name = name
		if got, err := Field("spans", name); err != nil || got != want {
			t.Errorf("Field(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestField_EquationErrors(t *testing.T) {
	tests := []struct{ why, text, reason string }{
		{"nothing", "", "column 10: a number, a field, a function"},
		{"an operator at the end", "count() *", "column 19: a number, a field, a function"},
		{"two operators", "count() * / 2", `column 20, near "/ 2": a number, a field, a function`},
		{"no operator", "count() 2", `column 18, near "2": an operator is missing`},
		{"an open parenthesis", "2 * (count() + 1", `column 14, near "(count() + 1": this parenthesis is never closed`},
		{"a closing one too many", "count())", `column 17, near ")": this parenthesis has no opening one`},
		{"numbers alone", "1 + 2", "a function or a field"},
		{"a function that is none", "1 + cnt()", `column 14, near "cnt()": there is no such function`},
		{"a function of text", "any(transaction) + 1", `column 10, near "any(transaction) + 1": any(transaction) is no number`},
		{"a text", "transaction * 2", "transaction is no number"},
		{"a date", "max(timestamp) - 1", "max(timestamp) is no number"},
		{"a mixture", "count() * span.duration", "cannot be mixed"},
		{"functions within each other", "sum(count())", "cannot be read"},
		{"a tag with a quote", `tags[a"b] + 1`, "cannot be read"},
		{"another's syntax", "count() ^ 2", `column 18, near "^ 2": an operator is missing`},
		{"a number too large", "count() * 1e999", "no number"},
		{"a column is a character", `count_if(span.op,equals,ä) $`, `column 37, near "$"`},
		{"too long", strings.Repeat(" ", maxEquation), "at most 1000 bytes"},
		{"too many operators", "count()" + strings.Repeat("+1", maxOperators+1), "at most 20 operators"},
		{"too deep", strings.Repeat("(", maxNesting+1) + "count()", "within each other"},
		{"too many signs", strings.Repeat("-", maxNesting+1) + "count()", "within each other"},
	}
	for _, tt := range tests {
		_, err := Field("spans", "equation|"+tt.text)
		var e *Error
		if !errors.As(err, &e) || e.Part != "field" || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: Field(%q) = %v, want %s", tt.why, tt.text, err, tt.reason)
		}
	}
}

func TestOperands(t *testing.T) {
	for name, want := range map[string][]string{
		"span.op": {"span.op"},
		"equation|(count() - p95(span.duration)) * 2 + count_if(a,equals,b)": {"count()", "p95(span.duration)", "count_if(a,equals,b)"},
		"equation|tags[a] / shard": {"tags[a]", "shard"},
	} {
		got, err := Operands("spans", name)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Operands(%q): %v %s", name, err, diff)
		}
	}
}
