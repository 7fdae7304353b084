package scrape

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

const told = `# HELP roundhouse_contexts Contexts in memory.
# TYPE roundhouse_contexts gauge
roundhouse_contexts 3
# TYPE go_gc_heap_live_bytes gauge
go_gc_heap_live_bytes 1.5e+06
# TYPE go_memstats_heap_inuse_bytes gauge
go_memstats_heap_inuse_bytes 9e+06
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 2e+07
# TYPE go_goroutines gauge
go_goroutines 12
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.25
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1e-05
go_gc_duration_seconds_sum 0.002
go_gc_duration_seconds_count 7
# TYPE roundhouse_mailbox_messages gauge
roundhouse_mailbox_messages NaN
# TYPE roundhouse_sentry_requests_total counter
roundhouse_sentry_requests_total{outcome="2xx"} 40
roundhouse_sentry_requests_total{outcome="5xx"} 2
# TYPE roundhouse_activations_total counter
roundhouse_activations_total 4
# TYPE roundhouse_activation_own_duration_seconds histogram
roundhouse_activation_own_duration_seconds_bucket{le="0.001"} 98
roundhouse_activation_own_duration_seconds_bucket{le="0.003"} 100
roundhouse_activation_own_duration_seconds_bucket{le="+Inf"} 100
roundhouse_activation_own_duration_seconds_sum 0.05
roundhouse_activation_own_duration_seconds_count 100
`

func TestParse(t *testing.T) {
	want := measure.Sample{Contexts: 3, HeapInUse: 1.5e6, Resident: 2e7, Goroutines: 12, CPU: 1.25, GCPause: 0.002,
		Upstream: 42, Activations: 4, ActivationP99: 0.002}
	for why, tt := range map[string]struct {
		text string
		want measure.Sample
		err  bool
	}{
		"a node":            {told, want, false},
		"another program":   {"# TYPE up gauge\nup 1\n", measure.Sample{}, false},
		"no live heap":      {"# TYPE go_memstats_heap_inuse_bytes gauge\ngo_memstats_heap_inuse_bytes 9\n", measure.Sample{HeapInUse: 9}, false},
		"nothing activated": {"# TYPE roundhouse_activation_own_duration_seconds histogram\nroundhouse_activation_own_duration_seconds_bucket{le=\"+Inf\"} 0\nroundhouse_activation_own_duration_seconds_count 0\n", measure.Sample{}, false},
		"beyond all bounds": {"# TYPE roundhouse_activation_own_duration_seconds histogram\nroundhouse_activation_own_duration_seconds_bucket{le=\"0.5\"} 1\nroundhouse_activation_own_duration_seconds_bucket{le=\"+Inf\"} 9\nroundhouse_activation_own_duration_seconds_count 9\n", measure.Sample{ActivationP99: 0.5}, false},
		"a page":            {"<html>", measure.Sample{}, true},
	} {
		got, err := Parse(strings.NewReader(tt.text))
		if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != tt.err {
			t.Errorf("%s: %v (-want +got)\n%s", why, err, diff)
		}
	}
}

func TestNew(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(told))
	}))
	defer srv.Close()
	look := New(srv.URL)
	if got, err := look(t.Context()); got.Contexts != 3 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	status = http.StatusServiceUnavailable
	if _, err := look(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a 503: %v", err)
	}
}
