package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"roundhouse/load"
	"roundhouse/load/measure"
	"roundhouse/load/report"
	"roundhouse/load/scenario"
	"roundhouse/load/scrape"
	"roundhouse/sandbox"
)

// What the exit of load tells beside the usual.
const (
	exitWrong = 3
	exitFloor = 4
)

// exitError is one that has an exit code of its own.
type exitError struct {
	error
	code int
}

// loadRun is the command load.
func loadRun(ctx context.Context, cfg *config, s streams) error {
	switch l := &cfg.load; {
	case l.List:
		return listScenarios(s)
	case l.Print != "":
		text, err := scenario.Source(l.Print)
		if err != nil {
			return usageError{err}
		}
		_, err = s.out.Write(text)
		return err
	case l.Compare != "":
		return loadCompare(ctx, cfg, s)
	}
	sc, err := cfg.scenario()
	if err != nil {
		return usageError{err}
	}
	r := newLoadRun(cfg, s)
	defer r.live.Close()
	defer r.tidy()
	rep, err := r.run(ctx, sc)
	r.live.Close()
	switch measured := rep.Format != 0; {
	case measured: // what went wrong afterwards does not undo it
		return errors.Join(r.tell(rep), err)
	case ctx.Err() != nil:
		return errStopped
	}
	return err
}

// errStopped is of a run that was interrupted before there was anything to tell.
var errStopped = exitError{errors.New("interrupted before anything was measured"), interrupted}

func listScenarios(s streams) error {
	for _, name := range scenario.Names() {
		sc, err := scenario.Shipped(name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s.out, "%-17s %s\n", name, sc.About); err != nil {
			return err
		}
	}
	return nil
}

const defaultScenario = "mixed"

// scenario is the one that is asked for, with what flags change.
func (c *config) scenario() (sc scenario.Scenario, err error) {
	name, l := c.Operand, &c.load
	if name == "" {
		name = defaultScenario
	}
	if raw, failed := os.ReadFile(name); failed == nil {
		sc, err = scenario.Parse(name, raw)
	} else if _, shipped := scenario.Source(name); shipped != nil {
		return sc, fmt.Errorf("%s is neither a file (%w) nor a shipped scenario; roundhouse load --list lists them", name, failed)
	} else {
		sc, err = scenario.Shipped(name)
	}
	if err != nil {
		return sc, err
	}
	if l.Users > 0 || l.Contexts > 0 {
		sc = sc.For(l.Users, l.Contexts)
	}
	if l.Rate > 0 {
		sc = sc.Faster(l.Rate)
	} else if l.URL != "" && !onLoopback(l.URL) {
		sc = sc.Faster(remoteRate)
	}
	if l.Duration > 0 {
		sc = sc.Lasting(l.Duration)
	}
	if l.Warmup.given {
		sc.Warmup.Duration = l.Warmup.Duration
	}
	if l.Era != "" {
		sc.Era = scenario.Era(l.Era)
	}
	switch {
	case sc.Arrivals.Search != nil && (l.Workers > 1 || l.Worker != ""):
		return sc, fmt.Errorf("%s searches for a limit, which one worker does: leave --workers out", sc.Name)
	case len(sc.Faults) > 0 && l.URL != "" && l.FaultsURL == "":
		return sc, fmt.Errorf("%s lets Sentry fail: give --faults-url, that of the sandbox behind --url, or leave --url out", sc.Name)
	}
	return sc, sc.Check()
}

// remoteRate is how many calls a second somebody else's server gets by default.
const remoteRate = 10

// loadRunning is a run of load at work.
type loadRunning struct {
	cfg  *config
	s    streams
	live *progress
	out  string // directory for what was wrong
}

func newLoadRun(cfg *config, s streams) *loadRunning {
	return &loadRunning{cfg: cfg, s: s, live: newProgress(cfg, s)}
}

// run drives what --url names, or a stage of its own.
func (r *loadRunning) run(ctx context.Context, sc scenario.Scenario) (rep measure.Report, err error) {
	if err := r.prepareOut(); err != nil {
		return rep, err
	}
	target := target{mcp: r.cfg.load.URL, signIn: r.cfg.load.SignIn, faults: r.cfg.load.FaultsURL, metrics: r.cfg.load.MetricsURL, pid: r.cfg.load.ServerPID}
	if target.mcp == "" {
		st, failed := setStage(ctx, scaleOf(sc), 0, r.live.phase)
		if failed != nil {
			return rep, failed
		}
		defer func() { err = errors.Join(err, st.close()) }()
		r.live.phase("starting the server")
		var idle []string
		if sc.Idle.Duration > 0 {
			idle = append(idle, "--idle", sc.Idle.String())
		}
		if sc.SessionIdle.Duration > 0 {
			idle = append(idle, "--session-idle", sc.SessionIdle.String())
		}
		n, failed := st.serve(ctx, idle...)
		if failed != nil {
			return rep, failed
		}
		target = st.target(n, scaleOf(sc))
	} else if r.cfg.Scale != "" {
		scale, failed := sandbox.ParseScale(r.cfg.Scale)
		if failed != nil {
			return rep, usageError{failed}
		}
		target.scale = &scale
	}
	if r.cfg.load.Workers > 1 {
		return r.workers(ctx, target)
	}
	return r.drive(ctx, sc, target)
}

// drive is the run itself.
func (r *loadRunning) drive(ctx context.Context, sc scenario.Scenario, t target) (rep measure.Report, err error) {
	l := &r.cfg.load
	header, err := l.Header.parse()
	if err != nil {
		return rep, usageError{err}
	}
	users, err := r.cfg.signIn(ctx, t, sc, header, r)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, users.close(context.WithoutCancel(ctx))) }()
	run := load.Config{
		Scenario: sc, URL: t.mcp, Target: t.name, Command: r.cfg.loadCommand(),
		SignIn: users.signIn, Header: header, Scale: t.scale, Seed: l.Seed,
		Progress: r.live.show, Log: r.live.say, Faults: t.faults, PID: t.pid,
		KeepWrong: r.out, FailFast: l.FailFast,
	}
	if run.Worker, run.Workers, err = parseWorker(l.Worker); err != nil {
		return rep, usageError{err}
	}
	if t.metrics != "" {
		run.Sample = scrape.New(t.metrics)
	}
	rep, err = load.Run(ctx, run)
	rep.Machine.Version = version()
	return rep, err
}

// prepareOut makes the directories of the report and of what is wrong.
func (r *loadRunning) prepareOut() (err error) {
	l := &r.cfg.load
	r.out = cmp.Or(l.Wrong, l.Out)
	if r.out == "" {
		r.out, err = os.MkdirTemp("", "roundhouse-wrong-")
		return err
	}
	for _, dir := range []string{r.out, cmp.Or(l.Out, r.out)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return usageError{fmt.Errorf("--out and --wrong are directories: %w", err)}
		}
	}
	return nil
}

// tidy removes a directory that nobody asked for, if nothing is in it.
func (r *loadRunning) tidy() {
	if r.cfg.load.Out == "" && r.cfg.load.Wrong == "" && r.out != "" {
		_ = os.Remove(r.out)
	}
}

// tell writes the report, and is an error if something in it should be one.
func (r *loadRunning) tell(rep measure.Report) error {
	if err := r.cfg.writeReport(rep, r.s); err != nil {
		return err
	}
	if rep.Canaries.Wrong > 0 {
		return exitError{fmt.Errorf("%d answers were wrong; see %s", rep.Canaries.Wrong, r.out), exitWrong}
	}
	if failed := r.cfg.load.worse(rep); len(failed) > 0 {
		return exitError{errors.New(strings.Join(failed, "; ")), exitFloor}
	}
	return nil
}

// worse tells in what the run was worse than it may be.
func (l *loadConfig) worse(rep measure.Report) (failed []string) {
	for _, f := range l.Fail {
		failed = append(failed, f.Check(rep.Comparisons)...)
	}
	if n := rep.Total.Count; n > 0 && float64(rep.Total.Bad())/float64(n) > l.MaxBad {
		failed = append(failed, fmt.Sprintf("%d of %d calls were turned away or lost, more than --max-bad %g", rep.Total.Bad(), n, l.MaxBad))
	}
	return failed
}

// writeReport puts it on standard output, and into --out.
func (c *config) writeReport(rep measure.Report, s streams) error {
	if c.load.Out != "" {
		if err := rep.Write(filepath.Join(c.load.Out, "report.json")); err != nil {
			return err
		}
		if err := writePage(filepath.Join(c.load.Out, "report.html"), rep); err != nil {
			return err
		}
		if c.load.Plots {
			if err := writePlots(c.load.Out, rep); err != nil {
				return err
			}
		}
	}
	return c.printReport(rep, s)
}

func (c *config) printReport(rep measure.Report, s streams) error {
	if !c.load.JSON {
		return report.WriteText(s.out, rep)
	}
	e := json.NewEncoder(s.out)
	e.SetIndent("", " ")
	return e.Encode(rep)
}

func writePage(path string, reps ...measure.Report) error {
	return writeWith(path, func(w io.Writer) error { return report.WriteHTML(w, reps...) })
}

// writePlots makes a file of each plot of the page.
func writePlots(dir string, rep measure.Report) error {
	for _, name := range report.Plots(rep) {
		err := writeWith(filepath.Join(dir, name+".svg"), func(w io.Writer) error { return report.SVG(w, rep, name) })
		if err != nil {
			return err
		}
	}
	return nil
}

func writeWith(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func loadDiff(_ context.Context, cfg *config, s streams) error {
	a, err := measure.Read(cfg.Operands[0])
	if err != nil {
		return err
	}
	b, err := measure.Read(cfg.Operands[1])
	if err != nil {
		return err
	}
	changes, err := report.Between(a, b)
	if err != nil {
		return err
	}
	if cfg.load.Out != "" {
		if err := writePage(cfg.load.Out, a, b); err != nil {
			return err
		}
	}
	if !cfg.load.JSON {
		return changes.WriteText(s.out)
	}
	e := json.NewEncoder(s.out)
	e.SetIndent("", " ")
	return e.Encode(changes)
}

func loadMerge(_ context.Context, cfg *config, s streams) error {
	var all []measure.Report
	for _, path := range cfg.Operands {
		rep, err := measure.Read(path)
		if err != nil {
			return err
		}
		all = append(all, rep)
	}
	merged, err := measure.Merge(all...)
	if err != nil {
		return err
	}
	if cfg.load.Out != "" {
		return merged.Write(cfg.load.Out)
	}
	return cfg.printReport(merged, s)
}

// progress is shown on standard error.
type progress struct {
	live *report.Live // nil: not shown
}

func newProgress(cfg *config, s streams) *progress {
	if cfg.load.Quiet {
		return &progress{}
	}
	return &progress{report.NewLive(s.err)}
}

// say is for a line that stays.
func (p *progress) say(line string) {
	if p.live != nil {
		p.live.Say(line)
	}
}

// phase is what goes on now.
func (p *progress) phase(what string) {
	if p.live != nil {
		p.live.Show(measure.Progress{Phase: what})
	}
}

func (p *progress) show(now measure.Progress) {
	if p.live != nil {
		p.live.Show(now)
	}
}

func (p *progress) Close() {
	if p.live != nil {
		p.live.Close()
	}
}
