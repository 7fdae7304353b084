package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sentProfile  = "51111111111111111111111111111111"
	sentProfiler = "52222222222222222222222222222222"
	flamegraph   = "/organizations/acme-outdoors/profiling/flamegraph/"
	chunks       = "/organizations/acme-outdoors/profiling/chunks/"
)

// sendProfiles sends a transaction with a profile of its own, and one that ran
// while a profiler recorded.
func sendProfiles(r *runner) {
	r.Helper()
	transaction := func(name, span, context string) string {
		return `{"type":"transaction","transaction":"` + name + `","platform":"node","start_timestamp":"2026-11-20T11:59:00Z","timestamp":"2026-11-20T11:59:01Z",
			"contexts":{"profile":{` + context + `},"trace":{"trace_id":"` + traceID + `","span_id":"` + span + `","op":"http.server","data":{"thread.id":"1"}}}}`
	}
	r.ingest("transaction", transaction("GET /tents", rootID, `"profile_id":"`+sentProfile+`"`), "profile", `{"version":"1","event_id":"`+sentProfile+`","platform":"python","release":"shop@1","environment":"staging",
		"timestamp":"2026-11-20T11:59:00Z","transaction":{"id":"53333333333333333333333333333333","name":"GET /tents","trace_id":"`+traceID+`","active_thread_id":"1"},
		"profile":{"frames":[{"function":"serve","filename":"serve.py"},{"function":"load","filename":"load.py"}],"stacks":[[0],[1,0]],"thread_metadata":{"1":{"name":"main"}},
		"samples":[{"stack_id":0,"thread_id":"1","elapsed_since_start_ns":"0"},{"stack_id":1,"thread_id":"1","elapsed_since_start_ns":"10000000"},{"stack_id":1,"thread_id":"1","elapsed_since_start_ns":"20000000"}]}}`)
	r.ingest("transaction", transaction("GET /boots", childID, `"profiler_id":"`+sentProfiler+`"`))
	r.ingest("profile_chunk", sentChunk('a', 1795175940, 5), "profile_chunk", sentChunk('b', 1795175940.8, 5), "profile_chunk", sentChunk('c', 1795175990, 5))
}

// sentChunk has a sample each 0.1 s, and each 0.1 s one of another thread.
func sentChunk(id byte, start float64, samples int) string {
	var list []string
	for i := range samples {
		for _, thread := range []string{"1", "2"} {
			list = append(list, fmt.Sprintf(`{"stack_id":0,"thread_id":%q,"timestamp":%.3f}`, thread, start+float64(i)/10))
		}
	}
	return `{"version":"2","chunk_id":"` + strings.Repeat(string(id), 32) + `","profiler_id":"` + sentProfiler + `","platform":"node","profile":{
		"frames":[{"function":"tick","module":"loop","in_app":true}],"stacks":[[0]],"samples":[` + strings.Join(list, ",") + `]}}`
}

func TestProfiles_Search(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	sendProfiles(r)
	r.ingest("profile_chunk", sentChunk('c', 1795175990, 5)) // again
	var out struct{ Data []map[string]any }
	r.get("/organizations/acme-outdoors/events/?dataset=profiles&query=transaction:%22GET+/tents%22+release:shop@1&environment=staging&field=profile.id&field=profile.duration&field=trace&field=thread.id&field=platform.name", &out)
	if diff := cmp.Diff([]map[string]any{{"profile.id": sentProfile, "profile.duration": 20., "trace": traceID, "thread.id": "1", "platform.name": "python"}}, out.Data); diff != "" {
		t.Error(diff)
	}
	out.Data = nil
	r.get("/organizations/acme-outdoors/events/?dataset=profiles&query=profiler.id:"+sentProfiler+"&field=count()&field=p95()", &out)
	if len(out.Data) != 1 || out.Data[0]["count()"] != 3. || out.Data[0]["p95()"] != 400. {
		t.Errorf("chunks %v", out.Data)
	}
	out.Data = nil
	r.get("/organizations/acme-outdoors/events/?dataset=spans&query=is_transaction:true&field=transaction&field=profile.id&field=profiler.id&sort=-transaction", &out)
	if diff := cmp.Diff([]map[string]any{{"transaction": "GET /tents", "profile.id": sentProfile, "profiler.id": nil},
		{"transaction": "GET /boots", "profile.id": nil, "profiler.id": sentProfiler}}, out.Data); diff != "" {
		t.Error(diff)
	}
	var projects []struct{ HasProfiles bool }
	if r.get("/organizations/acme-outdoors/projects/?query=storefront", &projects); !projects[0].HasProfiles {
		t.Error("the project has no profiles")
	}
}

func TestProfiles_Get(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	sendProfiles(r)
	var p struct {
		Platform    string
		ProfileID   string `json:"profile_id"`
		ProjectID   int64  `json:"project_id"`
		Release     struct{ Version string }
		Transaction struct{ Name string }
		Profile     struct {
			Frames  []struct{ Function string }
			Stacks  [][]int
			Samples []struct {
				Thread  string `json:"thread_id"`
				Elapsed int64  `json:"elapsed_since_start_ns"`
			}
			Threads map[string]struct{ Name string } `json:"thread_metadata"`
		}
	}
	r.get("/projects/acme-outdoors/storefront/profiling/profiles/"+sentProfile+"/", &p)
	if p.Platform != "python" || p.ProfileID != sentProfile || p.ProjectID == 0 || p.Release.Version != "shop@1" || p.Transaction.Name != "GET /tents" ||
		p.Profile.Frames[1].Function != "load" || !cmp.Equal(p.Profile.Stacks, [][]int{{0}, {1, 0}}) || p.Profile.Samples[2].Elapsed != 20_000_000 || p.Profile.Threads["1"].Name != "main" {
		t.Errorf("profile %+v", p)
	}
	for _, path := range []string{
		"/projects/acme-outdoors/storefront/profiling/profiles/" + strings.Repeat("a", 32) + "/", // a chunk
		"/projects/acme-outdoors/storefront/profiling/profiles/" + strings.Repeat("9", 32) + "/",
		"/projects/acme-outdoors/storefront/profiling/profiles/x/",
		"/projects/acme-outdoors/checkout-api/profiling/profiles/" + sentProfile + "/",
	} {
		if w := r.api("GET", path, ""); w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
}

// graph is what clients read of a flamegraph.
type graph struct {
	Platform, TransactionName string
	ProjectID                 int64
	Profiles                  []struct {
		Samples   [][]int
		Weights   []int64
		Durations []int64 `json:"sample_durations_ns"`
	}
	Shared struct {
		Frames []struct {
			Name, File string
			InApp      bool `json:"is_application"`
		}
		Infos []struct {
			Count, SumDuration, SumSelfTime, P95Duration int64
		} `json:"frame_infos"`
		Profiles []struct {
			Profile  string `json:"profile_id"`
			Profiler string `json:"profiler_id"`
			Chunk    string `json:"chunk_id"`
			Thread   string `json:"thread_id"`
		}
	}
}

func TestProfiles_Flamegraph(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	sendProfiles(r)
	var g graph
	r.get(flamegraph+"?project=storefront&statsPeriod=7d&query=event.type:transaction+transaction:%22GET+/tents%22", &g)
	if g.Platform != "python" || g.TransactionName != "GET /tents" || g.ProjectID == 0 || len(g.Profiles) != 1 || len(g.Shared.Profiles) != 1 || g.Shared.Profiles[0].Profile != sentProfile {
		t.Fatalf("flamegraph %+v", g)
	}
	if !cmp.Equal(g.Profiles[0].Samples, [][]int{{0}, {0, 1}}) || !cmp.Equal(g.Profiles[0].Weights, []int64{1, 2}) || !cmp.Equal(g.Profiles[0].Durations, []int64{10_000_000, 20_000_000}) {
		t.Errorf("stacks %+v", g.Profiles[0])
	}
	if f := g.Shared.Frames[1]; f.Name != "load" || f.File != "load.py" || !f.InApp || g.Shared.Infos[1].SumSelfTime != 20_000_000 || g.Shared.Infos[0].SumDuration != 30_000_000 {
		t.Errorf("frames %+v, %+v", g.Shared.Frames, g.Shared.Infos)
	}

	// Of what is recorded all the time, what was recorded while the transaction
	// ran, on its thread: five samples and the first two of the next chunk.
	g = graph{}
	r.get(flamegraph+"?query=transaction:%22GET+/boots%22", &g)
	if len(g.Profiles) != 1 || !cmp.Equal(g.Profiles[0].Weights, []int64{8}) || len(g.Shared.Profiles) != 2 || g.Shared.Profiles[0].Chunk != strings.Repeat("b", 32) ||
		g.Shared.Profiles[0].Profiler != sentProfiler || g.Shared.Profiles[0].Thread != "1" {
		t.Errorf("recorded: %+v", g)
	}
	g = graph{}
	if r.get(flamegraph+"?dataSource=profiles&query=profiler.id:"+sentProfiler, &g); len(g.Profiles) != 1 || !cmp.Equal(g.Profiles[0].Weights, []int64{30}) {
		t.Errorf("chunks by themselves: %+v", g)
	}
	g = graph{}
	if r.get(flamegraph+"?query=transaction:nothing", &g); len(g.Profiles) != 0 || g.ProjectID == 0 || len(g.Shared.Frames) != 0 {
		t.Errorf("nothing: %+v", g)
	}
	for params, detail := range map[string]string{
		"?query=(": "search term is missing", "?dataSource=x": "is not a valid choice", "?dataSource=functions": "no flamegraphs of single functions",
		"?fingerprint=3": "no flamegraphs of single functions", "?statsPeriod=x": "Invalid statsPeriod",
	} {
		if w := r.api("GET", flamegraph+params, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), detail) {
			t.Errorf("%s: %d %s", params, w.Code, w.Body)
		}
	}
}

func TestProfiles_Chunks(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	sendProfiles(r)
	var out struct {
		Chunk *struct {
			ChunkID  string `json:"chunk_id"`
			Profiler string `json:"profiler_id"`
			Platform string
			Profile  struct {
				Frames  []struct{ Function string }
				Samples []struct{ Timestamp float64 }
			}
		}
	}
	r.get(chunks+"?project=storefront&profiler_id="+sentProfiler+"&start=2026-11-20T11:59:00&end=2026-11-20T11:59:02", &out)
	if c := out.Chunk; c == nil || c.ChunkID != strings.Repeat("a", 32) || c.Profiler != sentProfiler || c.Platform != "node" || len(c.Profile.Frames) != 2 || len(c.Profile.Samples) != 20 {
		t.Errorf("chunk %+v", out)
	}
	if r.get(chunks+"?project=checkout-api&profiler_id="+sentProfiler, &out); out.Chunk != nil {
		t.Errorf("another project has %+v", out.Chunk)
	}
	for params, detail := range map[string]string{
		"?profiler_id=" + sentProfiler: "one project_id", "?project=storefront": "profiler_id must be", "?project=storefront&profiler_id=7": "profiler_id must be",
	} {
		if w := r.api("GET", chunks+params, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), detail) {
			t.Errorf("%s: %d %s", params, w.Code, w.Body)
		}
	}
}

func TestProfiles_Ingest(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	for why, tt := range map[string]struct {
		raw  string
		want int
	}{
		"another format":     {`{"platform":"android","profile_id":"` + sentProfile + `","sampled_profile":"AAAA"}`, 200},
		"a stack of nothing": {strings.Replace(sentChunk('a', 1795175940, 5), `[[0]]`, `[[1]]`, 1), 400},
		"not JSON":           {"x", 400},
	} {
		w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "profile", tt.raw))))
		if w.Code != tt.want {
			t.Errorf("%s: %d %s", why, w.Code, w.Body)
		}
	}
	if got := r.attrsOf("profile"); len(got) > 0 {
		t.Errorf("stored %v", got)
	}
}

func TestProfiles_Bytes(t *testing.T) {
	r := start(t, Options{Empty: true})
	sendProfiles(r)
	var sizes []int64
	rows, err := r.sb.read().Query("SELECT octet_length(attrs) + length(body) FROM item WHERE kind = 'profile' ORDER BY ts DESC")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	if len(sizes) != 4 {
		t.Fatalf("%d profiles", len(sizes))
	}
	for _, keep := range []int{4, 3, 1, 0} {
		var limit int64
		for _, n := range sizes[:keep] {
			limit += n
		}
		r.sb.keepSize = limit
		if err := r.sb.write(t.Context(), func(tx *sql.Tx) error { return r.sb.retainAll(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		if got := r.attrsOf("profile"); len(got) != keep {
			t.Errorf("%d bytes of profiles: %d are kept, want %d", limit, len(got), keep)
		}
	}
}
