package metrics

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// used is a program that has done something of everything.
func used() *Metrics {
	m := New(Config{Version: "1.2.3", Routes: []string{"mcp", "health"}, Read: func() Reading {
		return Reading{
			Contexts: 1, ContextsLimit: 2, Activating: 3, Actors: 4, Messages: 5, Activations: 6, ActivationFailures: 7, Passivations: 8,
			Streams: 9, Sessions: 10, Tasks: 11, Watched: 12, Events: 13, EventBytes: 14, Bodies: 15, TokensRemembered: 17, TokensAsked: 18,
			Refusals: map[string]uint64{"contexts": 16, "bodies": 0},
		}
	}})
	m.Activated(2*time.Second, 2*time.Second-time.Millisecond)
	m.Begin("mcp")
	m.Begin("mcp")
	m.End("mcp", http.StatusNotFound, time.Millisecond)
	m.Begin("nowhere")
	m.End("nowhere", http.StatusOK, time.Second)
	m.TokenChecked(TokenRefused)
	m.Authorized("grant", "ok")
	return m
}

// ours are the metrics that no library has made.
func ours(t *testing.T, m *Metrics) (families []*dto.MetricFamily) {
	t.Helper()
	all, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if strings.HasPrefix(family.GetName(), namespace) {
			families = append(families, family)
		}
	}
	return families
}

// value is that of a counter or gauge.
func value(t *testing.T, metric prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func TestMetrics_Lint(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(ours(t, used())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

var update = flag.Bool("update", false, "rewrite testdata")

// TestMetrics_Ours compares what is told of the program itself with a file that
// operators, and whoever reads the metrics by a program, can rely on.
func TestMetrics_Ours(t *testing.T) {
	var b strings.Builder
	for _, family := range ours(t, used()) {
		if family.GetName() == namespace+"_build_info" {
			continue // tells the version of Go
		}
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			t.Fatal(err)
		}
	}
	const file = "testdata/ours.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type answer func(*http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

type slow struct{ error }

func (slow) Timeout() bool { return true }

func TestMetrics_Sentry(t *testing.T) {
	status := func(code int) answer {
		return func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: code}, nil }
	}
	fails := func(err error) answer {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	for _, tt := range []struct {
		next answer
		want string
	}{
		{status(200), "2xx"},
		{status(304), "3xx"},
		{status(404), "4xx"},
		{status(429), "429"},
		{status(502), "5xx"},
		{fails(errors.New("no route to host")), "network"},
		{fails(&url.Error{Op: "Get", Err: context.DeadlineExceeded}), "timeout"},
		{fails(&url.Error{Op: "Get", Err: slow{errors.New("i/o timeout")}}), "timeout"},
		{fails(&url.Error{Op: "Get", Err: context.Canceled}), "canceled"},
	} {
		m := New(Config{Read: func() Reading { return Reading{} }})
		within := 0.0
		transport := m.Sentry(answer(func(r *http.Request) (*http.Response, error) {
			within = value(t, m.sentry.inFlight)
			return tt.next(r)
		}))
		r := httptest.NewRequest(http.MethodGet, "https://sentry.example.com/api/0/", nil)
		resp, err := transport.RoundTrip(r)
		if (resp == nil) == (err == nil) {
			t.Errorf("%s: answered %v, %v", tt.want, resp, err)
		}
		for outcome, n := range m.sentry.outcomes {
			if got := value(t, n) == 1; got != (outcome == tt.want) {
				t.Errorf("%s: outcome %s is %v", tt.want, outcome, got)
			}
		}
		if left := value(t, m.sentry.inFlight); within != 1 || left != 0 {
			t.Errorf("%s: %v in flight meanwhile, %v afterwards", tt.want, within, left)
		}
	}
}

func TestMetrics_Handler(t *testing.T) {
	get := func(h http.Handler, method, host, path string) (int, string) {
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		return w.Code, string(body)
	}
	m := used()
	for _, tt := range []struct {
		onLoopback         bool
		method, host, path string
		want               int
		part               string
	}{
		{true, "GET", "127.0.0.1:9464", "/metrics", 200, "roundhouse_contexts 1\n"},
		{true, "GET", "localhost:9464", "/metrics", 200, `roundhouse_build_info{goversion="go`},
		{true, "GET", "[::1]:9464", "/metrics", 200, "go_gc_heap_live_bytes "},
		{true, "GET", "evil.example", "/metrics", 421, "loopback"},
		{true, "GET", "evil.example:9464", "/debug/pprof/heap", 421, "loopback"},
		{true, "POST", "localhost", "/metrics", 405, ""},
		{true, "GET", "localhost", "/", 404, ""},
		{true, "GET", "localhost", "/debug/pprof/", 200, "goroutine"},
		{true, "GET", "localhost", "/debug/pprof/goroutine?debug=1", 200, "TestMetrics_Handler"},
		{true, "GET", "localhost", "/debug/pprof/heap?gc=1&debug=1", 200, "heap profile"},
		{true, "GET", "localhost", "/debug/pprof/cmdline", 404, ""},
		{false, "GET", "node-1.internal:9464", "/metrics", 200, "process_resident_memory_bytes "},
	} {
		code, body := get(m.Handler(tt.onLoopback), tt.method, tt.host, tt.path)
		if code != tt.want || !strings.Contains(body, tt.part) {
			t.Errorf("%s %s at %s: %d without %q:\n%.300s", tt.method, tt.path, tt.host, code, tt.part, body)
		}
	}
}

// newCall returns what the metrics do in a call that asks Sentry once.
func newCall() func() {
	m := used()
	resp := &http.Response{StatusCode: http.StatusOK}
	sentry := m.Sentry(answer(func(*http.Request) (*http.Response, error) { return resp, nil }))
	r := httptest.NewRequest(http.MethodGet, "https://sentry.example.com/api/0/", nil)
	return func() {
		begin := time.Now()
		m.Begin("mcp")
		m.TokenChecked(TokenKnown)
		_, _ = sentry.RoundTrip(r)
		m.End("mcp", http.StatusOK, time.Since(begin))
	}
}

func TestMetrics_AllocateNothing(t *testing.T) {
	if got := testing.AllocsPerRun(100, newCall()); got != 0 {
		t.Errorf("%v allocations a call", got)
	}
}

func BenchmarkMetrics_call(b *testing.B) {
	call := newCall()
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}
