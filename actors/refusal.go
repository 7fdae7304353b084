package actors

import (
	"time"

	"roundhouse/constraint"
)

// refusal is why a request is turned away: which limit it has met.
type refusal int

const (
	none refusal = iota
	ending
	fullNode
	fullContext
	fullStreams
	fullWaiting
	fullOpening
	fullBuilding
	handover
	refusals // how many there are
)

// limit is its name in the metrics, reason what the client is told.
var refusalTexts = [refusals]struct{ limit, reason string }{
	ending:       {"shutdown", "the server is shutting down"},
	fullNode:     {"contexts", "this server holds as many contexts as it may"},
	fullContext:  {"context_requests", "too many requests at once in this context"},
	fullStreams:  {"context_streams", "too many open streams in this context"},
	fullWaiting:  {"context_waiting", "too many requests wait for this context"},
	fullOpening:  {"user_opening", "too many contexts of this user are being opened at once"},
	fullBuilding: {"opening", "too many contexts are being opened at once"},
	handover:     {"handover", "the context is changing hands"},
}

func (n *Node) refuse(r refusal) *constraint.UnavailableError {
	n.counts.refusals[r].Add(1)
	return &constraint.UnavailableError{Reason: refusalTexts[r].reason, RetryAfter: time.Second}
}
