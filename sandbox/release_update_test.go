package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const releasesPath = "/organizations/acme-outdoors/releases/"

// tell sends a body that has to be answered with the status.
func (r *runner) tell(method, path, body string, status int) map[string]any {
	r.Helper()
	w := r.api(method, path, body)
	if w.Code != status {
		r.Fatalf("%s %s %s = %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	out, _ := decoded(r.T, w.Body.String()).(map[string]any)
	return out
}

// TestReleases_Deployed does what a pipeline does: a release, its commits, its
// deploys, and then events come.
func TestReleases_Deployed(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, "org:ci", "event:read", "org:read")
	const version = "shop@1.0+7,x"
	where := releasesPath + url.PathEscape(version) + "/"
	made := r.tell("POST", releasesPath, `{"version":"`+version+`","projects":["storefront",51002],"ref":"main","url":"https://shop.test/1.0","dateReleased":null}`, http.StatusCreated)
	if made["firstEvent"] != nil || made["lastEvent"] != nil || made["lastCommit"] != nil || made["ref"] != "main" || len(made["projects"].([]any)) != 2 {
		t.Errorf("new release %v", made)
	}
	r.clock.pass(time.Minute)
	again := r.tell("POST", "/projects/acme-outdoors/storefront/releases/", `{"version":"`+version+`","dateReleased":"2026-11-20T12:01:00Z"}`, http.StatusAlreadyReported)
	if again["dateReleased"] != "2026-11-20T12:01:00.000000Z" || again["dateCreated"] != "2026-11-20T12:00:00.000000Z" || again["url"] != "https://shop.test/1.0" {
		t.Errorf("the same release %v", again)
	}
	got := r.tell("PUT", where, `{"commits":[
		{"id":"c2","message":"apply stacked coupons","author_name":"Mara L.","author_email":"MARA@example.test","repository":"acme/shop","timestamp":"2026-11-20T11:00:00+01:00"},
		{"id":"c1","message":"token=hunter2","author_name":"Zoe","author_email":"zoe@example.test"}]}`, http.StatusOK)
	mara := `{"id":"1001","name":"Mara Lindqvist","username":"mara","email":"mara@example.test"}`
	last := `{"id":"c2","message":"apply stacked coupons","dateCreated":"2026-11-20T10:00:00.000000Z","author":` + mara + `,"pullRequest":null,"suspectCommitType":"",
		"repository":{"id":"acme/shop","name":"acme/shop","url":null,"provider":{"id":"unknown","name":"Unknown Provider"},"status":"active"}}`
	want := decoded(t, `{"commitCount":2,"lastCommit":`+last+`,"authors":[`+mara+`,{"name":"Zoe","email":"zoe@example.test"}]}`).(map[string]any)
	for name := range want {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var commits []map[string]any
	r.get(where+"commits/?per_page=1&cursor=0:1:0", &commits)
	if len(commits) != 1 || commits[0]["id"] != "c1" || commits[0]["message"] != "token=[Filtered]" {
		t.Errorf("commits %v", commits)
	}

	r.tell("POST", where+"deploys/", `{"environment":"staging","name":null,"url":null,"dateStarted":null,"dateFinished":null}`, http.StatusCreated)
	deployed := r.tell("POST", where+"deploys/", `{"environment":"production","name":"blue","dateStarted":"2026-11-20T12:00:30Z","dateFinished":"2026-11-20T12:05:00Z"}`, http.StatusCreated)
	wantDeploy := decoded(t, `{"id":"2","environment":"production","name":"blue","url":null,"dateStarted":"2026-11-20T12:00:30.000000Z","dateFinished":"2026-11-20T12:05:00.000000Z"}`)
	if diff := cmp.Diff(wantDeploy, any(deployed)); diff != "" {
		t.Errorf("deploy (-want +got):\n%s", diff)
	}
	var deploys []map[string]any
	if r.get(where+"deploys/", &deploys); len(deploys) != 2 || deploys[0]["environment"] != "production" {
		t.Errorf("deploys %v", deploys)
	}

	r.ingest("event", `{"message":"one","release":"`+version+`"}`)
	var one map[string]any
	r.get(where, &one)
	if one["firstEvent"] != "2026-11-20T12:01:00.000000Z" || one["newGroups"] != 1.0 || one["deployCount"] != 2.0 {
		t.Errorf("release %v", one)
	}
	if diff := cmp.Diff(wantDeploy, one["lastDeploy"]); diff != "" {
		t.Errorf("last deploy (-want +got):\n%s", diff)
	}
	var ev struct{ Release map[string]any }
	r.get(issuesPath+r.onlyIssue().ID+"/events/latest/", &ev)
	if diff := cmp.Diff(decoded(t, last), ev.Release["lastCommit"]); diff != "" || ev.Release["version"] != version {
		t.Errorf("the event's last commit (-want +got):\n%s", diff)
	}
	if len(r.issues("release:latest firstRelease:\""+version+"\"")) != 1 {
		t.Error("the issue is not of the latest release")
	}
	var is struct{ FirstRelease map[string]any }
	if r.get(issuesPath+r.onlyIssue().ID+"/", &is); is.FirstRelease["dateReleased"] != one["dateReleased"] || is.FirstRelease["dateReleased"] == nil {
		t.Errorf("the issue's first release was released %v, want %v", is.FirstRelease["dateReleased"], one["dateReleased"])
	}
}

// TestReleases_Latest: what was announced last is the latest release, also
// before anything was heard of it.
func TestReleases_Latest(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.ingest("event", `{"message":"one","release":"shop@1"}`)
	r.clock.pass(time.Minute)
	r.tell("POST", releasesPath, `{"version":"shop@2","projects":["storefront"]}`, http.StatusCreated)
	if n := len(r.issues("release:latest")); n != 0 {
		t.Errorf("%d issues of the latest release", n)
	}
}

func TestReleases_Refused(t *testing.T) {
	r := start(t, Options{}).as(mara, allScopes...)
	many := strings.Repeat(`{"id":"c"},`, maxCommits) + `{"id":"c"}`
	for _, tt := range []struct{ reason, method, path, body, field string }{
		{"no JSON", "POST", releasesPath, `{`, "detail"},
		{"no version", "POST", releasesPath, `{"projects":["storefront"]}`, "version"},
		{"a slash", "POST", releasesPath, `{"version":"a/b","projects":["storefront"]}`, "version"},
		{"a dot", "POST", releasesPath, `{"version":".","projects":["storefront"]}`, "version"},
		{"a long version", "POST", releasesPath, `{"version":"` + strings.Repeat("x", 201) + `","projects":["storefront"]}`, "version"},
		{"no projects", "POST", releasesPath, `{"version":"a"}`, "projects"},
		{"an unknown project", "POST", releasesPath, `{"version":"a","projects":["collector"]}`, "projects"},
		{"a bad date", "POST", releasesPath, `{"version":"a","projects":["storefront"],"dateReleased":"today"}`, "dateReleased"},
		{"a repository", "PUT", releasesPath + "checkout-api@2.8.0/", `{"refs":[{"repository":"acme/shop","commit":"c"}]}`, "refs"},
		{"a commit without an id", "PUT", releasesPath + "checkout-api@2.8.0/", `{"commits":[{"message":"x"}]}`, "commits"},
		{"a commit of no time", "PUT", releasesPath + "checkout-api@2.8.0/", `{"commits":[{"id":"x","timestamp":"x"}]}`, "commits"},
		{"many commits", "PUT", releasesPath + "checkout-api@2.8.0/", `{"commits":[` + many + `]}`, "commits"},
		{"a deploy to nowhere", "POST", releasesPath + "checkout-api@2.8.0/deploys/", `{}`, "environment"},
		{"a deploy to a path", "POST", releasesPath + "checkout-api@2.8.0/deploys/", `{"environment":"a/b"}`, "environment"},
		{"a deploy of no time", "POST", releasesPath + "checkout-api@2.8.0/deploys/", `{"environment":"a","dateFinished":"x"}`, "dateFinished"},
	} {
		if got := r.tell(tt.method, tt.path, tt.body, http.StatusBadRequest); got[tt.field] == nil {
			t.Errorf("%s: %v, want it to tell of %s", tt.reason, got, tt.field)
		}
	}
	for _, tt := range []struct {
		who, method, path string
		scopes            []string
		want              int
	}{
		{jon, "PUT", releasesPath + "checkout-api@2.8.0/", reading, http.StatusForbidden},
		{jon, "PUT", releasesPath + "checkout-api@2.8.0/", []string{"project:releases"}, http.StatusOK},
		{jon, "PUT", releasesPath + "nothing@1/", []string{"project:releases"}, http.StatusNotFound},
		{jon, "POST", releasesPath + "nothing@1/deploys/", []string{"project:releases"}, http.StatusNotFound},
		{priya, "PUT", releasesPath + "checkout-api@2.8.0/", []string{"project:releases"}, http.StatusNotFound},
	} {
		if w := r.as(tt.who, tt.scopes...).api(tt.method, tt.path, "{}"); w.Code != tt.want {
			t.Errorf("%s with %v: %s %s = %d %s, want %d", tt.who, tt.scopes, tt.method, tt.path, w.Code, w.Body, tt.want)
		}
	}
}

// TestReleases_Retain: a release goes once nothing refers to it any more.
func TestReleases_Retain(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.ingest("event", `{"message":"one","release":"shop@1"}`, "event", `{"message":"two","release":"shop@2"}`)
	r.tell("POST", releasesPath, `{"version":"shop@3","projects":["storefront"],"commits":[{"id":"c"}]}`, http.StatusCreated)
	r.tell("POST", releasesPath+"shop@3/deploys/", `{"environment":"production"}`, http.StatusCreated)
	r.clock.pass(20 * 24 * time.Hour)
	r.ingest("event", `{"message":"one","release":"shop@4"}`) // the issue began in shop@1
	r.clock.pass(keepFor - 19*24*time.Hour)
	for range 2 { // first the issue goes
		r.ingest("client_report", `{}`)
		r.clock.pass(retainEvery)
	}
	var left []struct{ Version string }
	r.get(releasesPath, &left)
	if got := fmt.Sprint(left); got != "[{shop@4} {shop@1}]" || r.rows("release_commit")+r.rows("deploy") != 0 {
		t.Errorf("releases %s, %d commits, %d deploys", got, r.rows("release_commit"), r.rows("deploy"))
	}
}

// TestReleases_Forget: a pipeline that tells of releases for ever fills no disk,
// and another organization keeps its own.
func TestReleases_Forget(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	const commits = `{"version":"%s","projects":["%s"],"commits":[{"id":"c","message":"%s"}]}`
	others := strings.Replace(releasesPath, "acme-outdoors", "globex-labs", 1)
	r.tell("POST", others, fmt.Sprintf(commits, "theirs", "collector", "theirs"), http.StatusCreated)
	const full = maxHistory / maxCommits
	for n := range full {
		r.tell("POST", releasesPath, fmt.Sprintf(commits, fmt.Sprint("shop@", n), "storefront", "first"), http.StatusCreated)
		r.clock.pass(time.Minute)
	}
	for _, fill := range []string{
		"INSERT INTO release_commit SELECT c.release, s.value, 'c', '', '', '', c.message, 0 FROM release_commit c, s WHERE s.value < 1000 AND c.message = 'first'",
		"INSERT INTO deploy(release, environment, name, url, finished) SELECT c.release, 'production', '', '', s.value FROM release_commit c, s WHERE c.n = 0 AND c.message = 'first'",
	} {
		if _, err := r.sb.writer.Exec("WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < 1000) " + fill); err != nil {
			t.Fatal(err)
		}
	}
	r.tell("PUT", releasesPath+"shop@0/", `{"commits":[{"id":"a"},{"id":"b"}]}`, http.StatusOK) // makes room
	r.tell("POST", releasesPath, fmt.Sprintf(commits, "shop@new", "storefront", ""), http.StatusCreated)
	r.tell("POST", releasesPath+"shop@new/deploys/", `{"environment":"production"}`, http.StatusCreated)
	if n := r.rows("release_commit"); n != maxHistory-maxCommits+2+1+1 {
		t.Errorf("%d commits while there is room", n)
	}
	counts := func(want map[string]float64) {
		t.Helper()
		for version, want := range want {
			if got := r.tell("GET", releasesPath+version+"/", "", http.StatusOK)["commitCount"]; got != want {
				t.Errorf("%s has %v commits, want %v", version, got, want)
			}
		}
	}
	r.tell("PUT", releasesPath+"shop@new/", `{"commits":[`+strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, maxCommits), ",")+`]}`, http.StatusOK)
	counts(map[string]float64{"shop@0": 0, "shop@1": maxCommits, "shop@new": maxCommits})
	r.tell("PUT", releasesPath+"shop@0/", `{"commits":[{"id":"a"}]}`, http.StatusOK)
	counts(map[string]float64{"shop@0": 1, "shop@1": 0, "shop@2": maxCommits, "shop@new": maxCommits})
	if got := r.tell("GET", others+"theirs/", "", http.StatusOK)["commitCount"]; got != 1. {
		t.Errorf("another organization's release has %v commits", got)
	}
	if n := r.rows("deploy"); n != maxHistory {
		t.Errorf("%d deploys, want %d", n, maxHistory)
	}
}

// TestReleases_OutgrowTheSeed: what a pipeline told is not lost when the story
// is told anew.
func TestReleases_OutgrowTheSeed(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, allScopes...)
	first.tell("PUT", releasesPath+"checkout-api@2.8.0/", `{"ref":"main"}`, http.StatusOK)
	_, log := startLater(t, path, first.token, 48*time.Hour)
	if !strings.Contains(log, "keeps its old data") {
		t.Errorf("logged %q", log)
	}
}
