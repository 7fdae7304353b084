package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	replayA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaa0001"
	replayB = "aaaaaaaaaaaaaaaaaaaaaaaaaaaa0002"
)

// segmentOf sends one segment of a replay to storefront, as a browser does.
func (r *runner) segmentOf(replay string, n int, told, events string) *httptest.ResponseRecorder {
	r.Helper()
	path, key := r.dsn("acme-outdoors", "storefront")
	told = fmt.Sprintf(`{"type":"replay_event","replay_id":%q,"segment_id":%d`, replay, n) + told + "}"
	recording := fmt.Sprintf("{\"segment_id\":%d}\n%s", n, events)
	return r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key,
		strings.NewReader(pack(`{"event_id":"`+replay+`"}`, "replay_event", told, "replay_recording", recording))))
}

func (r *runner) sendSegment(replay string, n int, told, events string) {
	r.Helper()
	if w := r.segmentOf(replay, n, told, events); w.Code != http.StatusOK {
		r.Fatalf("segment %d = %d %s", n, w.Code, w.Body)
	}
}

const (
	rageClick = `{"type":5,"timestamp":1795176010000,"data":{"tag":"breadcrumb","payload":{"category":"ui.slowClickDetected","message":"body > main > button#pay",
		"data":{"endReason":"timeout","timeAfterClickMs":7000,"clickCount":6,"node":{"tagName":"button","textContent":"Pay","attributes":{"id":"pay","class":"big red"}}}}}}`
	firstTold = `,"replay_start_timestamp":1795175990,"timestamp":1795176000,"urls":["https://shop.test/","https://shop.test/cart?token=hunter2"],
		"trace_ids":["` + traceID + `"],"error_ids":[],"replay_type":"buffer","platform":"javascript","environment":"staging","release":"shop@1","tags":{"shelf":"tents"},
		"user":{"id":"7","email":"ann@example.test"},"sdk":{"name":"sentry.javascript.browser","version":"11.12.0"},
		"request":{"headers":{"User-Agent":"Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0 Safari/537.36"}}`
)

func (r *runner) replays(query string) []map[string]any {
	r.Helper()
	var out struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/replays/?query="+url.QueryEscape(query), &out)
	return out.Data
}

func TestReplays_Merge(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	const eventID = "eeeeeeeeeeeeeeeeeeeeeeeeeeee0001"
	r.ingest("event", `{"event_id":"`+eventID+`","message":"no total","contexts":{"replay":{"replay_id":"`+replayA+`"}}}`) // overtakes the replay
	for range 2 {                                                                                                          // SDKs send again what they think was lost
		r.sendSegment(replayA, 0, firstTold, `[{"type":4,"timestamp":1795175990000,"data":{"href":"https://shop.test/"}},`+rageClick+`]`)
	}
	r.sendSegment(replayA, 1, `,"timestamp":1795176020.5,"urls":["https://shop.test/done"],"environment":"staging","release":"shop@1","tags":{"shelf":"stoves"}`, `[]`)
	r.ingest("event", `{"message":"little stock","level":"warning","tags":{"replayId":"`+replayA+`"}}`)

	var got struct{ Data map[string]any }
	r.get("/organizations/acme-outdoors/replays/"+strings.ToUpper(replayA[:8]+"-"+replayA[8:])+"/", &got)
	want := decoded(t, `{"id":"`+replayA+`","project_id":"51001","replay_type":"buffer","is_archived":false,"has_viewed":false,
		"started_at":"2026-11-20T11:59:50.000000Z","finished_at":"2026-11-20T12:00:20.500000Z","duration":30,"activity":4,
		"urls":["https://shop.test/","https://shop.test/cart?token=[Filtered]","https://shop.test/done"],"trace_ids":["`+traceID+`"],"error_ids":["`+eventID+`"],
		"info_ids":[],"count_errors":1,"count_warnings":1,"count_infos":0,"count_urls":3,"count_segments":2,"count_dead_clicks":1,"count_rage_clicks":1,
		"releases":["shop@1"],"environment":"staging","platform":"other","dist":null,
		"user":{"id":"7","email":"ann@example.test","username":null,"ip":null,"display_name":"ann@example.test","geo":{}},"tags":{"shelf":["tents","stoves"]},
		"sdk":{"name":"sentry.javascript.browser","version":"11.12.0"},"browser":{"name":"Chrome","version":"142.0.0.0"},"os":{"name":"Linux","version":null},
		"device":{"name":null,"brand":null,"model":null,"family":null},"clicks":[]}`).(map[string]any)
	want["warning_ids"] = got.Data["warning_ids"]
	if diff := cmp.Diff(want, got.Data); diff != "" {
		t.Errorf("replay (-want +got):\n%s", diff)
	}

	var segments [][]struct{ Type int }
	where := "/projects/acme-outdoors/storefront/replays/" + replayA + "/recording-segments/"
	r.get(where+"?download=true", &segments)
	if len(segments) != 2 || len(segments[0]) != 2 || segments[0][0].Type != 4 || len(segments[1]) != 0 {
		t.Errorf("segments = %v", segments)
	}
	var described struct{ Data []map[string]any }
	r.get(where+"?per_page=1&cursor=0:1:0", &described)
	if diff := cmp.Diff(decoded(t, `[{"replayId":"`+replayA+`","segmentId":1,"projectId":"51001","dateAdded":"2026-11-20T12:00:00.000000Z"}]`), anyOf(described.Data)); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
	if link := r.get(where+"?download=1&per_page=1", &segments).Get("Link"); !strings.Contains(link, `results="true"; cursor="0:1:0"`) {
		t.Errorf("Link: %s", link)
	}
}

func anyOf(list []map[string]any) any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func TestReplays_Search(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSegment(replayA, 0, firstTold, "["+rageClick+"]")
	r.clock.pass(time.Hour)
	r.sendSegment(replayB, 0, `,"timestamp":1795179600,"urls":["https://shop.test/help"],"error_ids":["`+strings.Repeat("e", 32)+`"]`, `[]`)
	for _, tt := range []struct {
		query string
		want  string
	}{
		{"", replayB + " " + replayA},
		{"count_errors:>0", replayB},
		{"count_rage_clicks:>0 shelf:tents", replayA},
		{"!count_dead_clicks:0", replayA},
		{"duration:>5s", replayA},
		{"duration:<1m", replayB + " " + replayA},
		{"activity:>=3", replayB},
		{"url:*cart*", replayA},
		{"urls:https://shop.test/help", replayB},
		{"user.email:ann@example.test", replayA},
		{"user.id:7 environment:staging release:shop@1", replayA},
		{"releases:[shop@1,shop@2]", replayA},
		{"release:latest", replayA},
		{"trace:" + traceID, replayA},
		{"error_id:" + strings.Repeat("e", 32), replayB},
		{"id:[" + replayA + "]", replayA},
		{"browser.name:Chrome os.name:Linux", replayA},
		{"click.tag:button click.id:pay click.class:red", replayA},
		{"rage.selector:button#pay dead.selector:*main*", replayA},
		{"click.textContent:Pay OR count_errors:1", replayB + " " + replayA},
		{"started_at:>2026-11-20T12:30:00", replayB},
		{"replay_type:buffer is_archived:false", replayA},
		{"seen_by_me:true", ""},
		{"viewed_by_me:false", replayB + " " + replayA},
		{"ann@", replayA},
		{"has:trace", replayA},
	} {
		var ids []string
		for _, rep := range r.replays(tt.query) {
			id, _ := rep["id"].(string)
			ids = append(ids, id)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.query, got, tt.want)
		}
	}

	var out struct{ Data []map[string]any }
	header := r.get("/organizations/acme-outdoors/replays/?sort=duration&per_page=1&field=id&field=user.email&field=duration&project=storefront&environment=staging&environment=production&statsPeriod=24h", &out)
	if diff := cmp.Diff(decoded(t, `[{"id":"`+replayB+`","duration":0}]`), withoutUser(out.Data)); diff != "" || !strings.Contains(header.Get("Link"), `results="true"; cursor="0:1:0"`) {
		t.Errorf("fields (-want +got):\n%s%s", diff, header.Get("Link"))
	}
	var tags []struct{ Key string }
	r.get("/organizations/acme-outdoors/tags/?dataset=replays", &tags)
	if !strings.Contains(fmt.Sprint(tags), "{shelf}") {
		t.Errorf("tags = %v", tags)
	}
	for _, bad := range []string{"sort=title", "field=secret", "query=" + url.QueryEscape("count():>1"), "query=(", "per_page=0", "statsPeriod=x", "project=collector"} {
		if w := r.api("GET", "/organizations/acme-outdoors/replays/?"+bad, ""); w.Code != http.StatusBadRequest && w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}

func withoutUser(list []map[string]any) any {
	for _, one := range list {
		delete(one, "user")
	}
	return anyOf(list)
}

// TestReplays_Secrets: a segment alone may not tell what its user typed into.
func TestReplays_Secrets(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSegment(replayA, 0, firstTold, `[{"type":2,"data":{"node":{"id":1,"childNodes":[{"id":2,"tagName":"input","attributes":{"name":"api_key"}},{"id":3,"tagName":"input","attributes":{"name":"city"}}]}}}]`)
	r.sendSegment(replayA, 1, "", `[{"type":3,"data":{"source":5,"id":2,"text":"hunter2"}},{"type":3,"data":{"source":5,"id":3,"text":"Bergen"}}]`)
	r.sendSegment(replayA, 2, "", `[{"type":3,"data":{"source":5,"id":4,"text":"hunter2"}},{"type":3,"data":{"source":0,"attributes":[{"id":4,"attributes":{"type":"password"}}]}}]`)
	raw := r.api("GET", "/projects/acme-outdoors/storefront/replays/"+replayA+"/recording-segments/?download=true", "").Body.String()
	if strings.Contains(raw, "hunter2") || !strings.Contains(raw, "Bergen") {
		t.Errorf("recording %s", raw)
	}
}

func TestReplays_Count(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSegment(replayA, 0, firstTold, "[]")
	r.ingest("event", `{"message":"one","contexts":{"replay":{"replay_id":"`+replayA+`"}}}`, "event", `{"message":"one","contexts":{"replay":{"replay_id":"`+replayA+`"}}}`,
		"event", `{"message":"one","contexts":{"replay":{"replay_id":"`+replayB+`"}}}`) // of which nothing was recorded
	issue := r.onlyIssue().ID
	path := "/organizations/acme-outdoors/replay-count/?project=-1&statsPeriod=90d&data_source=discover&query="
	for _, tt := range []struct{ query, want string }{
		{"issue.id:[" + issue + "]&returnIds=true", `{"` + issue + `":["` + replayA + `"]}`},
		{"issue.id:[" + issue + ",999]", `{"` + issue + `":1}`},
		{"issue.id:" + issue, `{"` + issue + `":1}`},
		{"replay_id:[" + strings.ToUpper(replayA) + "," + replayB + "]&returnIds=true", `{"` + replayA + `":["` + replayA + `"]}`},
		{"issue.id:999", `{}`},
	} {
		var got any
		r.get(path+tt.query, &got)
		if diff := cmp.Diff(decoded(t, tt.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
	for _, bad := range []string{"", "is:unresolved", "issue.id:[]", "issue.id:[" + strings.Repeat("1,", maxReplayRefs) + "1]"} {
		if w := r.api("GET", path+url.QueryEscape(bad), ""); w.Code != http.StatusBadRequest {
			t.Errorf("%q = %d %s", bad, w.Code, w.Body)
		}
	}
}

// TestReplays_OfTheTrace: an event of a server names the replay that its
// trace's header names.
func TestReplays_OfTheTrace(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.sendSegment(replayA, 0, firstTold, "[]")
	path, key := r.dsn("acme-outdoors", "storefront")
	w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key,
		strings.NewReader(pack(`{"trace":{"trace_id":"`+traceID+`","replay_id":"`+replayA+`"}}`, "event", `{"message":"from behind"}`))))
	if w.Code != http.StatusOK {
		t.Fatalf("ingest = %d %s", w.Code, w.Body)
	}
	if got := r.replays("count_errors:1"); len(got) != 1 || len(r.issues("replayId:"+replayA)) != 1 {
		t.Errorf("replays %v", got)
	}
}

func TestReplays_Refused(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	for reason, events := range map[string]string{"no array": "{}", "no zlib": "\x78\x9c\x00", "cut": "[{"} {
		if w := r.segmentOf(replayA, 0, firstTold, events); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", reason, w.Code, w.Body)
		}
	}
	if n := r.rows("item") + r.rows("segment"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestReplays_Retain(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("event", `{"message":"one","contexts":{"replay":{"replay_id":"`+replayA+`"}}}`)
	r.sendSegment(replayA, 0, firstTold, "["+rageClick+"]")
	r.sb.recorded, r.sb.bulk = 1, 1
	clear(r.sb.arrived.room)
	r.sendSegment(replayA, 1, "", "[]")
	if n := r.rows("segment"); n != 0 { // each is larger than all may be
		t.Errorf("%d segments", n)
	}
	r.sb.recorded = maxRecorded
	r.sendSegment(replayA, 2, "", "[]")
	r.clock.pass(keepFor + retainEvery)
	r.ingest("client_report", `{}`)
	if n := r.rows("item") + r.rows("segment") + r.rows("replay_link"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestReplays_Access(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.as(mara).sendSegment(replayA, 0, firstTold, "[]")
	for _, tt := range []struct {
		who    string
		scopes []string
		path   string
		want   int
	}{
		{jon, reading, "/organizations/acme-outdoors/replays/" + replayA + "/", 200},
		{jon, reading, "/projects/acme-outdoors/storefront/replays/" + replayA + "/", 200},
		{jon, reading, "/projects/acme-outdoors/checkout-api/replays/" + replayA + "/", 404},
		{jon, reading, "/projects/acme-outdoors/checkout-api/replays/" + replayA + "/recording-segments/?download=true", 404},
		{jon, reading, "/organizations/acme-outdoors/replays/" + replayB + "/", 404},
		{jon, reading, "/organizations/acme-outdoors/replays/x/", 404},
		{jon, []string{"org:read"}, "/organizations/acme-outdoors/replays/", 403},
		{priya, reading, "/organizations/acme-outdoors/replays/" + replayA + "/", 404},
		{priya, reading, "/organizations/globex-labs/replays/" + replayA + "/", 404},
	} {
		if w := r.as(tt.who, tt.scopes...).api("GET", tt.path, ""); w.Code != tt.want {
			t.Errorf("%s: GET %s = %d %s, want %d", tt.who, tt.path, w.Code, w.Body, tt.want)
		}
	}
	var count map[string]any
	if r.as(priya, reading...).get("/organizations/globex-labs/replay-count/?query=replay_id:"+replayA, &count); len(count) != 0 {
		t.Errorf("another's replay counts: %v", count)
	}
}
