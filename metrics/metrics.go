package metrics

import (
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Config is what Metrics are made of. All of it is required.
type Config struct {
	Version string   // of the program
	Routes  []string // all that Begin and End will be told of
	Read    func() Reading
}

// Metrics are those of one program.
type Metrics struct {
	registry *prometheus.Registry

	routes         map[string]*route
	sentry         *upstream
	whole, own     prometheus.Observer
	tokens         map[Check]prometheus.Counter
	authorizations *prometheus.CounterVec
}

// New returns the metrics of this process, in a registry of their own: what a
// library puts into the global one is not told.
func New(cfg Config) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			collectors.MetricsGC, collectors.MetricsScheduler,
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/cpu/classes/gc/total:`)})),
		reader{cfg.Read},
		buildInfo(cfg.Version))
	m.routes = newRoutes(m.registry, cfg.Routes)
	m.sentry = newUpstream(m.registry)
	m.whole = histogram(m.registry, "activation_duration_seconds",
		"How long activations took that succeeded, from the first request of the context, Sentry's answers included.", long)
	m.own = histogram(m.registry, "activation_own_duration_seconds",
		"How long activations took that succeeded, without the wait for Sentry and for a turn to ask it.", short)
	m.tokens = newTokenChecks(m.registry)
	m.authorizations = newAuthorizations(m.registry)
	return m
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1, with the version of the program and of the Go it was built with.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	info.Set(1)
	return info
}

const namespace = "roundhouse"

// Buckets, in seconds: long ones for what waits for Sentry, from half a
// millisecond to half a minute, and short ones for what does not. 1 ms is a
// bound of the latter, because it is what an activation may take.
var (
	long  = prometheus.ExponentialBuckets(0.0005, 2, 17)
	short = []float64{2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1}
)

func histogram(r prometheus.Registerer, name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	r.MustRegister(h)
	return h
}

// Activated notes an activation that took so long, and of that waited for
// Sentry.
func (m *Metrics) Activated(whole, waited time.Duration) {
	m.whole.Observe(whole.Seconds())
	m.own.Observe(max(whole-waited, 0).Seconds())
}
