package actors

import (
	"log/slog"
	"sync/atomic"
)

// Stats is a picture of the node's contexts.
type Stats struct {
	Contexts     int    // in the directory: active, or being activated
	Actors       int    // running actors, those that are just stopping included
	Activations  uint64 // since the start, as the following
	Failures     uint64 // activations that failed, by Sentry's answer or without one
	Passivations uint64
	Refusals     uint64 // requests turned away because something was full or ending
}

// LogValue makes a group of it in a log line.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("live", s.Contexts),
		slog.Uint64("activations", s.Activations),
		slog.Uint64("failures", s.Failures),
		slog.Uint64("passivations", s.Passivations),
		slog.Uint64("refusals", s.Refusals))
}

type counts struct {
	live                                          atomic.Int64
	activations, failures, passivations, refusals atomic.Uint64
}

// Stats returns the numbers as they are now; they are read one by one.
func (n *Node) Stats() Stats {
	return Stats{
		Contexts:     int(n.dir.size.Load()),
		Actors:       int(n.counts.live.Load()),
		Activations:  n.counts.activations.Load(),
		Failures:     n.counts.failures.Load(),
		Passivations: n.counts.passivations.Load(),
		Refusals:     n.counts.refusals.Load(),
	}
}
