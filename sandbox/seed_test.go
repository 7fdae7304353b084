package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seededOnce is a file that was seeded at noon: to copy it takes less than to
// seed another.
var seededOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "seeded")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sandbox.db")
	sb, err := New(context.Background(), Options{Path: path, Now: func() time.Time { return noon }})
	if err != nil {
		return nil, err
	}
	if err := sb.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// seeded is a file of the test's own that was seeded at noon.
func seeded(t *testing.T) (path string) {
	t.Helper()
	raw, err := seededOnce()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "sandbox.db")
	writeFile(t, path, raw)
	return path
}

// startLater opens the file again after a while, with the token of before, and
// returns what it logged.
func startLater(t *testing.T, path, token string, after time.Duration) (*runner, string) {
	t.Helper()
	var log bytes.Buffer
	c := &clock{t: noon.Add(after)}
	sb, err := New(t.Context(), Options{Path: path, Now: c.now, BaseURL: "http://sandbox.test/sub", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	return &runner{T: t, sb: sb, clock: c, token: token}, log.String()
}

// names are what links and people know issues by.
func (r *runner) names() (out []string) {
	for _, is := range r.issues("") {
		out = append(out, is.ID+" "+is.ShortID+" "+is.Title)
	}
	return out
}

func TestNew_RenewsOldSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, writing...)
	names := first.names()
	dsn, err := first.sb.DSN(t.Context(), "acme-outdoors", "storefront")
	if err != nil {
		t.Fatal(err)
	}
	app, err := first.sb.EnsureApp(t.Context(), "client")
	if err != nil {
		t.Fatal(err)
	}
	// Reading changes the table: new issues grow old.
	first.clock.pass(16 * 24 * time.Hour)
	first.issues("is:unresolved")

	r, log := startLater(t, path, first.token, 16*24*time.Hour)
	if got := r.issues("lastSeen:-48h is:unresolved"); len(got) < 3 {
		t.Errorf("lately: %d issues", len(got))
	}
	var spans struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=spans&field=span.op&field=timestamp&statsPeriod=1d&query="+url.QueryEscape("is_transaction:true"), &spans)
	if len(spans.Data) == 0 {
		t.Error("no transactions within a day")
	}
	if diff := cmp.Diff(names, r.names()); diff != "" {
		t.Errorf("issues (-before +after):\n%s", diff)
	}
	if got, err := r.sb.DSN(t.Context(), "acme-outdoors", "storefront"); err != nil || got != dsn {
		t.Errorf("DSN = %q, %v, want %q", got, err, dsn)
	}
	if got, err := r.sb.EnsureApp(t.Context(), "client"); err != nil || got.ClientID != app.ClientID {
		t.Errorf("client id = %q, %v, want %q", got.ClientID, err, app.ClientID)
	}
	if log != "" {
		t.Errorf("logged %s", log)
	}
	fresh := start(t, Options{})
	for _, table := range []string{"item", "issue", "activity", "monitor", "checkin", "feedback", "attachment", "release", "release_project", "seeding"} {
		if got, want := r.rows(table), fresh.rows(table); got != want {
			t.Errorf("%s: %d rows, want %d as in a new database", table, got, want)
		}
	}
}

func (r *runner) rows(table string) (n int) {
	r.Helper()
	if err := r.sb.read().QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		r.Fatal(err)
	}
	return n
}

func TestNew_KeepsRecentSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	before := first.api("GET", "/organizations/acme-outdoors/issues/?query=", "").Body.String()
	for _, after := range []time.Duration{0, time.Hour, -time.Hour} {
		r, _ := startLater(t, path, first.token, after)
		if got := r.api("GET", "/organizations/acme-outdoors/issues/?query=", "").Body.String(); got != before {
			t.Errorf("after %v: %s, want %s", after, got, before)
		}
	}
}

// TestNew_KeepsWhatPeopleDid: one event, or one change to an issue, and the
// whole database is somebody's.
func TestNew_KeepsWhatPeopleDid(t *testing.T) {
	for name, act := range map[string]func(r *runner){
		"Event": func(r *runner) { r.ingest("event", `{"message":"mine"}`) },
		"Known": func(r *runner) { r.ingest("event", `{"message":"Search returned no trail for region x"}`) },
		"Transaction": func(r *runner) {
			r.ingest("transaction", `{"contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"`+rootID+`"}}}`)
		},
		"Report":     func(r *runner) { r.ingest("user_report", `{"event_id":"`+runA+`","comments":"mine"}`) },
		"Attachment": func(r *runner) { r.sendAs(runA, "attachment", "mine") },
		"CheckIn":    func(r *runner) { r.checkIn(runA, "ok", ","+hourly) },
		"Log":        func(r *runner) { r.ingest("log", `{"items":[{"timestamp":1,"level":"info","body":"mine"}]}`) },
		"Note": func(r *runner) {
			r.api("POST", "/organizations/acme-outdoors/issues/"+r.issues("")[0].ID+"/notes/", `{"text":"mine"}`)
		},
		"Assign":  func(r *runner) { r.put(issuePath(r), `{"assignedTo":"jon@example.test"}`) },
		"Status":  func(r *runner) { r.put(issuePath(r), `{"status":"resolved"}`) },
		"Archive": func(r *runner) { r.put(issuePath(r), `{"status":"ignored","ignoreDuration":5}`) },
	} {
		t.Run(name, func(t *testing.T) {
			path := seeded(t)
			first := start(t, Options{Path: path}).as(mara, writing...)
			act(first)
			count, last := first.rows("item"), first.rows("activity")
			r, log := startLater(t, path, first.token, 15*24*time.Hour)
			if r.rows("item") != count || r.rows("activity") != last || len(r.issues("lastSeen:-48h !issue.category:cron")) > 0 {
				t.Errorf("%d items and %d activities, want %d and %d as before", r.rows("item"), r.rows("activity"), count, last)
			}
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, "keeps its old data") || !strings.Contains(log, "age=360h0m0s") {
				t.Errorf("logged %q, want one line that says so", log)
			}
		})
	}
}

func issuePath(r *runner) string {
	return "/organizations/acme-outdoors/issues/" + r.issues("is:unresolved is:unassigned")[0].ID + "/"
}

func TestNew_EmptyStaysEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	start(t, Options{Path: path, Empty: true})
	r, log := startLater(t, path, "", 48*time.Hour)
	if r.rows("item") != 0 || log != "" {
		t.Errorf("%d items, logged %q", r.rows("item"), log)
	}
	if story, err := r.sb.HasStory(t.Context()); err != nil || story {
		t.Errorf("it has the story: %v, %v", story, err)
	}
}

// undo turns a file into one of an older schema: what each upgrade did, newest
// first.
var undo = []string{
	15: "SELECT 1",
	14: "DROP INDEX monitor_env_due; ALTER TABLE monitor_env DROP COLUMN org; CREATE INDEX monitor_env_due ON monitor_env(due)",
	13: "DROP TABLE setting_project; DROP TABLE setting",
	12: "DROP INDEX item_user",
	11: "DROP TABLE session; DROP TABLE session_user; DROP TABLE session_count",
	10: "DROP TABLE device_code",
	9: `DROP TABLE incident; DROP TABLE monitor_env; DROP INDEX checkin_updated; DROP INDEX checkin_running; DROP INDEX checkin_heard; DROP INDEX checkin_well;
		ALTER TABLE checkin DROP COLUMN expected; ALTER TABLE checkin DROP COLUMN issue;
		ALTER TABLE monitor DROP COLUMN status; ALTER TABLE monitor DROP COLUMN muted; ALTER TABLE monitor DROP COLUMN owner;
		ALTER TABLE monitor DROP COLUMN upserted; ALTER TABLE monitor DROP COLUMN since`,
	8: `DROP TABLE release_commit; DROP TABLE deploy; ALTER TABLE release DROP COLUMN ref; ALTER TABLE release DROP COLUMN url;
		ALTER TABLE release_project DROP COLUMN first_event; ALTER TABLE release_project DROP COLUMN last_event`,
	7: "DROP TABLE segment; DROP TABLE replay_link; ALTER TABLE seeding DROP COLUMN segment",
	6: "DROP VIEW access; DROP TABLE project_team; DROP TABLE team_member; DROP TABLE team; DROP INDEX member_user",
	5: "DROP TABLE early_checkin",
	4: "DROP TABLE attachment; ALTER TABLE seeding DROP COLUMN attachment",
	3: "DROP TABLE feedback; ALTER TABLE seeding DROP COLUMN feedback",
	2: "DROP TABLE checkin; DROP TABLE monitor; ALTER TABLE seeding DROP COLUMN checkin",
	1: "DROP TABLE seeding",
}

func (r *runner) downgrade(to int) {
	r.Helper()
	for v := schemaVersion - 1; v >= to; v-- {
		if _, err := r.sb.writer.Exec(fmt.Sprintf("%s; PRAGMA user_version = %d", undo[v], v)); err != nil {
			r.Fatal(err)
		}
	}
}

// TestNew_UpgradesSeed: the seed of schema 2, which nobody has added to, is
// told anew as today's.
func TestNew_UpgradesSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	before := first.names()
	first.downgrade(2)
	r, _ := startLater(t, path, first.token, time.Hour)
	if diff := cmp.Diff(before, r.names()); diff != "" {
		t.Errorf("issues at once (-before +after):\n%s", diff)
	}
	r, log := startLater(t, path, first.token, 48*time.Hour)
	if len(r.issues("lastSeen:-48h")) == 0 || log != "" {
		t.Errorf("the seed was not renewed; logged %q", log)
	}
	layout := func(r *runner) []string {
		all, err := collect(t.Context(), r.sb.read(), func(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) },
			"SELECT m.name || '.' || c.name || ' ' || c.type FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY m.name, c.cid")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if diff := cmp.Diff(layout(start(t, Options{Empty: true})), layout(r)); diff != "" {
		t.Errorf("columns (-new +upgraded):\n%s", diff)
	}
}

// TestNew_Upgrades: what is in a file of schema 1 stays.
func TestNew_Upgrades(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	before := first.names()
	first.downgrade(1)
	for range 2 {
		r, _ := startLater(t, path, first.token, 48*time.Hour)
		if diff := cmp.Diff(before, r.names()); diff != "" || r.rows("seeding") != 0 {
			t.Errorf("issues (-before +after):\n%s", diff)
		}
	}
}

// TestNew_SeedReleases: what runs is what was deployed last, so the latest
// release has the faults that the story is about.
func TestNew_SeedReleases(t *testing.T) {
	r := start(t, Options{}).as(mara, reading...)
	var latest []string
	for _, is := range r.issues("is:unresolved release:latest project:checkout-api") {
		latest = append(latest, is.Level+" "+is.Title)
	}
	if want := "fatal runtime.errorString: runtime error: invalid memory address or nil pointer dereference"; !slices.Contains(latest, want) {
		t.Errorf("issues of the latest release: %q, want among them %q", latest, want)
	}
	type sent struct {
		Project, Release       string
		At, Created, FirstSeen float64
	}
	scan := func(rows *sql.Rows) (s sent, err error) {
		return s, rows.Scan(&s.Project, &s.Release, &s.At, &s.Created, &s.FirstSeen)
	}
	all, err := collect(t.Context(), r.sb.read(), scan, `SELECT p.slug, r.version, it.ts, r.created, rp.first
		FROM item it JOIN project p ON p.id = it.project JOIN release r ON r.org = p.org AND r.version = it.attrs ->> '$.release'
			JOIN release_project rp ON rp.release = r.id AND rp.project = p.id
		WHERE it.kind IN ('error', 'transaction') ORDER BY p.slug, it.ts`)
	if err != nil || len(all) < 150 {
		t.Fatalf("%d items with a release, %v", len(all), err)
	}
	for i, s := range all {
		if s.At < s.Created || s.At < s.FirstSeen {
			t.Errorf("%s at %s, before the release is created", s.Release, stamp(s.At))
		}
		if i > 0 && all[i-1].Project == s.Project && all[i-1].Release > s.Release {
			t.Errorf("%s at %s, after %s", s.Release, stamp(s.At), all[i-1].Release)
		}
	}
}

// endingContext is canceled when it is asked for the nth time.
type endingContext struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *endingContext) Done() <-chan struct{} {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Context.Done()
}

// TestNew_Interrupted: wherever a start is interrupted, what was there stays
// and nothing is added, so that the next start does it all.
func TestNew_Interrupted(t *testing.T) {
	names := start(t, Options{Path: seeded(t)}).as(mara, reading...).names()
	now := noon.Add(48 * time.Hour)
	for _, n := range []int64{5, 1000} {
		for name, path := range map[string]string{"New": filepath.Join(t.TempDir(), "sandbox.db"), "Old": seeded(t)} {
			before := tables(t, path)
			ctx, cancel := context.WithCancel(t.Context())
			ending := &endingContext{Context: ctx, cancel: cancel}
			ending.left.Store(n)
			sb, err := New(ending, Options{Path: path, Now: func() time.Time { return now }})
			if err == nil {
				sb.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s after %d: error %v", name, n, err)
			}
			if diff := cmp.Diff(before, tables(t, path)); diff != "" {
				t.Errorf("%s after %d (-before +after):\n%s", name, n, diff)
			}
			r, _ := startLater(t, path, "", 48*time.Hour)
			r = r.as(mara, reading...)
			if diff := cmp.Diff(names, r.names()); diff != "" || len(r.issues("lastSeen:-48h")) == 0 {
				t.Errorf("%s after %d: the next start tells another story (-want +got):\n%s", name, n, diff)
			}
		}
	}
}

// tables are the rows of each table in the file, in few words.
func tables(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	word := func(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }
	names, err := collect(t.Context(), db, word, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		columns, err := collect(t.Context(), db, word, "SELECT group_concat('quote(' || name || ')', '||') FROM pragma_table_info(?)", name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := collect(t.Context(), db, word, "SELECT "+columns[0]+" FROM "+name+" ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
		out[name] = fmt.Sprintf("%d rows %x", len(all), sum[:4])
	}
	return out
}

// TestNew_SeedIncident: what users and cron jobs have to say of the story.
func TestNew_SeedIncident(t *testing.T) {
	r := start(t, Options{}).as(jon, reading...)
	if said := r.issues("issue.category:feedback project:storefront"); len(said) != 2 {
		t.Errorf("feedback %+v", said)
	}
	var fault string
	for _, is := range r.issues("is:unresolved project:storefront") {
		if strings.HasPrefix(is.Title, "TypeError") {
			fault = is.ID
		}
	}
	var reports []reportAnswer
	r.get(issuesPath+fault+"/user-reports/", &reports)
	if len(reports) != 2 {
		t.Fatalf("user reports %+v", reports)
	}
	var files []attachmentAnswer
	r.get("/projects/acme-outdoors/storefront/events/"+reports[0].EventID+"/attachments/", &files)
	if len(files) != 1 || files[0].Mimetype != "image/png" {
		t.Errorf("attachments %+v", files)
	}
	var runs []runAnswer
	r.get("/projects/acme-outdoors/checkout-api/monitors/nightly-settlement/checkins/", &runs)
	statuses := ""
	for _, c := range runs {
		statuses += c.Status + " "
	}
	if statuses != "error ok ok ok ok ok ok ok " {
		t.Errorf("runs: %s", statuses)
	}
}

// TestNew_SeedInvestigation walks the story as one who looks for its cause: from
// the release to the issue, from its event along the trace to the browser, from
// there to the replay, and to the metric that fell.
func TestNew_SeedInvestigation(t *testing.T) {
	r := start(t, Options{}).as(mara, append(reading, "project:releases")...)
	var latest struct {
		Version    string
		LastCommit struct{ Message string }
		LastDeploy struct{ Environment string }
	}
	r.get("/organizations/acme-outdoors/releases/checkout-api@2.8.0/", &latest)
	if !strings.HasPrefix(latest.LastCommit.Message, "Apply stacked coupons") || latest.LastDeploy.Environment != "production" {
		t.Errorf("release %+v", latest)
	}
	fatal := r.issues("is:unresolved level:fatal firstRelease:checkout-api@2.8.0")
	if len(fatal) != 1 || fatal[0].Count != "140" || fatal[0].UserCount != 61 {
		t.Fatalf("fatal issues of the release: %+v", fatal)
	}
	// The event that the replay of moment 62 shows: a customer also wrote about it.
	replays := r.replays("count_rage_clicks:>=1 user.email:" + "ayo.b@example.test")
	if len(replays) != 1 {
		t.Fatalf("replays %v", replays)
	}
	trace := replays[0]["trace_ids"].([]any)[0].(string)
	if len(replays[0]["error_ids"].([]any)) == 0 {
		t.Errorf("replay %v has no errors", replays[0])
	}
	var meta struct {
		Errors, Logs int
		SpanCount    int `json:"span_count"`
	}
	r.get("/organizations/acme-outdoors/trace-meta/"+trace+"/", &meta)
	if meta.Errors < 2 || meta.Logs < 1 || meta.SpanCount < 7 {
		t.Errorf("trace %+v, want the errors of both sides, what was logged and the spans", meta)
	}
	var spans struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=spans&field=project&field=transaction&field=count()&query="+url.QueryEscape("trace:"+trace), &spans)
	if len(spans.Data) < 2 {
		t.Errorf("spans by project: %v", spans.Data)
	}
	var tree []spanAnswer
	r.get("/organizations/acme-outdoors/trace/"+trace+"/", &tree)
	if n := within(t, tree); n < 7 {
		t.Errorf("%d spans in the tree", n)
	}
	rate := func(query string) float64 {
		var out struct{ Data []map[string]any }
		r.get("/organizations/acme-outdoors/events/?dataset=tracemetrics&statsPeriod=14d&field="+url.QueryEscape("avg(value,orders.placed,counter,-)")+"&query="+url.QueryEscape(query), &out)
		if len(out.Data) != 1 {
			t.Fatalf("%s: %v", query, out.Data)
		}
		v, _ := out.Data[0]["avg(value,orders.placed,counter,-)"].(float64)
		return v
	}
	if before, after := rate("timestamp:+2d"), rate("timestamp:-24h"); after == 0 || after > 0.7*before {
		t.Errorf("orders placed an hour: %v before, %v since", before, after)
	}
}

type spanAnswer struct {
	Op          string
	ProjectSlug string  `json:"project_slug"`
	Start       float64 `json:"start_timestamp"`
	End         float64 `json:"end_timestamp"`
	Children    []spanAnswer
}

// within counts spans, each of which has to lie in its parent.
func within(t *testing.T, spans []spanAnswer) (n int) {
	t.Helper()
	for _, sp := range spans {
		for _, child := range sp.Children {
			if child.Start < sp.Start || child.End > sp.End {
				t.Errorf("%s in %s lasts from %f to %f, its parent %s from %f to %f", child.Op, child.ProjectSlug, child.Start, child.End, sp.Op, sp.Start, sp.End)
			}
		}
		n += 1 + within(t, sp.Children)
	}
	return n
}
