package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"roundhouse/load"
	"roundhouse/load/compare"
	"roundhouse/load/login"
	"roundhouse/load/measure"
	"roundhouse/load/rival"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// comparedScale is enough for eight contexts of one user.
var comparedScale = sandbox.Scale{Users: 1, Orgs: 2, Projects: 8, Issues: 16}

// comparedPlaces are its projects: service-n is of organization 1 or 2 in turn.
func comparedPlaces(n int) (places []string) {
	for i := 1; i <= n; i++ {
		places = append(places, fmt.Sprintf("org-%d/service-%d", 1+(i-1)%2, i))
	}
	return places
}

// trial is what one design is compared in.
type trial struct {
	contexts int
	tool     string
	far      bool // Sentry takes --sentry-delay
}

const (
	atHome   = "search_sentry_tools" // asks Sentry nothing
	upstream = "whoami"              // asks it once
)

// trials are those in which designs differ: eight contexts in turn, where one
// has to change for each; and one, where it does not.
var trials = map[string][]trial{
	"reconfigure":        {{8, atHome, false}, {8, upstream, false}, {8, upstream, true}},
	"reconfigure-asking": {{8, upstream, false}, {8, upstream, true}},
	"reconfigure-shared": {{1, upstream, false}, {8, upstream, false}},
	"per-request":        {{1, atHome, false}, {8, atHome, false}, {8, upstream, false}, {8, upstream, true}},
	"per-request-shared": {{8, atHome, false}, {8, upstream, false}},
	"bare":               {{1, atHome, false}, {1, upstream, false}, {1, upstream, true}},
}

// where tells where Sentry is, in the words of --trials.
func (t trial) where() string {
	switch {
	case t.far:
		return "far"
	case t.tool == atHome:
		return "none"
	}
	return "near"
}

// trials are those of a design that are asked for.
func (l *loadConfig) trials(name string) (asked []trial) {
	kinds := splitList(l.Trials)
	for _, t := range trials[name] {
		if (len(kinds) == 0 || slices.Contains(kinds, t.where())) && !(t.far && l.SentryDelay == 0) {
			asked = append(asked, t)
		}
	}
	return asked
}

// compared are the designs that are asked for, in our order.
func (l *loadConfig) compared() (names []string) {
	asked := splitList(l.Compare)
	for _, name := range rival.Names() {
		if (slices.Contains(asked, "all") || slices.Contains(asked, name)) && len(l.trials(name)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// loadCompare is the command load --compare.
func loadCompare(ctx context.Context, cfg *config, s streams) (err error) {
	r := newLoadRun(cfg, s)
	defer r.live.Close()
	if cfg.load.Out != "" {
		if err := r.prepareOut(); err != nil {
			return err
		}
	}
	began := time.Now()
	all, err := r.compareAll(ctx)
	r.live.Close()
	switch {
	case ctx.Err() != nil && len(all) == 0:
		return errStopped
	case ctx.Err() != nil: // what there is
		err = nil
	case err != nil && len(all) == 0:
		return wrongAnswer(err)
	}
	rep := measure.Report{
		Format: measure.FormatVersion, Scenario: "comparison", About: "other designs beside ours, in turns on one machine", Target: "roundhouse",
		Command: cfg.load.compareCommand(), Began: began, Seconds: time.Since(began).Seconds(), Workers: 1,
		Machine:     measure.Machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Version: version()},
		Comparisons: all,
	}
	if told := r.tell(rep); err == nil {
		err = told
	}
	return wrongAnswer(err)
}

// wrongAnswer gives that of a comparison its exit code.
func wrongAnswer(err error) error {
	if errors.Is(err, compare.ErrWrong) {
		return exitError{err, exitWrong}
	}
	return err
}

// compareAll returns what there is when it cannot go on.
func (r *loadRunning) compareAll(ctx context.Context) (all []measure.Comparison, err error) {
	st, err := setStage(ctx, comparedScale, 1, r.live.phase)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	n, err := st.serve(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := ourSide(ctx, n)
	if err != nil {
		return nil, err
	}
	for _, name := range r.cfg.load.compared() {
		some, err := r.compareOne(ctx, st, ours, name)
		all = append(all, some...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// ourSide is ours, with a token of user 1.
func ourSide(ctx context.Context, n served) (compare.Side, error) {
	app, err := login.NewApp(ctx, login.Config{URL: n.mcp})
	if err != nil {
		return compare.Side{}, fmt.Errorf("sign in: %w", err)
	}
	tokens, err := app.SignIn(ctx, &login.Walker{Email: scaledUser(1), Skills: skillIDs()})
	if err != nil {
		return compare.Side{}, err
	}
	return compare.Side{Name: "roundhouse", URL: n.mcp, Authorize: tokens.Authorization, CPU: compare.ProcessCPU(n.pid)}, nil
}

// compareOne starts a rival and lets it stay up for all of its trials.
func (r *loadRunning) compareOne(ctx context.Context, st *stage, ours compare.Side, name string) (all []measure.Comparison, err error) {
	r.live.phase("starting the " + name + " server")
	n, err := st.rival(ctx, name, comparedPlaces(1)[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.endLast()) }()
	bearer, err := st.bearer()
	if err != nil {
		return nil, err
	}
	theirs := compare.Side{Name: name, URL: n.mcp, CPU: compare.ProcessCPU(n.pid),
		Authorize: func(context.Context) (string, error) { return "Bearer " + bearer, nil }}
	for _, t := range r.cfg.load.trials(name) {
		got, err := r.try(ctx, st, ours, theirs, t)
		if len(got.Rounds) > 0 {
			all = append(all, got)
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (r *loadRunning) try(ctx context.Context, st *stage, ours, theirs compare.Side, t trial) (measure.Comparison, error) {
	l := &r.cfg.load
	c := compare.Case{
		Places: comparedPlaces(t.contexts), Tool: t.tool, Rounds: l.Rounds, Closed: l.Turn / 2,
		Contains: scaledUser(1), Arguments: json.RawMessage(`{}`),
	}
	if t.tool == atHome {
		c.Arguments, c.Contains = json.RawMessage(`{"query":"issues"}`), "search_issues"
	}
	c.What = t.words(l.SentryDelay)
	delay := time.Duration(0)
	if t.far {
		delay = l.SentryDelay
	}
	if err := st.delaySentry(ctx, delay); err != nil {
		return measure.Comparison{}, err
	}
	return compare.Run(ctx, ours, theirs, c, r.live.phase, r.live.say)
}

func (t trial) words(delay time.Duration) string {
	contexts := "one context"
	if t.contexts > 1 {
		contexts = fmt.Sprintf("%d contexts in turn", t.contexts)
	}
	sentry := map[string]string{"none": "which asks Sentry nothing", "near": "Sentry at hand", "far": fmt.Sprintf("Sentry %s away", delay)}
	return contexts + ", " + t.tool + ", " + sentry[t.where()]
}

// delaySentry lets the sandbox's API wait before each answer; 0 ends it.
func (st *stage) delaySentry(ctx context.Context, delay time.Duration) error {
	rules := []scenario.Rule{}
	if delay > 0 {
		rules = append(rules, scenario.Rule{Pattern: "/api/0/", DelayMS: int(delay.Milliseconds())})
	}
	return load.SetFaults(ctx, st.faults(), 0, rules)
}

// bearer is what rivals know the first user by.
func (st *stage) bearer() (string, error) {
	raw, err := os.ReadFile(st.holders)
	if err != nil {
		return "", err
	}
	bearer, _, _ := strings.Cut(string(raw), " ")
	return bearer, nil
}

// endLast ends the process that was started last.
func (st *stage) endLast() error {
	last := len(st.children) - 1
	c := st.children[last]
	st.children = st.children[:last]
	return c.stop()
}

// compareCommand is how to do it again.
func (l *loadConfig) compareCommand() string {
	command := fmt.Sprintf("roundhouse load --compare %s --rounds %d --turn %s --sentry-delay %s", l.Compare, l.Rounds, l.Turn, l.SentryDelay)
	if l.Trials != "" {
		command += " --trials " + l.Trials
	}
	return command
}
