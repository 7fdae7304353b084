package sandbox

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var small = Scale{Users: 9, Orgs: 4, Projects: 6, Issues: 30}

// scaledRows are the rows that a Scale made, but for random secrets of the rest.
func (r *runner) scaledRows() (all []string) {
	r.Helper()
	for _, query := range []string{
		"SELECT 'user ' || id || email || username FROM user WHERE id > 1000000 ORDER BY 1",
		"SELECT 'member ' || org || ' ' || user || role FROM member WHERE org > 1000000 ORDER BY 1",
		"SELECT 'project ' || id || ' ' || org || slug || platform FROM project WHERE id > 1000000 ORDER BY 1",
		"SELECT 'key ' || public || secret || project FROM dsn WHERE project > 1000000 ORDER BY 1",
		"SELECT 'issue ' || id || short || hash || title || first_seen FROM issue WHERE project > 1000000 ORDER BY 1",
		"SELECT 'item ' || event_id || trace_id || ts || attrs FROM item WHERE project > 1000000 ORDER BY 1",
	} {
		rows, err := collect(r.Context(), r.sb.read(), scanText, query)
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}

func TestScale_IsDeterministic(t *testing.T) {
	first := start(t, Options{Scale: small}).scaledRows()
	if diff := cmp.Diff(first, start(t, Options{Scale: small}).scaledRows()); diff != "" {
		t.Errorf("two of one scale differ:\n%s", diff)
	}
	other := small
	other.Rand = 1
	if cmp.Equal(first, start(t, Options{Scale: other}).scaledRows()) {
		t.Error("another rand makes the same")
	}
}

// TestScale_Isolation: users see their own organizations, and marks are there
// to tell.
func TestScale_Isolation(t *testing.T) {
	r := start(t, Options{Empty: true, Scale: small})
	for name, want := range map[string]int{"user": 4 + 9, "issue": 30, "item": 30} {
		if got := r.rows(name); got != want {
			t.Errorf("%d rows of %s, want %d", got, name, want)
		}
	}
	two := r.as("user-2@example.test", allScopes...)
	var orgs []struct{ Slug, Mark string }
	two.get("/organizations/", &orgs)
	if len(orgs) != 1 || orgs[0].Slug != "org-2" || orgs[0].Mark != Mark("org-2") {
		t.Errorf("organizations = %+v", orgs)
	}
	var issues []issueAnswer
	two.get("/organizations/org-2/issues/?limit=100", &issues)
	if len(issues) != 10 { // of projects 2 and 6
		t.Errorf("%d issues, want 10", len(issues))
	}
	if answer := two.api("GET", "/organizations/org-2/issues/"+issues[0].ShortID+"/events/latest/", "").Body.String(); !strings.Contains(answer, Mark("org-2")) {
		t.Errorf("the event has no mark: %s", answer)
	}
	if w := two.api("GET", "/organizations/org-3/", ""); w.Code != http.StatusNotFound {
		t.Errorf("another organization: %d", w.Code)
	}
	if w := two.api("POST", "/teams/org-2/everyone/projects/", `{"name":"more"}`); w.Code != http.StatusCreated {
		t.Errorf("its owner makes a project: %d %s", w.Code, w.Body)
	}
	path, key := r.dsn("org-1", "service-1")
	if path != "/api/1000001" || key != small.ScaleKey(1) {
		t.Errorf("DSN %s %s, want the key %s", path, key, small.ScaleKey(1))
	}
}

func TestScale_Reopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	before := start(t, Options{Path: path, Scale: small}).scaledRows()
	again := start(t, Options{Path: path, Scale: small}).scaledRows()
	if diff := cmp.Diff(before, again); diff != "" {
		t.Errorf("a second start (-first +second):\n%s", diff)
	}
	for what, change := range map[string]func(*Scale){"users": func(s *Scale) { s.Users++ }, "issues": func(s *Scale) { s.Issues++ }} {
		other := small
		change(&other)
		if _, err := New(t.Context(), Options{Path: path, Scale: other, Now: func() time.Time { return noon }}); err == nil || !strings.Contains(err.Error(), "users=9,orgs=4,projects=6,issues=30") {
			t.Errorf("more %s: %v", what, err)
		}
	}
}

// TestScale_IssuesLater: a scale without issues can have them later.
func TestScale_IssuesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.db")
	none := small
	none.Issues = 0
	if n := start(t, Options{Path: path, Empty: true, Scale: none}).rows("issue"); n != 0 {
		t.Errorf("%d issues, want none", n)
	}
	if n := start(t, Options{Path: path, Empty: true, Scale: small}).rows("issue"); n != small.Issues {
		t.Errorf("%d issues, want %d", n, small.Issues)
	}
}

func TestParseScale(t *testing.T) {
	got, err := ParseScale(" users=9, orgs=4,projects=6,issues=30,rand=7")
	want := small
	want.Rand = 7
	if err != nil || got != want {
		t.Errorf("ParseScale = %+v, %v, want %+v", got, err, want)
	}
	for _, tt := range []struct{ text, reason string }{
		{"", "users=N"},
		{"users", "whole number"},
		{"users=1,users=2", "each once"},
		{"people=3", "users=N"},
		{"users=-1", "between 0 and"},
		{"users=1e3", "whole number"},
		{"users=99999999999999999999", "whole number"},
		{"users=1000000", "between 0 and 100000"},
		{"orgs=1", "need users=1"},
		{"users=1,projects=1", "need orgs=1"},
		{"users=1,orgs=1,issues=1", "need projects=1"},
		{fmt.Sprintf("users=1,orgs=1,projects=%d", maxProjects+1), "in each"},
		{"users=1,orgs=1,projects=1,issues=30000", "retention"},
		{"users=1,rand=x", "whole number"},
	} {
		if _, err := ParseScale(tt.text); err == nil || !strings.Contains(err.Error(), tt.reason) || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseScale(%q) = %v, want %q", tt.text, err, tt.reason)
		}
	}
	if _, err := New(t.Context(), Options{Scale: Scale{Users: -1}}); err == nil {
		t.Error("New takes a scale that ParseScale refuses")
	}
}

func BenchmarkScale(b *testing.B) {
	for b.Loop() {
		sb, err := New(b.Context(), Options{Path: filepath.Join(b.TempDir(), "sandbox.db"), Empty: true,
			Scale: Scale{Users: 1000, Orgs: 100, Projects: 1000, Issues: 10_000}})
		if err != nil {
			b.Fatal(err)
		}
		if err := sb.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
