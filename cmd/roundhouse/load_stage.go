package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"roundhouse/sandbox"
)

// stage is what the load command starts for a run of its own: a sandbox and
// what is to be measured in front of it, each a process, and a directory for
// their data. It is taken down at the end, whatever happened.
type stage struct {
	dir      string
	sentry   string // URL of the sandbox
	app      sandbox.App
	holders  string // file of those who may ask rivals
	children []*child
}

// served is a running server.
type served struct {
	mcp     string // URL
	metrics string // URL
	pid     int
}

// setStage makes the sandbox and starts it. rivals is for how many users there
// are tokens for other designs.
func setStage(ctx context.Context, scale sandbox.Scale, rivals int, say func(string)) (st *stage, err error) {
	st = &stage{}
	if st.dir, err = os.MkdirTemp("", "roundhouse-load-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	say(fmt.Sprintf("making a sandbox of %d users, %d organizations, %d projects and %d issues", scale.Users, scale.Orgs, scale.Projects, scale.Issues))
	if err := st.makeSandbox(ctx, scale, rivals); err != nil {
		return st, fmt.Errorf("make the sandbox: %w", err)
	}
	c, found, err := begin(ctx, "sandbox", nil, []string{`\n  URL +(\S+)`}, "sandbox", "serve",
		"--addr", "127.0.0.1:0", "--data", st.sandboxDir(), "--control", "--log-level", "warn")
	if err != nil {
		return st, err
	}
	st.children, st.sentry = append(st.children, c), found[0]
	return st, nil
}

func (st *stage) sandboxDir() string { return filepath.Join(st.dir, "sandbox") }

// makeSandbox makes the file, and in it what its process need not be asked for.
func (st *stage) makeSandbox(ctx context.Context, scale sandbox.Scale, rivals int) (err error) {
	if err := os.Mkdir(st.sandboxDir(), 0o700); err != nil {
		return err
	}
	sb, err := sandbox.New(ctx, sandbox.Options{Path: filepath.Join(st.sandboxDir(), sandboxFile), Empty: true, Scale: scale, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	if st.app, err = sb.EnsureApp(ctx, "roundhouse", "http://127.0.0.1/oauth/callback"); err != nil || rivals == 0 {
		return err
	}
	return st.writeHolders(ctx, sb, rivals)
}

// faults is where the sandbox is told what goes wrong.
func (st *stage) faults() string { return st.sentry + "/_sandbox/faults/" }

// serve starts a Roundhouse in front of the sandbox, with further flags.
func (st *stage) serve(ctx context.Context, more ...string) (served, error) {
	flags := append([]string{"serve",
		"--addr", "127.0.0.1:0", "--data", filepath.Join(st.dir, "node"), "--sentry-url", st.sentry, "--log-level", "error",
		"--trusted-proxies", "127.0.0.1/32", "--metrics-addr", "127.0.0.1:0", "--max-contexts", "1000000"}, more...)
	c, found, err := begin(ctx, "server", []string{
		envName("sentry-client-id") + "=" + st.app.ClientID,
		envName("sentry-client-secret") + "=" + st.app.ClientSecret,
	}, []string{`MCP client +(\S+)`, `Metrics +(\S+)`}, flags...)
	if err != nil {
		return served{}, err
	}
	st.children = append(st.children, c)
	return served{mcp: found[0], metrics: found[1], pid: c.pid}, nil
}

// rival starts a server of another design; place is for the bare one.
func (st *stage) rival(ctx context.Context, name, place string) (served, error) {
	args := []string{"load", "rival", name, "--addr", "127.0.0.1:0", "--sentry-url", st.sentry, "--holders", st.holders}
	if org, project, _ := strings.Cut(place, "/"); org != "" {
		args = append(args, "--org", org, "--project", project)
	}
	c, found, err := begin(ctx, name+" server", nil, []string{`MCP client +(\S+)`}, args...)
	if err != nil {
		return served{}, err
	}
	st.children = append(st.children, c)
	return served{mcp: found[0], pid: c.pid}, nil
}

// close ends the processes, the last one first, and removes their data.
func (st *stage) close() error {
	var errs []error
	for i := len(st.children) - 1; i >= 0; i-- {
		errs = append(errs, st.children[i].stop())
	}
	return errors.Join(append(errs, os.RemoveAll(st.dir))...)
}
