package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	uptimePath     = "/projects/acme-outdoors/storefront/uptime/"
	rulesPath      = "/projects/acme-outdoors/storefront/rules/"
	alertRulesPath = "/organizations/acme-outdoors/alert-rules/"
	workflowsPath  = "/organizations/acme-outdoors/workflows/"
	dashboardsPath = "/organizations/acme-outdoors/dashboards/"

	goodUptime = `{"name":"Shop","url":"https://shop.example.test/health","intervalSeconds":60,"headers":[["Accept","text/plain"]],"owner":"user:1002","environment":"production"}`
	goodRule   = `{"name":"New faults","actionMatch":"any","filterMatch":"all","frequency":60,"conditions":[{"id":"sentry.rules.conditions.first_seen_event.FirstSeenEventCondition"}],
		"filters":[{"id":"sentry.rules.filters.level.LevelFilter","match":"gte","level":"40"}],"actions":[{"id":"sentry.mail.actions.NotifyEmailAction","targetType":"IssueOwners"}]}`
	goodMetric = `{"name":"Too many faults","aggregate":"count()","dataset":"events","query":"level:error","timeWindow":60,"thresholdType":0,"projects":["storefront"],
		"triggers":[{"label":"critical","alertThreshold":100,"actions":[]},{"label":"warning","alertThreshold":50}]}`
	goodDashboard = `{"title":"Shop","projects":[51001],"period":"24h","widgets":[{"title":"Faults","displayType":"line","widgetType":"error-events","interval":"1h",
		"queries":[{"name":"","fields":["count()"],"aggregates":["count()"],"columns":[],"conditions":"level:error","orderby":""}],"layout":{"x":0,"y":0,"w":2,"h":2,"minH":2}}]}`
)

// settingPaths are where each kind is made, listed, and found by its id.
var settingPaths = []struct {
	name, add, list, one, body, nameField string
	deleted                               int
}{
	{"Uptime", uptimePath, "/organizations/acme-outdoors/uptime/", uptimePath + "%s/", goodUptime, "name", http.StatusAccepted},
	{"IssueRule", rulesPath, rulesPath, rulesPath + "%s/", goodRule, "name", http.StatusAccepted},
	{"MetricRule", alertRulesPath, alertRulesPath, alertRulesPath + "%s/", goodMetric, "name", http.StatusNoContent},
	{"Dashboard", dashboardsPath, dashboardsPath, dashboardsPath + "%s/", goodDashboard, "title", http.StatusNoContent},
}

// expect sends a body, whose answer has to have the status.
func (r *runner) expect(method, path, body string, want int) string {
	r.Helper()
	w := r.api(method, path, body)
	if w.Code != want {
		r.Fatalf("%s %s %s = %d %s, want %d", method, path, body, w.Code, w.Body, want)
	}
	return w.Body.String()
}

func TestSettings_Lifecycle(t *testing.T) {
	for _, tt := range settingPaths {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, Options{Empty: true}).as(mara, allScopes...)
			w := r.api("POST", tt.add, tt.body)
			if w.Code != http.StatusCreated && (tt.name != "IssueRule" || w.Code != http.StatusOK) {
				t.Fatalf("POST = %d %s", w.Code, w.Body)
			}
			var made, read map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
				t.Fatal(err)
			}
			one := fmt.Sprintf(tt.one, made["id"])
			r.get(one, &read)
			if diff := cmp.Diff(made, read); diff != "" {
				t.Errorf("made and read differ:\n%s", diff)
			}
			r.clock.pass(time.Hour)
			changed := r.put(one, `{"`+tt.nameField+`":"Renamed"}`)
			for key, v := range made {
				if key == tt.nameField {
					v = "Renamed"
				}
				if diff := cmp.Diff(v, changed[key]); diff != "" && key != "dateModified" {
					t.Errorf("%s changed with the name:\n%s", key, diff)
				}
			}
			var all []map[string]any
			r.get(tt.list, &all)
			if len(all) != 1 || all[0][tt.nameField] != "Renamed" {
				t.Errorf("list %v", all)
			}
			if w := r.as(priya, allScopes...).api("GET", one, ""); w.Code != http.StatusNotFound {
				t.Errorf("a stranger: %d", w.Code)
			}
			if w := r.as(mara, "event:admin").api("GET", one, ""); w.Code != http.StatusForbidden {
				t.Errorf("without the scope: %d", w.Code)
			}
			foreign := strings.NewReplacer("acme-outdoors", "globex-labs", "storefront", "collector").Replace(one)
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				if w := r.api(method, foreign, "{}"); w.Code != http.StatusNotFound {
					t.Errorf("%s of another organization: %d %s", method, w.Code, w.Body)
				}
			}
			if w := r.api("DELETE", one, ""); w.Code != tt.deleted || w.Body.Len() > 0 {
				t.Errorf("DELETE = %d %s, want %d and nothing", w.Code, w.Body, tt.deleted)
			}
			if w := r.api("GET", one, ""); w.Code != http.StatusNotFound || r.rows("setting")+r.rows("setting_project") != 0 {
				t.Errorf("deleted: %d, %d rows", w.Code, r.rows("setting"))
			}
		})
	}
}

// TestSettings_Guest: who sees one project sees what is set up for that alone.
func TestSettings_Guest(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	for _, tt := range settingPaths {
		other := strings.NewReplacer("/storefront/", "/checkout-api/", `"storefront"`, `"checkout-api"`, "51001", "51002", `"Shop"`, `"Other"`)
		for _, at := range [][2]string{{tt.add, tt.body}, {other.Replace(tt.add), other.Replace(tt.body)}} {
			if w := r.api("POST", at[0], at[1]); w.Code >= 300 {
				t.Fatalf("POST %s = %d %s", at[0], w.Code, w.Body)
			}
		}
	}
	wen := r.as("wen@example.test", allScopes...)
	for _, path := range []string{"/organizations/acme-outdoors/uptime/", alertRulesPath, dashboardsPath, workflowsPath} {
		var all, seen []map[string]any
		r.get(path, &all)
		wen.get(path, &seen)
		if len(all) != 2 || len(seen) != 1 {
			t.Errorf("%s: %d, and %d for the guest; want 2 and 1", path, len(all), len(seen))
			continue
		}
		for _, one := range all {
			want := http.StatusNotFound
			if one["id"] == seen[0]["id"] {
				want = http.StatusOK
			}
			if strings.HasSuffix(path, "/uptime/") {
				continue // its path names the project
			}
			if w := wen.api("GET", fmt.Sprintf("%s%s/", path, one["id"]), ""); w.Code != want {
				t.Errorf("%s%s for the guest: %d, want %d", path, one["id"], w.Code, want)
			}
		}
	}
	if w := wen.api("GET", "/projects/acme-outdoors/checkout-api/rules/", ""); w.Code != http.StatusNotFound {
		t.Errorf("rules of the other project: %d", w.Code)
	}
}

// TestUptime_Secrets: what a monitor signs in with is told to those alone who
// could change it.
func TestUptime_Secrets(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	made := r.tell("POST", uptimePath, `{"name":"Shop","url":"https://ann:hunter2@shop.test/","intervalSeconds":60,"headers":[["X-Vault","hunter2"]],"body":"hunter2"}`, http.StatusCreated)
	for _, tt := range []struct {
		reason string
		r      *runner
		told   bool
	}{
		{"an owner", r, true}, {"a member", r.as(jon, "alerts:write"), true},
		{"an owner by a token that only reads", r.as(mara, "alerts:read"), false}, {"a guest", r.as(wen, allScopes...), false},
	} {
		for _, path := range []string{"/organizations/acme-outdoors/uptime/", fmt.Sprintf("%s%s/", uptimePath, made["id"]), "/organizations/acme-outdoors/combined-rules/"} {
			w := tt.r.api("GET", path, "")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "shop.test") || strings.Contains(w.Body.String(), "hunter2") != tt.told {
				t.Errorf("%s: GET %s = %d %s", tt.reason, path, w.Code, w.Body)
			}
		}
		for search, finds := range map[string]bool{"HUNTER": tt.told, "shop.test": true} {
			var found []any
			if tt.r.get("/organizations/acme-outdoors/uptime/?query="+search, &found); (len(found) == 1) != finds {
				t.Errorf("%s finds %d by %s", tt.reason, len(found), search)
			}
		}
	}
}

// TestMetricRules_Renamed: a rule stays with its project, whatever project takes
// over the slug it was made by.
func TestMetricRules_Renamed(t *testing.T) {
	for _, older := range []bool{false, true} {
		r := start(t, Options{Empty: true}).as(mara, allScopes...)
		made := r.tell("POST", alertRulesPath, goodMetric, http.StatusCreated)
		if older {
			if _, err := r.sb.writer.Exec(`UPDATE setting SET body = json_set(body, '$.projects', json('["storefront"]'))`); err != nil {
				t.Fatal(err)
			}
		}
		r.put("/projects/acme-outdoors/storefront/", `{"slug":"shop"}`)
		r.put("/projects/acme-outdoors/checkout-api/", `{"slug":"storefront"}`)
		one := fmt.Sprintf("%s%s/", alertRulesPath, made["id"])
		if changed := r.put(one, `{"name":"Renamed"}`); fmt.Sprint(changed["projects"]) != "[shop]" {
			t.Errorf("after the rename it is of %v; older %v", changed["projects"], older)
		}
		r.expect("PUT", one, `{"projects":[]}`, http.StatusBadRequest)
		if moved := r.put(one, `{"projects":["storefront"]}`); fmt.Sprint(moved["projects"]) != "[storefront]" || r.text("SELECT group_concat(project) FROM setting_project") != "51002" {
			t.Errorf("moved to %v", moved["projects"])
		}
	}
}

// TestDashboards_MayEdit: guests change their own alone, and nobody one that
// tells of a project the user does not see.
// TestDashboards_Title: a title is refused to whoever sees the dashboard that has
// it, and says nothing to a guest who does not.
func TestDashboards_Title(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	guest := r.as(wen, allScopes...)
	const named = `{"title":%q,"widgets":[],"projects":%s}`
	r.tell("POST", dashboardsPath, fmt.Sprintf(named, "Hidden", "[51001,51002]"), http.StatusCreated)
	r.tell("POST", dashboardsPath, fmt.Sprintf(named, "Open", "[51001]"), http.StatusCreated)
	for _, params := range []string{"", "?project=51001"} {
		guest.tell("POST", dashboardsPath+params, fmt.Sprintf(named, "Open", "[51001]"), http.StatusConflict)
	}
	made := guest.tell("POST", dashboardsPath, fmt.Sprintf(named, "Hidden", "[51001]"), http.StatusCreated)
	one := fmt.Sprintf("%s%s/", dashboardsPath, made["id"])
	r.tell("POST", dashboardsPath, fmt.Sprintf(named, "Hidden", "[]"), http.StatusConflict)
	r.tell("PUT", one, `{"title":"Hidden","period":"1h"}`, http.StatusOK) // it may stay as it is
	r.tell("PUT", one, `{"title":"Open"}`, http.StatusConflict)
}

func TestDashboards_MayEdit(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	const teamless, checkout = `{"isEditableByEveryone":false,"teamsWithEditAccess":[]}`, `{"isEditableByEveryone":false,"teamsWithEditAccess":["%s"]}`
	team := r.text("SELECT tm.team FROM team_member tm WHERE tm.user = 1002 LIMIT 1")
	for i, tt := range []struct {
		reason, author, projects, permissions, user string
		read, write                                 int
	}{
		{"of the organization", mara, "[]", "null", wen, 200, 403},
		{"of her project", mara, "[51001]", "null", wen, 200, 403},
		{"of another project as well", mara, "[51001,51002]", "null", wen, 404, 404},
		{"her own", wen, "[51001]", teamless, wen, 200, 200},
		{"a guest's", wen, "[51001]", "null", jon, 200, 200},
		{"a member's", mara, "[51001,51002]", "null", jon, 200, 200},
		{"closed", mara, "[51001]", teamless, jon, 200, 403},
		{"closed but to a team", mara, "[51001]", fmt.Sprintf(checkout, team), jon, 200, 200},
		{"closed with nonsense", mara, "[51001]", `{"isEditableByEveryone":"no","teamsWithEditAccess":7}`, jon, 200, 403},
		{"closed, to an owner", jon, "[51001]", teamless, mara, 200, 200},
	} {
		title := fmt.Sprint("Dashboard ", i)
		made := r.as(tt.author, allScopes...).tell("POST", dashboardsPath, `{"title":"`+title+`","widgets":[],"projects":`+tt.projects+`,"permissions":`+tt.permissions+`}`, http.StatusCreated)
		one := fmt.Sprintf("%s%s/", dashboardsPath, made["id"])
		user := r.as(tt.user, "org:read")
		if w := user.api("GET", one, ""); w.Code != tt.read {
			t.Errorf("%s: read %d %s, want %d", tt.reason, w.Code, w.Body, tt.read)
		}
		if listed := strings.Contains(user.api("GET", dashboardsPath, "").Body.String(), `"`+title+`"`); listed != (tt.read == 200) {
			t.Errorf("%s: listed %v", tt.reason, listed)
		}
		if w := user.api("PUT", one, `{"period":"1h"}`); w.Code != tt.write {
			t.Errorf("%s: changed %d %s, want %d", tt.reason, w.Code, w.Body, tt.write)
		}
		gone := tt.write
		if gone == 200 {
			gone = http.StatusNoContent
		}
		if w := user.api("DELETE", one, ""); w.Code != gone {
			t.Errorf("%s: deleted %d %s, want %d", tt.reason, w.Code, w.Body, gone)
		}
	}
}

func TestSettings_Refuse(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.expect("POST", dashboardsPath, goodDashboard, http.StatusCreated)
	// change makes a good body bad: it sets a member.
	change := func(body, field, value string) string {
		var o map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatal(err)
		}
		o[field] = json.RawMessage(value)
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	tests := []struct{ path, body, field, value, want string }{
		{uptimePath, goodUptime, "name", `" "`, "blank"},
		{uptimePath, goodUptime, "url", `"ftp://x.test"`, "valid http"},
		{uptimePath, goodUptime, "url", `"/health"`, "valid http"},
		{uptimePath, goodUptime, "intervalSeconds", `61`, "60, 300, 600"},
		{uptimePath, goodUptime, "timeoutMs", `999`, "1000 to 60000"},
		{uptimePath, goodUptime, "timeoutMs", `"soon"`, "JSON parse error"},
		{uptimePath, goodUptime, "method", `"BREW"`, "GET, POST"},
		{uptimePath, goodUptime, "headers", `[["A"]]`, "headers"},
		{uptimePath, goodUptime, "headers", `[["A","b\r\nC: d"]]`, "one line"},
		{uptimePath, goodUptime, "body", `"` + strings.Repeat("x", 1001) + `"`, "too large"},
		{uptimePath, goodUptime, "owner", `"user:1003"`, "owner"},
		{uptimePath, goodUptime, "owner", `"jon"`, "owner"},
		{uptimePath, goodUptime, "status", `"on"`, "status"},
		{uptimePath, goodUptime, "downtimeThreshold", `0`, "1 to 720"},
		{rulesPath, goodRule, "actions", `[]`, "at least one action"},
		{rulesPath, goodRule, "actionMatch", `"most"`, "actionMatch"},
		{rulesPath, goodRule, "filterMatch", `"most"`, "filterMatch"},
		{rulesPath, goodRule, "frequency", `1`, "frequency"},
		{rulesPath, goodRule, "conditions", `[{"name":"no id"}]`, "conditions"},
		{rulesPath, goodRule, "name", `"` + strings.Repeat("x", 300) + `"`, "256"},
		{alertRulesPath, goodMetric, "projects", `["collector"]`, "Invalid project"},
		{alertRulesPath, goodMetric, "projects", `[]`, "required"},
		{alertRulesPath, goodMetric, "timeWindow", `7`, "1440"},
		{alertRulesPath, goodMetric, "triggers", `[]`, "1 or 2"},
		{alertRulesPath, goodMetric, "triggers", `[{"label":"warning","alertThreshold":1}]`, "critical"},
		{alertRulesPath, goodMetric, "triggers", `[{"label":"critical"}]`, "alertThreshold"},
		{alertRulesPath, goodMetric, "dataset", `"moon"`, "generic_metrics"},
		{alertRulesPath, goodMetric, "thresholdType", `2`, "thresholdType"},
		{dashboardsPath, goodDashboard, "title", `""`, "blank"},
		{dashboardsPath, goodDashboard, "projects", `[51101]`, "51101"},
		{dashboardsPath, goodDashboard, "period", `"soon"`, "statsPeriod"},
		{dashboardsPath, goodDashboard, "widgets", `[{"title":"x","displayType":"pie","queries":[{}]}]`, "displayType"},
		{dashboardsPath, goodDashboard, "widgets", `[{"title":"x","displayType":"line"}]`, "queries"},
		{dashboardsPath, goodDashboard, "widgets", `[{"title":"","displayType":"line","queries":[{}]}]`, "title"},
		{dashboardsPath, goodDashboard, "widgets", "[" + strings.Repeat(`{},`, maxWidgets) + "{}]", "Number of widgets"},
		{dashboardsPath, goodDashboard, "filters", `{"x":"` + strings.Repeat("x", maxSettingBody) + `"}`, "larger than"},
	}
	for _, tt := range tests {
		body := change(tt.body, tt.field, tt.value)
		if strings.HasPrefix(tt.path, dashboardsPath) && tt.field != "title" {
			body = strings.Replace(body, `"Shop"`, `"Other"`, 1)
		}
		if w := r.api("POST", tt.path, body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s with %s %.60s = %d %.300s, want 400 with %s", tt.path, tt.field, tt.value, w.Code, w.Body, tt.want)
		}
	}
	if w := r.api("POST", dashboardsPath, goodDashboard); w.Code != http.StatusConflict {
		t.Errorf("a second dashboard of the title: %d %s", w.Code, w.Body)
	}
	if n := r.rows("setting"); n != 1 {
		t.Errorf("%d settings were stored", n)
	}
}

func TestSettings_Bounds(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	if _, err := r.sb.writer.Exec(`INSERT INTO setting(kind, org, name, body, created, updated)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT 'dashboard', 41001, 'D' || i, '{"title":"D"}', 0, 0 FROM n`, maxSettings); err != nil {
		t.Fatal(err)
	}
	r.expect("POST", dashboardsPath, goodDashboard, http.StatusBadRequest)
	r.expect("POST", uptimePath, goodUptime, http.StatusCreated)
	var page []map[string]any
	link := r.get(dashboardsPath+"?per_page=3&sort=title&query=d49", &page).Get("Link")
	if len(page) != 3 || page[0]["id"] != "49" || !strings.Contains(link, `rel="next"; results="true"`) {
		t.Errorf("page %v, Link %s", page, link)
	}
	if w := r.api("GET", dashboardsPath+"?sort=size", ""); w.Code != http.StatusBadRequest {
		t.Errorf("an unknown order: %d", w.Code)
	}
}

func TestWorkflows(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	for _, name := range []string{"New faults", "100% of 5_x", "Old faults"} {
		r.expect("POST", rulesPath, strings.Replace(goodRule, "New faults", name, 1), http.StatusOK)
	}
	for query, want := range map[string]string{
		"": "New faults, 100% of 5_x, Old faults", `?query=name:"*faults*"&sortBy=-id`: "Old faults, New faults", "?query=faults&sortBy=name": "New faults, Old faults",
		`?query=name:"New%20faults"`: "New faults", "?query=5_x": "100% of 5_x", "?query=%25": "100% of 5_x", "?projectSlug=checkout-api": "", "?projectSlug=storefront&per_page=1": "New faults",
		"?id=2": "100% of 5_x", "?id=2&id=1": "New faults, 100% of 5_x", "?id=9": "", "?project=51002": "",
	} {
		var all []struct{ Name string }
		r.get(workflowsPath+query, &all)
		var got []string
		for _, one := range all {
			got = append(got, one.Name)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	var one struct {
		DetectorIDs []string
		Enabled     bool
		Config      struct{ Frequency int }
		Triggers    struct {
			LogicType  string
			Conditions []struct{ Type string }
		}
		ActionFilters []struct {
			LogicType  string
			Conditions []struct {
				Type       string
				Comparison map[string]string
			}
			Actions []struct{ Type string }
		}
	}
	r.get(workflowsPath+"1/", &one)
	if len(one.DetectorIDs) != 1 || !one.Enabled || one.Config.Frequency != 60 || one.Triggers.LogicType != "any-short" || one.Triggers.Conditions[0].Type != "first_seen_event" ||
		one.ActionFilters[0].Conditions[0].Comparison["level"] != "40" || one.ActionFilters[0].Actions[0].Type != "email" {
		t.Errorf("workflow %+v", one)
	}
	for _, query := range []string{"?sortBy=age", "?id=x"} {
		if w := r.api("GET", workflowsPath+query, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	r.expect("DELETE", workflowsPath+"2/", "", http.StatusNoContent)
	r.expect("GET", rulesPath+"2/", "", http.StatusNotFound)
}

func TestCombinedRules(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.expect("POST", rulesPath, goodRule, http.StatusOK)
	r.clock.pass(time.Minute)
	r.expect("POST", alertRulesPath, goodMetric, http.StatusCreated)
	r.clock.pass(time.Minute)
	r.expect("POST", uptimePath, goodUptime, http.StatusCreated)
	for query, want := range map[string]string{
		"": "uptime alert_rule rule", "?alertType=alert_rule": "alert_rule", "?alertType=rule&alertType=uptime": "uptime rule", "?name=FAULTS": "alert_rule rule",
		"?sort=name&asc=1": "rule uptime alert_rule", "?alertType=moon": "", "?project=51002": "", "?per_page=1&cursor=0:1:0": "alert_rule",
	} {
		var all []struct{ Type string }
		r.get("/organizations/acme-outdoors/combined-rules/"+query, &all)
		got := ""
		for _, one := range all {
			got += one.Type + " "
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestUptime_List(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, allScopes...)
	r.expect("POST", uptimePath, goodUptime, http.StatusCreated)
	for query, want := range map[string]int{
		"": 1, "?query=HEALTH": 1, "?query=shop": 1, "?query=nothing": 0, "?environment=production": 1, "?environment=staging": 0, "?owner=user:1002": 1, "?owner=unassigned": 0, "?project=51002": 0, "?project=51001": 1,
	} {
		var all []map[string]any
		r.get("/organizations/acme-outdoors/uptime/"+query, &all)
		if len(all) != want {
			t.Errorf("%s: %d, want %d", query, len(all), want)
		}
	}
	for _, name := range []string{"a", "b"} {
		r.expect("POST", uptimePath, strings.Replace(goodUptime, `"name":"`, `"name":"`+name, 1), http.StatusCreated)
	}
	for page, want := range []string{"a", "b", ""} {
		w := r.api("GET", fmt.Sprintf("/organizations/acme-outdoors/uptime/?per_page=1&cursor=0:%d:0", page), "")
		var all []map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != 1 || want != "" && !strings.HasPrefix(all[0]["name"].(string), want) ||
			strings.Contains(w.Header().Get("Link"), `rel="next"; results="true"`) != (page < 2) {
			t.Errorf("page %d: %s, %s", page, w.Body, w.Header().Get("Link"))
		}
	}
	var checks []any
	r.get(uptimePath+"1/checks/?statsPeriod=24h", &checks)
	if len(checks) != 0 {
		t.Errorf("checks %v of what never runs", checks)
	}
	r.expect("GET", uptimePath+"1/checks/?statsPeriod=soon", "", http.StatusBadRequest)
	r.expect("GET", uptimePath+"9/checks/", "", http.StatusNotFound)
	got := r.put(uptimePath+"1/", `{"owner":null,"body":"x","method":"POST"}`)
	if got["owner"] != nil || got["body"] != "x" || got["timeoutMs"] != 5000. || got["projectSlug"] != "storefront" {
		t.Errorf("changed %v", got)
	}
}

// TestSettings_OldSentry has no uptime monitors, and rules only of projects.
func TestSettings_OldSentry(t *testing.T) {
	r := start(t, Options{Empty: true, Age: Old}).as(mara, allScopes...)
	r.expect("POST", rulesPath, goodRule, http.StatusOK)
	r.expect("POST", dashboardsPath, goodDashboard, http.StatusCreated)
	for _, path := range []string{"/organizations/acme-outdoors/uptime/", alertRulesPath, workflowsPath, "/organizations/acme-outdoors/combined-rules/"} {
		if w := r.api("GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s = %d", path, w.Code)
		}
	}
}
