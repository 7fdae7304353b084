package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	runA   = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
	runB   = "b1b2c3d4e5f60718293a4b5c6d7e8f90"
	hourly = `"monitor_config":{"schedule":{"type":"crontab","value":"0 * * * *"},"checkin_margin":5,"max_runtime":10,"timezone":"UTC"}`
)

type monitorAnswer struct {
	ID, Slug, Name, Status, DateCreated string
	Project                             struct{ Slug string }
	Config                              struct {
		ScheduleType string `json:"schedule_type"`
		Schedule     any
	}
	Environments []struct{ Name, Status, LastCheckIn, NextCheckIn string }
}

type runAnswer struct {
	ID, Status, Environment, DateCreated string
	Duration                             *int
	ExpectedTime                         *string
}

func (r *runner) checkIn(id, status, more string) {
	r.Helper()
	r.ingest("check_in", fmt.Sprintf(`{"check_in_id":%q,"monitor_slug":"nightly","status":%q%s}`, id, status, more))
}

func (r *runner) runs(query string) (out []string) {
	r.Helper()
	var all []runAnswer
	r.get("/projects/acme-outdoors/storefront/monitors/nightly/checkins/"+query, &all)
	for _, c := range all {
		took := "-"
		if c.Duration != nil {
			took = fmt.Sprint(*c.Duration)
		}
		out = append(out, fmt.Sprint(c.DateCreated[11:16], " ", c.Environment, " ", c.Status, " ", took))
	}
	return out
}

func TestMonitors_Lifecycle(t *testing.T) {
	r := start(t, Options{Empty: true}).as(jon, reading...)
	r.checkIn(runA, "in_progress", ","+hourly)
	r.clock.pass(90 * time.Second)
	r.checkIn(runA, "ok", "")
	r.checkIn(runA, "error", "") // it has ended
	r.clock.pass(time.Hour)
	r.checkIn(zeroID, "in_progress", "")
	r.clock.pass(time.Minute)
	r.checkIn(zeroID, "error", `,"duration":2.5`)
	r.checkIn(runB, "ok", `,"environment":"staging","duration":1`)
	want := []string{"13:02 staging ok 1000", "13:01 production error 2500", "12:00 production ok 90000"}
	if diff := cmp.Diff(want, r.runs("")); diff != "" {
		t.Errorf("check-ins (-want +got):\n%s", diff)
	}
	if got := r.runs("?environment=staging"); len(got) != 1 {
		t.Errorf("check-ins of staging: %q", got)
	}
	for _, path := range []string{"/organizations/acme-outdoors/monitors/nightly/", "/projects/acme-outdoors/storefront/monitors/NIGHTLY/"} {
		var m monitorAnswer
		r.get(path, &m)
		if m.Slug != "nightly" || m.Status != "active" || m.Project.Slug != "storefront" || m.Config.ScheduleType != "crontab" || m.Config.Schedule != "0 * * * *" || len(m.Environments) != 2 {
			t.Errorf("monitor %+v", m)
		}
		if e := m.Environments[0]; e.Name != "production" || e.Status != "error" || e.LastCheckIn != "2026-11-20T13:01:30.000000Z" || e.NextCheckIn != "2026-11-20T14:00:00.000000Z" {
			t.Errorf("environment %+v", e)
		}
	}
	var page []runAnswer
	link := r.get("/organizations/acme-outdoors/monitors/nightly/checkins/?per_page=2", &page).Get("Link")
	if len(page) != 2 || !strings.Contains(link, `rel="next"; results="true"`) {
		t.Errorf("page of %d, Link %s", len(page), link)
	}
	r.get("/organizations/acme-outdoors/monitors/nightly/checkins/?per_page=2&cursor=0:2:0", &page)
	if len(page) != 1 || page[0].ID != runA {
		t.Errorf("second page %+v", page)
	}
}

func TestMonitors_MissedAndTimeout(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.checkIn(runA, "ok", `,"duration":1,`+hourly)
	r.clock.pass(3*time.Hour + time.Minute) // 15:01; 13:00 and 14:00 did not come, 15:00 still may
	r.checkIn(runB, "in_progress", "")
	if diff := cmp.Diff([]string{"15:01 production in_progress -", "14:00 production missed -", "13:00 production missed -", "12:00 production ok 1000"}, r.runs("")); diff != "" {
		t.Errorf("check-ins (-want +got):\n%s", diff)
	}
	r.clock.pass(11 * time.Minute)
	if got := r.runs("?statsPeriod=90m"); len(got) != 2 || got[0] != "15:01 production timeout -" || got[1] != "14:00 production missed -" {
		t.Errorf("check-ins %q", got)
	}
	var m monitorAnswer
	r.get("/organizations/acme-outdoors/monitors/nightly/", &m)
	if m.Environments[0].Status != "error" {
		t.Errorf("environment %+v", m.Environments[0])
	}
	var stats []struct {
		Ts                  int64
		OK, Missed, Timeout int
		Duration            float64
	}
	path := "/projects/acme-outdoors/storefront/monitors/nightly/stats/"
	r.get(fmt.Sprintf("%s?since=%d&until=%d&resolution=3600s", path, noon.Unix(), noon.Add(4*time.Hour).Unix()), &stats)
	if len(stats) != 4 || stats[0].OK != 1 || stats[0].Duration != 1000 || stats[1].Missed != 1 || stats[2].Missed != 1 || stats[3].Timeout != 1 || stats[3].Ts != noon.Unix()+3*3600 {
		t.Errorf("stats %+v", stats)
	}
	r.get("/organizations/acme-outdoors/monitors/nightly/stats/", &stats)
	if len(stats) != 25 {
		t.Errorf("%d hours in a day by default", len(stats))
	}
	for _, query := range []string{"?since=x", "?since=9&until=5", "?resolution=1s", "?resolution=soon"} {
		if w := r.api("GET", path+query, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestMonitors_List(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.checkIn(runA, "ok", ","+hourly)
	r.ingest("check_in", `{"monitor_slug":"Weekly Report","status":"strange","environment":"staging","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"week"}}}`)
	r.ingest("check_in", `{"monitor_slug":"unknown","status":"ok"}`)
	for query, want := range map[string]string{
		"": "nightly weekly-report", "?query=WEEK": "weekly-report", "?environment=staging": "weekly-report", "?environment=nowhere": "",
		"?project=51001": "nightly weekly-report", "?project=51002": "", "?projectSlug=storefront": "nightly weekly-report", "?owner=user:1": "",
		"?owner=unassigned": "nightly weekly-report", "?per_page=1": "nightly", "?per_page=1&cursor=0:1:0": "weekly-report",
	} {
		var all []monitorAnswer
		r.get("/organizations/acme-outdoors/monitors/"+query, &all)
		var got []string
		for _, m := range all {
			got = append(got, m.Slug)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestMonitors_Access(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.checkIn(runA, "ok", ","+hourly)
	for _, path := range []string{"monitors/", "monitors/nightly/", "monitors/nightly/checkins/", "monitors/nightly/stats/"} {
		if w := r.as(priya, reading...).api("GET", "/organizations/acme-outdoors/"+path, ""); w.Code != http.StatusNotFound {
			t.Errorf("a stranger: %s = %d", path, w.Code)
		}
		if w := r.as(jon, "event:read").api("GET", "/organizations/acme-outdoors/"+path, ""); w.Code != http.StatusForbidden {
			t.Errorf("without the scope: %s = %d", path, w.Code)
		}
	}
	owner := r.as(mara, reading...)
	for _, path := range []string{"/organizations/globex-labs/monitors/nightly/", "/organizations/globex-labs/monitors/1/", "/projects/acme-outdoors/checkout-api/monitors/nightly/"} {
		if w := owner.api("GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("not its place: %s = %d", path, w.Code)
		}
	}
}

func TestCheckIn_Curl(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	_, other := r.dsn("acme-outdoors", "checkout-api")
	cron := path + "/cron/nightly/" + key
	tests := []struct {
		reason, method, url, body string
		want                      int
	}{
		{"unknown so far", "GET", cron + "/?status=ok", "", 404},
		{"a configuration", "POST", cron + "/", `{"status":"in_progress",` + hourly + `}`, 202},
		{"its end", "GET", cron + "?status=ok&duration=3", "", 202},
		{"an environment", "POST", cron + "/?status=error&environment=staging", "", 202},
		{"an id", "GET", cron + "/?status=ok&check_in_id=" + runA, "", 202},
		{"not an id", "GET", cron + "/?status=ok&check_in_id=7", "", 400},
		{"not JSON", "POST", cron + "/", "{", 400},
		{"not a schedule", "POST", cron + "/", `{"status":"ok","monitor_config":{}}`, 400},
		{"the key of another project", "GET", path + "/cron/nightly/" + other + "/?status=ok", "", 403},
		{"an unknown key", "GET", path + "/cron/nightly/nobody/?status=ok", "", 403},
		{"too large", "POST", cron + "/", strings.Repeat(" ", maxRequestBody+1), 413},
	}
	for _, tt := range tests {
		w := r.send(httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body)))
		if w.Code != tt.want || tt.want != 202 && w.Header().Get("X-Sentry-Error") == "" {
			t.Errorf("%s: %d %s, want %d", tt.reason, w.Code, w.Body, tt.want)
		}
	}
	if diff := cmp.Diff([]string{"12:00 production ok -", "12:00 staging error -", "12:00 production ok 3000"}, r.runs("")); diff != "" {
		t.Errorf("check-ins (-want +got):\n%s", diff)
	}
}

func TestCheckIn_Refuses(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	for _, payload := range []string{`[]`, `{"status":"ok"}`, `{"monitor_slug":"n","check_in_id":"zz"}`, `{"monitor_slug":"n","monitor_config":{"schedule":{"type":"crontab","value":"x"}}}`} {
		req := httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "check_in", payload)))
		if w := r.send(req); w.Code != http.StatusBadRequest || r.rows("monitor") != 0 {
			t.Errorf("%s: %d %s, %d monitors", payload, w.Code, w.Body, r.rows("monitor"))
		}
	}
}

func TestCheckIn_Retention(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sb.keep = 3
	r.checkIn(runA, "ok", ","+hourly)
	r.clock.pass(keepFor + time.Hour)
	r.ingest("session", `{}`)
	if monitors, runs := r.rows("monitor"), r.rows("checkin"); monitors != 0 || runs != 0 {
		t.Errorf("%d monitors and %d check-ins are left", monitors, runs)
	}
	for i := range 6 {
		r.checkIn(fmt.Sprintf("%032x", i+1), "ok", ","+hourly)
	}
	r.clock.pass(retainEvery)
	r.ingest("session", `{}`)
	if monitors, runs := r.rows("monitor"), r.rows("checkin"); monitors != 1 || runs != 3 {
		t.Errorf("%d monitors and %d check-ins are left, want 1 and 3", monitors, runs)
	}
}
