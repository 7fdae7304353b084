package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type occurrenceAnswer struct {
	ID, EventID, Title, Type string
	Entries                  []struct{ Type string }
	Tags                     []struct{ Key, Value string }
	Contexts                 struct{ Monitor struct{ Slug, Name string } }
	Occurrence               *struct {
		IssueTitle, Subtitle string
		Fingerprint          []string
		EvidenceDisplay      []struct {
			Name, Value string
			Important   bool
		}
	}
}

// states are what the clock and the check-ins have made of a monitor's issue.
func (r *runner) states() (out []string) {
	r.Helper()
	for _, is := range r.issues("issue.category:cron") {
		substatus := ""
		if is.Substatus != nil {
			substatus = " " + *is.Substatus
		}
		out = append(out, is.Title+": "+is.Status+substatus+", "+is.Count)
	}
	return out
}

func hourlyWith(more string) string {
	return "," + strings.TrimSuffix(hourly, "}") + `,` + more + `}`
}

func TestIncident_FailureIsAnIssue(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	r.checkIn(runA, "ok", ","+hourly)
	if got := r.states(); got != nil {
		t.Fatalf("issues %q after a good run", got)
	}
	r.clock.pass(time.Hour)
	r.checkIn(runB, "error", `,"duration":2,"contexts":{"trace":{"trace_id":"`+traceID+`"}}`)
	if diff := cmp.Diff([]string{"Cron failure: nightly: unresolved new, 1"}, r.states()); diff != "" {
		t.Fatalf("issues (-want +got):\n%s", diff)
	}
	for _, query := range []string{"monitor.slug:nightly", "issue.category:outage", "issue.type:monitor_check_in_failure", "is:unresolved issue.priority:high environment:production", "Cron failure", "monitor.slug:nightly checkin.status:error"} {
		if len(r.issues(query)) != 1 {
			t.Errorf("not found by %s", query)
		}
	}
	for _, query := range []string{"monitor.slug:weekly", "issue.category:error", "!issue.category:outage", "monitor.slug:nightly environment:staging"} {
		if len(r.issues(query)) != 0 {
			t.Errorf("found by %s", query)
		}
	}
	is := r.onlyIssue()
	var ev occurrenceAnswer
	r.get(issuesPath+is.ShortID+"/events/latest/", &ev)
	if ev.Type != "generic" || ev.Title != "Cron failure: nightly" || ev.Contexts.Monitor.Slug != "nightly" || ev.Occurrence == nil {
		t.Fatalf("event %+v", ev)
	}
	if o := ev.Occurrence; len(o.EvidenceDisplay) != 3 || !o.EvidenceDisplay[0].Important || o.EvidenceDisplay[2].Value != "2026-11-20T12:00:00.000000Z" || o.IssueTitle != ev.Title {
		t.Errorf("occurrence %+v", o)
	}
	var runs []struct {
		Status string
		Groups []struct{ ID, ShortID string }
	}
	r.get("/organizations/acme-outdoors/monitors/nightly/checkins/", &runs)
	if len(runs) != 2 || len(runs[0].Groups) != 1 || runs[0].Groups[0].ShortID != is.ShortID || len(runs[1].Groups) != 0 {
		t.Errorf("check-ins %+v", runs)
	}
	var events []struct{ ID string }
	r.get(issuesPath+is.ID+"/events/?query=monitor.slug:nightly", &events)
	if len(events) != 1 || events[0].ID != ev.ID {
		t.Errorf("events %+v, want %s", events, ev.ID)
	}
	var rows struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=issuePlatform&field=issue&field=title&query=trace:"+traceID, &rows)
	if len(rows.Data) != 1 || rows.Data[0]["issue"] != is.ShortID {
		t.Errorf("rows %v", rows.Data)
	}
}

// TestIncident_Thresholds: how many runs in a row have to fail, or to be well.
func TestIncident_Thresholds(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	n := 0
	tell := func(status string, want ...string) {
		t.Helper()
		n++
		r.checkIn(fmt.Sprintf("%032x", n), status, hourlyWith(`"failure_issue_threshold":2,"recovery_threshold":2`))
		if diff := cmp.Diff(want, r.states()); diff != "" {
			t.Fatalf("after run %d, %s (-want +got):\n%s", n, status, diff)
		}
		r.clock.pass(time.Hour)
	}
	const title = "Cron failure: nightly: "
	tell("error")
	tell("ok")
	tell("error")
	tell("error", title+"unresolved new, 2")
	tell("error", title+"unresolved new, 3")
	tell("ok", title+"unresolved new, 3")
	tell("error", title+"unresolved new, 4")
	tell("ok", title+"unresolved new, 4")
	tell("ok", title+"resolved, 4")
	tell("error", title+"resolved, 4")
	tell("error", title+"unresolved regressed, 6")
	var log struct{ Activity []struct{ Type string } }
	r.get(issuesPath+r.onlyIssue().ID+"/activities/", &log)
	if len(log.Activity) != 3 || log.Activity[0].Type != "set_regression" || log.Activity[1].Type != "set_resolved" {
		t.Errorf("activity %+v", log)
	}
	if n := r.rows("incident"); n != 2 {
		t.Errorf("%d incidents, want 2", n)
	}
}

// TestIncident_NoticedAtAnyTime: what is noted does not depend on when, or how
// often, anybody asks.
func TestIncident_NoticedAtAnyTime(t *testing.T) {
	tell := func(steps ...time.Duration) (string, []string) {
		r := start(t, Options{Empty: true}).as(jon, writing...)
		r.checkIn(runA, "ok", `,"duration":1,`+hourly)
		r.checkIn(runB, "ok", `,"environment":"staging","duration":1`)
		r.clock.pass(time.Hour)
		r.checkIn(runB[1:]+"0", "in_progress", "")
		for _, d := range steps {
			r.clock.pass(d)
			r.states()
		}
		body := r.api("GET", "/organizations/acme-outdoors/monitors/nightly/checkins/", "").Body.String()
		for _, is := range r.issues("issue.category:cron") {
			body += "\n" + r.api("GET", issuesPath+is.ID+"/events/?full=1", "").Body.String()
		}
		return body, r.states()
	}
	once, states := tell(5 * time.Hour)
	want := []string{"Cron failure: nightly: unresolved new, 5", "Cron failure: nightly: unresolved new, 5"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
	for _, n := range []int{2, 20, 300} {
		steps := make([]time.Duration, n)
		for i := range steps {
			steps[i] = 5 * time.Hour / time.Duration(n)
		}
		if often, _ := tell(steps...); often != once {
			t.Errorf("asked %d times, the answers are others", n)
		}
	}
}

func TestIncident_LateRuns(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	r.checkIn(runA, "in_progress", ","+hourly) // it may take ten minutes
	r.clock.pass(9 * time.Minute)
	r.checkIn(runA, "in_progress", "") // and says so again
	r.clock.pass(9 * time.Minute)
	if got := r.states(); got != nil {
		t.Errorf("in time: %q", got)
	}
	r.clock.pass(2 * time.Minute)
	if got := r.runs(""); got[0] != "12:00 production timeout -" {
		t.Errorf("check-ins %q", got)
	}
	r.checkIn(runA, "in_progress", "")
	if got := r.runs(""); got[0] != "12:00 production timeout -" {
		t.Errorf("check-ins %q after another beginning", got)
	}
	r.checkIn(runA, "ok", "") // after all
	if got := r.runs(""); len(got) != 1 || got[0] != "12:00 production ok 1200000" {
		t.Errorf("check-ins %q", got)
	}
	if diff := cmp.Diff([]string{"Cron failure: nightly: resolved, 1"}, r.states()); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
}

// TestIncident_NobodyComesBack: a job that is gone for good is not missed for
// ever, and what is noted of it at once is bounded.
func TestIncident_NobodyComesBack(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	r.ingest("check_in", `{"monitor_slug":"often","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"hour"}}}`)
	r.clock.pass(20 * 24 * time.Hour)
	for _, want := range []int{1 + maxNoticed, 1 + maxMissed, 1 + maxMissed} {
		r.states()
		if n := r.rows("checkin"); n != want {
			t.Fatalf("%d runs, want %d", n, want)
		}
	}
	r.ingest("check_in", `{"monitor_slug":"often","status":"ok"}`)
	r.clock.pass(90 * time.Minute)
	r.states()
	if n := r.rows("checkin"); n != 1+maxMissed+1+1 {
		t.Errorf("%d runs after it was heard of again and missed once more", n)
	}
	r.clock.pass(keepFor)
	r.ingest("session", "{}")
	if n := r.rows("checkin") + r.rows("monitor") + r.rows("incident") + r.rows("issue"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestIncident_OwnOrganization: whoever asks does not work off what is late
// elsewhere.
func TestIncident_OwnOrganization(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("check_in", `{"monitor_slug":"often","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"minute"}}}`)
	r.clock.pass(10 * time.Minute)
	priya := r.as(priya, reading...)
	priya.get("/organizations/globex-labs/issues/", new([]issueAnswer))
	priya.get("/organizations/globex-labs/monitors/", new([]monitorAnswer))
	if n := r.rows("checkin"); n != 1 {
		t.Errorf("a stranger's requests noted %d runs", n-1)
	}
	if r.as(jon, reading...).states(); r.rows("checkin") == 1 {
		t.Error("a member's requests noted nothing")
	}
}

// TestCheckIn_Bounds: senders make so many monitors and no more, and those that
// there are go on.
func TestCheckIn_Bounds(t *testing.T) {
	r := start(t, Options{Empty: true})
	var items []string
	for i := range maxUpserted + 5 {
		items = append(items, "check_in", fmt.Sprintf(`{"monitor_slug":"job-%d","status":"ok",%s}`, i, hourly))
	}
	r.ingest(items...)
	r.ingest("check_in", `{"monitor_slug":"job-0","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"day"}}}`)
	if monitors, runs := r.rows("monitor"), r.rows("checkin"); monitors != maxUpserted || runs != maxUpserted+1 {
		t.Errorf("%d monitors and %d runs, want %d and one more", monitors, runs, maxUpserted)
	}
}

// TestIncident_ManyComeBack: jobs that are heard of after a silence do not hold
// everybody up with all the runs that they missed.
func TestIncident_ManyComeBack(t *testing.T) {
	r := start(t, Options{Empty: true})
	const jobs = 10
	var items []string
	for i := range jobs {
		items = append(items, "check_in", fmt.Sprintf(`{"monitor_slug":"job-%d","status":"ok","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"minute"}}}`, i))
	}
	r.ingest(items...)
	r.clock.pass(20 * time.Minute)
	r.ingest(items...)
	if n := r.rows("checkin"); n != 2*jobs+maxNoticed {
		t.Errorf("%d runs, want %d told and %d missed", n, 2*jobs, maxNoticed)
	}
}

// TestIncident_OnlyItself: an SDK cannot pass for the sandbox.
func TestIncident_OnlyItself(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	r.ingest("event", `{"message":"mine","occurrence":{"issueTitle":"Cron failure: nightly","fingerprint":["cron monitor","nightly","production"]}}`)
	if is := r.onlyIssue(); is.Title != "mine" || len(r.issues("issue.category:cron")) != 0 {
		t.Errorf("issue %+v", is)
	}
	var ev occurrenceAnswer
	r.get(issuesPath+r.onlyIssue().ID+"/events/latest/", &ev)
	if ev.Occurrence != nil {
		t.Errorf("occurrence %+v", ev.Occurrence)
	}
}

// TestIncident_SeedStaysASeed: what the clock does to the seed is no addition.
func TestIncident_SeedStaysASeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, reading...)
	first.clock.pass(3 * 24 * time.Hour)
	if got := first.issues("issue.category:cron checkin.status:missed"); len(got) != 1 {
		t.Fatalf("missed runs: %+v", got)
	}
	r, log := startLater(t, path, first.token, 3*24*time.Hour)
	if log != "" || len(r.issues("lastSeen:-48h !issue.category:cron")) == 0 {
		t.Errorf("the seed was not renewed; logged %q", log)
	}
}

func TestIncident_Access(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.checkIn(runA, "error", ","+hourly)
	id := r.as(jon, reading...).onlyIssue().ID
	if w := r.as(priya, reading...).api("GET", issuesPath+id+"/", ""); w.Code != http.StatusNotFound {
		t.Errorf("a stranger: %d", w.Code)
	}
}
