package actors

import (
	"log/slog"
	"sync/atomic"

	"roundhouse/transport"
)

// Stats is a picture of the node's contexts.
type Stats struct {
	Contexts     int    // in the directory: active, or being activated
	Actors       int    // running actors, those that are just stopping included
	Building     int    // activations that ask Sentry
	Messages     int64  // in the mailboxes of all actors, those being handled included
	Activations  uint64 // since the start, as the following
	Failures     uint64 // activations that failed, by Sentry's answer or without one
	Passivations uint64
	Refusals     uint64 // requests turned away because something was full or ending

	Transport transport.Stats
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
	live                                atomic.Int64
	activations, failures, passivations atomic.Uint64
	refusals                            [refusals]atomic.Uint64
}

// Stats returns the numbers as they are now; they are read one by one.
func (n *Node) Stats() Stats {
	s := Stats{
		Contexts:     int(n.dir.size.Load()),
		Actors:       int(n.counts.live.Load()),
		Building:     len(n.building),
		Messages:     n.mail.waiting.Load(),
		Activations:  n.counts.activations.Load(),
		Failures:     n.counts.failures.Load(),
		Passivations: n.counts.passivations.Load(),
		Transport:    n.cfg.Transport.Users.Stats(),
	}
	for _, refused := range n.Refusals() {
		s.Refusals += refused
	}
	return s
}

// Refusals counts the requests turned away since the start by the limit that they
// met. Limits that nobody has met are there, with zero.
func (n *Node) Refusals() map[string]uint64 {
	all := map[string]uint64{}
	for r, text := range refusalTexts {
		if text.limit != "" {
			all[text.limit] = n.counts.refusals[r].Load()
		}
	}
	return all
}
