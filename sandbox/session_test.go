package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sessionOf is an update of the nth session, of a user that may be "".
func sessionOf(n int, user, release, status string, errors int) string {
	return fmt.Sprintf(`{"sid":"%032x","did":%q,"started":"2026-11-20T11:50:00Z","status":%q,"errors":%d,"attrs":{"release":%q,"environment":"production"}}`, n, user, status, errors, release)
}

// sendSessions has storefront and, some, checkout-api tell of sessions.
func (r *runner) sendSessions() {
	r.Helper()
	r.ingest("session", sessionOf(1, "ann", "shop@1", "ok", 0), "session", sessionOf(1, "ann", "shop@1", "crashed", 1), "session", sessionOf(1, "ann", "shop@1", "ok", 0))
	r.ingest("session", sessionOf(2, "ann", "shop@1", "exited", 0))
	r.ingest("session", sessionOf(3, "bob", "shop@1", "exited", 1), "session", sessionOf(3, "bob", "shop@1", "exited", 1)) // the SDK repeats itself
	r.ingest("session", sessionOf(4, "cyd", "shop@2", "exited", 0))
	r.ingest("sessions", `{"aggregates":[{"started":"2026-11-20T10:00:00Z","exited":90,"errored":5,"crashed":5}],"attrs":{"release":"shop@2","environment":"staging"}}`)
	r.ingest("sessions", `{"aggregates":[{"started":"2026-11-10T10:00:00Z","exited":7}],"attrs":{"release":"shop@0"}}`)
	path, key := r.dsn("acme-outdoors", "checkout-api")
	w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "session", sessionOf(1, "dee", "api@1", "abnormal", 0)))))
	if w.Code != http.StatusOK {
		r.Fatalf("ingest = %d %s", w.Code, w.Body)
	}
}

func TestHealth_Release(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSessions()
	type healthAnswer struct {
		FirstEvent, LastEvent *string
		Projects              []struct {
			HasHealthData bool
			HealthData    map[string]any
		}
		AdoptionStages map[string]struct{ Stage string }
	}
	var one healthAnswer
	r.get(releasesPath+"shop@1/?health=1&adoptionStages=1", &one)
	if one.FirstEvent != nil || len(one.Projects) != 1 || !one.Projects[0].HasHealthData || one.AdoptionStages["storefront"].Stage != "low_adoption" {
		t.Fatalf("release %+v", one)
	}
	got := one.Projects[0].HealthData
	hours, _ := got["stats"].(map[string]any)["24h"].([]any)
	if len(hours) != 25 || hours[23].([]any)[1] != 3.0 || hours[24].([]any)[1] != 0.0 {
		t.Errorf("hours %v", hours)
	}
	delete(got, "stats")
	want := decoded(t, `{"hasHealthData":true,"durationP50":null,"durationP90":null,"crashFreeUsers":50,"totalSessions":3,"totalUsers":2,
		"totalSessions24h":3,"totalUsers24h":2,"totalProjectSessions24h":104,"totalProjectUsers24h":3,"sessionsCrashed":1,"sessionsErrored":2}`).(map[string]any)
	for name, part := range map[string]float64{"crashFreeSessions": 2.0 / 3, "adoption": 2.0 / 3, "sessionsAdoption": 3.0 / 104} {
		if v, _ := got[name].(float64); v < 100*part-0.001 || v > 100*part+0.001 {
			t.Errorf("%s = %v, want %v", name, got[name], 100*part)
		}
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}

	var old healthAnswer
	r.get("/projects/acme-outdoors/storefront/releases/shop@0/?health=1&adoptionStages=1&summaryStatsPeriod=24h", &old)
	if h := old.Projects[0]; !h.HasHealthData || h.HealthData["totalSessions"] != 0.0 || h.HealthData["crashFreeSessions"] != nil || old.AdoptionStages["storefront"].Stage != "replaced" {
		t.Errorf("old release %+v", old)
	}
	var plain healthAnswer
	r.get(releasesPath+"shop@2/", &plain)
	if h := plain.Projects[0]; !h.HasHealthData || h.HealthData != nil {
		t.Errorf("without health: %+v", plain)
	}
	if w := r.api("GET", releasesPath+"?health=1&summaryStatsPeriod=x", ""); w.Code != http.StatusBadRequest {
		t.Errorf("a bad period: %d %s", w.Code, w.Body)
	}
}

func TestSessionStats(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSessions()
	const path = "/organizations/acme-outdoors/sessions/?"
	for _, tt := range []struct{ reason, params, want string }{
		{"all", "field=sum(session)&field=count_unique(user)&statsPeriod=24h",
			`[{"by":{},"totals":{"sum(session)":105,"count_unique(user)":4}}]`},
		{"by release", "field=sum(session)&field=crash_free_rate(session)&groupBy=release&statsPeriod=24h&project=storefront",
			`[{"by":{"release":"shop@2"},"totals":{"sum(session)":101,"crash_free_rate(session)":0.9504950495049505}},
			  {"by":{"release":"shop@1"},"totals":{"sum(session)":3,"crash_free_rate(session)":0.6666666666666667}}]`},
		{"by environment, least first", "field=sum(session)&groupBy=environment&orderBy=sum(session)&statsPeriod=24h",
			`[{"by":{"environment":"production"},"totals":{"sum(session)":5}},{"by":{"environment":"staging"},"totals":{"sum(session)":100}}]`},
		{"by project", "field=crash_rate(user)&groupBy=project&statsPeriod=24h",
			`[{"by":{"project":51001},"totals":{"crash_rate(user)":0.3333333333333333}},{"by":{"project":51002},"totals":{"crash_rate(user)":0}}]`},
		{"by status", "field=sum(session)&field=count_unique(user)&groupBy=session.status&statsPeriod=24h&environment=production",
			`[{"by":{"session.status":"healthy"},"totals":{"sum(session)":2,"count_unique(user)":1}},{"by":{"session.status":"abnormal"},"totals":{"sum(session)":1,"count_unique(user)":1}},
			  {"by":{"session.status":"crashed"},"totals":{"sum(session)":1,"count_unique(user)":1}},{"by":{"session.status":"errored"},"totals":{"sum(session)":1,"count_unique(user)":1}},
			  {"by":{"session.status":"unhandled"},"totals":{"sum(session)":0,"count_unique(user)":0}}]`},
		{"a search", "field=sum(session)&statsPeriod=24h&query=" + url.QueryEscape(`release:shop@2 OR (environment:prod* !project:storefront)`), `[{"by":{},"totals":{"sum(session)":102}}]`},
		{"free text", "field=sum(session)&statsPeriod=24h&query=api", `[{"by":{},"totals":{"sum(session)":1}}]`},
		{"nothing", "field=crash_free_rate(user)&field=sum(session)&statsPeriod=24h&query=release:none", `[{"by":{},"totals":{"crash_free_rate(user)":null,"sum(session)":0}}]`},
		{"no group", "field=sum(session)&groupBy=release&statsPeriod=24h&query=release:none", `[]`},
		{"an older range", "field=sum(session)&start=2026-11-10&end=2026-11-11", `[{"by":{},"totals":{"sum(session)":7}}]`},
		{"the second page", "field=sum(session)&groupBy=release&statsPeriod=30d&per_page=1&cursor=0:1:0", `[{"by":{"release":"shop@0"},"totals":{"sum(session)":7}}]`},
	} {
		var got struct{ Groups any }
		r.get(path+"includeSeries=0&"+tt.params, &got)
		if diff := cmp.Diff(decoded(t, tt.want), got.Groups); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
		}
	}

	var series map[string]any
	r.get(path+"field=sum(session)&field=count_unique(user)&statsPeriod=90m&interval=1h&includeTotals=0", &series)
	want := decoded(t, `{"start":"2026-11-20T10:00:00Z","end":"2026-11-20T12:00:00Z","query":"","intervals":["2026-11-20T10:00:00Z","2026-11-20T11:00:00Z"],
		"groups":[{"by":{},"series":{"sum(session)":[100,5],"count_unique(user)":[0,4]}}]}`)
	if diff := cmp.Diff(want, any(series)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "field=avg(session.duration)", "field=sum(session)&groupBy=user", "field=sum(session)&interval=90m", "field=sum(session)&interval=7h", "field=sum(session)&interval=2d",
		"field=crash_rate(user)&groupBy=session.status", "field=sum(session)&orderBy=release", "field=sum(session)&query=(", "field=sum(session)&query=count():1", "field=sum(session)&start=2026-11-10",
		"field=sum(session)&start=2016-11-10&end=2026-11-10", "field=sum(session)&project=collector"} {
		if w := r.api("GET", path+bad, ""); w.Code != http.StatusBadRequest && w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}

func TestHealth_Refused(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	for _, tt := range []struct{ kind, raw string }{{"session", "["}, {"session", `{"sid":"x","attrs":{"release":"a"}}`}, {"sessions", `x`}} {
		w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", tt.kind, tt.raw))))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s %s = %d %s", tt.kind, tt.raw, w.Code, w.Body)
		}
	}
}

func TestHealth_Retain(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sendSessions()
	r.clock.pass(recountFor + retainEvery)
	r.ingest("client_report", `{}`)
	if n := r.rows("session"); n != 0 {
		t.Errorf("%d single sessions", n)
	}
	if n := r.rows("session_count"); n != 5 {
		t.Errorf("%d counts, want 5", n)
	}
	r.clock.pass(keepFor)
	r.ingest("client_report", `{}`)
	if n := r.rows("session_count") + r.rows("session_user") + r.rows("release"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestHealth_RetainCount: of users, too, there is no end.
func TestHealth_RetainCount(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.sb.keep = 1
	for i := range usersPerItem {
		r.ingest("session", sessionOf(i, fmt.Sprint("user ", i), "shop@1", "exited", 0))
	}
	r.clock.pass(time.Hour)
	r.ingest("sessions", `{"aggregates":[{"did":"one more","exited":1}],"attrs":{"release":"shop@1"}}`)
	r.ingest("client_report", `{}`)
	if counts, users, single := r.rows("session_count"), r.rows("session_user"), r.rows("session"); counts != 1 || users != 1 || single != 0 {
		t.Errorf("%d counts, %d users, %d single sessions; want 1, 1 and 0", counts, users, single)
	}
}

// TestSignals_Scrubbed: what names a session, a check-in or a commit can hold a
// secret as any other text can.
func TestSignals_Scrubbed(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.ingest("session", `{"started":"2026-11-20T12:00:00Z","status":"ok","attrs":{"release":"shop token=hunter2","environment":"password=hunter2"}}`,
		"check_in", `{"monitor_slug":"nightly token=hunter2","status":"ok","environment":"secret=hunter2","monitor_config":{"schedule":{"type":"interval","value":1,"unit":"day"}}}`)
	r.tell("POST", releasesPath, `{"version":"1.0","projects":["storefront"],"commits":[{"id":"token=hunter2","author_name":"secret=hunter2","author_email":"https://ann:hunter2@h","repository":"token=hunter2"}]}`, http.StatusCreated)
	for _, query := range []string{"SELECT version FROM release", "SELECT slug FROM monitor", "SELECT coalesce(name, '') FROM monitor", "SELECT env FROM monitor_env",
		"SELECT release || environment FROM session_count", "SELECT id || author_name || author_email || repository FROM release_commit"} {
		kept, err := collect(t.Context(), r.sb.read(), func(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }, query)
		if err != nil || len(kept) == 0 || strings.Contains(fmt.Sprint(kept), "hunter2") {
			t.Errorf("%s: %q, %v", query, kept, err)
		}
	}
}
