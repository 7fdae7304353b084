package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAccess_Isolation: to a user, another's organization is one that does not
// exist, to the byte.
func TestAccess_Isolation(t *testing.T) {
	r := start(t, Options{})
	owner, jon := r.as(mara, allScopes...), r.as(jon, allScopes...)
	var globex []issueAnswer
	owner.get("/organizations/globex-labs/issues/?query=", &globex)
	id, short := globex[0].ID, globex[0].ShortID

	for _, path := range []string{
		"/organizations/%s/", "/organizations/%s/projects/", "/projects/%s/collector/", "/projects/%s/collector/issues/", "/organizations/%s/issues/",
		"/organizations/%s/issues/" + short + "/", "/organizations/%s/issues/" + id + "/", "/organizations/%s/issues/" + id + "/events/", "/organizations/%s/issues/" + id + "/events/latest/",
		"/organizations/%s/issues/" + id + "/notes/", "/organizations/%s/issues/" + id + "/activities/", "/organizations/%s/issues/" + id + "/tags/mark/", "/organizations/%s/issues/" + id + "/external-issues/",
		"/organizations/%s/issues/" + id + "/user-reports/", "/organizations/%s/monitors/", "/organizations/%s/monitors/nightly-settlement/",
		"/organizations/%s/monitors/nightly-settlement/checkins/", "/projects/%s/collector/monitors/nightly-settlement/stats/", "/projects/%s/collector/events/" + runA + "/attachments/",
		"/organizations/%s/uptime/", "/projects/%s/collector/uptime/1/", "/projects/%s/collector/uptime/1/checks/", "/projects/%s/collector/rules/", "/projects/%s/collector/rules/1/",
		"/organizations/%s/workflows/", "/organizations/%s/workflows/1/", "/organizations/%s/alert-rules/", "/organizations/%s/alert-rules/1/", "/projects/%s/collector/alert-rules/",
		"/organizations/%s/combined-rules/", "/organizations/%s/dashboards/", "/organizations/%s/dashboards/1/",
		"/organizations/%s/events/", "/organizations/%s/events/validate/", "/organizations/%s/tags/", "/organizations/%s/trace-items/attributes/",
		"/projects/%s/collector/profiling/profiles/" + runA + "/", "/organizations/%s/profiling/flamegraph/", "/organizations/%s/profiling/chunks/?profiler_id=" + runA,
		"/organizations/%s/releases/", "/organizations/%s/releases/collector@0.41.0/", "/organizations/%s/releases/collector@0.41.0/commits/",
		"/organizations/%s/releases/collector@0.41.0/deploys/", "/projects/%s/collector/releases/collector@0.41.0/", "/projects/%s/collector/releases/",
		"/organizations/%s/replays/", "/organizations/%s/replays/" + replayA + "/", "/organizations/%s/replay-count/?query=replay_id:" + replayA,
		"/projects/%s/collector/replays/" + replayA + "/", "/projects/%s/collector/replays/" + replayA + "/recording-segments/",
	} {
		foreign, unknown := jon.api("GET", fmt.Sprintf(path, "globex-labs"), ""), jon.api("GET", fmt.Sprintf(path, "no-such-org"), "")
		if foreign.Code != http.StatusNotFound || foreign.Body.String() != `{"detail":"The requested resource does not exist"}` || foreign.Body.String() != unknown.Body.String() {
			t.Errorf("GET %s: %d %s; an unknown organization: %d %s", path, foreign.Code, foreign.Body, unknown.Code, unknown.Body)
		}
	}
	for _, tt := range []struct{ method, path, body string }{
		{"PUT", "/organizations/globex-labs/issues/" + id + "/", `{"status":"resolved"}`},
		{"POST", "/organizations/globex-labs/issues/" + id + "/notes/", `{"text":"x"}`},
		{"POST", "/organizations/globex-labs/monitors/", `{}`},
		{"PUT", "/organizations/globex-labs/monitors/nightly-settlement/", `{}`},
		{"DELETE", "/projects/globex-labs/collector/monitors/nightly-settlement/", ""},
		{"PUT", "/organizations/globex-labs/monitors/nightly-settlement/environments/production/", `{}`},
		{"DELETE", "/projects/globex-labs/collector/monitors/nightly-settlement/environments/production/", ""},
		{"POST", "/projects/globex-labs/collector/uptime/", goodUptime},
		{"POST", "/projects/globex-labs/collector/rules/", goodRule},
		{"POST", "/organizations/globex-labs/alert-rules/", goodMetric},
		{"DELETE", "/organizations/globex-labs/workflows/1/", ""},
		{"POST", "/organizations/globex-labs/dashboards/", goodDashboard},
		{"POST", "/organizations/globex-labs/releases/", `{"version":"x","projects":["collector"]}`},
		{"PUT", "/organizations/globex-labs/releases/collector@0.41.0/", `{}`},
		{"POST", "/organizations/globex-labs/releases/collector@0.41.0/deploys/", `{"environment":"x"}`},
		{"PUT", "/organizations/acme-outdoors/releases/collector@0.41.0/", `{}`},
		// The organization is Jon's own; the issue and the project are not.
		{"GET", "/organizations/acme-outdoors/issues/" + id + "/", ""},
		{"GET", "/organizations/acme-outdoors/issues/" + short + "/", ""},
		{"PUT", "/organizations/acme-outdoors/issues/" + id + "/", `{"status":"resolved"}`},
		{"GET", "/projects/acme-outdoors/collector/", ""},
		{"GET", "/projects/acme-outdoors/51101/issues/", ""},
	} {
		if w := jon.api(tt.method, tt.path, tt.body); w.Code != http.StatusNotFound {
			t.Errorf("%s %s = %d %s", tt.method, tt.path, w.Code, w.Body)
		}
	}
	foreign, unknown := jon.api("GET", "/organizations/acme-outdoors/issues/?project=51101", ""), jon.api("GET", "/organizations/acme-outdoors/issues/?project=99999", "")
	if foreign.Code != http.StatusForbidden || strings.ReplaceAll(foreign.Body.String(), "51101", "99999") != unknown.Body.String() {
		t.Errorf("another's project: %d %s; an unknown one: %s", foreign.Code, foreign.Body, unknown.Body)
	}
	for _, query := range []string{"project.id:51101", "project:collector", "issue:" + short, "issue.id:" + id, "is:unresolved OR project:collector", "mark:" + Mark("globex-labs")} {
		for _, is := range jon.issues(query) {
			if is.Project.Slug == "collector" || is.Project.Slug == "telemetry-ui" {
				t.Errorf("query %q shows %s", query, is.ShortID)
			}
		}
	}
}

func TestAccess_Marks(t *testing.T) {
	r := start(t, Options{})
	acme, globex := Mark("acme-outdoors"), Mark("globex-labs")
	if acme == globex {
		t.Fatal("one mark for two organizations")
	}
	for _, tt := range []struct {
		r         *runner
		org, mark string
		not       string
	}{{r.as(jon, reading...), "acme-outdoors", acme, globex}, {r.as(priya, reading...), "globex-labs", globex, acme}} {
		for _, path := range []string{"/organizations/", "/organizations/" + tt.org + "/", "/organizations/" + tt.org + "/projects/"} {
			answer := tt.r.api("GET", path, "").Body.String()
			if !strings.Contains(answer, tt.mark) || strings.Contains(answer, tt.not) {
				t.Errorf("GET %s: %s, want the mark %s alone", path, answer, tt.mark)
			}
		}
	}
}

func TestAccess_Tokens(t *testing.T) {
	r := start(t, Options{Empty: true})
	tests := []struct{ reason, authorization, path, detail string }{
		{"none", "", "/auth/", "Authentication credentials were not provided."},
		{"empty", "Bearer ", "/auth/", "Authentication credentials were not provided."},
		{"not a bearer", "Basic eDp5", "/auth/", "Authentication credentials were not provided."},
		{"unknown", "Bearer sntryu_0000", "/auth/", "Invalid token"},
		{"unknown, for an organization that exists", "Bearer sntryu_0000", "/organizations/acme-outdoors/", "Invalid token"},
	}
	for _, tt := range tests {
		req := httptest.NewRequest("GET", "/api/0"+tt.path, nil)
		req.Header.Set("Authorization", tt.authorization)
		w := r.send(req)
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || !strings.Contains(w.Body.String(), tt.detail) {
			t.Errorf("%s: %d %s", tt.reason, w.Code, w.Body)
		}
	}
	token := r.as(mara, "org:read").token
	if !strings.HasPrefix(token, "sntryu_") || len(token) != 7+64 {
		t.Errorf("token has the form %d characters", len(token))
	}
	var stored int
	if err := r.sb.read().QueryRow("SELECT count(*) FROM token WHERE hex(hash) LIKE ? OR CAST(hash AS TEXT) = ?", "%"+token[7:]+"%", token).Scan(&stored); err != nil || stored != 0 {
		t.Errorf("the token is stored in clear: %d, %v", stored, err)
	}
	if _, err := r.sb.CreateToken(t.Context(), mara, []string{"org:everything"}); err == nil {
		t.Error("an unknown scope was accepted")
	}
	if _, err := r.sb.CreateTokenFor(t.Context(), mara, reading, -time.Hour); err == nil {
		t.Error("a token that never was good")
	}
	_, err := r.sb.CreateToken(t.Context(), "nobody@example.test", nil)
	if want := `create token: there is no user "nobody@example.test"; there are mara@example.test, jon@example.test, priya@example.test, wen@example.test`; err == nil || err.Error() != want {
		t.Errorf("a token for nobody: %v, want %s", err, want)
	}
}

func TestAccess_TokenLife(t *testing.T) {
	r := start(t, Options{Empty: true})
	brief, err := r.sb.CreateTokenFor(t.Context(), mara, reading, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reason, token string
		pass          time.Duration
		want          int
	}{
		{"at once", brief, 0, http.StatusOK},
		{"just before the end", brief, time.Hour - time.Second, http.StatusOK},
		{"at the end", brief, time.Second, http.StatusUnauthorized},
		{"one without an end", r.as(mara, reading...).token, 10 * 365 * 24 * time.Hour, http.StatusOK},
	} {
		r.clock.pass(tt.pass)
		r.token = tt.token
		if w := r.api("GET", "/auth/", ""); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.reason, w.Code, tt.want)
		}
	}
}

func TestAccess_Scopes(t *testing.T) {
	r := start(t, Options{})
	tests := []struct {
		scopes, method, path string
		want                 int
	}{
		{"", "GET", "/auth/", 200},
		{"", "GET", "/organizations/", 403},
		{"org:admin", "GET", "/organizations/", 200},
		{"org:read", "GET", issuesPath, 403},
		{"event:admin", "GET", issuesPath, 200},
		{"event:read", "PUT", issuesPath + "STOREFRONT-1/", 403},
		{"event:write", "PUT", issuesPath + "STOREFRONT-1/", 200},
		// Refused before anything is looked up: a 403 tells nothing.
		{"event:read", "PUT", "/organizations/globex-labs/issues/1/", 403},
		{"event:read", "PUT", "/organizations/no-such-org/issues/1/", 403},
	}
	for _, tt := range tests {
		w := r.as(jon, strings.Fields(tt.scopes)...).api(tt.method, tt.path, "{}")
		if w.Code != tt.want {
			t.Errorf("%q: %s %s = %d %s, want %d", tt.scopes, tt.method, tt.path, w.Code, w.Body, tt.want)
		}
	}
}

func TestScopeSet_Has(t *testing.T) {
	tests := []struct {
		set, want string
		has       bool
	}{
		{"org:read", "org:read", true}, {"org:write", "org:read", true}, {"org:admin", "org:write", true},
		{"org:read", "org:write", false}, {"org:admin", "event:read", false}, {"project:releases", "project:read", false},
		{"project:admin", "project:releases", false}, {"", "org:read", false},
	}
	for _, tt := range tests {
		if got := scopeSet(strings.Fields(tt.set)).has(tt.want); got != tt.has {
			t.Errorf("%q has %s = %v", tt.set, tt.want, got)
		}
	}
}

// TestAccess_OnlyJSON: below /api/0/ nothing else is ever said.
func TestAccess_OnlyJSON(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"GET", "/nothing/", 404}, {"GET", "//organizations/", 404}, {"GET", "/organizations/../auth/", 404},
		{"DELETE", "/organizations/", 405}, {"POST", issuesPath, 405}, {"GET", "/organizations/acme-outdoors", 200}, {"GET", "/auth", 200},
		{"GET", "/organizations/a%2Fb/", 404}, {"GET", "/organizations/%00/", 404},
	} {
		w := r.api(tt.method, tt.path, "")
		if w.Code != tt.want || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s = %d %s %s, want %d", tt.method, tt.path, w.Code, w.Header().Get("Content-Type"), w.Body, tt.want)
		}
	}
}

func TestAccount_Shapes(t *testing.T) {
	r := start(t, Options{}).as(jon, reading...)
	var me struct{ ID, Name, Email string }
	r.get("/users/me/", &me)
	if me.ID != "1002" || me.Email != jon {
		t.Errorf("me = %+v", me)
	}
	var orgs []struct {
		ID, Slug string
		Links    struct{ RegionURL, OrganizationURL string }
	}
	r.get("/organizations/", &orgs)
	if len(orgs) != 1 || orgs[0].ID != "41001" || orgs[0].Links.RegionURL != "" || orgs[0].Links.OrganizationURL != "http://sandbox.test/sub/organizations/acme-outdoors" {
		t.Errorf("organizations = %+v", orgs)
	}
	var projects []struct {
		ID, Slug                       string
		HasLogs, FirstTransactionEvent bool
	}
	r.get("/organizations/ACME-outdoors/projects/?query=STORE", &projects)
	if len(projects) != 1 || projects[0].Slug != "storefront" || !projects[0].HasLogs || !projects[0].FirstTransactionEvent {
		t.Errorf("projects = %+v", projects)
	}
	var one struct {
		Slug         string
		Organization struct{ Slug string }
	}
	r.get("/projects/41001/51002/", &one)
	if one.Slug != "checkout-api" || one.Organization.Slug != "acme-outdoors" {
		t.Errorf("project = %+v", one)
	}
}

func TestParsePeriod(t *testing.T) {
	for s, want := range map[string]time.Duration{"30": 30 * time.Second, "90m": 90 * time.Minute, "24h": 24 * time.Hour, "2w": 14 * 24 * time.Hour} {
		if got, err := parsePeriod(s); err != nil || got != want {
			t.Errorf("parsePeriod(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
}

// TestAccess_GuestCommits: an event can name any release, so a guest whose key
// sends one is not told who made it, and what for.
func TestAccess_GuestCommits(t *testing.T) {
	r := start(t, Options{Empty: true})
	own, wen := r.as(mara, allScopes...), r.as(wen, reading...)
	for version, project := range map[string]string{"hidden-release": "checkout-api", "own-release": "storefront"} {
		own.tell("POST", releasesPath, `{"version":"`+version+`","projects":["`+project+`"],"commits":[{"id":"c0ffee","message":"rotate the vault","author_name":"Zoe","author_email":"zoe@example.test"}]}`, http.StatusCreated)
		own.tell("POST", releasesPath+version+"/deploys/", `{"environment":"bunker","dateFinished":"2026-11-20T12:00:00Z"}`, http.StatusCreated)
		r.ingest("event", `{"message":"`+version+`","release":"`+version+`"}`)
		is := own.issues("release:" + version)[0]
		for _, path := range []string{releasesPath + version + "/", releasesPath + version + "/commits/", releasesPath + version + "/deploys/",
			"/projects/acme-outdoors/storefront/releases/" + version + "/commits/", issuesPath + is.ID + "/events/latest/", issuesPath + is.ID + "/events/?full=true"} {
			hers, all := wen.api("GET", path, ""), own.api("GET", path, "")
			told := func(answer string) bool {
				return strings.Contains(answer, "vault") || strings.Contains(answer, "c0ffee") || strings.Contains(answer, "zoe@") || strings.Contains(answer, "bunker")
			}
			if hers.Code != http.StatusOK || !told(all.Body.String()) || told(hers.Body.String()) != (project == "storefront") {
				t.Errorf("GET %s, a release of %s: %d %s", path, project, hers.Code, hers.Body)
			}
		}
	}
}

// TestAccess_GuestAssigns: to assign an issue, or to search for whose it is,
// does not tell a guest of members and teams that are hidden from her.
func TestAccess_GuestAssigns(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("event", `{"message":"x"}`)
	own, wen := r.as(mara, allScopes...), r.as(wen, writing...)
	own.expect("POST", "/projects/acme-outdoors/storefront/teams/payments/", "{}", http.StatusCreated)
	one := issuesPath + own.issues("")[0].ID + "/"
	for _, to := range []string{jon, "jon", "user:1002", "1002", "#payments", "team:payments"} {
		there, unknown := wen.api("PUT", one, `{"assignedTo":"`+to+`"}`), wen.api("PUT", one, `{"assignedTo":"nobody"}`)
		if there.Code != http.StatusBadRequest || strings.Replace(there.Body.String(), strings.TrimLeft(strings.TrimPrefix(to, "team:"), "#"), "nobody", 1) != unknown.Body.String() {
			t.Errorf("assign %s: %d %s; an unknown one: %s", to, there.Code, there.Body, unknown.Body)
		}
		own.put(one, `{"assignedTo":"`+to+`"}`)
		if answer := wen.api("GET", one, "").Body.String(); strings.Contains(answer, jon) || strings.Contains(answer, "payments") {
			t.Errorf("assigned to %s: %s", to, answer)
		}
		if found := wen.issues("assigned:" + strings.TrimPrefix(to, "user:")); len(found) > 0 {
			t.Errorf("assigned:%s finds %v", to, found)
		}
	}
	for _, to := range []string{mara, "me", "#web"} {
		if out := wen.put(one, `{"assignedTo":"`+to+`"}`); out["assignedTo"] == nil || len(wen.issues("assigned:"+to)) != 1 {
			t.Errorf("assign %s: %v", to, out["assignedTo"])
		}
	}
}
