package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const monitorsPath = "/organizations/acme-outdoors/monitors/"

func TestMonitors_Update(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.expect("POST", monitorsPath, `{"project":"storefront","name":"Nightly Report","owner":"team:61001","config":{"schedule_type":"crontab","schedule":"0 2 * * *","timezone":"UTC"}}`, http.StatusCreated)
	var m struct {
		monitorAnswer
		IsMuted, IsUpserting bool
		Owner                *struct{ Type, ID, Name string }
	}
	const one = monitorsPath + "nightly-report/"
	r.get(one, &m)
	if m.Name != "Nightly Report" || m.Owner == nil || m.Owner.Name != "web" || m.IsUpserting || m.Config.Schedule != "0 2 * * *" || len(m.Environments) != 0 {
		t.Errorf("monitor %+v", m)
	}
	for query, want := range map[string]int{"?owner=team:61001": 1, "?owner=user:1001": 0, "?owner=unassigned": 0, "?owner=myteams": 1, "?owner=me": 0, "?query=report": 1, "?project=51002": 0} {
		var all []monitorAnswer
		r.get(monitorsPath+query, &all)
		if len(all) != want {
			t.Errorf("%s: %d monitors, want %d", query, len(all), want)
		}
	}
	r.put(one, `{"name":"Report","isMuted":true,"owner":null,"config":{"schedule":[2,"hour"],"schedule_type":"interval","failure_issue_threshold":3}}`)
	r.get("/projects/acme-outdoors/storefront/monitors/nightly-report/", &m)
	if diff := cmp.Diff([]any{2., "hour"}, m.Config.Schedule); diff != "" || m.Name != "Report" || !m.IsMuted || m.Slug != "nightly-report" {
		t.Errorf("monitor %+v, schedule %s", m, diff)
	}
	r.put("/projects/acme-outdoors/storefront/monitors/nightly-report/", `{"slug":"report"}`)
	r.expect("DELETE", monitorsPath+"report/", "", http.StatusAccepted)
	if n := r.rows("monitor"); n != 0 {
		t.Errorf("%d monitors are left", n)
	}
}

func TestMonitors_UpdateRefuses(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	const good = `"config":{"schedule_type":"crontab","schedule":"0 2 * * *"}`
	r.expect("POST", monitorsPath, `{"project":"storefront","name":"one",`+good+`}`, http.StatusCreated)
	r.expect("POST", monitorsPath, `{"project":51001,"name":"two",`+good+`}`, http.StatusCreated)
	tests := []struct{ method, path, body, want string }{
		{"POST", "", `{`, "JSON parse error"},
		{"POST", "", `{"project":"storefront",` + good + `}`, `"name"`},
		{"POST", "", `{"project":"storefront","name":"x"}`, `"config"`},
		{"POST", "", `{"name":"x",` + good + `}`, `"project"`},
		{"POST", "", `{"project":"collector","name":"x",` + good + `}`, `"project"`},
		{"POST", "", `{"project":"storefront","name":"one",` + good + `}`, `already in use`},
		{"POST", "", `{"project":"storefront","name":"!!",` + good + `}`, `"slug"`},
		{"POST", "", `{"project":"storefront","name":"x","config":{"schedule_type":"crontab","schedule":"0 0 31 2 *"}}`, "never comes"},
		{"PUT", "one/", `{"slug":"two"}`, "already in use"},
		{"PUT", "one/", `{"slug":"No Slug"}`, `"slug"`},
		{"PUT", "one/", `{"status":"asleep"}`, `"status"`},
		{"PUT", "one/", `{"owner":"user:1003"}`, `"owner"`},
		{"PUT", "one/", `{"owner":"team:61101"}`, `"owner"`},
		{"PUT", "one/", `{"owner":7}`, `"owner"`},
		{"PUT", "one/", `{"type":"heartbeat"}`, `"type"`},
		{"PUT", "one/", `{"name":"` + strings.Repeat("x", 200) + `"}`, `"name"`},
		{"PUT", "one/", `{"config":{"schedule_type":"moon"}}`, `"config"`},
	}
	for _, tt := range tests {
		if w := r.api(tt.method, monitorsPath+tt.path, tt.body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %s = %d %s, want 400 with %s", tt.method, tt.path, tt.body, w.Code, w.Body, tt.want)
		}
	}
	if w := r.as(mara, reading...).api("PUT", monitorsPath+"one/", "{}"); w.Code != http.StatusForbidden {
		t.Errorf("without the scope: %d", w.Code)
	}
	if w := r.as(priya, allScopes...).api("DELETE", monitorsPath+"one/", ""); w.Code != http.StatusNotFound {
		t.Errorf("a stranger: %d", w.Code)
	}
}

// TestMonitors_MuteAndDisable: a muted monitor makes no issues, a disabled one
// takes no check-ins and misses none.
func TestMonitors_MuteAndDisable(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.checkIn(runA, "ok", ","+hourly)
	r.put(monitorsPath+"nightly/", `{"isMuted":true}`)
	r.clock.pass(time.Hour + 10*time.Minute)
	if got, runs := r.states(), r.runs(""); got != nil || runs[0] != "13:00 production missed -" {
		t.Errorf("muted: issues %q, runs %q", got, runs)
	}
	r.put(monitorsPath+"nightly/", `{"isMuted":false}`)
	r.put(monitorsPath+"nightly/environments/production/", `{"isMuted":true}`)
	r.clock.pass(time.Hour)
	if got := r.states(); got != nil {
		t.Errorf("muted in its environment: %q", got)
	}
	r.put(monitorsPath+"nightly/environments/production/", `{"isMuted":false}`)
	r.put(monitorsPath+"nightly/", `{"status":"disabled"}`)
	r.clock.pass(5 * time.Hour)
	r.checkIn(runB, "error", "")
	if runs := r.runs(""); len(runs) != 3 {
		t.Errorf("disabled: %q", runs)
	}
	var m monitorAnswer
	r.get(monitorsPath+"nightly/", &m)
	if m.Status != "disabled" || m.Environments[0].NextCheckIn != "" {
		t.Errorf("monitor %+v", m)
	}
	r.put(monitorsPath+"nightly/", `{"status":"active"}`)
	r.clock.pass(time.Hour)
	if got, runs := r.states(), r.runs(""); len(got) != 1 || len(runs) != 4 || runs[0] != "20:00 production missed -" {
		t.Errorf("enabled again: issues %q, runs %q", got, runs)
	}
	r.expect("DELETE", monitorsPath+"nightly/?environment=staging", "", http.StatusAccepted)
	r.expect("DELETE", monitorsPath+"nightly/environments/production/", "", http.StatusAccepted)
	r.expect("DELETE", monitorsPath+"nightly/environments/production/", "", http.StatusNotFound)
	if monitors, runs, envs := r.rows("monitor"), r.rows("checkin"), r.rows("monitor_env"); monitors != 1 || runs != 0 || envs != 0 {
		t.Errorf("%d monitors, %d runs and %d environments are left", monitors, runs, envs)
	}
}

// TestMonitors_OtherSchedule: what was due by the old schedule is not missed,
// and by the new one nothing was due before.
func TestMonitors_OtherSchedule(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.checkIn(runA, "ok", ","+hourly)
	r.clock.pass(30 * time.Minute)
	r.put(monitorsPath+"nightly/", `{"config":{"schedule":"15 * * * *"}}`)
	r.clock.pass(40 * time.Minute) // 13:10
	if runs := r.runs(""); len(runs) != 1 {
		t.Errorf("runs %q", runs)
	}
	r.clock.pass(20 * time.Minute)
	if runs := r.runs(""); len(runs) != 2 || runs[0] != "13:15 production missed -" {
		t.Errorf("runs %q", runs)
	}
}
