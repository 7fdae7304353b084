package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"roundhouse/load/measure"
)

// workers lets processes of this program share the run.
func (r *loadRunning) workers(ctx context.Context, t target) (measure.Report, error) {
	path, err := os.Executable()
	if err != nil {
		return measure.Report{}, err
	}
	n := r.cfg.load.Workers
	r.live.phase(fmt.Sprintf("%d workers drive the server", n))
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	reports, failed := make([]measure.Report, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { // ends with the process
			if reports[i], failed[i] = r.worker(work, path, i, t); failed[i] != nil {
				stop(failed[i]) // the others need not go on
			}
		})
	}
	wg.Wait()
	if errors.Join(failed...) != nil {
		return measure.Report{}, context.Cause(work) // the first
	}
	merged, err := measure.Merge(reports...)
	merged.Command, merged.Target = r.cfg.loadCommand(), cmp.Or(t.name, merged.Target)
	return merged, err
}

// worker runs one of them and reads its report.
func (r *loadRunning) worker(ctx context.Context, path string, i int, t target) (measure.Report, error) {
	wrong := filepath.Join(r.out, fmt.Sprintf("worker-%d", i+1))
	defer os.Remove(wrong) // if nothing is in it
	args := append([]string{"load"}, r.cfg.loadArgs()...)
	args = append(args, "--url", t.mcp, "--worker", fmt.Sprintf("%d/%d", i+1, r.cfg.load.Workers), "--yes", "--json", "--quiet", "--wrong", wrong)
	add := func(name, value string) {
		if value != "" {
			args = append(args, "--"+name, value)
		}
	}
	add("sign-in", t.signIn)
	add("token-file", r.cfg.load.TokenFile)
	add("sandbox-user", r.cfg.SandboxUser)
	add("faults-url", t.faults)
	if t.scale != nil {
		add("scale", fmt.Sprintf("users=%d,orgs=%d,projects=%d,issues=%d", t.scale.Users, t.scale.Orgs, t.scale.Projects, t.scale.Issues))
	}
	if i == 0 {
		add("metrics-url", t.metrics)
	}
	if t.pid != 0 {
		add("server-pid", strconv.Itoa(t.pid))
	}
	if r.cfg.load.FailFast {
		args = append(args, "--fail-fast")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it reports what there is
	cmd.Env = withoutSettings(os.Environ())
	if headers := strings.Join(r.cfg.load.Header, "\n"); headers != "" {
		cmd.Env = append(cmd.Env, envName("header")+"="+headers)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	apart(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitWrong { // which its report tells
		err = nil
	}
	if err != nil && ctx.Err() == nil {
		return measure.Report{}, fmt.Errorf("worker %d: %w: %s", i+1, err, strings.TrimSpace(said.String()))
	}
	return measure.Parse(out.Bytes())
}

// loadArgs are what was asked for of the scenario, as flags.
func (c *config) loadArgs() []string {
	l := &c.load
	name := c.Operand
	if name == "" {
		name = defaultScenario
	}
	args := []string{name}
	add := func(given bool, flag, value string) {
		if given {
			args = append(args, "--"+flag, value)
		}
	}
	add(l.Users > 0, "users", strconv.Itoa(l.Users))
	add(l.Contexts > 0, "contexts", strconv.Itoa(l.Contexts))
	add(l.Rate > 0, "rate", strconv.FormatFloat(l.Rate, 'g', -1, 64))
	add(l.Duration > 0, "duration", l.Duration.String())
	add(l.Warmup.given, "warmup", l.Warmup.String())
	add(l.Era != "", "era", l.Era)
	add(l.Seed != 1, "seed", strconv.FormatUint(l.Seed, 10))
	return args
}

// loadCommand is how to make the run again, without what may be secret.
func (c *config) loadCommand() string {
	args := append([]string{"roundhouse", "load"}, c.loadArgs()...)
	if c.load.URL != "" {
		args = append(args, "--url", c.load.URL)
	}
	if c.load.Workers > 1 {
		args = append(args, "--workers", strconv.Itoa(c.load.Workers))
	}
	return strings.Join(args, " ")
}
