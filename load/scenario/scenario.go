// Package scenario reads the files that say what a run does. A file that does
// not mean anything is refused with the line and what would do.
package scenario

import "time"

// Scenario is one file. Zero values mean what the fields tell.
type Scenario struct {
	Name  string `yaml:"name"`
	About string `yaml:"about"` // one line

	Users    int    `yaml:"users"`    // who sign in; 1
	Contexts int    `yaml:"contexts"` // URLs in all, spread over the users; 1
	Place    Place  `yaml:"place"`    // which URLs: user, org, project or mixed; project
	Order    Order  `yaml:"order"`    // whose turn it is: turn, random or cold; random
	Era      string `yaml:"era"`      // modern, legacy or both; modern

	Arrivals Arrivals `yaml:"arrivals"`
	Warmup   Duration `yaml:"warmup"`   // 2s
	Duration Duration `yaml:"duration"` // 10s
	Timeout  Duration `yaml:"timeout"`  // of a call; 30s

	Calls     []Call    `yaml:"calls"`   // one of them, by weight; whoami
	Handles   float64   `yaml:"handles"` // share of calls that show a handle of another context; 0.02
	Streams   *Streams  `yaml:"streams"`
	Storm     *Storm    `yaml:"storm"`
	Faults    []Fault   `yaml:"faults"`
	Commands  []Command `yaml:"commands"`
	TokenLife Duration  `yaml:"token-life"` // the run refreshes each login so often; 0: when the server says
	Sandbox   Sandbox   `yaml:"sandbox"`    // what the run's own sandbox holds
}

// Place is which URLs the contexts have.
type Place string

// Order is whose turn it is.
type Order string

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
// URL does not say. {issue} in a string stands for an issue of the context.
type Call struct {
	Tool      string         `yaml:"tool"`   // or
	Method    string         `yaml:"method"` // one such as tools/list
	Arguments map[string]any `yaml:"arguments"`
	Weight    float64        `yaml:"weight"` // 1
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

// Fault is what goes wrong with Sentry for a while, in the words of the
// sandbox's fault switch.
type Fault struct {
	After Duration         `yaml:"after"` // from the end of the warm-up
	For   Duration         `yaml:"for"`   // 0: to the end
	Every Duration         `yaml:"every"` // again, so often; 0: once
	Rules []map[string]any `yaml:"rules"`
}

// Command is run at a chosen moment, to stop, restart or starve what is under
// test. It is not given to a shell; the environment holds ROUNDHOUSE_LOAD_URL
// and, of a server that the run started, ROUNDHOUSE_LOAD_PID.
type Command struct {
	After Duration `yaml:"after"`
	Every Duration `yaml:"every"`
	Run   []string `yaml:"run"`
}

// Sandbox is how much the sandbox holds that the run starts: enough for the
// contexts by default. See roundhouse sandbox serve --scale.
type Sandbox struct {
	Orgs     int `yaml:"orgs"`
	Projects int `yaml:"projects"`
	Issues   int `yaml:"issues"`
}
