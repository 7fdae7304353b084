package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scraped is what /metrics said: values by name and labels, histograms by their
// counts and sums.
type scraped struct {
	text   string
	labels map[string][]string // values, of the metrics that are ours
	values map[string]float64
}

func (r *runner) scrape(url string) scraped {
	r.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(resp.Status, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	s := scraped{string(text), map[string][]string{}, map[string]float64{}}
	for name, family := range families {
		for _, m := range family.Metric {
			s.add(name, m)
		}
	}
	return s
}

func (s *scraped) add(name string, m *dto.Metric) {
	values := []string{}
	for _, l := range m.Label {
		values = append(values, l.GetValue())
		if strings.HasPrefix(name, "roundhouse_") {
			s.labels[l.GetName()] = append(s.labels[l.GetName()], l.GetValue())
		}
	}
	id := strings.TrimSpace(name + " " + strings.Join(values, " "))
	if h := m.Histogram; h != nil {
		s.values[id+" count"], s.values[id+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
		return
	}
	s.values[id] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// TestServe_Metrics does some of everything that is counted, and looks whether
// it was.
func TestServe_Metrics(t *testing.T) {
	r := start(t, t.TempDir(), nil, "--metrics-addr", "127.0.0.1:0", "--max-contexts", "2")
	url := r.stderr.find(`Metrics +(http://127\.0\.0\.1:\d+/metrics)`)
	token := r.login(mara, "").token(t)
	for range 3 {
		if err := callWhoami(t.Context(), r.url+"/mcp/acme-outdoors/storefront", token); err != nil {
			t.Fatal(err)
		}
	}
	session := r.session("/acme-outdoors", token)
	defer r.listen(t.Context(), "/acme-outdoors", token).Close()
	if got := r.send(http.MethodDelete, "/globex-labs", token); got != http.StatusServiceUnavailable {
		t.Errorf("a third context: %d", got)
	}
	if got := r.send(http.MethodPost, "/acme-outdoors", "rh_at_nobodys"); got != http.StatusUnauthorized {
		t.Errorf("an unknown token: %d", got)
	}

	got := r.scrape(url)
	for id, want := range map[string]float64{
		"roundhouse_contexts":                              2,
		"roundhouse_contexts_limit":                        2,
		"roundhouse_actors":                                2,
		"roundhouse_activations_total":                     2,
		"roundhouse_activation_failures_total":             0,
		"roundhouse_activation_duration_seconds count":     2,
		"roundhouse_activation_own_duration_seconds count": 2,
		"roundhouse_refusals_total contexts":               1,
		"roundhouse_refusals_total bodies":                 0,
		"roundhouse_sessions":                              1,
		"roundhouse_streams":                               1,
		"roundhouse_watched_resources":                     1,
		"roundhouse_http_requests_in_flight mcp":           0,
		"roundhouse_http_requests_in_flight stream":        1,
		"roundhouse_http_requests_total 4xx mcp":           1,
		"roundhouse_http_requests_total 5xx mcp":           1,
		"roundhouse_http_requests_total 2xx mcp":           5, // three calls, and two messages of the session
		"roundhouse_token_checks_total ok":                 7,
		"roundhouse_token_checks_total refused":            1,
		"roundhouse_oauth_events_total grant ok":           1,
		"roundhouse_oauth_events_total registration ok":    1,
		"roundhouse_sentry_requests_in_flight":             0,
	} {
		if value, ok := got.values[id]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", id, value, ok, want)
		}
	}
	for _, id := range []string{
		"roundhouse_sentry_requests_total 2xx", "roundhouse_sentry_request_duration_seconds count",
		"go_gc_heap_live_bytes", "go_goroutines", "process_resident_memory_bytes", "process_cpu_seconds_total",
	} {
		if got.values[id] <= 0 {
			t.Errorf("%s is %v", id, got.values[id])
		}
	}
	if memory, store := got.values["roundhouse_token_lookups_total memory"], got.values["roundhouse_token_lookups_total store"]; memory+store != 8 || store < 2 {
		t.Errorf("%v tokens were found in memory, %v in the store; want 8 together, and 2 at least there", memory, store)
	}
	if whole, own := got.values["roundhouse_activation_duration_seconds sum"], got.values["roundhouse_activation_own_duration_seconds sum"]; own <= 0 || own >= whole {
		t.Errorf("activations took %v s, without Sentry %v s", whole, own)
	}
	got.discreet(t, token, session)
	r.withoutMetrics(token)
}

// discreet checks that no metric tells of anybody, and none can have more
// labels than are known here.
func (s scraped) discreet(t *testing.T, secrets ...string) {
	t.Helper()
	labels := slices.Sorted(maps.Keys(s.labels))
	if want := []string{"code", "from", "goversion", "kind", "limit", "outcome", "route", "version"}; !slices.Equal(labels, want) {
		t.Errorf("labels %q, want %q", labels, want)
	}
	for _, secret := range append(secrets, "acme", "storefront", "globex", "mara", "/mcp", "rh_", "sandbox/") {
		if strings.Contains(s.text, secret) {
			t.Errorf("the metrics tell %q", secret)
		}
	}
	problems, err := promlint.New(strings.NewReader(s.text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "roundhouse_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// withoutMetrics checks that clients find none, with a token or without.
func (r *runner) withoutMetrics(token string) {
	r.t.Helper()
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/mcp/metrics"} {
		for _, authorization := range []string{"", "Bearer " + token} {
			req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
			if err != nil {
				r.t.Fatal(err)
			}
			req.Header.Set("Authorization", authorization)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				r.t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode < 400 || strings.Contains(string(body), "go_goroutines") {
				r.t.Errorf("GET %s for clients: %s %v\n%.200s", path, resp.Status, err, body)
			}
		}
	}
}

// TestServe_MetricsLast holds a request while the program drains, which can be
// watched until it has ended.
func TestServe_MetricsLast(t *testing.T) {
	r := start(t, t.TempDir(), nil, "--metrics-addr", "127.0.0.1:0")
	url := r.stderr.find(`Metrics +(\S+)`)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\n\r\n{", r.login(mara, "").token(t))
	held := func() bool {
		s := r.scrape(url)
		return s.values["roundhouse_http_requests_in_flight mcp"] == 1 && s.values["roundhouse_request_body_bytes"] == 2
	}
	for deadline := time.Now().Add(10 * time.Second); !held(); {
		if time.Now().After(deadline) {
			t.Fatal("the request is not counted")
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.stop()
	}()
	r.stderr.find(`(draining)`)
	if !held() {
		t.Error("the request is not there while the program drains")
	}
	fmt.Fprint(conn, "}")
	<-ended
	if resp, err := http.Get(url); err == nil {
		resp.Body.Close()
		t.Errorf("%s answers when all is over: %s", url, resp.Status)
	}
}

// TestServe_MetricsDoNotGrow asks for what there is not, in many ways.
func TestServe_MetricsDoNotGrow(t *testing.T) {
	r := start(t, t.TempDir(), nil, "--metrics-addr", "127.0.0.1:0")
	url := r.stderr.find(`Metrics +(\S+)`)
	token := r.login(mara, "").token(t)
	r.send(http.MethodPost, "/acme-outdoors", token)
	before := r.scrape(url)
	for i := range 50 {
		for _, method := range []string{http.MethodPost, http.MethodPut, fmt.Sprint("M", i)} {
			r.send(method, fmt.Sprint("/org-", i), token)
			r.send(method, fmt.Sprint("/../other-", i), token)
			r.send(method, fmt.Sprint("/acme-outdoors/p-", i, "?q=", i), "")
		}
	}
	if after := r.scrape(url); len(after.values) != len(before.values) {
		t.Errorf("%d values have become %d", len(before.values), len(after.values))
	}
}

func TestServe_MetricsAreOff(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	r.stop()
	r.stderr.mu.Lock()
	defer r.stderr.mu.Unlock()
	if said := r.stderr.text.String(); strings.Contains(said, "Metrics ") {
		t.Errorf("there are metrics that nobody asked for:\n%s", said)
	}
}
