package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	profileID  = "11111111111111111111111111111111"
	profilerID = "22222222222222222222222222222222"
)

// transactionProfile is in format 1: main runs work, which runs lib for a while,
// and another thread waits.
const transactionProfile = `{"version":"1","event_id":"` + profileID + `","platform":"python","release":"shop@1","environment":"staging","timestamp":"2026-11-20T11:59:00Z",
	"device":{"architecture":"x86_64","model":"m1"},"os":{"name":"Linux","version":"6"},"runtime":{"name":"CPython","version":"3.13"},"client_sdk":{"name":"sentry.python","version":"2"},
	"transactions":[{"id":"33333333333333333333333333333333","name":"GET /tents","trace_id":"44444444444444444444444444444444","active_thread_id":7,"relative_start_ns":"0","relative_end_ns":"50000000"}],
	"debug_meta":{"api_key":"x"},
	"profile":{"frames":[{"function":"main","filename":"main.py","in_app":true},{"function":"work","filename":"work.py","module":"shop.work","lineno":3},
		{"function":"get","abs_path":"/venv/site-packages/requests/api.py","vars":{"password":"x"}},{"function":"wait","filename":"pool.py"}],
	"stacks":[[1,0],[2,1,0],[3]],
	"samples":[{"stack_id":0,"thread_id":"7","elapsed_since_start_ns":"0"},{"stack_id":1,"thread_id":7,"elapsed_since_start_ns":20000000.4},
		{"stack_id":2,"thread_id":"8","elapsed_since_start_ns":10000000},{"stack_id":0,"thread_id":"7","elapsed_since_start_ns":30000000}],
	"thread_metadata":{"7":{"name":"main"},"8":{"name":"pool"}}}}`

// chunk is in format 2, of so many samples from a time, ten a second.
func chunk(id byte, start float64, samples int) string {
	var list []string
	for i := range samples {
		list = append(list, fmt.Sprintf(`{"stack_id":0,"thread_id":"1","timestamp":%.3f}`, start+float64(i)/10))
	}
	return `{"version":"2","chunk_id":"` + strings.Repeat(string(id), 32) + `","profiler_id":"` + profilerID + `","platform":"node","release":"shop@1","profile":{
		"frames":[{"function":"tick` + string(id) + `","module":"loop","in_app":true}],"stacks":[[0]],"samples":[` + strings.Join(list, ",") + `],"thread_metadata":{"1":{"name":"main"}}}}`
}

func profileOf(t *testing.T, raw string) *Profile {
	t.Helper()
	p, err := ParseProfile([]byte(raw), noon)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseProfile(t *testing.T) {
	p := profileOf(t, transactionProfile)
	if p.ID != profileID || p.Profiler != "" || p.Trace() != strings.Repeat("4", 32) || !p.Start.Equal(noon.Add(-time.Minute)) || p.End.Sub(p.Start) != 30*time.Millisecond {
		t.Errorf("profile %+v", p)
	}
	want := Attrs{"profile.id": profileID, "profile.duration": 30., "precise.start_ts": unixSeconds(p.Start), "precise.finish_ts": unixSeconds(p.End),
		"transaction": "GET /tents", "transaction.id": strings.Repeat("3", 32), "transaction.duration": 50., "thread.id": "7", "platform": "python", "platform.name": "python",
		"release": "shop@1", "environment": "staging", "device.architecture": "x86_64", "device.model": "m1", "os.name": "Linux", "os.version": "6",
		"runtime.name": "CPython", "runtime.version": "3.13", "sdk.name": "sentry.python", "sdk.version": "2"}
	if diff := cmp.Diff(want, p.Attrs()); diff != "" {
		t.Errorf("attributes: %s", diff)
	}
	raw, err := p.Body()
	if err != nil {
		t.Fatal(err)
	}
	body, err := ParseObject(raw)
	if err != nil {
		t.Fatal(err)
	}
	if body["transactions"] != nil || TextAt(body, "transaction", "name") != "GET /tents" || TextAt(body, "debug_meta", "api_key") != Filtered {
		t.Errorf("body %s", raw)
	}
	frames := Objects(At(body, "profile", "frames"))
	if frames[1]["in_app"] != true || frames[2]["in_app"] != false || TextAt(frames[2], "vars", "password") != Filtered {
		t.Errorf("frames %v", frames)
	}
	samples := Objects(At(body, "profile", "samples"))
	if diff := cmp.Diff(Object{"stack_id": json.Number("1"), "thread_id": "7", "elapsed_since_start_ns": json.Number("20000000")}, samples[2]); diff != "" {
		t.Errorf("in the order of their times: %s", diff)
	}
	again, err := StoredProfile(raw, p.Start)
	if err != nil || !again.Start.Equal(p.Start) || !again.End.Equal(p.End) || again.ID != p.ID || !cmp.Equal(again.Samples, p.Samples) {
		t.Errorf("stored and read: %v, %+v", err, again)
	}
}

func TestParseProfile_Errors(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(transactionProfile, old, new, 1) }
	for _, tt := range []struct{ why, raw, reason string }{
		{"not JSON", "{", "not a JSON object"},
		{"a list", "[]", "not a JSON object"},
		{"no id", edit(`"event_id":"`+profileID, `"event_id":"7`), "32 hex digits"},
		{"a chunk without a profiler", strings.Replace(chunk('a', 1, 1), "profiler_id", "profiler", 1), "profiler_id of 32 hex digits"},
		{"no samples", `{"version":"1","event_id":"` + profileID + `","profile":{"samples":[]}}`, "there are none"},
		{"a stack that is not there", edit(`"stack_id":2`, `"stack_id":3`), "no stack 3"},
		{"a frame that is not there", edit(`[3]`, `[4]`), "no frame 4"},
		{"a frame before the first", edit(`[3]`, `[-1]`), "no frame -1"},
		{"a thread that is none", edit(`"thread_id":7`, `"thread_id":"main"`), "not a number"},
		{"the time of the other format", edit(`"thread_id":7,"elapsed_since_start_ns":20000000.4`, `"thread_id":7,"timestamp":3`), "have elapsed_since_start_ns"},
		{"too many samples", chunk('a', 1, maxSamples+1), "more than 50000"},
		{"too deep for so many samples", strings.Replace(chunk('a', 1, maxSamples), `"stacks":[[0]]`, `"stacks":[[0`+strings.Repeat(",0", 200)+`]]`, 1), "more than 5000000 frames"},
	} {
		if _, err := ParseProfile([]byte(tt.raw), noon); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %.200v, want %s", tt.why, err, tt.reason)
		}
	}
	for _, raw := range []string{`{}`, `{"platform":"android","sampled_profile":"AAAA","profile_id":"` + profileID + `"}`, edit(`"version":"1"`, `"version":"3"`)} {
		if _, err := ParseProfile([]byte(raw), noon); !errors.Is(err, ErrProfileFormat) {
			t.Errorf("another format: %v", err)
		}
	}
}

func TestFlamegraph(t *testing.T) {
	g := NewFlamegraph()
	g.Add(profileOf(t, transactionProfile), Window{}, Object{"profile_id": profileID})
	out := g.JSON()
	shared := out["shared"].(Object)
	var names []string
	for _, f := range shared["frames"].([]Object) {
		names = append(names, fmt.Sprint(f["name"], " ", f["file"], " ", f["is_application"], " ", f["line"]))
	}
	if diff := cmp.Diff([]string{"main main.py true 0", "work work.py true 3", "get /venv/site-packages/requests/api.py false 0", "wait pool.py true 0"}, names); diff != "" {
		t.Errorf("frames: %s", diff)
	}
	// The thread that waits is not the transaction's.
	graph := out["profiles"].([]Object)[0]
	if diff := cmp.Diff([][]int{{0, 1}, {0, 1, 2}}, graph["samples"]); diff != "" {
		t.Errorf("stacks, the outermost frame first: %s", diff)
	}
	if !cmp.Equal(graph["weights"], []int64{2, 1}) || !cmp.Equal(graph["sample_durations_ns"], []int64{30_000_000, 10_000_000}) || graph["endValue"] != int64(3) {
		t.Errorf("profile %v", graph)
	}
	infos := shared["frame_infos"].([]Object)
	if diff := cmp.Diff(Object{"count": int64(3), "weight": int64(40_000_000), "sumDuration": int64(40_000_000), "sumSelfTime": int64(30_000_000),
		"p75Duration": int64(40_000_000), "p95Duration": int64(40_000_000), "p99Duration": int64(40_000_000)}, infos[1]); diff != "" {
		t.Errorf("work: %s", diff)
	}
	if infos[0]["sumSelfTime"] != int64(0) || infos[2]["sumSelfTime"] != int64(10_000_000) || infos[3]["count"] != int64(0) {
		t.Errorf("infos %v", infos)
	}
}

func TestFlamegraph_Recursion(t *testing.T) {
	raw := strings.Replace(transactionProfile, `"stacks":[[1,0]`, `"stacks":[[1,1,1,0]`, 1)
	g := NewFlamegraph()
	g.Add(profileOf(t, raw), Window{}, nil)
	if info := g.infos[1]; info.count != 3 || info.total != 40_000_000 || info.self != 30_000_000 {
		t.Errorf("a function that calls itself: %+v", info)
	}
}

func TestFlamegraph_Window(t *testing.T) {
	start := unixSeconds(noon.Add(-time.Minute))
	for _, tt := range []struct {
		why    string
		window Window
		want   int64
	}{
		{"all", Window{}, 10}, {"from then on", Window{From: start + 0.45}, 5}, {"until then", Window{To: start + 0.15}, 2},
		{"its thread", Window{Thread: "1"}, 10}, {"another thread", Window{Thread: "2"}, 0},
	} {
		g := NewFlamegraph()
		g.Add(profileOf(t, chunk('a', start, 10)), tt.window, Object{})
		var n int64
		for _, count := range g.counts {
			n += count
		}
		if n != tt.want || len(g.profiles) > 1 || tt.want == 0 != (len(g.profiles) == 0) {
			t.Errorf("%s: %d samples of %d profiles, want %d", tt.why, n, len(g.profiles), tt.want)
		}
	}
	if out := NewFlamegraph().JSON(); len(out["profiles"].([]Object)) != 0 {
		t.Errorf("nothing: %v", out)
	}
}

func TestMergeChunks(t *testing.T) {
	start := unixSeconds(noon.Add(-time.Minute))
	a, b := profileOf(t, chunk('a', start, 2)), profileOf(t, chunk('b', start+1, 3))
	m := MergeChunks([]*Profile{a, b})
	if len(m.Samples.Samples) != 5 || m.Samples.Samples[4].Stack != 1 || !cmp.Equal(m.Samples.Stacks, [][]int{{0}, {1}}) || Text(m.Samples.Frames[1]["function"]) != "tickb" ||
		!m.Start.Equal(a.Start) || !m.End.Equal(b.End) || m.Samples.Threads["1"] == nil {
		t.Errorf("merged %+v", m)
	}
	if len(a.Samples.Samples) != 2 || b.Samples.Samples[0].Stack != 0 {
		t.Error("the chunks themselves were changed")
	}
}

// FuzzParseProfile checks that what is taken can be searched, added up, stored
// and read again.
func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(transactionProfile))
	f.Add([]byte(chunk('a', unixSeconds(noon), 3)))
	f.Add([]byte(`{"version":"1","profile":{"samples":[{}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := ParseProfile(raw, noon)
		if err != nil {
			return
		}
		body, err := p.Body()
		if err != nil {
			t.Fatal(err)
		}
		again, err := StoredProfile(body, p.Start)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		g := NewFlamegraph()
		g.Add(again, Window{}, Object{})
		g.Add(MergeChunks([]*Profile{p, again}), Window{}, Object{})
		for _, v := range []any{g.JSON(), p.Attrs()} {
			if _, err := json.Marshal(v); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzMetric checks that what is taken for a metric has what all of them have.
func FuzzMetric(f *testing.F) {
	f.Add([]byte(`{"name":"orders","type":"counter","value":3,"unit":"none","attributes":{"a":{"value":1}}}`))
	f.Add([]byte(`{"name":"a","type":"d","value":"1e400"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseObject(raw)
		if err != nil {
			return
		}
		if a, ok := MetricAttrs(o); ok {
			if _, err := json.Marshal(a); err != nil || a["metric.name"] == "" || a["metric.type"] == "" {
				t.Fatalf("%s: %v, %v", raw, a, err)
			}
		}
	})
}
