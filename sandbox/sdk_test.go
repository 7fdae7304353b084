package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
	attr "github.com/getsentry/sentry-go/attribute"

	"roundhouse/sandbox/payload"
)

// wire is a sandbox that SDKs reach over HTTP. It notes the types of what they
// send, and fails the test when that is not taken.
type wire struct {
	*runner
	dsn string

	mu   sync.Mutex
	sent map[string]bool
}

// startWire has the real clock: that of an SDK cannot be set.
func startWire(t *testing.T, project string) *wire {
	t.Helper()
	sb, err := New(t.Context(), Options{Empty: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	s := &wire{runner: (&runner{T: t, sb: sb}).as(mara, reading...), sent: map[string]bool{}}
	server := httptest.NewServer(http.StripPrefix("/sub", s))
	t.Cleanup(server.Close)
	if err := sb.SetBaseURL(server.URL + "/sub"); err != nil {
		t.Fatal(err)
	}
	if s.dsn, err = sb.DSN(t.Context(), "acme-outdoors", project); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *wire) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // a browser sends to its last moment, and a little too long
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := s.send(req)
	if req.Context().Err() != nil {
		return
	}
	if answer.Code != http.StatusOK {
		s.Errorf("%s %s = %d %s", req.Method, req.URL.Path, answer.Code, answer.Body)
	}
	if req.Method == http.MethodPost {
		s.note(req.Header.Get("Content-Encoding"), body)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	if _, err := w.Write(answer.Body.Bytes()); err != nil {
		s.Errorf("answer: %v", err)
	}
}

func (s *wire) note(encoding string, body []byte) {
	plain, err := decoder(encoding, bytes.NewReader(body))
	if err != nil {
		s.Errorf("decode: %v", err)
		return
	}
	raw, err := io.ReadAll(plain)
	if err != nil {
		s.Errorf("decode: %v", err)
	}
	env, err := payload.ParseEnvelope(raw)
	if err != nil {
		s.Errorf("parse: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range env.Items {
		s.sent[item.Kind] = true
	}
}

func (s *wire) checkSent(kinds ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range kinds {
		if !s.sent[kind] {
			s.Errorf("no %s was sent, but %v", kind, slices.Sorted(maps.Keys(s.sent)))
		}
	}
}

// only searches a dataset for what has to be there once.
func (s *wire) only(dataset, query string, fields ...string) map[string]any {
	s.Helper()
	var out struct{ Data []map[string]any }
	s.get("/organizations/acme-outdoors/events/?"+url.Values{"dataset": {dataset}, "query": {query}, "field": fields}.Encode(), &out)
	if len(out.Data) != 1 {
		s.Errorf("%s: %s finds %v, want one", dataset, query, out.Data)
		return nil
	}
	return out.Data[0]
}

// checkBadDay looks for what testdata/sdks/shop.mjs tells, as a person would
// who was told of it.
func (s *wire) checkBadDay(id, release string) {
	s.Helper()
	found := s.issues("is:unresolved shelf:tents out of tents")
	if len(found) != 1 || !strings.HasSuffix(found[0].Title, "out of tents") {
		s.Fatalf("issues %+v, want one", found)
	}
	s.checkEvent(found[0].ShortID, id, release)

	failure := s.only("errors", `environment:staging stack.function:*takeFromShelf`, "id", "trace")
	span := s.only("spans", `span.op:db.query transaction:"GET /tents"`, "span.description", "trace", "release")
	line := s.only("logs", `severity:warn "few tents"`, "message", "left", "trace", "environment")
	if failure["id"] != id || span["span.description"] != "SELECT * FROM tents" || span["release"] != release ||
		line["message"] != "few tents left" || line["left"] != 2.0 || line["environment"] != "staging" {
		s.Errorf("error %v, span %v, log %v", failure, span, line)
	}
	if failure["trace"] != span["trace"] || line["trace"] != span["trace"] {
		s.Errorf("error %v, span %v and log %v are not of one trace", failure, span, line)
	}
	s.only("spans", `is_transaction:true span.op:http.server`, "transaction")
	s.checkMetrics(span["trace"])
}

// checkMetrics looks for what was counted and measured that day, in the trace.
func (s *wire) checkMetrics(trace any) {
	s.Helper()
	orders := s.only("tracemetrics", `metric.name:orders shelf:tents environment:staging`, "metric.type", "value", "trace")
	tents := s.only("tracemetrics", `metric.type:gauge tents`, "metric.name", "value", "trace")
	total := s.only("tracemetrics", `order.total value:>200 metric.unit:euro`, "metric.type", "value", "trace")
	if orders["metric.type"] != "counter" || orders["value"] != 1.0 || tents["metric.name"] != "tents" || tents["value"] != 2.0 ||
		total["metric.type"] != "distribution" || total["value"] != 240.5 {
		s.Errorf("orders %v, tents %v, total %v", orders, tents, total)
	}
	if orders["trace"] != trace || tents["trace"] != trace || total["trace"] != trace {
		s.Errorf("orders %v, tents %v and total %v are not of the trace %v", orders, tents, total, trace)
	}
	sums := s.only("tracemetrics", "", "environment", "sum(value,orders,counter,-)", "p95(value,order.total,distribution,euro)")
	if sums["sum(value,orders,counter,-)"] != 1.0 || sums["p95(value,order.total,distribution,euro)"] != 240.5 {
		s.Errorf("sums %v", sums)
	}
}

// checkRun looks for the cron job of the day.
func (s *wire) checkRun() {
	s.Helper()
	var monitors []struct{ Slug string }
	s.get("/organizations/acme-outdoors/monitors/?query=tents", &monitors)
	if len(monitors) != 1 || monitors[0].Slug != "count-tents" {
		s.Fatalf("monitors %+v, want count-tents", monitors)
	}
	var runs []struct {
		Status, Environment string
		Duration            int
	}
	s.get("/organizations/acme-outdoors/monitors/count-tents/checkins/", &runs)
	if len(runs) != 1 || runs[0].Status != "error" || runs[0].Environment != "staging" || runs[0].Duration != 1500 {
		s.Errorf("check-ins %+v, want one that failed after 1.5 s", runs)
	}
}

// checkEvent reads the event's stack, breadcrumbs, tags and release.
func (s *wire) checkEvent(issue, id, release string) {
	s.Helper()
	var ev struct {
		Entries []struct {
			Type string
			Data struct {
				Values []struct {
					Message    string
					Stacktrace struct{ Frames []struct{ Function string } }
				}
			}
		}
		Tags    []struct{ Key, Value string }
		Release struct{ Version string }
	}
	s.get("/organizations/acme-outdoors/issues/"+issue+"/events/"+id+"/", &ev)
	var frame, crumb bool
	for _, entry := range ev.Entries {
		for _, v := range entry.Data.Values {
			crumb = crumb || entry.Type == "breadcrumbs" && v.Message == "opened the shop"
			for _, f := range v.Stacktrace.Frames {
				frame = frame || entry.Type == "exception" && strings.HasSuffix(f.Function, "takeFromShelf")
			}
		}
	}
	if !frame || !crumb || ev.Release.Version != release || !slices.Contains(ev.Tags, struct{ Key, Value string }{"shelf", "tents"}) {
		s.Errorf("event %+v", ev)
	}
}

// checkReplay looks for what the user of the page did.
func (s *wire) checkReplay(id, event string) {
	s.Helper()
	found := s.replays("count_rage_clicks:1 rage.selector:*button#pay environment:staging shelf:tents url:*page.html* browser.name:Chrome")
	if len(found) != 1 || found[0]["id"] != id || !slices.Contains(found[0]["error_ids"].([]any), any(event)) {
		s.Fatalf("replays %v, want %s with the error %s", found, id, event)
	}
	raw := s.api("GET", "/projects/acme-outdoors/storefront/replays/"+id+"/recording-segments/?download=true", "").Body.String()
	if !strings.HasPrefix(raw, "[[") || strings.Contains(raw, "hunter2") || !strings.Contains(raw, "Bergen") {
		s.Errorf("recording %.2000s", raw)
	}
	var count map[string]int
	issue := s.issues("is:unresolved out of tents")[0].ID
	if s.get("/organizations/acme-outdoors/replay-count/?query=issue.id:"+issue, &count); count[issue] != 1 {
		s.Errorf("replays of the issue: %v", count)
	}
}

// checkHealth asks how the release goes: one session had the error, and none
// crashed. A server has one more, a request.
func (s *wire) checkHealth(release string, server bool) {
	s.Helper()
	var got struct {
		Groups []struct{ Totals map[string]float64 }
	}
	s.get("/organizations/acme-outdoors/sessions/?field=sum(session)&field=crash_free_rate(session)&statsPeriod=24h&query=release:"+release+"+environment:staging", &got)
	want := 1.0
	if server {
		want = 2
	}
	if len(got.Groups) != 1 || got.Groups[0].Totals["sum(session)"] != want || got.Groups[0].Totals["crash_free_rate(session)"] != 1 {
		s.Errorf("sessions %+v, want %v without a crash", got.Groups, want)
	}
	var one struct {
		Projects []struct {
			HealthData struct{ SessionsErrored, CrashFreeSessions float64 }
		}
	}
	s.get("/organizations/acme-outdoors/releases/"+release+"/?health=1", &one)
	if h := one.Projects[0].HealthData; h.SessionsErrored != 1 || h.CrashFreeSessions != 100 {
		s.Errorf("health %+v", h)
	}
}

// checkProfile looks for what the page spent its time on.
func (s *wire) checkProfile() {
	s.Helper()
	s.only("profiles", `platform.name:javascript has:profiler.id`, "environment", "count()")
	var g graph
	s.get("/organizations/acme-outdoors/profiling/flamegraph/?project=storefront&query=transaction:%22count+shelves%22", &g)
	for i, f := range g.Shared.Frames {
		if f.Name == "countShelves" {
			if spent := time.Duration(g.Shared.Infos[i].SumDuration); spent < 300*time.Millisecond || spent > 10*time.Second {
				s.Errorf("the page counted shelves for %s", spent)
			}
			return
		}
	}
	s.Errorf("nothing counts shelves: %+v", g)
}

func takeFromShelf(hub *sentry.Hub) *sentry.EventID {
	return hub.CaptureException(errors.New("out of tents"))
}

// TestSDK_Go tells the day that testdata/sdks/shop.mjs tells. The SDK for Go
// has no feedback.
func TestSDK_Go(t *testing.T) {
	s := startWire(t, "checkout-api")
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: s.dsn, Release: "checkout-api@9", Environment: "staging",
		AttachStacktrace: true, EnableTracing: true, TracesSampleRate: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	hub := sentry.NewHub(client, sentry.NewScope())
	hub.Scope().SetTag("shelf", "tents")
	hub.AddBreadcrumb(&sentry.Breadcrumb{Message: "opened the shop"}, nil)
	span := sentry.StartTransaction(sentry.SetHubOnContext(t.Context(), hub), "GET /tents", sentry.WithOpName("http.server"))
	span.StartChild("db.query", sentry.WithDescription("SELECT * FROM tents")).Finish()
	sentry.NewLogger(span.Context()).Warn().Int("left", 2).Emit("few tents left")
	meter := sentry.NewMeter(span.Context())
	meter.Count("orders", 1, sentry.WithAttributes(attr.String("shelf", "tents")))
	meter.Gauge("tents", 2)
	meter.Distribution("order.total", 240.5, sentry.WithUnit("euro"))
	id := takeFromShelf(hub)
	span.Finish()
	checkIn := sentry.CheckIn{MonitorSlug: "count-tents", Status: sentry.CheckInStatusInProgress}
	checkIn.ID = *hub.CaptureCheckIn(&checkIn, &sentry.MonitorConfig{Schedule: sentry.CrontabSchedule("0 3 * * *")})
	checkIn.Status, checkIn.Duration = sentry.CheckInStatusError, 1500*time.Millisecond
	hub.CaptureCheckIn(&checkIn, nil)
	if id == nil || !client.Flush(30*time.Second) {
		t.Fatal("the SDK could not send")
	}
	s.checkSent("event", "transaction", "log", "trace_metric", "check_in")
	s.checkBadDay(string(*id), "checkout-api@9")
	s.checkRun()
}

// TestSDK_GoCheckIns: jobs of several monitors that nobody has set up run at the
// same time, each many times over, and every run is told of.
func TestSDK_GoCheckIns(t *testing.T) {
	s := startWire(t, "checkout-api")
	const monitors, runs = 5, 8
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: s.dsn, Environment: "staging", Transport: sentry.NewHTTPSyncTransport()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	job := func(monitor, n int) {
		hub := sentry.NewHub(client, sentry.NewScope())
		config := &sentry.MonitorConfig{Schedule: sentry.IntervalSchedule(1, sentry.MonitorScheduleUnitHour), MaxRuntime: 10}
		run := sentry.CheckIn{MonitorSlug: fmt.Sprint("job-", monitor), Status: sentry.CheckInStatusInProgress}
		run.ID = *hub.CaptureCheckIn(&run, config)
		if run.Status = sentry.CheckInStatusOK; n == runs-1 {
			run.Status = sentry.CheckInStatusError
		}
		run.Duration = time.Duration(n+1) * time.Second
		hub.CaptureCheckIn(&run, config)
	}
	var jobs sync.WaitGroup
	for i := range monitors * (runs - 1) {
		jobs.Go(func() { job(i%monitors, i/monitors) })
	}
	jobs.Wait()
	for i := range monitors { // a run that fails before later ones end well is no news
		jobs.Go(func() { job(i, runs-1) })
	}
	jobs.Wait()
	var known []struct{ Slug string }
	if s.get("/organizations/acme-outdoors/monitors/", &known); len(known) != monitors {
		t.Fatalf("monitors %+v, want %d", known, monitors)
	}
	for _, m := range known {
		var told []struct {
			Status, Environment string
			Duration            int
		}
		s.get("/organizations/acme-outdoors/monitors/"+m.Slug+"/checkins/", &told)
		durations := map[int]string{}
		for _, run := range told {
			durations[run.Duration] = run.Status
		}
		if len(told) != runs || len(durations) != runs || durations[1000] != "ok" || durations[1000*runs] != "error" {
			t.Errorf("%s: check-ins %+v, want %d that ended, the last in error", m.Slug, told, runs)
		}
	}
	if failed := s.issues("is:unresolved issue.category:cron"); len(failed) != monitors {
		t.Errorf("issues %+v, want one of each monitor", failed)
	}
}

// TestSDK_JavaScript lets the SDKs for Node and for browsers tell it.
func TestSDK_JavaScript(t *testing.T) {
	if os.Getenv("ROUNDHOUSE_REAL_SDKS") == "" {
		t.Skip("needs Chromium, Node and packages from npm: .ci/sdks installs them and runs this test")
	}
	files := http.FileServer(http.Dir(filepath.Join("testdata", "sdks")))
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Document-Policy", "js-profiling")
		files.ServeHTTP(w, req)
	}))
	defer pages.Close()
	for _, sdk := range []string{"node", "browser"} {
		program := filepath.Join(t.TempDir(), "first.mjs")
		writeFile(t, program, []byte(Snippet(sdk, "http://key@127.0.0.1:8080/1")))
		node(t, "--check", program)
	}
	tests := []struct {
		name string
		args func(dsn string) []string
		sent []string // beyond what all send
	}{
		{"Node10", func(dsn string) []string { return []string{"node.mjs", "sentry-node-10", dsn} }, []string{"transaction", "check_in", "sessions"}},
		{"Node11", func(dsn string) []string { return []string{"node.mjs", "sentry-node-11", dsn} }, []string{"span", "check_in", "sessions"}},
		{"Browser", func(dsn string) []string {
			return []string{"browser.mjs", pages.URL + "/page.html?dsn=" + url.QueryEscape(dsn)}
		}, []string{"span", "replay_event", "replay_recording", "profile_chunk"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startWire(t, "storefront")
			id, replay, recorded := strings.Cut(node(t, tt.args(s.dsn)...), " ")
			s.checkSent(append(tt.sent, "event", "log", "trace_metric", "feedback", "session")...)
			s.checkBadDay(id, "storefront@9")
			if said := s.issues("issue.category:feedback shelf:tents user.email:ann@example.test"); len(said) != 1 ||
				!strings.HasSuffix(said[0].Title, "I wanted a tent") {
				s.Errorf("feedback %+v, want one", said)
			}
			if slices.Contains(tt.sent, "check_in") {
				s.checkRun()
			}
			if recorded {
				s.checkReplay(replay, id)
				s.checkProfile()
			}
			s.checkHealth("storefront@9", slices.Contains(tt.sent, "sessions"))
		})
	}
}

// node runs a program of testdata/sdks with the Node that is installed there,
// and returns the line it prints.
func node(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join("testdata", "sdks")
	program, err := filepath.Abs(filepath.Join(dir, "node_modules", "node", "bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir()) // Chromium writes there
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s\n%.4000s", args[0], err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
