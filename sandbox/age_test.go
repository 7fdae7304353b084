package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAge_old(t *testing.T) {
	current, old := start(t, Options{}), start(t, Options{Age: Old})
	current, old = current.as(mara, writing...), old.as(mara, writing...)
	tests := []struct {
		method, path string
		lacks        []string // nil: the path itself is not there
	}{
		{"GET", "/users/me/regions/", nil},
		{"GET", "/organizations/acme-outdoors/events/validate/?field=title", nil},
		{"GET", "/organizations/acme-outdoors/events/validate?field=title", nil},
		{"GET", "/organizations/acme-outdoors/trace-items/attributes/?itemType=spans", nil},
		{"GET", issuesPath + "STOREFRONT-1/activities/", nil},
		{"GET", issuesPath + "STOREFRONT-1/notes/", nil},
		{"GET", issuesPath + "STOREFRONT-1/user-reports/", nil},
		{"GET", "/projects/acme-outdoors/storefront/releases/storefront@5.12.0/", nil},
		{"GET", "/organizations/", recentOrg},
		{"GET", "/organizations/acme-outdoors/", recentOrg},
		{"GET", "/organizations/acme-outdoors", recentOrg},
		{"GET", "/organizations/acme-outdoors/projects/", []string{"hasLogs", "hasProfiles", "hasReplays"}},
		{"GET", "/projects/acme-outdoors/storefront/", []string{"links", "hasLogs"}},
		{"GET", issuesPath, recentIssue},
		{"GET", "/projects/acme-outdoors/storefront/issues/", recentIssue},
		{"GET", issuesPath + "STOREFRONT-1/", recentIssue},
		{"PUT", issuesPath + "STOREFRONT-1/", recentIssue},
		{"GET", issuesPath + "STOREFRONT-1/events/latest/", recentEvent},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			body := ""
			if tt.method == "PUT" {
				body = `{"status":"resolved"}`
			}
			was, is := current.api(tt.method, tt.path, body), old.api(tt.method, tt.path, body)
			if tt.lacks == nil {
				if was.Code != http.StatusOK || is.Code != http.StatusNotFound {
					t.Errorf("now %d %s, then %d %s", was.Code, was.Body, is.Code, is.Body)
				}
				return
			}
			if was.Code != http.StatusOK || is.Code != http.StatusOK {
				t.Fatalf("now %d, then %d %s", was.Code, is.Code, is.Body)
			}
			for _, name := range tt.lacks {
				if !strings.Contains(was.Body.String(), `"`+name+`":`) || strings.Contains(is.Body.String(), `"`+name+`":`) {
					t.Errorf("%s: not there now, or there then: %s", name, is.Body)
				}
			}
			if !strings.Contains(is.Body.String(), `"id":"`) {
				t.Errorf("the rest is gone, too: %s", is.Body)
			}
		})
	}
}

// What is not old works in an old Sentry as well.
func TestAge_oldStillSearches(t *testing.T) {
	r := start(t, Options{Age: Old}).as(mara, reading...)
	var rows struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?field=title&field=count()&per_page=2", &rows)
	if len(rows.Data) != 2 {
		t.Errorf("%d rows", len(rows.Data))
	}
}

func TestRecentPaths(t *testing.T) {
	for _, pattern := range []string{
		"GET /organizations/{org}/issues/{issue}/user-reports/", "PUT /projects/{org}/{project}/uptime/{id}/",
		"GET /api/0/projects/{org}/{project}/releases/{version}/{$}", "GET /api/0/organizations/{org}/monitors/{m}/stats",
	} {
		if Old.has(pattern) || !Current.has(pattern) {
			t.Error(pattern)
		}
	}
	for _, pattern := range []string{"GET /organizations/{org}/issues/{issue}/", "GET /organizations/{org}/monitors/{m}/"} {
		if !Old.has(pattern) {
			t.Error(pattern)
		}
	}
	if !slices.IsSorted(recentPaths[1:]) {
		t.Error("recentPaths are not in order")
	}
}
