package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"roundhouse/sandbox/seed"
)

// TestSeer: the issue of the story has an analysis that says that it is a
// sample, and no other issue has one, or gets one.
func TestSeer(t *testing.T) {
	r := start(t, Options{}).as(mara, writing...)
	story := r.issues("level:fatal project:checkout-api")
	if len(story) != 1 {
		t.Fatalf("%d fatal issues", len(story))
	}
	type answer struct {
		Autofix *struct {
			RunID  int `json:"run_id"`
			Status string
			Blocks []struct {
				Artifacts []struct {
					Key  string
					Data map[string]any
				}
			}
		}
	}
	for _, is := range r.issues("") {
		var a answer
		r.get(issuesPath+is.ShortID+"/autofix/", &a)
		if (a.Autofix != nil) != (is.ShortID == story[0].ShortID) {
			t.Errorf("%s %s: analysis %+v", is.ShortID, is.Title, a.Autofix)
		}
		w := r.api("POST", issuesPath+is.ShortID+"/autofix/", `{"instruction":"look"}`)
		if a.Autofix == nil {
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "not available in the sandbox") {
				t.Errorf("%s: POST = %d %s", is.ShortID, w.Code, w.Body)
			}
			continue
		}
		if w.Code != http.StatusOK || w.Body.String() != `{"run_id":1}` || a.Autofix.RunID != 1 || a.Autofix.Status != "completed" {
			t.Errorf("POST = %d %s, GET = %+v", w.Code, w.Body, a.Autofix)
		}
		for _, artifact := range a.Autofix.Blocks[0].Artifacts {
			line, _ := artifact.Data["one_line_description"].(string)
			if line == "" {
				line, _ = artifact.Data["one_line_summary"].(string)
			}
			if !strings.HasPrefix(line, "Sample analysis") {
				t.Errorf("%s does not say that it is a sample: %q", artifact.Key, line)
			}
		}
	}
}

// TestSeer_Borrowed: an event of another's project by the same id gets no
// analysis of the story.
func TestSeer_Borrowed(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("globex-labs", "collector")
	_, id := seed.Analyzed()
	r.send(httptest.NewRequest("POST", path+"/store/?sentry_key="+key, strings.NewReader(`{"event_id":"`+id+`","message":"mine"}`)))
	priya := r.as(priya, writing...)
	var all []issueAnswer
	if priya.get("/organizations/globex-labs/issues/?query=", &all); len(all) != 1 {
		t.Fatalf("%d issues", len(all))
	}
	one := "/organizations/globex-labs/issues/" + all[0].ID + "/autofix/"
	if got := priya.expect("GET", one, "", http.StatusOK); got != `{"autofix":null}` {
		t.Errorf("GET = %s", got)
	}
	priya.expect("POST", one, "{}", http.StatusForbidden)
}
