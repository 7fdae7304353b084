package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Reading is what the program is doing at one moment.
type Reading struct {
	Contexts      int // in memory
	ContextsLimit int
	Actors        int
	Activating    int   // contexts that ask Sentry whether they may be
	Messages      int64 // in the mailboxes of all actors

	Activations, ActivationFailures, Passivations uint64

	// Refusals counts by the limit that was met. The limits are constants, and
	// those that nobody has met are there.
	Refusals map[string]uint64

	TokensRemembered, TokensAsked uint64 // for, of the database

	Streams, Sessions, Tasks, Watched int

	Events, EventBytes int64 // kept, so that a broken stream can be resumed
	Bodies             int64 // bytes
}

// reader takes a Reading at each scrape.
type reader struct{ read func() Reading }

type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*Reading) float64
}

func gauge(name, help string, of func(*Reading) float64) number {
	return number{desc(name, help), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(*Reading) float64) number {
	return number{desc(name, help), prometheus.CounterValue, of}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var numbers = []number{
	gauge("contexts", "Contexts in memory, those being activated included.", func(r *Reading) float64 { return float64(r.Contexts) }),
	gauge("contexts_limit", "Contexts that may be in memory: --max-contexts.", func(r *Reading) float64 { return float64(r.ContextsLimit) }),
	gauge("contexts_activating", "Contexts that are asking Sentry whether they may be.", func(r *Reading) float64 { return float64(r.Activating) }),
	gauge("actors", "Actors that run, those that are just stopping included.", func(r *Reading) float64 { return float64(r.Actors) }),
	gauge("mailbox_messages", "Messages in the mailboxes of all actors, those being handled included.", func(r *Reading) float64 { return float64(r.Messages) }),
	counter("activations_total", "Contexts that were activated.", func(r *Reading) float64 { return float64(r.Activations) }),
	counter("activation_failures_total", "Contexts that could not be activated: there is none of that name for the caller, or Sentry did not answer.", func(r *Reading) float64 { return float64(r.ActivationFailures) }),
	counter("passivations_total", "Contexts that left memory because nobody used them.", func(r *Reading) float64 { return float64(r.Passivations) }),
	gauge("streams", "Open streams, of all users.", func(r *Reading) float64 { return float64(r.Streams) }),
	gauge("sessions", "MCP sessions of clients from before 2026-07-28.", func(r *Reading) float64 { return float64(r.Sessions) }),
	gauge("tasks_running", "Tasks whose work is under way in this process.", func(r *Reading) float64 { return float64(r.Tasks) }),
	gauge("watched_resources", "MCP resources that are read again and again because a client watches them, once for each context.", func(r *Reading) float64 { return float64(r.Watched) }),
	gauge("events_kept", "Events kept so that clients can resume broken streams.", func(r *Reading) float64 { return float64(r.Events) }),
	gauge("events_kept_bytes", "Size of the events kept so that clients can resume broken streams.", func(r *Reading) float64 { return float64(r.EventBytes) }),
	gauge("request_body_bytes", "Room held for the bodies of requests on MCP URLs that are being answered.", func(r *Reading) float64 { return float64(r.Bodies) }),
}

var (
	refusals = desc("refusals_total", "What was turned away because a limit was met.", "limit")
	lookups  = desc("token_lookups_total", "Access tokens that were found in memory, and those that the database was asked for.", "from")
)

func (c reader) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range numbers {
		ch <- n.desc
	}
	ch <- refusals
	ch <- lookups
}

func (c reader) Collect(ch chan<- prometheus.Metric) {
	r := c.read()
	for _, n := range numbers {
		ch <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(&r))
	}
	ch <- prometheus.MustNewConstMetric(lookups, prometheus.CounterValue, float64(r.TokensRemembered), "memory")
	ch <- prometheus.MustNewConstMetric(lookups, prometheus.CounterValue, float64(r.TokensAsked), "store")
	for _, limit := range slices.Sorted(maps.Keys(r.Refusals)) {
		ch <- prometheus.MustNewConstMetric(refusals, prometheus.CounterValue, float64(r.Refusals[limit]), limit)
	}
}
