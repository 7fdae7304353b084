package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"roundhouse/load/measure"
)

// loadConfig is what the load commands are told.
type loadConfig struct {
	URL       string
	Header    headers
	SignIn    string
	TokenFile string
	FaultsURL string

	Rate     float64
	Duration time.Duration
	Warmup   maybeDuration
	Contexts int
	Users    int
	Era      string
	Seed     uint64

	Workers int
	Worker  string // "1/4"

	Compare     string
	Rounds      int
	Turn        time.Duration
	Trials      string
	SentryDelay time.Duration
	Fail        floors
	MaxBad      float64

	Out        string
	Plots      bool
	Wrong      string
	JSON       bool
	Quiet      bool
	MetricsURL string
	ServerPID  int
	FailFast   bool

	List  bool
	Print string

	Holders string
	Trust   time.Duration
}

// withLoad adds the settings of the load commands to the others.
func withLoad(all map[string]func(*flag.FlagSet, *config)) map[string]func(*flag.FlagSet, *config) {
	maps.Copy(all, loadSettings)
	return all
}

var loadSettings = map[string]func(*flag.FlagSet, *config){
	"url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.URL, "url", "", "`URL` of the MCP server to drive, of a Roundhouse the /mcp (default: a sandbox and a server of the run's own)")
	},
	"header": func(fs *flag.FlagSet, c *config) {
		fs.Var(&c.load.Header, "header", "`'Name: value'` to be sent with every request, or @FILE with one on each line; may be given several times. Better by environment or file where it is a secret")
	},
	"sign-in": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.SignIn, "sign-in", "", "`how` users sign in at --url: hand, in your browser; sandbox, where the server has a sandbox behind it, by themselves; none (default hand, where the server asks for it)")
	},
	"token-file": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.TokenFile, "token-file", "", "`file` with the tokens of users at --url, one on each line; nobody else may be able to read it")
	},
	"faults-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.FaultsURL, "faults-url", "", "`URL` of the fault switch of the sandbox behind --url, …/_sandbox/faults/, for scenarios in which Sentry fails")
	},
	"rate": func(fs *flag.FlagSet, c *config) {
		fs.Float64Var(&c.load.Rate, "rate", 0, "`calls` per second, steadily, in place of the scenario's arrivals")
	},
	"duration": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.load.Duration, "duration", 0, "`time` that the run takes, in place of the scenario's; what happens in it moves with it")
	},
	"warmup": func(fs *flag.FlagSet, c *config) {
		fs.Var(&c.load.Warmup, "warmup", "`time` before it that does not count, in place of the scenario's")
	},
	"contexts": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.load.Contexts, "contexts", 0, "`number` of contexts, in place of the scenario's")
	},
	"users": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.load.Users, "users", 0, "`number` of users, in place of the scenario's")
	},
	"era": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Era, "era", "", "`era` of the protocol, in place of the scenario's: modern, legacy or both")
	},
	"seed": func(fs *flag.FlagSet, c *config) {
		fs.Uint64Var(&c.load.Seed, "seed", 1, "`number` that what is drawn comes from; the same one draws the same again")
	},
	"workers": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.load.Workers, "workers", 1, "`number` of processes that share the rate and the users; their reports are merged")
	},
	"worker": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Worker, "worker", "", "`which` of how many this one is, such as 1/4, where they run on several machines; then roundhouse load merge")
	},
	"compare": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Compare, "compare", "", "comma-separated `designs` to be set beside ours in place of a scenario: reconfigure, per-request, bare, or all")
	},
	"rounds": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.load.Rounds, "rounds", 5, "`number` of times that both sides of a comparison have their turn")
	},
	"turn": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.load.Turn, "turn", 1500*time.Millisecond, "`time` of a turn, half of it as fast as answers come, half at a steady rate")
	},
	"sentry-delay": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.load.SentryDelay, "sentry-delay", 20*time.Millisecond, "`time` that the sandbox waits before it answers in the trials in which Sentry is far; 0: no such trials")
	},
	"trials": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Trials, "trials", "", "comma-separated `kinds` of trials of a comparison: none, near, far, by where the Sentry is that calls ask (default all)")
	},
	"fail": func(fs *flag.FlagSet, c *config) {
		fs.Var(&c.load.Fail, "fail", "`floor` of a comparison's median ratio, such as throughput>=10 or bare:p99<=1.3; may be given several times. Not met: exit 4")
	},
	"max-bad": func(fs *flag.FlagSet, c *config) {
		fs.Float64Var(&c.load.MaxBad, "max-bad", 0.5, "`share` of a run's calls that may be turned away or lost, such as 0.001. More: exit 4")
	},
	"out": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Out, "out", "", "`directory` for report.json, report.html and what was wrong; of load merge the file of the report, and of load diff that of the page")
	},
	"plots": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.load.Plots, "plots", false, "write each plot of the page as an SVG file into --out, too")
	},
	"wrong": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Wrong, "wrong", "", "`directory` for wrong exchanges (default --out, or one for temporary files)")
	},
	"json": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.load.JSON, "json", false, "print the report as JSON")
	},
	"quiet": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.load.Quiet, "quiet", false, "do not show the progress")
	},
	"metrics-url": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.MetricsURL, "metrics-url", "", "`URL` of the metrics of the node at --url, to be looked at each second")
	},
	"server-pid": func(fs *flag.FlagSet, c *config) {
		fs.IntVar(&c.load.ServerPID, "server-pid", 0, "process `id` of the server at --url, for the commands of a scenario")
	},
	"fail-fast": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.load.FailFast, "fail-fast", false, "end the run at the first wrong answer")
	},
	"list": func(fs *flag.FlagSet, c *config) {
		fs.BoolVar(&c.load.List, "list", false, "list the scenarios that come with the program")
	},
	"print": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Print, "print", "", "print the file of the shipped scenario of this `name`, to begin one's own with")
	},
	"holders": func(fs *flag.FlagSet, c *config) {
		fs.StringVar(&c.load.Holders, "holders", "", "`file` of who may ask: lines of a bearer token, a user's id in Sentry and a Sentry token (default: made with a sandbox of its own)")
	},
	"trust": func(fs *flag.FlagSet, c *config) {
		fs.DurationVar(&c.load.Trust, "trust", 15*time.Minute, "`time` for which an organization or project that Sentry knew is not asked about again; 0: each time")
	},
}

// maybeDuration is a flag whose zero means something.
type maybeDuration struct {
	time.Duration
	given bool
}

// String is what to write, if it was not given.
func (d *maybeDuration) String() string {
	if !d.given {
		return "2s"
	}
	return d.Duration.String()
}

func (d *maybeDuration) Set(value string) (err error) {
	d.given = true
	d.Duration, err = time.ParseDuration(value)
	return err
}

// headers are a flag that adds up. What it says is looked at by checkLoad: an
// error of a flag shows its value, and these can be secrets.
type headers []string

func (h *headers) String() string { return "" }

func (h *headers) Set(value string) error {
	*h = append(*h, value)
	return nil
}

// parse reads Name: value, and files of such lines.
func (h headers) parse() (http.Header, error) {
	all := http.Header{}
	for _, given := range h {
		if path, ok := strings.CutPrefix(given, "@"); ok {
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("--header: %w", err)
			}
			given = string(raw)
		}
		for line := range strings.Lines(given) {
			name, text, ok := strings.Cut(strings.TrimSpace(line), ":")
			if name == "" {
				continue
			}
			if !ok || strings.ContainsAny(name, " \t") {
				return nil, errors.New("--header is not of the form 'Name: value' or @FILE")
			}
			all.Add(name, strings.TrimSpace(text))
		}
	}
	return all, nil
}

// floors are a flag that adds up.
type floors []measure.Floor

func (f *floors) String() string { return fmt.Sprint(*f) }

func (f *floors) Set(value string) error {
	for _, one := range splitList(value) {
		floor, err := measure.ParseFloor(one)
		if err != nil {
			return err
		}
		*f = append(*f, floor)
	}
	return nil
}
