package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type teamAnswer struct {
	ID, Slug, Name string
	IsMember       bool
	MemberCount    int
	Projects       []struct{ Slug string }
}

type projectAnswer struct {
	ID, Slug, Name, Platform string
	Teams                    []struct{ Slug string }
}

// post decodes the answer, which has to be the status.
func (r *runner) post(path, body string, status int, into any) {
	r.Helper()
	w := r.api("POST", path, body)
	if w.Code != status {
		r.Fatalf("POST %s %s = %d %s", path, body, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		r.Fatal(err)
	}
}

// envelope posts one to a project; items alternate kind and payload.
func (r *runner) envelope(path, key string, items ...string) *httptest.ResponseRecorder {
	return r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", items...))))
}

func slugs[T any](all []T, slug func(T) string) []string {
	out := []string{}
	for _, one := range all {
		out = append(out, slug(one))
	}
	return out
}

func (r *runner) teamSlugs(path string) []string {
	r.Helper()
	var all []teamAnswer
	r.get(path, &all)
	return slugs(all, func(t teamAnswer) string { return t.Slug })
}

const teamScopes = "org:read project:admin team:admin member:read event:write"

// TestTeams_Life: a team is made, given projects and people, and ended.
func TestTeams_Life(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, strings.Fields(teamScopes)...)
	if got := r.teamSlugs("/organizations/acme-outdoors/teams/?per_page=100"); !slices.Equal(got, []string{"mobile", "payments", "platform", "web"}) {
		t.Errorf("teams = %v", got)
	}
	var made teamAnswer
	r.post("/organizations/acme-outdoors/teams/", `{"name":" Data & Search "}`, http.StatusCreated, &made)
	if made.Slug != "data-search" || made.Name != "Data & Search" || !made.IsMember || made.MemberCount != 1 {
		t.Errorf("made %+v", made)
	}
	if w := r.api("POST", "/organizations/acme-outdoors/teams/", `{"slug":"data-search"}`); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "already exists.") {
		t.Errorf("a second one: %d %s", w.Code, w.Body)
	}
	var project projectAnswer
	r.post("/teams/acme-outdoors/data-search/projects/", `{"name":"Lookup","platform":"node"}`, http.StatusCreated, &project)
	if project.Slug != "lookup" || project.Platform != "node" || len(project.Teams) != 1 {
		t.Errorf("project = %+v", project)
	}
	if got := r.teamSlugs("/projects/acme-outdoors/storefront/teams/"); !slices.Equal(got, []string{"web"}) {
		t.Errorf("teams of storefront = %v", got)
	}
	var shared projectAnswer
	r.post("/projects/acme-outdoors/storefront/teams/data-search/", "{}", http.StatusCreated, &shared)
	if len(shared.Teams) != 2 {
		t.Errorf("storefront with one team more = %+v", shared)
	}
	if w := r.api("DELETE", "/projects/acme-outdoors/storefront/teams/web/", ""); w.Code != http.StatusOK {
		t.Errorf("take: %d %s", w.Code, w.Body)
	}
	if got := r.teamSlugs("/projects/acme-outdoors/storefront/teams/"); !slices.Equal(got, []string{"data-search"}) {
		t.Errorf("teams of storefront = %v", got)
	}
	r.post("/organizations/acme-outdoors/members/1002/teams/data-search/", "", http.StatusCreated, &made)
	var members []struct {
		Email, Role string
		Teams       []string
	}
	r.get("/teams/acme-outdoors/data-search/members/", &members)
	if len(members) != 2 || members[0].Email != jon || members[0].Role != "admin" || !slices.Contains(members[0].Teams, "data-search") {
		t.Errorf("members = %+v", members)
	}
	if w := r.api("DELETE", "/organizations/acme-outdoors/members/1002/teams/data-search/", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"memberCount":1`) {
		t.Errorf("leave: %d %s", w.Code, w.Body)
	}
	r.put("/teams/acme-outdoors/data-search/", `{"slug":"data","name":"Data"}`)
	var one teamAnswer
	r.get("/teams/acme-outdoors/"+made.ID+"/", &one)
	if one.Slug != "data" || len(one.Projects) != 2 {
		t.Errorf("changed = %+v", one)
	}
	if w := r.api("DELETE", "/teams/acme-outdoors/data/", ""); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Errorf("DELETE = %d %s", w.Code, w.Body)
	}
	if w := r.api("GET", "/teams/acme-outdoors/data/", ""); w.Code != http.StatusNotFound {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// TestProjects_Rename: the DSN of before stays good, and issues are known by
// the new slug.
func TestProjects_Rename(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, strings.Fields(teamScopes)...)
	r.ingest("event", `{"message":"before"}`)
	path, key := r.dsn("acme-outdoors", "storefront")
	changed := r.put("/projects/acme-outdoors/storefront/", `{"slug":"shop","name":"Shop","platform":"javascript-react"}`)
	if changed["slug"] != "shop" || changed["name"] != "Shop" || changed["platform"] != "javascript-react" || changed["id"] != "51001" {
		t.Errorf("changed = %v", changed)
	}
	if w := r.envelope(path, key, "event", `{"message":"after"}`); w.Code != http.StatusOK {
		t.Fatalf("the old DSN: %d %s", w.Code, w.Body)
	}
	got := slugs(r.issues(""), func(is issueAnswer) string { return is.ShortID + " " + is.Title })
	slices.Sort(got)
	if diff := cmp.Diff([]string{"SHOP-1 before", "SHOP-2 after"}, got); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
	if w := r.api("GET", "/projects/acme-outdoors/storefront/", ""); w.Code != http.StatusNotFound {
		t.Errorf("the old slug: %d", w.Code)
	}
}

func TestProjects_New(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, strings.Fields(teamScopes)...)
	var p projectAnswer
	r.post("/teams/acme-outdoors/web/projects/", `{"name":"Gift Cards","slug":"gifts"}`, http.StatusCreated, &p)
	if p.Slug != "gifts" || p.Platform != "other" {
		t.Errorf("project = %+v", p)
	}
	var keys []keyAnswer
	r.get("/projects/acme-outdoors/gifts/keys/", &keys)
	if len(keys) != 1 || keys[0].Name != "Default" || !keys[0].IsActive {
		t.Fatalf("keys = %+v", keys)
	}
	if w := r.envelope("/api/"+p.ID, keys[0].ID, "event", `{"message":"first"}`); w.Code != http.StatusOK {
		t.Errorf("ingest: %d %s", w.Code, w.Body)
	}
	if got := r.onlyIssue(); got.ShortID != "GIFTS-1" {
		t.Errorf("issue %+v", got)
	}
}

func TestTeams_Refuse(t *testing.T) {
	r := start(t, Options{Empty: true})
	all := strings.Fields(teamScopes)
	for _, tt := range []struct {
		reason             string
		r                  *runner
		method, path, body string
		want               int
	}{
		{"no name", r.as(mara, all...), "POST", "/organizations/acme-outdoors/teams/", "{}", 400},
		{"a name without letters", r.as(mara, all...), "POST", "/organizations/acme-outdoors/teams/", `{"name":"!!"}`, 400},
		{"a slug of digits", r.as(mara, all...), "POST", "/organizations/acme-outdoors/teams/", `{"name":"x","slug":"123"}`, 400},
		{"a slug that is a path", r.as(mara, all...), "PUT", "/projects/acme-outdoors/storefront/", `{"slug":"../x"}`, 400},
		{"a long name", r.as(mara, all...), "PUT", "/projects/acme-outdoors/storefront/", `{"name":"` + strings.Repeat("x", maxName+1) + `"}`, 400},
		{"a platform of another kind", r.as(mara, all...), "PUT", "/projects/acme-outdoors/storefront/", `{"platform":"<b>"}`, 400},
		{"another project's slug", r.as(mara, all...), "PUT", "/projects/acme-outdoors/storefront/", `{"slug":"checkout-api"}`, 400},
		{"a project that exists", r.as(mara, all...), "POST", "/teams/acme-outdoors/web/projects/", `{"name":"Storefront"}`, 409},
		{"a team that is not there", r.as(mara, all...), "POST", "/teams/acme-outdoors/none/projects/", `{"name":"X"}`, 404},
		{"another organization's team", r.as(mara, all...), "POST", "/projects/acme-outdoors/storefront/teams/lab/", "{}", 404},
		{"another organization's member", r.as(mara, all...), "POST", "/organizations/acme-outdoors/members/1003/teams/web/", "", 404},
		{"no scope", r.as(mara, "team:read"), "POST", "/organizations/acme-outdoors/teams/", `{"name":"x"}`, 403},
		{"no scope to join", r.as(mara, "team:read"), "POST", "/organizations/acme-outdoors/members/me/teams/web/", "", 403},
		{"a member's role", r.as(priya, all...), "POST", "/organizations/globex-labs/teams/", `{"name":"x"}`, 403},
		{"a member's role, a project", r.as(priya, all...), "POST", "/teams/globex-labs/lab/projects/", `{"name":"x"}`, 403},
		{"a member and somebody else", r.as(priya, all...), "DELETE", "/organizations/globex-labs/members/1001/teams/lab/", "", 403},
		{"a guest who lets herself in", r.as(wen, all...), "POST", "/organizations/acme-outdoors/members/me/teams/web/", "", 403},
		{"a guest and a team she is not in", r.as(wen, all...), "POST", "/organizations/acme-outdoors/members/me/teams/payments/", "", 404},
	} {
		if w := tt.r.api(tt.method, tt.path, tt.body); w.Code != tt.want {
			t.Errorf("%s: %s %s = %d %s, want %d", tt.reason, tt.method, tt.path, w.Code, w.Body, tt.want)
		}
	}
	if w := r.as(priya, all...).api("DELETE", "/organizations/globex-labs/members/me/teams/lab/", ""); w.Code != http.StatusOK {
		t.Errorf("a member who leaves: %d %s", w.Code, w.Body)
	}
}

// TestTeams_Assign: an issue may be a team's, if the team has the project.
func TestTeams_Assign(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, strings.Fields(teamScopes)...)
	r.ingest("event", `{"message":"x"}`)
	for _, to := range []string{"team:web", "team:61001", "#web"} {
		r.put(issuesPath+"STOREFRONT-1/", `{"assignedTo":""}`)
		r.put(issuesPath+"STOREFRONT-1/", `{"assignedTo":"`+to+`"}`)
		is := r.onlyIssue()
		if is.AssignedTo == nil || is.AssignedTo.Type != "team" || is.AssignedTo.ID != "61001" {
			t.Errorf("assigned to %s: %+v", to, is.AssignedTo)
		}
	}
	for query, want := range map[string]int{"assigned:#web": 1, "assigned:#Web": 1, "assigned:#payments": 0, "assigned:my_teams": 1, "assigned:me": 0} {
		if got := len(r.issues(query)); got != want {
			t.Errorf("%s finds %d, want %d", query, got, want)
		}
	}
	if got := len(r.as(jon, reading...).issues("assigned:my_teams")); got != 0 {
		t.Errorf("it is not of Jon's team, and he finds %d", got)
	}
	for _, to := range []string{"team:payments", "team:61101", "user:1003"} {
		if w := r.api("PUT", issuesPath+"STOREFRONT-1/", `{"assignedTo":"`+to+`"}`); w.Code != http.StatusBadRequest {
			t.Errorf("assigned to %s: %d %s", to, w.Code, w.Body)
		}
	}
	if w := r.api("DELETE", "/teams/acme-outdoors/web/", ""); w.Code != http.StatusNoContent || r.onlyIssue().AssignedTo != nil {
		t.Errorf("without the team: %d, %+v", w.Code, r.onlyIssue().AssignedTo)
	}
}
