package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// route is a registered one, with its path as a template.
type route struct{ method, path string }

func (r *runner) routes() (all []route) {
	r.sb.apiRoutes(func(pattern, _ string, _ handler) {
		method, path, _ := strings.Cut(pattern, " ")
		all = append(all, route{method, path})
	})
	return all
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// fill puts values into the path; what has none is 1.
func (rt route) fill(values map[string]string) string {
	return pathParam.ReplaceAllStringFunc(rt.path, func(m string) string {
		if v := values[strings.Trim(m, "{}")]; v != "" {
			return url.PathEscape(v)
		}
		return "1"
	})
}

func with(values map[string]string, name, value string) map[string]string {
	out := maps.Clone(values)
	out[name] = value
	return out
}

func (r *runner) text(query string, args ...any) (s string) {
	r.Helper()
	if err := r.sb.read().QueryRow("SELECT coalesce(("+query+"), '')", args...).Scan(&s); err != nil {
		r.Fatal(err)
	}
	return s
}

// things are names of what a project has, by the parameters of paths.
func (r *runner) things(org, project, team, member string) map[string]string {
	r.Helper()
	const of = " WHERE project = (SELECT id FROM project WHERE slug = ?)"
	_, key := r.dsn(org, project)
	return map[string]string{
		"org": org, "project": project, "team": team, "member": member, "key": key,
		"issue":   r.text("SELECT short FROM issue"+of+" ORDER BY id LIMIT 1", project),
		"event":   r.text("SELECT event_id FROM item"+of+" AND kind = 'error' ORDER BY id LIMIT 1", project),
		"trace":   r.text("SELECT trace_id FROM item"+of+" AND kind = 'span' ORDER BY id LIMIT 1", project),
		"version": r.text("SELECT v.version FROM release v JOIN release_project rp ON rp.release = v.id"+of+" ORDER BY v.id LIMIT 1", project),
		"monitor": r.text("SELECT slug FROM monitor"+of+" LIMIT 1", project),
	}
}

// TestAccess_Strangers: on every route, another's organization is one that
// does not exist, to the byte, whatever the token may do.
func TestAccess_Strangers(t *testing.T) {
	r := start(t, Options{})
	theirs := r.things("globex-labs", "collector", "lab", "1003")
	jon := r.as(jon, allScopes...)
	seen := 0
	for _, rt := range r.routes() {
		if !strings.Contains(rt.path, "{org}") {
			continue
		}
		seen++
		foreign := jon.api(rt.method, rt.fill(theirs), "{}")
		unknown := jon.api(rt.method, rt.fill(with(theirs, "org", "no-such-org")), "{}")
		if foreign.Code != http.StatusNotFound || foreign.Body.String() != `{"detail":"The requested resource does not exist"}` || foreign.Body.String() != unknown.Body.String() {
			t.Errorf("%s %s: %d %s; an unknown organization: %d %s", rt.method, rt.path, foreign.Code, foreign.Body, unknown.Code, unknown.Body)
		}
	}
	if seen < 40 {
		t.Errorf("only %d routes were looked at", seen)
	}
}

// TestAccess_Guest: a guest of one project is told nothing of the others, by
// no route.
func TestAccess_Guest(t *testing.T) {
	r := start(t, Options{})
	hidden := r.things("acme-outdoors", "checkout-api", "payments", "1002")
	wen := r.as(wen, allScopes...)
	for _, rt := range r.routes() {
		for _, name := range []string{"project", "issue", "monitor", "team", "member"} {
			if !strings.Contains(rt.path, "{"+name+"}") {
				continue
			}
			there := wen.api(rt.method, rt.fill(hidden), "{}")
			unknown := wen.api(rt.method, rt.fill(with(hidden, name, "no-such-thing")), "{}")
			if there.Code < 400 || there.Code != unknown.Code || there.Body.String() != unknown.Body.String() {
				t.Errorf("%s %s: %d %s; an unknown %s: %d %s", rt.method, rt.path, there.Code, there.Body, name, unknown.Code, unknown.Body)
			}
			break
		}
		if rt.method != http.MethodGet || !strings.Contains(rt.path, "{org}") {
			continue
		}
		// Of the organization, without a project, and in her own.
		for _, values := range []map[string]string{hidden, with(hidden, "project", "storefront")} {
			for _, query := range []string{"", "?query=", "?project=-1&query=&dataset=spans&field=project&field=trace&field=transaction",
				"?dataset=logs&field=project&field=message&itemType=logs", "?field=project&field=title&field=release", "?project=51002", "?project=checkout-api"} {
				w := wen.api("GET", rt.fill(values)+query, "")
				if leak := leaked(w.Body.String(), query); leak != "" {
					t.Errorf("GET %s%s tells of %s: %d %s", rt.path, query, leak, w.Code, w.Body)
				}
			}
		}
	}
}

// leaked finds in an answer what only the hidden project has; what was asked
// for may be named.
func leaked(answer, asked string) string {
	for _, word := range []string{`"checkout-api"`, `"payments"`, "CHECKOUT-API-", "checkout-api@", "51002", `"my-app"`} {
		if strings.Contains(answer, word) && !strings.Contains(asked, strings.Trim(word, `"`)) {
			return word
		}
	}
	return ""
}

// TestAccess_GuestSees: what is the guest's own is all there.
func TestAccess_GuestSees(t *testing.T) {
	r := start(t, Options{})
	all, guest := r.as(mara, reading...), r.as(wen, reading...)
	var projects []projectAnswer
	guest.get("/organizations/acme-outdoors/projects/", &projects)
	if len(projects) != 1 || projects[0].Slug != "storefront" {
		t.Errorf("projects = %+v", projects)
	}
	var members []struct{ Email string }
	r.as(wen, "member:read").get("/organizations/acme-outdoors/members/", &members)
	if got := slugs(members, func(m struct{ Email string }) string { return m.Email }); !slices.Equal(got, []string{mara, wen}) {
		t.Errorf("members = %v, want those of her team", got)
	}
	want := 0
	for _, is := range all.issues("") {
		if is.Project.Slug == "storefront" {
			want++
		}
	}
	if got := len(guest.issues("")); got != want || want == 0 {
		t.Errorf("%d issues, want the %d of storefront", got, want)
	}
	for _, path := range []string{issuesPath + "STOREFRONT-1/", issuesPath + "STOREFRONT-1/events/latest/", "/projects/acme-outdoors/storefront/keys/"} {
		if w := guest.api("GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
	if w := r.as(wen, allScopes...).api("POST", issuesPath+"STOREFRONT-1/notes/", `{"text":"seen"}`); w.Code != http.StatusCreated {
		t.Errorf("a note: %d %s", w.Code, w.Body)
	}
}
