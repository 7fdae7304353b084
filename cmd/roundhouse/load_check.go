package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"roundhouse/load/rival"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

func checkLoad(c *config) error {
	l := &c.load
	if err := firstError(l.checkNumbers, l.checkTarget, func() error { return l.checkRemote(c.Yes) }, l.checkCompare); err != nil {
		return err
	}
	if l.Plots && l.Out == "" {
		return errors.New("--plots are written into --out; give that, too")
	}
	if c.Scale != "" && l.URL == "" {
		return errors.New("--scale is for --url: it says with which one the sandbox behind it was made; a sandbox of the run's own is as large as the scenario wants")
	}
	if _, err := l.Header.parse(); err != nil {
		return err
	}
	if _, _, err := parseWorker(l.Worker); err != nil {
		return err
	}
	return c.checkScale()
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loadConfig) checkNumbers() error {
	switch {
	case l.Rate < 0:
		return fmt.Errorf("--rate %g must not be negative", l.Rate)
	case l.Warmup.Duration < 0:
		return fmt.Errorf("--warmup %s must not be negative", l.Warmup.Duration)
	case l.Duration < 0:
		return fmt.Errorf("--duration %s must not be negative", l.Duration)
	case l.Users < 0 || l.Contexts < 0:
		return errors.New("--users and --contexts must not be negative")
	case !(l.MaxBad >= 0 && l.MaxBad <= 1):
		return fmt.Errorf("--max-bad %g is not between 0 and 1", l.MaxBad)
	case l.Workers < 1 || l.Workers > maxWorkers:
		return fmt.Errorf("--workers %d is not between 1 and %d", l.Workers, maxWorkers)
	case l.Workers > 1 && l.Worker != "":
		return errors.New("--workers and --worker cannot be given together: the first starts several here, the second is one of several")
	case !slices.Contains([]scenario.Era{"", scenario.Modern, scenario.Legacy, scenario.Both}, scenario.Era(l.Era)):
		return fmt.Errorf("--era %q is not modern, legacy or both", l.Era)
	}
	return nil
}

const maxWorkers = 64

func (l *loadConfig) checkTarget() error {
	if l.URL == "" {
		switch {
		case l.Worker != "":
			return errors.New("--worker needs --url: workers on several machines drive one server")
		case l.SignIn != "" || l.TokenFile != "" || l.FaultsURL != "" || l.MetricsURL != "" || l.ServerPID != 0:
			return errors.New("--sign-in, --token-file, --faults-url, --metrics-url and --server-pid are for --url")
		}
		return nil
	}
	for _, one := range []struct{ name, value string }{{"url", l.URL}, {"faults-url", l.FaultsURL}, {"metrics-url", l.MetricsURL}} {
		u, err := url.Parse(one.value)
		if one.value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil) {
			return fmt.Errorf("--%s is not of the form http://host/path or https://host/path", one.name)
		}
	}
	switch {
	case !slices.Contains([]string{"", byHand, bySandbox, byNobody}, l.SignIn):
		return fmt.Errorf("--sign-in %q is not hand, sandbox or none", l.SignIn)
	case l.SignIn != "" && l.TokenFile != "":
		return errors.New("--sign-in and --token-file cannot be given together: the tokens are signed in already")
	}
	return nil
}

// checkRemote keeps a slip of the fingers from loading somebody's server.
func (l *loadConfig) checkRemote(yes bool) error {
	if l.URL == "" || yes || onLoopback(l.URL) {
		return nil
	}
	return errors.New("--url is not on this machine: give --yes if you may put load on that server (without --rate it is 10 calls a second)")
}

func onLoopback(at string) bool {
	u, err := url.Parse(at)
	return err == nil && isLoopback(u.Hostname())
}

func (l *loadConfig) checkCompare() error {
	switch {
	case l.Compare == "" && len(l.Fail) > 0:
		return errors.New("--fail is for --compare: floors are on ratios")
	case l.Compare == "":
		return nil
	case l.URL != "":
		return errors.New("--compare starts both servers by itself: it cannot be given with --url")
	case l.Rounds < 1 || l.Rounds > 1000:
		return fmt.Errorf("--rounds %d is not between 1 and 1000", l.Rounds)
	case l.Turn < 100*time.Millisecond || l.Turn > 10*time.Minute:
		return fmt.Errorf("--turn %s is not between 100ms and 10m", l.Turn)
	case l.SentryDelay < 0 || l.SentryDelay > 10*time.Second:
		return fmt.Errorf("--sentry-delay %s is not between 0 and 10s", l.SentryDelay)
	}
	for _, kind := range splitList(l.Trials) {
		if !slices.Contains([]string{"none", "near", "far"}, kind) {
			return fmt.Errorf("--trials %q is not none, near or far", kind)
		}
	}
	for _, name := range splitList(l.Compare) {
		if name != "all" && !slices.Contains(rival.Names(), name) {
			return fmt.Errorf("--compare %q is not all or one of %s", name, strings.Join(rival.Names(), ", "))
		}
	}
	if len(l.compared()) == 0 {
		return fmt.Errorf("--trials %s leaves nothing to be compared", l.Trials)
	}
	return nil
}

// parseWorker reads "2/4", the second of four, as 1 and 4.
func parseWorker(text string) (worker, workers int, err error) {
	if text == "" {
		return 0, 1, nil
	}
	first, of, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(first)
	m, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || n < 1 || m < n || m > maxWorkers {
		return 0, 0, fmt.Errorf("--worker %q is not of the form 1/4", text)
	}
	return n - 1, m, nil
}

func checkLoadDiff(c *config) error {
	if len(c.Operands) != 2 {
		return fmt.Errorf("two reports are wanted, not %d: roundhouse load diff BEFORE/report.json AFTER/report.json", len(c.Operands))
	}
	return nil
}

func checkLoadMerge(c *config) error {
	if len(c.Operands) < 2 {
		return fmt.Errorf("two reports at least are wanted, not %d", len(c.Operands))
	}
	return nil
}

// scaleOf is what the sandbox of a scenario holds.
func scaleOf(sc scenario.Scenario) sandbox.Scale {
	return sandbox.Scale{Users: sc.Users, Orgs: sc.Sandbox.Orgs, Projects: sc.Sandbox.Projects, Issues: sc.Sandbox.Issues}
}
