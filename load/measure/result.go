package measure

import "time"

// Outcome is how a call ended.
type Outcome uint8

const (
	OK      Outcome = iota // an answer, and the asker's own
	Failed                 // a tool said that it failed (isError), as it should when Sentry is down
	Refused                // the server turned the call away: an HTTP status or a JSON-RPC error
	Lost                   // no answer: the connection broke, or the time was up
	Wrong                  // an answer that is not the asker's. One is too many
)

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
