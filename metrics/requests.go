package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// classes are those of statuses. A request without one has not been answered:
// its client had gone.
var classes = [...]string{"none", "2xx", "3xx", "4xx", "5xx"}

// route is what is known of the requests on one route. It is looked up by name,
// and not by labels, which costs a request next to nothing.
type route struct {
	inFlight prometheus.Gauge
	answered [len(classes)]prometheus.Counter
	took     prometheus.Observer
}

func newRoutes(r prometheus.Registerer, names []string) map[string]*route {
	inFlight := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "http_requests_in_flight", Help: "Requests that are being answered, open streams included."}, []string{"route"})
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "http_requests_total", Help: "Requests by the class of their status; none: the client had gone before there was one."}, []string{"route", "code"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "http_request_duration_seconds", Help: "How long requests took, body and answer included; on the route stream, how long a stream was open.", Buckets: long}, []string{"route"})
	r.MustRegister(inFlight, total, took)

	routes := map[string]*route{}
	for _, name := range names {
		one := &route{inFlight: inFlight.WithLabelValues(name), took: took.WithLabelValues(name)}
		for i, class := range classes {
			one.answered[i] = total.WithLabelValues(name, class)
		}
		routes[name] = one
	}
	return routes
}

// Begin notes that a request is being answered.
func (m *Metrics) Begin(route string) {
	if r := m.routes[route]; r != nil {
		r.inFlight.Inc()
	}
}

// End notes that a request has been answered, with status, or with none.
func (m *Metrics) End(route string, status int, took time.Duration) {
	r := m.routes[route]
	if r == nil {
		return
	}
	r.inFlight.Dec()
	class := status/100 - 1
	if class < 0 || class >= len(classes) {
		class = 0
	}
	r.answered[class].Inc()
	r.took.Observe(took.Seconds())
}
