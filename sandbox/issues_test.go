package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const issuesPath = "/organizations/acme-outdoors/issues/"

func at1(t time.Time) string { return t.Format(time.RFC3339Nano) }

// fail sends one more event of the same fault.
func (r *runner) fail(release string) {
	r.Helper()
	r.ingest("event", fmt.Sprintf(`{"message":"no stock","release":%q,"timestamp":%q}`, release, at1(r.clock.now())))
}

func TestIssues_Lifecycle(t *testing.T) {
	substatus := func(is issueAnswer) string {
		if is.Substatus == nil {
			return is.Status
		}
		return is.Status + "/" + *is.Substatus
	}
	steps := []struct {
		reason string
		do     func(r *runner)
		want   string
	}{
		{"a first event", func(r *runner) { r.fail("1") }, "unresolved/new"},
		{"a week passes", func(r *runner) { r.clock.pass(newFor + time.Hour) }, "unresolved/ongoing"},
		{"resolved", func(r *runner) { r.put(issuesPath+"storefront-1/", `{"status":"resolved"}`) }, "resolved"},
		{"an event from before that arrives late", func(r *runner) {
			r.ingest("event", `{"message":"no stock","timestamp":"`+at1(r.clock.now().Add(-time.Hour))+`"}`)
		}, "resolved"},
		{"it happens again", func(r *runner) { r.clock.pass(time.Minute); r.fail("1") }, "unresolved/regressed"},
		{"resolved in the next release", func(r *runner) { r.put(issuesPath+"STOREFRONT-1/", `{"status":"resolvedInNextRelease"}`) }, "resolved"},
		{"the old release still fails", func(r *runner) { r.clock.pass(time.Minute); r.fail("1") }, "resolved"},
		{"the next release fails too", func(r *runner) { r.clock.pass(time.Minute); r.fail("2") }, "unresolved/regressed"},
		{"ignored", func(r *runner) { r.put(issuesPath+"STOREFRONT-1/", `{"status":"ignored"}`) }, "ignored/archived_until_escalating"},
		{"an event changes nothing", func(r *runner) { r.clock.pass(time.Minute); r.fail("2") }, "ignored/archived_until_escalating"},
		{"ignored for good", func(r *runner) {
			r.put(issuesPath+"STOREFRONT-1/", `{"status":"ignored","substatus":"archived_forever"}`)
		}, "ignored/archived_forever"},
		{"ignored for an hour", func(r *runner) { r.put(issuesPath+"STOREFRONT-1/", `{"status":"ignored","ignoreDuration":60}`) }, "ignored/archived_until_condition_met"},
		{"the hour is over", func(r *runner) { r.clock.pass(61 * time.Minute) }, "unresolved/ongoing"},
		{"ignored for two events", func(r *runner) { r.put(issuesPath+"STOREFRONT-1/", `{"status":"ignored","ignoreCount":2}`) }, "ignored/archived_until_condition_met"},
		{"one", func(r *runner) { r.clock.pass(time.Minute); r.fail("2") }, "ignored/archived_until_condition_met"},
		{"two", func(r *runner) { r.clock.pass(time.Minute); r.fail("2") }, "unresolved/ongoing"},
	}
	r := start(t, Options{Empty: true}).as(mara, writing...)
	for _, step := range steps {
		step.do(r)
		if got := substatus(r.onlyIssue()); got != step.want {
			t.Fatalf("after %q: %s, want %s", step.reason, got, step.want)
		}
	}
	var got struct {
		Activity []struct{ Type string }
	}
	r.get(issuesPath+"STOREFRONT-1/activities/", &got)
	var kinds []string
	for _, a := range got.Activity {
		kinds = append(kinds, a.Type)
	}
	want := []string{"set_unresolved", "set_ignored", "set_ignored", "set_ignored", "set_ignored", "set_regression", "set_resolved_in_release", "set_regression", "set_resolved", "first_seen"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
}

func TestIssues_Counts(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	for _, user := range []string{"1", "2", "1"} {
		r.ingest("event", `{"message":"no stock","user":{"id":`+user+`}}`)
	}
	path, key := r.dsn("acme-outdoors", "storefront")
	again := pack(`{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc"}`, "event", `{"message":"no stock","user":{"id":3}}`)
	for range 2 { // an SDK that did not see the answer sends again
		if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(again))); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
	}
	if is := r.onlyIssue(); is.Count != "4" || is.UserCount != 3 {
		t.Errorf("count %s, users %d; want 4 and 3", is.Count, is.UserCount)
	}
}

func TestIssues_FirstRelease(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("event", `{"message":"unreleased"}`)
	for _, version := range []string{"shop@1.2.0", "shop@1.3.0"} {
		r.fail(version)
		r.clock.pass(time.Hour)
	}
	want := map[string]any{
		"unreleased": nil,
		"no stock":   map[string]any{"version": "shop@1.2.0", "shortVersion": "1.2.0", "dateCreated": "2026-11-20T12:00:00.000000Z", "dateReleased": nil},
	}
	for _, is := range r.issues("") {
		var one map[string]any
		r.get(issuesPath+is.ID+"/", &one)
		if diff := cmp.Diff(want[is.Title], one["firstRelease"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", is.Title, diff)
		}
	}
	var list []map[string]any
	r.get(issuesPath+"?query=", &list)
	for _, is := range list {
		if diff := cmp.Diff(want[is["title"].(string)], is["firstRelease"]); diff != "" {
			t.Errorf("listed: %s (-want +got):\n%s", is["title"], diff)
		}
	}
}

func TestIssues_Assign(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	r.fail("1")
	for to, want := range map[string]string{"me": mara, "user:1002": jon, jon: jon, "mara": mara, "1002": jon, "": ""} {
		out := r.put(issuesPath+"STOREFRONT-1/", fmt.Sprintf(`{"assignedTo":%q}`, to))
		got, _ := out["assignedTo"].(map[string]any)
		if want == "" && out["assignedTo"] != nil || want != "" && got["email"] != want {
			t.Errorf("assign %q: %v, want %q", to, out["assignedTo"], want)
		}
	}
	for _, stranger := range []string{priya, "user:1003", "priya", "nobody"} {
		if w := r.api("PUT", issuesPath+"STOREFRONT-1/", fmt.Sprintf(`{"assignedTo":%q}`, stranger)); w.Code != http.StatusBadRequest {
			t.Errorf("assign to %q, who is no member: %d %s", stranger, w.Code, w.Body)
		}
	}
}

func TestIssues_Notes(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	r.fail("1")
	for _, text := range []string{"looking", "found it"} {
		if w := r.api("POST", issuesPath+"STOREFRONT-1/notes/", fmt.Sprintf(`{"text":%q}`, text)); w.Code != http.StatusCreated {
			t.Fatalf("POST notes = %d %s", w.Code, w.Body)
		}
		r.clock.pass(time.Second)
	}
	var notes []struct {
		Data struct{ Text string }
		User struct{ Email string }
	}
	r.get(issuesPath+"STOREFRONT-1/notes/", &notes)
	if len(notes) != 2 || notes[0].Data.Text != "found it" || notes[0].User.Email != mara {
		t.Errorf("notes %+v", notes)
	}
	for _, bad := range []string{`{"text":" "}`, `{}`, `{`, `{"text":"` + strings.Repeat("x", maxNote+1) + `"}`} {
		if w := r.api("POST", issuesPath+"STOREFRONT-1/notes/", bad); w.Code != http.StatusBadRequest {
			t.Errorf("note %.20s: %d", bad, w.Code)
		}
	}
	if w := r.api("POST", issuesPath+"STOREFRONT-1/notes/", `{"text":"`+strings.Repeat("x", maxRequestBody)+`"}`); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body beyond all limits: %d", w.Code)
	}
}

func TestIssues_Events(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for i := range 3 {
		r.ingest("event", fmt.Sprintf(`{"message":"no stock","tags":{"n":"%d"},"timestamp":%q}`, i, at1(noon.Add(time.Duration(i-5)*time.Hour))))
	}
	type event struct {
		ID                           string
		PreviousEventID, NextEventID *string
		Tags                         []struct{ Key, Value string }
		DateCreated                  string
	}
	n := func(ev event) (n string) {
		for _, tag := range ev.Tags {
			if tag.Key == "n" {
				n = tag.Value
			}
		}
		return n
	}
	const base = issuesPath + "STOREFRONT-1/events/"
	var latest, oldest, byID event
	r.get(base+"latest/", &latest)
	r.get(base+"oldest/", &oldest)
	r.get(base+*latest.PreviousEventID+"/", &byID)
	if n(latest) != "2" || n(oldest) != "0" || n(byID) != "1" || latest.NextEventID != nil || *byID.PreviousEventID != oldest.ID {
		t.Errorf("latest %+v, oldest %+v, between %+v", latest, oldest, byID)
	}
	if latest.DateCreated != "2026-11-20T09:00:00.000000Z" {
		t.Errorf("dateCreated %q: clients insist on the Z", latest.DateCreated)
	}
	var list []event
	for query, want := range map[string]string{"": "210", "?query=n:1": "1", "?sort=timestamp&per_page=2": "01", "?statsPeriod=210m": "2"} {
		r.get(base+query, &list)
		got := ""
		for _, ev := range list {
			got += n(ev)
		}
		if got != want {
			t.Errorf("events%s = %q, want %q", query, got, want)
		}
	}
	for _, missing := range []string{"nope/", strings.Repeat("0", 32) + "/"} {
		if w := r.api("GET", base+missing, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
}

func TestIssues_Tag(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for _, shelf := range []string{"tents", "boots", "tents"} {
		r.ingest("event", `{"message":"no stock","tags":{"shelf":"`+shelf+`"}}`)
	}
	var got struct {
		Key         string
		TotalValues int
		TopValues   []struct {
			Value string
			Count int
		}
	}
	r.get(issuesPath+"STOREFRONT-1/tags/shelf/", &got)
	if got.Key != "shelf" || got.TotalValues != 3 || len(got.TopValues) != 2 || got.TopValues[0].Value != "tents" || got.TopValues[0].Count != 2 {
		t.Errorf("tag %+v", got)
	}
	for _, key := range []string{"nothing", "a%22b", "stack.function"} {
		if w := r.api("GET", issuesPath+"STOREFRONT-1/tags/"+key+"/", ""); w.Code != http.StatusNotFound {
			t.Errorf("tag %s: %d %s", key, w.Code, w.Body)
		}
	}
}

func TestIssues_BadInput(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, writing...)
	r.fail("1")
	for _, path := range []string{
		"?limit=0", "?limit=101", "?per_page=x", "?cursor=zzz", "?cursor=0:-1:0", "?cursor=0:99999999999:0", "?statsPeriod=1y", "?statsPeriod=0d", "?statsPeriod=99999999d",
		"?start=2026-01-01", "?start=2026-01-02&end=2026-01-01", "?start=x&end=y", "?sort=sideways", "?query=%28", "STOREFRONT-1/events/?sort=title", "STOREFRONT-1/events/?query=level%3A%5B",
	} {
		w := r.api("GET", issuesPath+path, "")
		var answer struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusBadRequest || answer.Detail == "" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
	for _, change := range []string{
		`{"status":"gone"}`, `{"substatus":"ongoing"}`, `{"status":"resolved","substatus":"new"}`, `{"status":"ignored","ignoreDuration":-1}`, `{"status":"ignored","ignoreCount":1e300}`, `{"status":7}`, `[]`,
	} {
		w := r.api("PUT", issuesPath+"STOREFRONT-1/", change)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"detail"`) {
			t.Errorf("PUT %s = %d %s", change, w.Code, w.Body)
		}
	}
	if is := r.onlyIssue(); is.Status != unresolved {
		t.Errorf("a refused change changed the status to %s", is.Status)
	}
}

var nextCursor = regexp.MustCompile(`, <([^>,]*)>; rel="next"; results="(true|false)"; cursor="([^"]*)"$`)

// TestIssues_Pages walks through all pages as a client does.
func TestIssues_Pages(t *testing.T) {
	r := start(t, Options{}).as(mara, reading...)
	var all []issueAnswer
	r.get(issuesPath+"?query=&limit=100", &all)
	seen := map[string]bool{}
	for cursor, more, pages := "", true, 0; more; pages++ {
		if pages > len(all) {
			t.Fatal("the pages do not end")
		}
		var page []issueAnswer
		h := r.get(issuesPath+"?query=&limit=3&referrer=a,b&cursor="+cursor, &page)
		for _, is := range page {
			if seen[is.ID] {
				t.Errorf("%s is on two pages", is.ShortID)
			}
			seen[is.ID] = true
		}
		link := nextCursor.FindStringSubmatch(h.Get("Link"))
		if link == nil || !strings.HasPrefix(link[1], "http://sandbox.test/sub/api/0/organizations/acme-outdoors/issues/?") {
			t.Fatalf("Link: %s", h.Get("Link"))
		}
		cursor, more = link[3], link[2] == "true"
	}
	if len(seen) != len(all) || len(all) < 8 {
		t.Errorf("pages show %d issues of %d", len(seen), len(all))
	}
}

func TestIssues_ByProject(t *testing.T) {
	r := start(t, Options{}).as(mara, reading...)
	var byPath, bySlug, byID []issueAnswer
	r.get("/projects/Acme-Outdoors/STOREFRONT/issues/", &byPath)
	r.get(issuesPath+"?project=storefront", &bySlug)
	r.get("/organizations/41001/issues/?project=51001", &byID)
	if diff := cmp.Diff(byPath, bySlug) + cmp.Diff(byPath, byID); diff != "" || len(byPath) == 0 {
		t.Errorf("%d issues; %s", len(byPath), diff)
	}
	for _, is := range byPath {
		if is.Project.Slug != "storefront" {
			t.Errorf("%s is of %s", is.ShortID, is.Project.Slug)
		}
	}
}

func TestShortID(t *testing.T) {
	for n, want := range map[int64]string{1: "SHOP-1", 31: "SHOP-Z", 32: "SHOP-10", 32 * 32: "SHOP-100"} {
		if got := shortID("shop", n); got != want {
			t.Errorf("shortID(%d) = %q, want %q", n, got, want)
		}
	}
}
