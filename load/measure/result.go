package measure

import (
	"fmt"
	"slices"
	"time"
)

// Outcome is how a call ended.
type Outcome uint8

const (
	OK      Outcome = iota // an answer, and the asker's own
	Failed                 // a tool said that it failed (isError), as it should when Sentry is down
	Refused                // the server turned the call away: an HTTP status or a JSON-RPC error
	Lost                   // no answer: the connection broke, or the time was up
	Wrong                  // an answer that is not the asker's. One is too many
)

var outcomeNames = [...]string{OK: "ok", Failed: "failed", Refused: "refused", Lost: "lost", Wrong: "wrong"}

// Outcomes are all there are.
var Outcomes = []Outcome{OK, Failed, Refused, Lost, Wrong}

// String is the name, as in the JSON of a report.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// MarshalText writes the name.
func (o Outcome) MarshalText() ([]byte, error) {
	if int(o) >= len(outcomeNames) {
		return nil, fmt.Errorf("there is no %v", o)
	}
	return []byte(o.String()), nil
}

// UnmarshalText reads a name.
func (o *Outcome) UnmarshalText(text []byte) error {
	i := slices.Index(outcomeNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not an outcome: one of %v", text, outcomeNames)
	}
	*o = Outcome(i)
	return nil
}

// Answered reports whether a tool ran and its answer came, be it that it failed.
// Only then is there a latency worth keeping.
func (o Outcome) Answered() bool { return o == OK || o == Failed }

// Bad reports whether the server is to blame: refused, lost or wrong.
func (o Outcome) Bad() bool { return !o.Answered() }

// NotSent is the Reason of calls that are lost because too many others waited for
// answers until the run's end.
const NotSent = "not sent"

// Result is one call that has ended.
type Result struct {
	Call    string    // what kind of call: a tool's name, "initialize", "tools/list"…; a few dozen in a run
	Due     time.Time // when it should have been sent; latency counts from here
	Sent    time.Time // when it was. Later than Due if the harness or the server fell behind
	Ended   time.Time
	Outcome Outcome
	Reason  string // of an Outcome that is not OK, for counting: "503", "timeout". Short, of a few dozen in a run
	First   bool   // the first of its context, which had to be activated
}

// Latency is from when the call was due until it ended.
func (r Result) Latency() time.Duration { return r.Ended.Sub(r.Due) }
