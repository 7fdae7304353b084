package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The bounds of a scenario. They are far above what one machine can do; they
// keep a slip of the finger from filling it.
const (
	maxUsers    = 100_000
	maxContexts = 1_000_000
	maxRate     = 1_000_000
	maxDuration = 24 * time.Hour
	maxCallers  = 10_000
	maxEntries  = 100 // of a list
)

// Methods are those that a call may name.
var Methods = []string{"tools/list", "prompts/list", "prompts/get", "resources/list", "resources/templates/list", "resources/read", "server/discover", "ping"}

// problem is what is wrong with the value at a path.
type problem struct{ path, text string }

func (p *problem) Error() string { return nameOf(p.path) + ": " + p.text }

func wrong(path, format string, args ...any) error {
	return &problem{path, fmt.Sprintf(format, args...)}
}

// Check is for a scenario that was changed after Parse: it says what is wrong,
// and what would do.
func (s Scenario) Check() error {
	for _, check := range []func() error{s.checkName, s.checkPopulation, s.checkTimes, s.checkArrivals, s.checkCalls, s.checkBeside, s.checkFaults, s.checkCommands, s.checkSandbox} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$`)

func (s Scenario) checkName() error {
	if !name.MatchString(s.Name) {
		return wrong("name", "%q is not a name of letters, digits, dots and dashes, 60 at most", clip(s.Name))
	}
	if len(s.About) > 200 || strings.ContainsAny(s.About, "\n\r") {
		return wrong("about", "one line of at most 200 bytes is wanted")
	}
	return nil
}

func (s Scenario) checkPopulation() error {
	if err := between("users", s.Users, 1, maxUsers); err != nil {
		return err
	}
	if err := between("contexts", s.Contexts, 1, maxContexts); err != nil {
		return err
	}
	if s.Contexts < s.Users {
		return wrong("contexts", "%d are too few for %d users, each of whom works in one at least", s.Contexts, s.Users)
	}
	if s.Place == AtUser && s.Contexts > s.Users {
		return wrong("contexts", "%d users have %d contexts at place: user, one each; ask for that many, or for more users", s.Users, s.Users)
	}
	return firstOf(oneOf("place", s.Place, AtUser, AtOrg, AtProject, Mixed), oneOf("order", s.Order, InTurn, Random, Cold), oneOf("era", s.Era, Modern, Legacy, Both))
}

func (s Scenario) checkTimes() error {
	least := 100 * time.Millisecond
	if s.Arrivals.Search != nil {
		least = 0
	}
	return firstOf(
		lasts("warmup", s.Warmup, 0, time.Hour),
		lasts("duration", s.Duration, least, maxDuration),
		lasts("timeout", s.Timeout, 10*time.Millisecond, 10*time.Minute),
		orZero("idle", s.Idle, time.Second, maxDuration),
		orZero("session-idle", s.SessionIdle, time.Second, maxDuration),
		orZero("token-life", s.TokenLife, time.Second, maxDuration),
	)
}

func (s Scenario) checkArrivals() error {
	a := s.Arrivals
	given := 0
	for _, is := range []bool{a.Rate != 0, a.Ramp != nil, len(a.Steps) > 0, a.Search != nil, a.Closed != 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		return wrong("arrivals", "exactly one of rate, ramp, steps, search and closed is wanted, such as rate: 100")
	}
	switch {
	case a.Random && (a.Search != nil || a.Closed != 0):
		return wrong("arrivals.random", "a search comes evenly, and callers who wait when they are answered; random needs a rate, a ramp or steps")
	case s.Order == Cold && (a.Search != nil || a.Closed != 0):
		return wrong("order", "cold asks each context once, which needs a rate, a ramp or steps")
	case a.Ramp != nil:
		if a.Ramp.From == 0 && a.Ramp.To == 0 {
			return wrong("arrivals.ramp", "from or to has to be above 0")
		}
		return firstOf(within("arrivals.ramp.from", a.Ramp.From, 0, maxRate), within("arrivals.ramp.to", a.Ramp.To, 0, maxRate))
	case len(a.Steps) > 0:
		return a.checkSteps()
	case a.Search != nil:
		return a.Search.check()
	case a.Closed != 0:
		return between("arrivals.closed", a.Closed, 1, maxCallers)
	}
	return rate("arrivals.rate", a.Rate)
}

func (a Arrivals) checkSteps() error {
	if len(a.Steps) > maxEntries {
		return wrong("arrivals.steps", "%d are more than %d", len(a.Steps), maxEntries)
	}
	for i, step := range a.Steps {
		at := fmt.Sprintf("arrivals.steps[%d]", i)
		if err := firstOf(rate(at+".rate", step.Rate), lasts(at+".for", step.For, 100*time.Millisecond, maxDuration)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Search) check() error {
	err := firstOf(rate("arrivals.search.from", a.From), rate("arrivals.search.to", a.To),
		lasts("arrivals.search.p99", a.P99, 100*time.Microsecond, 10*time.Minute),
		within("arrivals.search.bad", a.Bad, 0, 0.99),
		lasts("arrivals.search.step", a.Step, 100*time.Millisecond, time.Hour))
	if err == nil && a.To <= a.From {
		err = wrong("arrivals.search.to", "%g is not above from, %g", a.To, a.From)
	}
	return err
}

var toolName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func (s Scenario) checkCalls() error {
	if len(s.Calls) < 1 || len(s.Calls) > maxEntries {
		return wrong("calls", "between 1 and %d are wanted", maxEntries)
	}
	for i, c := range s.Calls {
		at := fmt.Sprintf("calls[%d]", i)
		switch {
		case (c.Tool == "") == (c.Method == ""):
			return wrong(at, "either a tool or a method is wanted")
		case c.Tool != "" && !toolName.MatchString(c.Tool):
			return wrong(at+".tool", "%q is no tool's name, of letters, digits, _, - and dots", clip(c.Tool))
		case c.Method != "" && !slices.Contains(Methods, c.Method):
			return wrong(at+".method", "%q is not one of %s; tools are called by tool:", clip(c.Method), strings.Join(Methods, ", "))
		case c.Method == "ping" && s.Era != Legacy, c.Method == "server/discover" && s.Era != Modern:
			return wrong(at+".method", "%s is not in both eras; set era to the one that has it", c.Method)
		}
		if !(c.Weight > 0 && c.Weight <= 1e6) {
			return wrong(at+".weight", "%g is not above 0 and at most 1000000", c.Weight)
		}
	}
	return nil
}

// checkBeside is what goes on beside the calls.
func (s Scenario) checkBeside() error {
	if err := within("handles", s.Handles, 0, 1); err != nil {
		return err
	}
	if s.Streams != nil {
		if err := firstOf(between("streams.count", s.Streams.Count, 1, maxUsers), orZero("streams.trickle", s.Streams.Trickle, 100*time.Millisecond, time.Hour)); err != nil {
			return err
		}
	}
	if s.Storm != nil {
		if !(s.Storm.Share > 0 && s.Storm.Share <= 1) {
			return wrong("storm.share", "%g is not above 0 and at most 1", s.Storm.Share)
		}
		return lasts("storm.every", s.Storm.Every, 100*time.Millisecond, maxDuration)
	}
	return nil
}

func (s Scenario) checkFaults() error {
	if len(s.Faults) > maxEntries {
		return wrong("faults", "%d are more than %d", len(s.Faults), maxEntries)
	}
	for i, f := range s.Faults {
		at := fmt.Sprintf("faults[%d]", i)
		if err := firstOf(lasts(at+".after", f.After, 0, maxDuration), orZero(at+".for", f.For, time.Millisecond, maxDuration), orZero(at+".every", f.Every, 100*time.Millisecond, maxDuration)); err != nil {
			return err
		}
		switch {
		case f.Every.Duration > 0 && f.For.Duration == 0:
			return wrong(at+".every", "say with for: how long each of them takes")
		case f.Every.Duration > 0 && f.For.Duration >= f.Every.Duration:
			return wrong(at+".for", "%s is not shorter than every, %s", f.For, f.Every)
		case len(f.Rules) == 0 || len(f.Rules) > maxEntries:
			return wrong(at+".rules", "between 1 and %d are wanted, such as {status: 503} or {delayMs: 2000}", maxEntries)
		}
		for j, rule := range f.Rules {
			if err := rule.check(fmt.Sprintf("%s.rules[%d]", at, j)); err != nil {
				return err
			}
		}
	}
	return nil
}

// check is what the sandbox would say, said before the run begins.
func (r Rule) check(at string) error {
	answers := r.Status != 0 || r.RetryAfter != 0 || r.HTML || r.Drop
	switch {
	case !answers && r.DelayMS == 0:
		return wrong(at, "it does nothing; give a status, retryAfter, html, drop or delayMs")
	case r.Probability > 0 && r.Every > 0:
		return wrong(at, "give a probability or every nth, not both")
	case r.Status != 0 && (r.Status < 400 || r.Status > 599) && !(r.Status == 200 && (r.HTML || r.Drop)):
		return wrong(at+".status", "%d is not between 400 and 599", r.Status)
	}
	return firstOf(within(at+".probability", r.Probability, 0, 1), between(at+".every", r.Every, 0, 1_000_000),
		between(at+".delayMs", r.DelayMS, 0, 300_000), between(at+".retryAfter", r.RetryAfter, 0, 86_400))
}

func (s Scenario) checkCommands() error {
	if len(s.Commands) > maxEntries {
		return wrong("commands", "%d are more than %d", len(s.Commands), maxEntries)
	}
	for i, c := range s.Commands {
		at := fmt.Sprintf("commands[%d]", i)
		if len(c.Run) == 0 || len(c.Run) > maxEntries || c.Run[0] == "" {
			return wrong(at+".run", "a program and its arguments are wanted, such as [systemctl, restart, roundhouse]")
		}
		if err := firstOf(lasts(at+".after", c.After, 0, maxDuration), orZero(at+".every", c.Every, 100*time.Millisecond, maxDuration)); err != nil {
			return err
		}
	}
	return nil
}

// firstOf is the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func between(path string, n, least, most int) error {
	if n < least || n > most {
		return wrong(path, "%d is not between %d and %d", n, least, most)
	}
	return nil
}

// within is false for what is not a number.
func within(path string, x, least, most float64) error {
	if !(x >= least && x <= most) {
		return wrong(path, "%g is not between %g and %g", x, least, most)
	}
	return nil
}

func rate(path string, x float64) error {
	if !(x >= 0.01 && x <= maxRate) {
		return wrong(path, "%g is not between 0.01 and %d calls per second", x, maxRate)
	}
	return nil
}

func lasts(path string, d Duration, least, most time.Duration) error {
	if d.Duration < least || d.Duration > most {
		return wrong(path, "%s is not between %s and %s", d, least, most)
	}
	return nil
}

func orZero(path string, d Duration, least, most time.Duration) error {
	if d.Duration == 0 {
		return nil
	}
	return lasts(path, d, least, most)
}

func oneOf[T ~string](path string, v T, choices ...T) error {
	if slices.Contains(choices, v) {
		return nil
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = string(c)
	}
	return wrong(path, "%q is not one of %s", clip(string(v)), strings.Join(names, ", "))
}
