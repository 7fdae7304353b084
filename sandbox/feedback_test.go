package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type reportAnswer struct {
	ID, EventID, Comments, DateCreated string
	Name, Email                        *string
	Event                              struct{ ID, EventID string }
}

// sendAs posts an envelope with an event id to storefront.
func (r *runner) sendAs(id string, items ...string) {
	r.Helper()
	path, key := r.dsn("acme-outdoors", "storefront")
	raw := pack(`{"event_id":"`+id+`"}`, items...)
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusOK {
		r.Fatalf("ingest = %d %s", w.Code, w.Body)
	}
}

func TestFeedback(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, writing...)
	r.sendAs(runA, "event", `{"message":"no total"}`)
	r.clock.pass(time.Minute)
	said := `{"contexts":{"feedback":{"message":"The pay button\ndoes nothing","contact_email":"ines@example.test","name":"Ines","source":"widget","associated_event_id":"` + runA + `"}},"tags":{"page":"cart"}}`
	r.sendAs(runB, "feedback", said)
	r.sendAs(runB, "feedback", said) // again, as SDKs do
	r.ingest("feedback", `{"contexts":{"feedback":{"message":"The pay button\ndoes nothing"}}}`)

	if all := r.issues(""); len(all) != 1 || all[0].Title != "no total" {
		t.Errorf("without asking for feedback: %+v", all)
	}
	all := r.issues("issue.category:feedback page:cart user.email:ines@example.test")
	if len(all) != 1 || all[0].Title != "User Feedback: The pay button" || all[0].Level != "info" || all[0].UserCount != 1 || all[0].Count != "1" {
		t.Fatalf("by category and tag: %+v", all)
	}
	if n := len(r.issues("issue.category:feedback")); n != 2 {
		t.Errorf("%d issues of feedback, want one for each", n)
	}
	var is struct {
		IssueCategory, IssueType, Type string
		Metadata                       struct {
			Value string
			Email string `json:"contact_email"`
		}
	}
	r.get(issuesPath+all[0].ShortID+"/", &is)
	if is.IssueCategory != "feedback" || is.IssueType != "feedback" || is.Type != "generic" || is.Metadata.Email != "ines@example.test" || is.Metadata.Value != "The pay button\ndoes nothing" {
		t.Errorf("issue %+v", is)
	}
	var ev struct {
		ID, Type string
		Contexts struct {
			Feedback struct{ Message, Source string }
		}
	}
	r.get(issuesPath+all[0].ID+"/events/latest/", &ev)
	if ev.ID != runB || ev.Type != "generic" || ev.Contexts.Feedback.Source != "widget" {
		t.Errorf("event %+v", ev)
	}
	var events []struct{ ID string }
	r.get(issuesPath+all[0].ID+"/events/", &events)
	if len(events) != 1 || events[0].ID != runB {
		t.Errorf("events %+v", events)
	}
	var rows struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=issuePlatform&field=issue&field=message&query=page:cart", &rows)
	if len(rows.Data) != 1 || rows.Data[0]["issue"] != all[0].ShortID || rows.Data[0]["message"] != "The pay button\ndoes nothing" {
		t.Errorf("rows %v", rows.Data)
	}
	if got := r.put(issuesPath+all[0].ID+"/", `{"status":"resolved"}`); got["status"] != "resolved" {
		t.Errorf("resolved: %v", got)
	}
	var tag struct{ TotalValues int }
	r.get(issuesPath+all[0].ID+"/tags/page/", &tag)
	if tag.TotalValues != 1 {
		t.Errorf("tag %+v", tag)
	}
}

func TestUserReports(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, reading...)
	r.sendAs(runA, "event", `{"message":"no total"}`)
	r.ingest("user_report", `{"event_id":"`+runA+`","name":"Ayo","email":"ayo@example.test","comments":"It broke. password=hunter2"}`)
	r.clock.pass(time.Minute)
	r.ingest("feedback", `{"contexts":{"feedback":{"message":"Same here","associated_event_id":"`+runA+`"}}}`)
	r.ingest("user_report", `{"event_id":"`+runB+`","comments":"of another event"}`)
	path := issuesPath + r.onlyIssue().ID + "/user-reports/"
	var all []reportAnswer
	r.get(path, &all)
	if len(all) != 2 || all[0].Comments != "Same here" || all[0].Name != nil || *all[1].Name != "Ayo" || *all[1].Email != "ayo@example.test" ||
		all[1].Event.EventID != runA || all[1].EventID != runA || all[1].DateCreated != "2026-11-20T12:00:00.000000Z" {
		t.Fatalf("reports %+v", all)
	}
	if strings.Contains(all[1].Comments, "hunter2") {
		t.Errorf("a secret was stored: %q", all[1].Comments)
	}
	link := r.get(path+"?per_page=1", &all).Get("Link")
	if len(all) != 1 || !strings.Contains(link, `rel="next"; results="true"`) {
		t.Errorf("page of %d, Link %s", len(all), link)
	}
	if w := r.as(priya, reading...).api("GET", path, ""); w.Code != http.StatusNotFound {
		t.Errorf("a stranger: %d", w.Code)
	}
	if w := r.as(mara, reading...).api("GET", strings.Replace(path, "acme-outdoors", "globex-labs", 1), ""); w.Code != http.StatusNotFound {
		t.Errorf("the issue of another organization: %d", w.Code)
	}
	if w := r.as(jon, "org:read").api("GET", path, ""); w.Code != http.StatusForbidden {
		t.Errorf("without the scope: %d", w.Code)
	}
}

func TestFeedback_Refuses(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	for _, item := range [][]string{
		{"feedback", `{}`}, {"feedback", `{"contexts":{"feedback":{"message":" "}}}`}, {"user_report", `[]`},
		{"user_report", `{"comments":"of what?"}`}, {"user_report", `{"event_id":"` + runA + `"}`},
	} {
		req := httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", item...)))
		if w := r.send(req); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d %s", item, w.Code, w.Body)
		}
	}
	if n := r.rows("issue") + r.rows("feedback"); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
}

func TestFeedback_Retention(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sb.keep = 2
	r.sendAs(runA, "event", `{"message":"no total"}`)
	for _, comment := range []string{"a", "b", "c"} {
		r.ingest("feedback", `{"contexts":{"feedback":{"message":"`+comment+`","associated_event_id":"`+runA+`"}}}`)
		r.clock.pass(time.Minute)
	}
	r.clock.pass(retainEvery)
	r.ingest("session", `{}`)
	if issues, reports := r.rows("issue"), r.rows("feedback"); issues != 3 || reports != 2 {
		t.Errorf("%d issues and %d reports are left, want the event's with 2 of feedback, and 2", issues, reports)
	}
	r.clock.pass(keepFor)
	r.ingest("session", `{}`)
	if n := r.rows("issue") + r.rows("feedback") + r.rows("item"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}
