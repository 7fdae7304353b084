package query

import (
	"slices"
	"strings"
	"testing"
)

func TestParseEvents(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	all := []int{1, 2, 3, 4}
	tests := []struct {
		why, query string
		want       []int
	}{
		{"everything in range and in sight", "", all},
		{"a word is looked for in the message, whatever its case", "TOTAL", []int{1, 2}},
		{"words side by side are one phrase", "undefined again", []int{2}},
		{"words joined by AND are not", "again AND total", []int{2}},
		{"quoted text is a term of its own", `"total is" again`, []int{2}},
		{"a wildcard within text", "total*again", []int{2}},
		{"quotes make operators text", `"AND"`, nil},
		{"lower-case or is a word", "card or declined", nil},
		{"brackets and a parenthesis in quotes", `"[5] (really)"`, []int{3}},
		{"OR binds less than AND", "level:fatal OR level:error environment:staging", []int{2, 4}},
		{"parentheses bind first", "(level:fatal OR level:error) environment:staging", []int{2}},
		{"an explicit AND is the implied one", "level:error AND environment:staging", []int{2}},
		{"NOT takes the next term only", "NOT level:error environment:production", []int{3}},
		{"NOT of a group", "NOT (level:error OR level:fatal)", []int{3}},
		{"double negation", "NOT NOT level:fatal", []int{4}},

		{"a plain value is exact and minds case", "browser:chrome*", []int{1}},
		{"without the wildcard it is not a match", "browser:Chrome", nil},
		{"quoted value with a space", `browser:"Chrome 120"`, []int{1}},
		{"a list is any of its values", `browser:["Chrome 120", Firefox]`, []int{1}},
		{"a list may have wildcards", `environment:[stag*, none]`, []int{2}},
		{"negation also matches rows without the key", `!browser:"Chrome 120"`, []int{2, 3, 4}},
		{"so does the negation of a list", `!environment:[production]`, []int{2, 4}},
		{"and the operator !=", `environment:!=production`, []int{2, 4}},
		{"= is the operator of a plain colon", `environment:=production`, []int{1, 3}},
		{"an escaped asterisk is one", `path:C:\\temp\\\*x`, []int{2}},
		{"and it is not a wildcard", `level:err\*`, nil},
		{"LIKE's own wildcards have no meaning", `level:err_r*`, nil},
		{"a quoted key", `"checkout.step":3`, []int{1}},
		{"tags[] names a tag even where a column has the name", `tags[project]:shop`, nil},
		{"tags[] otherwise is the plain key", `tags[browser]:Chrome*`, []int{1}},
		{"a number tag", `tags[checkout.step,number]:>2`, []int{1}},

		{"has", "has:user.email", []int{1}},
		{"has not", "!has:user", []int{4}},
		{"an empty attribute is absent", "has:note", nil},
		{"the empty value is absence", `note:"" level:fatal`, []int{4}},
		{"and its negation presence", `!browser:""`, []int{1}},
		{"an empty value within a list", `environment:["", staging]`, []int{2, 4}},
		{"false is present", "has:retry", []int{2, 4}},

		{"a number in a number attribute", "http.status_code:500", []int{1}},
		{"a number that was sent as text, compared", "http.status_code:>=503", []int{2}},
		{"the OpenTelemetry spelling is the same key", "http.status_code:404", []int{3}},
		{"in both directions", "http.response.status_code:500", []int{1}},
		{"less than leaves out rows without the key", "http.status_code:<500", []int{3}},
		{"its negation does not", "!http.status_code:<500", []int{1, 2, 4}},
		{"text that is no number is not zero", "browser:<5", nil},
		{"k and m", "size:>2.4m", []int{2}},
		{"sizes", "size:<2.6mb", []int{2}},
		{"true", "retry:true", []int{2}},
		{"false", "retry:false", []int{4}},
		{"yes and no are true and false", "handled:false", []int{1}},

		{"any element of an array", "error.type:CauseError", []int{1}},
		{"wildcards within an array", "error.type:*Error", []int{1, 4}},
		{"no element of an array", "!error.type:CauseError", []int{2, 3, 4}},
		{"a comparison within an array", "stack.lineno:>15", []int{1}},
		{"booleans in an array", "error.handled:false", []int{1}},
		{"has an array", "has:error.type", []int{1, 4}},

		{"project by slug", "project:pay", []int{4}},
		{"project by id", "project.id:[2]", []int{4}},
		{"another organization's project does not exist", "project:secret", nil},
		{"issue by short id, whatever its case", "issue:shop-1", []int{1, 2}},
		{"issue by number", "issue.id:2", []int{3}},
		{"issue is either", "issue:2", []int{3}},
		{"or one of several", "issue:[2,PAY-1]", []int{3, 4}},
		{"or neither", "!issue:[2,PAY-1]", []int{1, 2}},
		{"id", "id:" + eventA, []int{1}},
		{"trace in upper case", "trace:0123456789ABCDEF0123456789ABCDEF", []int{1}},
		{"a trace of digits is no number", "trace:" + trace2, []int{2}},
		{"the message contains a plain value", "message:UNDEFINED", []int{1, 2}},
		{"a wildcard anchors it", "message:total*undefined", []int{1}},
		{"an exception without a message has its title for one", "message:declined", []int{4}},
		{"latest release, of each project", "release:latest", []int{1}},
		{"all but the latest", "!release:latest", []int{2, 3, 4}},
		{"the latest and another", "release:[latest, shop@1.0]", []int{1, 2}},
		{"neither", "!release:[latest, shop@1.0]", []int{3, 4}},
		{"a tag of that value", "tags[release]:latest", nil},

		{"newer than", "timestamp:-24h", []int{1}},
		{"older than", "timestamp:+2d", []int{3, 4}},
		{"after a day", "timestamp:>2026-01-31", []int{1, 2}},
		{"on a day", "timestamp:2026-01-31", []int{2}},
		{"a time with a zone", "timestamp:<=2026-01-29T13:00:00+01:00", []int{3}},
		{"not on a day", "!timestamp:2026-01-31", []int{1, 3, 4}},
		{"relative with an operator", "timestamp:<-30h", []int{3, 4}},
	}
	for _, tt := range tests {
		cond, err := ParseEvents("errors", tt.query, testEnv())
		if err != nil {
			t.Errorf("%s: ParseEvents(%q) = %v", tt.why, tt.query, err)
			continue
		}
		where, args := cond.SQL()
		got := ids(t, db, "SELECT it.id FROM item it JOIN project p ON p.id = it.project WHERE "+where, args)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q matches %v, want %v\n%s %v", tt.why, tt.query, got, tt.want, where, args)
		}
	}
}

func TestParseEvents_Datasets(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	tests := []struct {
		why, dataset, query string
		want                []int
	}{
		{"an older name", "discover", "level:fatal", []int{4}},
		{"spans only", "spans", "", []int{11, 12, 13}},
		{"a duration with its unit", "spans", "span.duration:>1s", []int{13}},
		{"m is a minute there, not a million", "spans", "span.duration:<1m", []int{11, 12, 13}},
		{"a bare number is milliseconds", "spans", "span.duration:30.5", []int{12}},
		{"a duration that was sent as text", "spans", "span.duration:1.5s", []int{13}},
		{"free text is of the description", "spans", "select", []int{11, 12}},
		{"a boolean", "spans", "is_transaction:true", []int{13}},
		{"a span by its id", "spans", "span_id:B2", []int{12}},
		{"the old name of an OpenTelemetry attribute", "spans", "db.statement:SELECT*", []int{11}},
		{"logs by their body", "logs", "coupon", []int{21, 22}},
		{"a log's message is exact", "logs", `message:"coupon list empty"`, []int{21}},
		{"severity is one word in any case", "ourlogs", "severity:WARN", []int{21}},
		{"a number of a log", "logs", "severity_number:>=10", []int{21}},
	}
	for _, tt := range tests {
		cond, err := ParseEvents(tt.dataset, tt.query, testEnv())
		if err != nil {
			t.Errorf("%s: ParseEvents(%s, %q) = %v", tt.why, tt.dataset, tt.query, err)
			continue
		}
		where, args := cond.SQL()
		got := ids(t, db, "SELECT it.id FROM item it JOIN project p ON p.id = it.project WHERE "+where, args)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %s %q matches %v, want %v\n%s", tt.why, tt.dataset, tt.query, got, tt.want, where)
		}
	}
}

func TestParseEvents_Env(t *testing.T) {
	db := newDatabase(t)
	fill(t, db)
	tests := []struct {
		why    string
		change func(*Env)
		want   []int
	}{
		{"no project is no row, not every row", func(e *Env) { e.Projects = nil }, nil},
		{"one project", func(e *Env) { e.Projects = []int64{2} }, []int{4}},
		{"environments", func(e *Env) { e.Environments = []string{"staging", "x"} }, []int{2}},
		{"an open start", func(e *Env) { e.Start = e.Now.AddDate(-9, 0, 0) }, []int{1, 2, 3, 4, 6}},
		{"an earlier end", func(e *Env) { e.End = e.Now.AddDate(0, 0, -2) }, []int{3, 4}},
	}
	for _, tt := range tests {
		env := testEnv()
		tt.change(&env)
		cond, err := ParseEvents("errors", "", env)
		if err != nil {
			t.Fatalf("%s: %v", tt.why, err)
		}
		where, args := cond.SQL()
		got := ids(t, db, "SELECT it.id FROM item it JOIN project p ON p.id = it.project WHERE "+where, args)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: matches %v, want %v", tt.why, got, tt.want)
		}
	}
}

func TestParseEvents_Index(t *testing.T) {
	db := newDatabase(t)
	run(t, db, "CREATE INDEX item_kind ON item(kind, project, ts)")
	for query, index := range map[string]string{
		"level:error":                     "item_kind",
		"id:" + eventA:                    "item_event",
		"level:error trace:" + trace1:     "item_trace",
		"issue.id:[1,2] timestamp:-24h":   "item_issue",
		"!trace:" + trace1:                "item_kind", // finds nearly all
		"trace:0* OR level:error":         "item_kind",
		`trace:""`:                        "item_kind",
		"trace:" + trace1 + " OR level:x": "item_kind",
	} {
		cond, err := ParseEvents("errors", query, testEnv())
		if err != nil {
			t.Fatal(err)
		}
		where, args := cond.SQL()
		rows, err := db.Query("EXPLAIN QUERY PLAN SELECT it.id FROM item it JOIN project p ON p.id = it.project WHERE "+where, args...)
		if err != nil {
			t.Fatal(err)
		}
		var steps []string
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, step)
		}
		if plan := strings.Join(steps, "; "); !strings.Contains(plan, index) {
			t.Errorf("%q is found by %s, want %s", query, plan, index)
		}
	}
}

func TestCond_Keys(t *testing.T) {
	cond, err := ParseEvents("errors", "level:error (has:user OR !level:info) text tags[a]:b count():>1", testEnv())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"level", "user", "tags[a]", "count()"}
	if got := cond.Keys(); !slices.Equal(got, want) {
		t.Errorf("Keys() = %q, want %q", got, want)
	}
}
