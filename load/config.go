package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/login"
	"roundhouse/load/measure"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// Config is one run. Scenario and URL are required.
type Config struct {
	Scenario scenario.Scenario // as scenario.Parse gave it, with what was changed afterwards
	URL      string            // of a Roundhouse the /mcp, below which there are organizations; of any other MCP server its own
	Target   string            // what the report calls it; "": the URL
	Command  string            // for the report: how to make the run again

	// SignIn signs user n in, from 1 on; it is called for several at once. nil:
	// nobody signs in, and all users are the same.
	SignIn func(ctx context.Context, n int) (Person, error)

	Header http.Header  // of every request
	HTTP   *http.Client // nil: client.NewHTTP

	// Scale is of the run's own sandbox: who sees what is then known. nil: the
	// server is asked, by find_organizations and find_projects; if it has no such
	// tools, every context is the URL itself.
	Scale *sandbox.Scale

	Worker, Workers int    // this one, from 0 on, of so many that share the contexts and the rate; 0, 0: the only one
	Seed            uint64 // of what is drawn; the same one draws the same again

	Progress func(measure.Progress)                        // called five times a second, and for each that is counted before; nil: not told
	Log      func(string)                                  // what a person should hear of, a line each; nil: nobody does
	Sample   func(context.Context) (measure.Sample, error) // looks at the node's metrics, each second; nil: there are none
	Faults   string                                        // URL of the sandbox's fault switch, …/_sandbox/faults/; "": none, and a scenario with faults is refused
	PID      int                                           // of the server, for the scenario's commands; 0: not told

	KeepWrong string // directory for wrong exchanges, tokens removed; "": they are counted only
	FailFast  bool   // end the run at the first wrong answer
}

// Person is a user who has signed in.
type Person struct {
	Email string // what whoami has to say; "": not checked
	Login login.Login
}

func (c *Config) fill() error {
	if err := c.Scenario.Check(); err != nil {
		return fmt.Errorf("scenario: %w", err)
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("load: the URL of an MCP server is wanted, such as http://127.0.0.1:8080/mcp")
	}
	if len(c.Scenario.Faults) > 0 && c.Faults == "" {
		return fmt.Errorf("scenario %s lets Sentry fail, which only a sandbox with its fault switch can do: run it without --url, or leave faults out", c.Scenario.Name)
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.Worker < 0 || c.Worker >= c.Workers {
		return fmt.Errorf("load: worker %d of %d is not one of 0 to %d", c.Worker, c.Workers, c.Workers-1)
	}
	if c.Target == "" {
		c.Target = c.URL
	}
	if c.Scenario.Arrivals.Search != nil && c.Workers > 1 {
		return errors.New("a search for the limit is one worker's: each would move on at its own time")
	}
	if c.HTTP == nil {
		c.HTTP = client.NewHTTP()
	}
	if c.Progress == nil {
		c.Progress = func(measure.Progress) {}
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	return nil
}

// phase tells of the progress of what is counted.
func (c *Config) phase(name string) func(done, of int) {
	began := time.Now()
	return func(done, of int) {
		c.Progress(measure.Progress{Phase: name, Done: done, Of: of, Elapsed: time.Since(began)})
	}
}
