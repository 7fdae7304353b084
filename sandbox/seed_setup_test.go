package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestSetUp: what the seed has set up is what a request could have set up, is
// of its organization, and shows its mark.
func TestSetUp(t *testing.T) {
	r := start(t, Options{}).as(mara, allScopes...)
	for org, kinds := range map[string]map[string]int{
		"acme-outdoors": {"uptime": 2, "workflows": 2, "alert-rules": 2, "dashboards": 2, "monitors": 1, "combined-rules": 6},
		"globex-labs":   {"uptime": 1, "workflows": 1, "alert-rules": 1, "dashboards": 1, "monitors": 1, "combined-rules": 3},
	} {
		for kind, want := range kinds {
			path := "/organizations/" + org + "/" + kind + "/"
			var all []map[string]any
			r.get(path, &all)
			if len(all) < want {
				t.Errorf("%s: %d, want %d", path, len(all), want)
			}
			for _, one := range all {
				raw, err := json.Marshal(one)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(fmt.Sprint(one["name"], one["title"]), Mark(org)) || strings.Count(string(raw), "mk-") != strings.Count(string(raw), Mark(org)) {
					t.Errorf("%s: %s, want the mark %s alone in its name", path, raw, Mark(org))
				}
				switch kind {
				case "uptime":
					r.put(fmt.Sprintf("/projects/%s/%s/uptime/%s/", org, one["projectSlug"], one["id"]), "{}")
				case "alert-rules", "dashboards":
					r.put(fmt.Sprintf("%s%s/", path, one["id"]), "{}")
				case "monitors":
					r.put(fmt.Sprintf("%s%s/", path, one["slug"]), "{}")
				case "combined-rules":
					if one["type"] == issueRuleKind {
						r.put(fmt.Sprintf("/projects/%s/%s/rules/%s/", org, one["projects"].([]any)[0], one["id"]), "{}")
					}
				}
			}
		}
	}
	for org, slug := range map[string]string{"acme-outdoors": "nightly-settlement", "globex-labs": "calibration-sync"} {
		w := r.api("GET", "/organizations/"+org+"/monitors/"+slug+"/checkins/?statsPeriod=14d", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), Mark(org)) {
			t.Errorf("check-ins of %s: %d %.200s", slug, w.Code, w.Body)
		}
		var failed []issueAnswer
		r.get("/organizations/"+org+"/issues/?query=issue.category:cron", &failed)
		if len(failed) != 1 || !strings.Contains(failed[0].Title, Mark(org)) {
			t.Errorf("issues of jobs in %s: %+v", org, failed)
		}
	}
}

// TestSetUp_KeptWithWhatPeopleDid: one that a person has made or changed is not
// told anew, whatever else is gone.
func TestSetUp_KeptWithWhatPeopleDid(t *testing.T) {
	path := seeded(t)
	first := start(t, Options{Path: path}).as(mara, allScopes...)
	first.expect("POST", dashboardsPath, goodDashboard, http.StatusCreated)
	for _, after := range []int{2, 60, 90} {
		r, _ := startLater(t, path, first.token, noon.AddDate(0, 0, after).Sub(noon))
		var all []struct{ Title string }
		r.get(dashboardsPath+"?query=shop", &all)
		if len(all) != 2 || all[0].Title != "Shop" && all[1].Title != "Shop" {
			t.Errorf("after %d days: %+v", after, all)
		}
	}
}
