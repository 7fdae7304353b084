package query

import (
	"database/sql"
	"errors"
	"testing"
)

// explain has SQLite compile a statement without running it.
func explain(t *testing.T, db *sql.DB, statement string, args []any) {
	t.Helper()
	rows, err := db.Query("EXPLAIN "+statement, args...)
	if err != nil {
		t.Fatalf("SQLite refuses %s %v: %v", statement, args, err)
	}
	rows.Close()
}

func refused(t *testing.T, err error) bool {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	return err != nil
}

// FuzzQuery checks that no text makes the package panic, and that SQLite
// accepts whatever the package does.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", `is:unresolved level:[error,"fatal x"] !environment:stag*`, `(a OR b) AND NOT c:>1.5k`,
		`tags[a,number]:<5 flags["x"]:true "quoted:key":1`, `age:-24h lastSeen:>2026-01-31T12:00:00Z`,
		`count():>5 p95(span.duration):<1s count_if(a,equals,"b,c"):!=0 any(x):y`, `has:user !has:"a.b" release:latest firstRelease:[latest,"a*"] k:""`,
		`assigned:[me,#team,my_teams,none,"a*"] bookmarks:me`, `error.type:[a*,""] !stack.lineno:>10 error.value:""`,
		`path:C:\\x\* "\"" \`, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", `((((((a:b))))))`, `timestamp:+3d timestamp:2026-01-31 last_seen():-1d`,
	} {
		f.Add(q)
	}
	db := newDatabase(f)
	env := testEnv()
	env.Environments = []string{"production"}
	f.Fuzz(func(t *testing.T, q string) {
		if cond, err := ParseIssues(q, env); !refused(t, err) {
			where, args := cond.SQL()
			explain(t, db, "SELECT i.id FROM issue i JOIN project p ON p.id = i.project WHERE "+where, args)
		}
		for _, dataset := range []string{"errors", "spans", "logs", "tracemetrics", "profiles"} {
			plan, err := Compile(Select{Dataset: dataset, Fields: []string{"timestamp", "project"}, Query: q, Env: env})
			if !refused(t, err) {
				explain(t, db, plan.SQL, plan.Args)
			}
		}
	})
}

// FuzzField does the same for fields and the order of them.
func FuzzField(f *testing.F) {
	for _, field := range []string{
		"id", "issue", "tags[a,number]", `flags["x"]`, "count()", "count_if(a,greater,1.5)", `count_if(message,notEquals,"(*,")`,
		"percentile(span.duration,0.5)", "p95()", "epm()", "any(error.type)", "max(timestamp)", "sum(http.url)", "equation|1",
		"sum(value,orders.placed,counter,-)", "per_second(value,latency,distribution,second)", "per_minute(value)",
	} {
		f.Add(field, field)
	}
	db := newDatabase(f)
	f.Fuzz(func(t *testing.T, field, sort string) {
		for _, dataset := range []string{"errors", "spans", "logs", "tracemetrics", "profiles"} {
			plan, err := Compile(Select{Dataset: dataset, Fields: []string{field, "project"}, Sort: sort, Env: testEnv()})
			if !refused(t, err) {
				explain(t, db, plan.SQL, plan.Args)
			}
		}
	})
}

// FuzzEquation does the same for formulas.
func FuzzEquation(f *testing.F) {
	for _, formula := range []string{
		"count()", "a + b * (c / d)", "-(count() - 1.5e3) / count_if(a,equals,\"b)\")", "tags[a-b] * flags[\"c\"] - -1",
		"sum(value,orders.placed,counter,-) / per_second(value)", "p95() + p50(span.duration)", "((", "1 +", "max(timestamp)",
	} {
		f.Add(formula)
	}
	db := newDatabase(f)
	f.Fuzz(func(t *testing.T, formula string) {
		for _, dataset := range []string{"errors", "spans", "tracemetrics"} {
			name := equationPrefix + formula
			plan, err := Compile(Select{Dataset: dataset, Fields: []string{name, "project"}, Sort: "-equation[0]", Env: testEnv()})
			if refused(t, err) {
				continue
			}
			explain(t, db, plan.SQL, plan.Args)
			if operands, err := Operands(dataset, name); err != nil || len(operands) == 0 {
				t.Errorf("Operands(%q) = %v, %v", name, operands, err)
			}
		}
	})
}
