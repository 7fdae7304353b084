package tools

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roundhouse/sandbox"
	"roundhouse/sentry"
)

// foreign is what a context must never show, and what could talk it into
// showing that.
type foreign struct {
	secrets []string
	values  []string
}

// foreignProject gathers what belongs to one project of an organization.
func foreignProject(w *world, org, project string) foreign {
	client := w.client(mara, allScopes...)
	p, err := client.Project(w.t.Context(), org, project)
	if err != nil {
		w.t.Fatal(err)
	}
	f := foreign{values: []string{org, org + "/" + project, project, string(p.ID), "-1", "$all"}}
	for _, issue := range w.issuesOf(org) {
		if string(issue.Project.Slug) != project {
			continue
		}
		f.secrets = append(f.secrets, string(issue.Title))
		if len(f.secrets) > 1 {
			continue // one issue is as good as another for an attempt
		}
		id := string(issue.ShortID)
		event, err := client.IssueEvent(w.t.Context(), org, id, "latest")
		if err != nil {
			w.t.Fatal(err)
		}
		f.values = append(f.values, id, string(issue.ID), string(event.ID), id+":"+string(event.ID),
			client.IssueURL(org, id), client.EventURL(org, id, string(event.ID)),
			"http://sentry.test/api/0/organizations/"+org+"/issues/"+string(issue.ID)+"/",
			"http://sentry.test/issues/"+id+"/", "http://sentry.test/"+org+"/issues/"+id+"/")
	}
	f.values = append(f.values,
		"project:"+project, "project:["+project+"]", "project.id:"+string(p.ID), "organization:"+org,
		"project:"+project+" OR is:unresolved OR has:title", "has:title OR project:"+project)
	return f
}

// own is a valid value for each parameter, so that a call fails, if it does,
// for the one that is tried.
func own(w *world, org, project string) map[string]any {
	id := string(w.issueIn(org, project).ShortID)
	return map[string]any{
		"issueId": id, "url": "http://sentry.test/organizations/" + org + "/issues/" + id + "/",
		"resourceType": "issue", "resourceId": id, "query": "", "period": "90d",
		"fields": []string{"title", "mark", "project", "issue", "message"}, "status": "unresolved",
		"name": "get_issue_details", "limit": 20,
	}
}

// alternatives are parameters that exclude others.
var alternatives = map[string][]string{
	"url":          {"resourceType", "resourceId", "issueId"},
	"resourceId":   {"url"},
	"resourceType": {"url"},
	"issueUrl":     {"issueId"},
	"eventId":      {"issueId"},
}

func TestConfinement(t *testing.T) {
	w := newWorld(t)
	outside := foreignProject(w, globex, "collector")
	outside.secrets = append(outside.secrets, sandbox.Mark(globex))
	sibling := foreignProject(w, outdoors, "checkout-api")
	contexts := []struct {
		project string
		foreign foreign
	}{
		{"", outside},
		{"storefront", outside},
		{"storefront", sibling},
	}
	attempts, answered := 0, 0
	for _, c := range contexts {
		u := w.as(mara, outdoors, c.project)
		valid := own(w, outdoors, "storefront")
		for n := range every(ShapeOf(u.env.Key)) {
			for _, p := range parametersOf(n) {
				for _, value := range c.foreign.values {
					a := attempt(n, valid, p, value)
					attempts++
					answer, isError := u.attempt(n, a)
					if !isError {
						answered++
					}
					for _, secret := range c.foreign.secrets {
						if leak(answer, secret, value) {
							t.Fatalf("in %s, %s(%v) shows %q:\n%s", place(u.env.Key), n.Name, a, secret, answer)
						}
					}
				}
			}
		}
	}
	if attempts < 500 || answered < 100 {
		t.Errorf("only %d attempts, of which %d were answered: the test does not reach the tools", attempts, answered)
	}
}

// every yields the tools of a shape that have work of their own.
func every(shape Shape) func(yield func(*narrowed) bool) {
	return func(yield func(*narrowed) bool) {
		for t := range Default().All() {
			if n := Default().shapes[shape].byName[t.Name]; n != nil && !isGateway(n.Name) && !yield(n) {
				return
			}
		}
	}
}

// parametersOf includes those that the key fixes: a client may send them all
// the same.
func parametersOf(n *narrowed) []string {
	names := slices.Clone(n.pins)
	for _, p := range n.parameters.properties {
		if p.jsonType == "string" || p.jsonType == "array" {
			names = append(names, p.name)
		}
	}
	return names
}

func attempt(n *narrowed, valid map[string]any, param, value string) map[string]any {
	a := map[string]any{}
	for _, p := range n.parameters.properties {
		if v, ok := valid[p.name]; ok && !slices.Contains(alternatives[param], p.name) {
			a[p.name] = v
		}
	}
	if _, both := a["url"]; both && param != "resourceId" && param != "resourceType" {
		delete(a, "resourceType")
		delete(a, "resourceId")
	}
	a[param] = value
	if param == "fields" {
		a[param] = []string{value}
	}
	return a
}

func (u *user) attempt(n *narrowed, a map[string]any) (string, bool) {
	if !n.Listed {
		return u.call(executeToolsName, map[string]any{"name": n.Name, "arguments": a})
	}
	return u.call(n.Name, a)
}

// leak reports whether the answer holds the secret other than by repeating
// what was asked.
func leak(answer, secret, asked string) bool {
	return strings.Contains(strings.ReplaceAll(answer, asked, ""), secret)
}

func TestConfinement_numericProject(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "storefront")
	w.mu.Lock()
	w.requests = nil
	w.mu.Unlock()
	u.must("search_issues", args{"query": "project:checkout-api"})
	u.must("search_events", args{"query": "project:checkout-api"})
	want := "project=" + u.env.ProjectID
	for _, r := range w.requests {
		if !strings.Contains(r, want) {
			t.Errorf("%s does not name the project by its number", r)
		}
	}
	if len(w.requests) == 0 {
		t.Error("nothing was asked")
	}
}

// A Sentry that ignores the project must not lead out of it either.
func TestEnv_owns(t *testing.T) {
	env := Env{Key: testKey(t, "acme", "web"), ProjectID: "7"}
	for _, tt := range []struct {
		project sentry.Project
		want    bool
	}{
		{sentry.Project{ID: "7", Slug: "web"}, true},
		{sentry.Project{ID: "7", Slug: "renamed"}, true},
		{sentry.Project{ID: "8", Slug: "web"}, false},
		{sentry.Project{Slug: "web"}, true},
		{sentry.Project{Slug: "api"}, false},
		{sentry.Project{}, false},
	} {
		if got := env.owns(tt.project); got != tt.want {
			t.Errorf("owns(%+v) = %v, want %v", tt.project, got, tt.want)
		}
	}
	for _, tt := range []struct {
		row  map[string]any
		want bool
	}{
		{map[string]any{"title": "x"}, true},
		{map[string]any{"project": "web"}, true},
		{map[string]any{"project.id": 7}, true},
		{map[string]any{"project": "api"}, false},
		{map[string]any{"project.name": "api"}, false},
		{map[string]any{"project.id": 8}, false},
	} {
		if got := env.ownsRow(tt.row); got != tt.want {
			t.Errorf("ownsRow(%v) = %v, want %v", tt.row, got, tt.want)
		}
	}
}

// Unknown and foreign are told with the same words.
func TestConfinement_sameAnswer(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "storefront")
	foreign := string(w.issueIn(outdoors, "checkout-api").ShortID)
	answers := map[string]string{}
	for _, id := range []string{foreign, "CHECKOUT-API-ZZZZ"} {
		answer, isError := u.call("get_sentry_resource", args{"resourceType": "issue", "resourceId": id})
		if !isError {
			t.Fatalf("%s is answered:\n%s", id, answer)
		}
		answers[strings.ReplaceAll(answer, id, "ID")] = id
	}
	if len(answers) != 1 {
		t.Errorf("a foreign issue and one that does not exist can be told apart: %v", fmt.Sprint(answers))
	}
}
