// Package scrape reads the metrics of a node in the text format of Prometheus.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"roundhouse/load/measure"
)

const (
	timeout = 5 * time.Second
	maxBody = 8 << 20
)

// New returns what looks at the metrics at url. When that is, the caller has to
// note.
func New(url string) func(context.Context) (measure.Sample, error) {
	client := &http.Client{Timeout: timeout}
	return func(ctx context.Context) (measure.Sample, error) {
		s, err := sample(ctx, client, url)
		if err != nil {
			return s, fmt.Errorf("metrics: %w", err)
		}
		return s, nil
	}
}

func sample(ctx context.Context, client *http.Client, url string) (measure.Sample, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return measure.Sample{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return measure.Sample{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return measure.Sample{}, errors.New(resp.Status)
	}
	return Parse(io.LimitReader(resp.Body, maxBody))
}

// Parse reads metrics. What a node does not tell is zero.
func Parse(from io.Reader) (measure.Sample, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(from)
	if err != nil {
		return measure.Sample{}, err
	}
	m := metrics(families)
	heap := m.sum("go_gc_heap_live_bytes") // without garbage, unlike the other
	if heap == 0 {
		heap = m.sum("go_memstats_heap_inuse_bytes")
	}
	return measure.Sample{
		Contexts:      m.sum("roundhouse_contexts"),
		HeapInUse:     heap,
		Resident:      m.sum("process_resident_memory_bytes"),
		Goroutines:    m.sum("go_goroutines"),
		CPU:           m.sum("process_cpu_seconds_total"),
		GCPause:       m.sum("go_gc_duration_seconds"),
		Mailbox:       m.sum("roundhouse_mailbox_messages"),
		Upstream:      m.sum("roundhouse_sentry_requests_total"),
		Activations:   m.sum("roundhouse_activations_total"),
		ActivationP99: m.quantile("roundhouse_activation_own_duration_seconds", 0.99),
	}, nil
}

type metrics map[string]*dto.MetricFamily

// sum adds what there is over all labels; of a summary or a histogram that is
// its sum. What is not a finite number counts for nothing: JSON has none.
func (m metrics) sum(name string) (total float64) {
	for _, one := range m[name].GetMetric() {
		v := one.GetGauge().GetValue() + one.GetCounter().GetValue() + one.GetUntyped().GetValue() +
			one.GetSummary().GetSampleSum() + one.GetHistogram().GetSampleSum()
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			total += v
		}
	}
	return total
}

// quantile is of the first histogram of that name: within a bucket, values are
// taken to be spread evenly, as Prometheus does.
func (m metrics) quantile(name string, q float64) float64 {
	all := m[name].GetMetric()
	if len(all) == 0 || all[0].GetHistogram().GetSampleCount() == 0 {
		return 0
	}
	h := all[0].GetHistogram()
	rank := q * float64(h.GetSampleCount())
	var low, below float64
	for _, b := range h.GetBucket() {
		bound, upTo := b.GetUpperBound(), float64(b.GetCumulativeCount())
		if upTo >= rank && upTo > below {
			if math.IsInf(bound, 1) {
				return low
			}
			return low + (bound-low)*(rank-below)/(upTo-below)
		}
		low, below = bound, upTo
	}
	return low
}
