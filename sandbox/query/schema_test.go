package query

import (
	"database/sql"
	"slices"
	"testing"
	"time"
)

// The columns that the package relies on; the real tables have more.
const testSchema = `
CREATE TABLE user(id INTEGER PRIMARY KEY, email TEXT, name TEXT, username TEXT);
CREATE TABLE project(id INTEGER PRIMARY KEY, org INTEGER, slug TEXT, name TEXT, platform TEXT);
CREATE TABLE issue(id INTEGER PRIMARY KEY, project INTEGER, short TEXT, title TEXT, culprit TEXT, category TEXT,
  issue_type TEXT, level TEXT, platform TEXT, status TEXT, substatus TEXT, assignee TEXT NOT NULL DEFAULT '',
  first_seen REAL, last_seen REAL, count INTEGER, first_release TEXT, priority TEXT);
CREATE TABLE item(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, project INTEGER, issue INTEGER,
  event_id TEXT NOT NULL DEFAULT '', trace_id TEXT NOT NULL DEFAULT '', span_id TEXT NOT NULL DEFAULT '', ts REAL, attrs TEXT);
CREATE INDEX item_issue ON item(issue, ts) WHERE issue IS NOT NULL;
CREATE INDEX item_event ON item(event_id) WHERE event_id <> '';
CREATE INDEX item_trace ON item(trace_id) WHERE trace_id <> '';
CREATE TABLE activity(id INTEGER PRIMARY KEY, issue INTEGER, type TEXT, ts REAL);
CREATE TABLE release(id INTEGER PRIMARY KEY, org INTEGER, version TEXT);
CREATE TABLE release_project(release INTEGER, project INTEGER, first REAL, last REAL);
`

var now = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

const (
	trace1 = "0123456789abcdef0123456789abcdef"
	trace2 = "12345678901234567890123456789012" // looks like a number
	eventA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	eventB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func testEnv() Env {
	return Env{
		Now: now, UserID: 1, Start: now.AddDate(0, 0, -14), End: now,
		Projects: []int64{1, 2}, Teams: map[string]int64{"payments": 7}, MyTeams: []int64{7},
	}
}

func ago(d time.Duration) float64 { return unixSeconds(now.Add(-d)) }

func newDatabase(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // every connection would have a database of its own
	t.Cleanup(func() { db.Close() })
	run(t, db, testSchema)
	return db
}

func run(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// fill inserts a small story: three projects, the third in nobody's sight.
func fill(t testing.TB, db *sql.DB) {
	run(t, db, `INSERT INTO user VALUES (1, 'ann@example.com', 'Ann', 'ann'), (2, 'bo@example.com', 'Bo', 'bo')`)
	run(t, db, `INSERT INTO project VALUES (1, 1, 'shop', 'Shop', 'go'), (2, 1, 'pay', 'Pay', 'python'), (3, 2, 'secret', 'Secret', 'go')`)
	run(t, db, `INSERT INTO release VALUES (1, 1, 'shop@1.0'), (2, 1, 'shop@2.0')`)
	run(t, db, `INSERT INTO release_project VALUES (1, 1, 100, 100), (2, 1, 200, 200), (1, 2, 300, 300)`)
	issue := func(id, project int, short, title, culprit, level, status, substatus, assignee string, first, last time.Duration, count int, priority string) {
		run(t, db, `INSERT INTO issue VALUES (?, ?, ?, ?, ?, 'error', 'error', ?, 'go', ?, ?, ?, ?, ?, ?, 'shop@1.0', ?)`,
			id, project, short, title, culprit, level, status, substatus, assignee, ago(first), ago(last), count, priority)
	}
	const day = 24 * time.Hour
	issue(1, 1, "SHOP-1", "TypeError: total is undefined", "cart.total", "error", "unresolved", "new", "user:1", 2*day, time.Hour, 5, "high")
	issue(2, 1, "SHOP-2", "Timeout after 100% of 5_000 ms", "http.get", "warning", "resolved", "", "", 10*day, 3*day, 50, "medium")
	issue(3, 2, "PAY-1", "card declined", "pay.charge", "fatal", "ignored", "archived_forever", "team:7", 5*day, 2*day, 1, "low")
	issue(4, 2, "PAY-2", "old news", "pay.old", "error", "unresolved", "regressed", "user:2", 90*day, 60*day, 9, "low")
	issue(5, 3, "SECRET-1", "TypeError: hidden", "x", "error", "unresolved", "new", "user:1", 2*day, time.Hour, 5, "high")
	run(t, db, `UPDATE issue SET first_release = 'shop@2.0' WHERE id = 2`)
	run(t, db, `INSERT INTO activity VALUES (1, 2, 'set_regression', ?)`, ago(4*day))

	item := func(id int, kind string, project int, issue any, event, trace, span string, age time.Duration, attrs string) {
		run(t, db, `INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, kind, project, issue, event, trace, span, ago(age), attrs)
	}
	item(1, "error", 1, 1, eventA, trace1, "aaaaaaaaaaaaaaa1", time.Hour, `{"message":"Total is undefined","level":"error",
		"user":"id:1","user.email":"ann@example.com","environment":"production","release":"shop@2.0","browser":"Chrome 120",
		"http.status_code":500,"error.type":["TypeError","CauseError"],"error.handled":[false],"stack.lineno":[10,20],"handled":"no","checkout.step":3}`)
	item(2, "error", 1, 1, eventB, trace2, "", 26*time.Hour, `{"message":"Total is undefined again","level":"error",
		"user":"id:2","environment":"staging","release":"shop@1.0","http.status_code":"503","retry":true,"path":"C:\\temp\\*x","size":2500000}`)
	item(3, "error", 1, 2, "cc", "", "", 72*time.Hour, `{"message":"timeout [5] (really)","level":"warning","user":"id:1","environment":"production","http.response.status_code":404}`)
	item(4, "error", 2, 3, "dd", "", "", 48*time.Hour, `{"title":"CardError: card declined","level":"fatal","note":"","retry":false,"error.type":["CardError"]}`)
	item(5, "error", 3, 5, "ee", trace1, "", time.Hour, `{"message":"Total is undefined","level":"error"}`)
	item(6, "error", 2, 4, "ff", "", "", 60*24*time.Hour, `{"message":"old news"}`)
	item(11, "span", 1, nil, "", trace1, "b1", time.Hour, `{"span.op":"db","span.description":"SELECT 1","span.duration":10,"span.status":"ok","transaction":"GET /orders","db.query.text":"SELECT 1"}`)
	item(12, "span", 1, nil, "", trace1, "b2", time.Hour, `{"span.op":"db","span.description":"SELECT 2","span.duration":30.5,"transaction":"GET /orders"}`)
	item(13, "span", 1, nil, "", trace1, "b3", 2*time.Hour, `{"span.op":"http.server","span.description":"GET /orders","span.duration":"1500","span.status":"internal_error","is_transaction":true,"transaction":"GET /orders"}`)
	item(21, "log", 1, nil, "l1", trace1, "", time.Hour, `{"log.body":"coupon list empty","severity":"warn","severity_number":13}`)
	item(22, "log", 1, nil, "l2", trace1, "", time.Hour, `{"message":"coupon used","severity":"info","severity_number":9}`)
	metric := func(id int, age time.Duration, attrs string) {
		item(id, "metric", 1, nil, "", trace1, "b1", age, attrs)
	}
	metric(31, time.Hour, `{"metric.name":"orders.placed","metric.type":"counter","value":3,"region":"eu"}`)
	metric(32, 2*time.Hour, `{"metric.name":"orders.placed","metric.type":"counter","value":4,"region":"us"}`)
	metric(33, time.Hour, `{"metric.name":"checkout.latency","metric.type":"distribution","metric.unit":"second","value":1.5,"region":"eu"}`)
	metric(34, time.Hour, `{"metric.name":"checkout.latency","metric.type":"distribution","metric.unit":"second","value":0.5,"region":"eu"}`)
	metric(35, time.Hour, `{"metric.name":"queue.depth","metric.type":"gauge","value":7,"region":"ap"}`)
}

// ids runs a query for one column of ids.
func ids(t testing.TB, db *sql.DB, statement string, args []any) []int {
	t.Helper()
	rows, err := db.Query(statement, args...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	var out []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	slices.Sort(out)
	return out
}
