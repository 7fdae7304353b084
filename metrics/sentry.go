package metrics

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// upstream is what is known of the calls to Sentry.
type upstream struct {
	inFlight prometheus.Gauge
	outcomes map[string]prometheus.Counter
	took     prometheus.Observer
}

func newUpstream(r prometheus.Registerer) *upstream {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "sentry_requests_total", Help: "Requests to Sentry, each attempt of a call, by what came of it; canceled: whoever asked had gone."}, []string{"outcome"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "sentry_requests_in_flight", Help: "Requests that Sentry has not begun to answer."})
	r.MustRegister(total, inFlight)
	u := &upstream{
		inFlight: inFlight,
		outcomes: map[string]prometheus.Counter{},
		took:     histogram(r, "sentry_request_duration_seconds", "How long it took until Sentry began to answer, or did not.", long),
	}
	for _, outcome := range []string{"2xx", "3xx", "4xx", "429", "5xx", "timeout", "network", "canceled"} {
		u.outcomes[outcome] = total.WithLabelValues(outcome)
	}
	return u
}

// Sentry returns a RoundTripper that notes what comes of the requests that next
// sends to Sentry.
func (m *Metrics) Sentry(next http.RoundTripper) http.RoundTripper {
	return measured{m.sentry, next}
}

type measured struct {
	*upstream
	next http.RoundTripper
}

func (t measured) RoundTrip(r *http.Request) (*http.Response, error) {
	begin := time.Now()
	t.inFlight.Inc()
	defer t.inFlight.Dec()
	resp, err := t.next.RoundTrip(r)
	t.took.Observe(time.Since(begin).Seconds())
	t.outcomes[outcome(resp, err)].Inc()
	return resp, err
}

// CloseIdleConnections lets http.Client find what it looks for in a transport.
func (t measured) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

func outcome(resp *http.Response, err error) string {
	switch {
	case err != nil:
		return failure(err)
	case resp.StatusCode == http.StatusTooManyRequests:
		return "429"
	case resp.StatusCode < 300:
		return "2xx"
	case resp.StatusCode < 400:
		return "3xx"
	case resp.StatusCode < 500:
		return "4xx"
	}
	return "5xx"
}

func failure(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "network"
}
