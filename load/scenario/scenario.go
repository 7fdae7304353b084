// Package scenario reads the files that say what a run does. A file that does
// not mean anything is refused with its line, and told what would do.
//
// Names and Shipped give those that come with the program; each is also an
// example to begin one's own from.
package scenario

import "time"

// Scenario is one file. Parse puts in the defaults, which the fields tell, so
// that nobody else needs to know them.
type Scenario struct {
	Name  string `yaml:"name"`  // that of the file
	About string `yaml:"about"` // one line

	Users    int   `yaml:"users"`    // who sign in; 1
	Contexts int   `yaml:"contexts"` // URLs in all, spread over the users; as many as users
	Place    Place `yaml:"place"`    // which URLs; project
	Order    Order `yaml:"order"`    // whose turn it is; random
	Era      Era   `yaml:"era"`      // modern

	Arrivals Arrivals `yaml:"arrivals"`
	Warmup   Duration `yaml:"warmup"`   // 2s
	Duration Duration `yaml:"duration"` // 10s; of steps their sum, and a search has none
	Timeout  Duration `yaml:"timeout"`  // of a call; 30s

	Calls       []Call    `yaml:"calls"`   // one of them, by weight; whoami
	Handles     float64   `yaml:"handles"` // share of calls that show a handle of another context; 0.02
	Streams     *Streams  `yaml:"streams"`
	Storm       *Storm    `yaml:"storm"`
	Faults      []Fault   `yaml:"faults"`
	Commands    []Command `yaml:"commands"`
	TokenLife   Duration  `yaml:"token-life"`   // the run refreshes each login so often; 0: when the server says
	Idle        Duration  `yaml:"idle"`         // the run's own server lets go of contexts that nobody asks for so long; 0: as servers do
	SessionIdle Duration  `yaml:"session-idle"` // and of sessions that nobody uses; 0: as servers do
	Sandbox     Sandbox   `yaml:"sandbox"`      // what the run's own sandbox holds
}

// Place is which URLs the contexts have.
type Place string

// The places.
const (
	AtUser    Place = "user"    // /mcp
	AtOrg     Place = "org"     // /mcp/{org}
	AtProject Place = "project" // /mcp/{org}/{project}
	Mixed     Place = "mixed"   // of all three
)

// Order is whose turn it is.
type Order string

// The orders.
const (
	InTurn Order = "turn"
	Random Order = "random"
	Cold   Order = "cold" // each context once: each call is the first of its context
)

// Era is which protocol the clients speak.
type Era string

// The eras.
const (
	Modern Era = "modern"
	Legacy Era = "legacy"
	Both   Era = "both" // every other context each
)

// Duration is one in the form of time.ParseDuration.
type Duration struct{ time.Duration }

// Arrivals say when calls are due. Exactly one of Rate, Ramp, Steps, Search and
// Closed is given.
type Arrivals struct {
	Rate   float64 `yaml:"rate"` // calls per second
	Ramp   *Ramp   `yaml:"ramp"` // from one rate to another over the duration
	Steps  []Step  `yaml:"steps"`
	Search *Search `yaml:"search"` // for the highest rate that meets a bound
	Closed int     `yaml:"closed"` // callers who wait for their answers
	Random bool    `yaml:"random"` // calls come as those of people who know nothing of each other (Poisson), at the same rate; false: evenly
}

// Ramp is a steady rise or fall.
type Ramp struct {
	From float64 `yaml:"from"`
	To   float64 `yaml:"to"`
}

// Step is a rate that is held for a while.
type Step struct {
	Rate float64  `yaml:"rate"`
	For  Duration `yaml:"for"`
}

// Search is for the highest rate at which P99 and Bad are not exceeded.
type Search struct {
	From float64  `yaml:"from"`
	To   float64  `yaml:"to"`
	P99  Duration `yaml:"p99"`
	Bad  float64  `yaml:"bad"`  // share of calls; 0
	Step Duration `yaml:"step"` // how long a rate is tried; 5s
}

// Call is one of a kind that the run makes. Arguments are for a context whose
// URL names both organization and project; elsewhere the harness adds what the
// URL does not say. {issue} in a string stands for an issue of the context,
// {org} and {project} for what the context is in.
type Call struct {
	Tool      string         `yaml:"tool"`      // or
	Method    string         `yaml:"method"`    // one of Methods
	Arguments map[string]any `yaml:"arguments"` // of a method: its params
	Weight    float64        `yaml:"weight"`    // 1
}

// Kind is what the report calls it.
func (c Call) Kind() string {
	if c.Tool != "" {
		return c.Tool
	}
	return c.Method
}

// Streams are kept open beside the calls.
type Streams struct {
	Count   int      `yaml:"count"`
	Trickle Duration `yaml:"trickle"` // a change that they are told of, so often; 0: none
}

// Storm is when clients come back all at once: their connections are cut, and
// each opens again what it had.
type Storm struct {
	Every Duration `yaml:"every"`
	Share float64  `yaml:"share"` // of the clients; 1
}

// Fault is what goes wrong with Sentry for a while.
type Fault struct {
	After Duration `yaml:"after"` // from the end of the warm-up
	For   Duration `yaml:"for"`   // 0: to the end
	Every Duration `yaml:"every"` // again, so often; 0: once
	Rules []Rule   `yaml:"rules"`
}

// Rule is one of the sandbox's fault switch, see sandbox.Fault.
type Rule struct {
	Pattern     string  `yaml:"pattern" json:"pattern,omitempty"`
	Org         string  `yaml:"org" json:"org,omitempty"`
	Probability float64 `yaml:"probability" json:"probability,omitempty"`
	Every       int     `yaml:"every" json:"every,omitempty"`
	DelayMS     int     `yaml:"delayMs" json:"delayMs,omitempty"`
	Status      int     `yaml:"status" json:"status,omitempty"`
	RetryAfter  int     `yaml:"retryAfter" json:"retryAfter,omitempty"`
	HTML        bool    `yaml:"html" json:"html,omitempty"`
	Drop        bool    `yaml:"drop" json:"drop,omitempty"`
}

// Command is run at a chosen moment, to stop, restart or starve what is under
// test. It is not given to a shell; the environment holds ROUNDHOUSE_LOAD_URL
// and, of a server that the run started, ROUNDHOUSE_LOAD_PID. It makes the file a
// program: somebody else's is to be read before it is run.
type Command struct {
	After Duration `yaml:"after"`
	Every Duration `yaml:"every"` // 0: once
	Run   []string `yaml:"run"`
}

// Sandbox is how much the sandbox holds that the run starts: enough for the
// contexts by default. See roundhouse sandbox serve --scale.
type Sandbox struct {
	Orgs     int `yaml:"orgs"`
	Projects int `yaml:"projects"`
	Issues   int `yaml:"issues"`
}
