// Package pace says when calls are due, and makes them then. It knows neither
// MCP nor HTTP.
//
// In the open loop a call is due whether or not those before it have been
// answered, as calls of many independent users are, and its latency counts from
// then. In the closed loop each of a few callers waits for its answer before it
// asks again, which shows how much a server can do and hides how long it stalls.
package pace

import (
	"context"
	"time"

	"roundhouse/load/measure"
)

// Pacer is a plan of when calls are due. It is not changed by use.
type Pacer interface {
	// Due returns when the call n, from 0 on, is due after the beginning; ok is
	// false from the first call on that is not to be made.
	Due(n uint64) (after time.Duration, ok bool)

	// Length is how long the plan is: every call is due before it.
	Length() time.Duration

	// String is the plan in words: "200/s".
	String() string
}

// Source gives the calls. Next is called by one goroutine at a time.
type Source interface {
	Next() Call
}

// Call is one to be made. Do makes it, and returns soon once ctx has ended.
type Call struct {
	Name  string
	First bool // of its context
	Do    func(ctx context.Context) (outcome measure.Outcome, reason string)
}
