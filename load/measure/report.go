package measure

import "time"

// Report is what a run found. It is the JSON that is kept, shown, merged and
// compared.
type Report struct {
	Format   int       `json:"format"` // of this JSON; a reader refuses another than FormatVersion
	Scenario string    `json:"scenario"`
	About    string    `json:"about,omitempty"`
	Target   string    `json:"target"` // "roundhouse", a rival's name, or a URL
	Command  string    `json:"command,omitempty"`
	Machine  Machine   `json:"machine"`
	Began    time.Time `json:"began"`
	Warmup   float64   `json:"warmupSeconds"`
	Seconds  float64   `json:"seconds"`  // that were measured, after the warm-up
	Arrivals string    `json:"arrivals"` // in words: "open, 200/s"
	Users    int       `json:"users"`
	Contexts int       `json:"contexts"`
	Workers  int       `json:"workers"` // reports merged into this one, itself included

	Total       Tally            `json:"total"`
	Calls       map[string]Tally `json:"calls"`       // by kind
	Activations Histogram        `json:"activations"` // first calls of a context, those in the warm-up too
	Late        Histogram        `json:"late"`        // from due to sent: the harness's own delay
	Series      []Window         `json:"series"`

	Canaries Canaries `json:"canaries"`
	Streams  *Streams `json:"streams,omitempty"`
	Moments  []Moment `json:"moments,omitempty"`
	Server   []Sample `json:"server,omitempty"`
	Limit    *Limit   `json:"limit,omitempty"`

	Comparisons []Comparison `json:"comparisons,omitempty"`
}

// FormatVersion is the Format of reports written now.
const FormatVersion = 1

// Machine is where the run was made.
type Machine struct {
	CPUs    int    `json:"cpus"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Go      string `json:"go"`
	Version string `json:"version"` // of Roundhouse
}

// Tally counts calls by their outcome, and their latencies.
type Tally struct {
	Count    uint64            `json:"count"`
	Outcomes map[string]uint64 `json:"outcomes"`          // by Outcome's name
	Reasons  map[string]uint64 `json:"reasons,omitempty"` // of those that are not ok
	Latency  Histogram         `json:"latency"`           // from due to ended, of calls that were answered: ok and failed ones
}

// Window is the calls that were due in one stretch of the run. Windows are of
// equal length, but that the first and the last may be cut.
type Window struct {
	At      float64   `json:"at"` // seconds from the end of the warm-up to its beginning; negative within it
	Seconds float64   `json:"seconds"`
	Count   uint64    `json:"count"`
	Bad     uint64    `json:"bad"` // refused, lost or wrong
	Latency Histogram `json:"latency"`
}

// Canaries are the checks of whose the answers were.
type Canaries struct {
	Checked   uint64            `json:"checked"` // answers compared with their asker
	Marked    uint64            `json:"marked"`  // of these, those that carried the asker's mark
	Wrong     uint64            `json:"wrong"`
	Exchanges []string          `json:"exchanges,omitempty"` // files with what was wrong
	Tried     map[string]uint64 `json:"tried"`               // foreign handles shown, by kind; each was refused or is counted in Wrong
}

// Streams are the open ones and what came over them.
type Streams struct {
	Open          int       `json:"open"`
	Notifications uint64    `json:"notifications"`
	Missed        uint64    `json:"missed"`
	Reopened      uint64    `json:"reopened"`
	Latency       Histogram `json:"latency"` // from the change to its notification
}

// Moment is something that happened to the run, for the plots to show.
type Moment struct {
	At   float64 `json:"at"` // seconds, as in Window
	What string  `json:"what"`
}

// Sample is one look at the node's own metrics. What a node does not tell is
// zero.
type Sample struct {
	At            float64 `json:"at"`
	Contexts      float64 `json:"contexts"`
	HeapInUse     float64 `json:"heapBytes"`
	Resident      float64 `json:"residentBytes"`
	Goroutines    float64 `json:"goroutines"`
	CPU           float64 `json:"cpuSeconds"`           // since the process began
	GCPause       float64 `json:"gcPauseSeconds"`       // since the process began
	Mailbox       float64 `json:"mailbox"`              // messages that wait for actors
	Upstream      float64 `json:"upstreamCalls"`        // to Sentry, since the process began
	Activations   float64 `json:"activations"`          // since the process began
	ActivationP99 float64 `json:"activationP99Seconds"` // Sentry's answer excluded
}

// Limit is what the search for the highest rate found.
type Limit struct {
	Rate  float64     `json:"rate"`  // calls per second that still met the bound
	Bound string      `json:"bound"` // in words
	Steps []LimitStep `json:"steps"`
}

// LimitStep is one rate that the search tried.
type LimitStep struct {
	Rate float64 `json:"rate"`
	P99  float64 `json:"p99Seconds"`
	Bad  float64 `json:"badShare"`
	Held bool    `json:"held"`
}

// Comparison sets one design against another, in turns on one machine.
type Comparison struct {
	Ours   string  `json:"ours"`
	Theirs string  `json:"theirs"`
	What   string  `json:"what"` // the scenario, in words
	Rounds []Round `json:"rounds"`
}

// Round is one alternation: both sides, one after the other.
type Round struct {
	Ours   Side `json:"ours"`
	Theirs Side `json:"theirs"`
}

// Side is what one server did in one round.
type Side struct {
	Throughput float64 `json:"throughput"` // answered calls per second, closed loop
	P50        float64 `json:"p50Seconds"` // open loop, at one rate for both
	P99        float64 `json:"p99Seconds"`
	CPU        float64 `json:"cpuSecondsPerCall"` // of the server's process
	Bad        uint64  `json:"bad"`
}
