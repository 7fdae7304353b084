package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"roundhouse/sandbox"
)

const drainStdio = 5 * time.Second

// openOrMake is for the commands that look into the sandbox of a server. Where
// there is none yet they make it, and say so: the directory may be a wrong one.
func openOrMake(ctx context.Context, cfg *config, s streams) (*sandbox.Sandbox, error) {
	path := filepath.Join(cfg.Data, sandboxFile)
	fresh := isNew(path)
	sb, err := openSandboxFile(ctx, cfg, s)
	if err == nil && fresh {
		fmt.Fprintf(s.err, "roundhouse: made a new sandbox, %s; for that of a server give its --data\n", path)
	}
	return sb, err
}

func openSandboxFile(ctx context.Context, cfg *config, s streams) (*sandbox.Sandbox, error) {
	dir, err := cfg.dataDir()
	if err != nil {
		return nil, err
	}
	o, err := cfg.sandboxOptions(dir)
	if err != nil {
		return nil, err
	}
	o.Logger = cfg.logger(s.err)
	return sandbox.New(ctx, o)
}

// sandboxFile is where the sandbox is within the data directory.
const sandboxFile = "sandbox.db"

// sandboxOptions are those that settings tell; a command fills only its own.
func (c *config) sandboxOptions(dir string) (o sandbox.Options, err error) {
	o = sandbox.Options{Path: filepath.Join(dir, sandboxFile), Control: c.Control, Empty: c.Empty}
	if c.Age == "old" {
		o.Age = sandbox.Old
	}
	if c.Scale != "" {
		o.Scale, err = sandbox.ParseScale(c.Scale)
	}
	return o, err
}

// sayKept tells that --empty does nothing to a sandbox that has the story.
func sayKept(ctx context.Context, cfg *config, sb *sandbox.Sandbox, w io.Writer) error {
	if !cfg.Empty {
		return nil
	}
	story, err := sb.HasStory(ctx)
	if err == nil && story {
		fmt.Fprintf(w, "roundhouse: --empty is ignored, because the sandbox in %s has its story already; to begin anew, stop, run roundhouse sandbox reset%s and start again\n", cfg.Data, cfg.dataFlag())
	}
	return err
}

// isNew tells whether there is no database yet.
func isNew(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Size() == 0
}

// setFaults makes go wrong what the file says.
func setFaults(sb *sandbox.Sandbox, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return usageError{fmt.Errorf("--faults: %w", err)}
	}
	defer f.Close()
	faults, err := sandbox.ReadFaults(f)
	if err == nil {
		err = sb.SetFaults(faults)
	}
	if err != nil {
		return usageError{fmt.Errorf("--faults %s: %w", file, err)}
	}
	return nil
}

// sandboxServe serves the sandbox as a process of its own, for Roundhouse to
// reach by --sentry-url.
func sandboxServe(ctx context.Context, cfg *config, s streams) (err error) {
	ln, err := listen("--addr", cfg.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	defer sandbox.OwnProcess()()
	fresh := isNew(filepath.Join(cfg.Data, sandboxFile))
	sb, err := openSandboxFile(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	if err := sayKept(ctx, cfg, sb, s.err); err != nil {
		return err
	}
	if err := setFaults(sb, cfg.Faults); err != nil {
		return err
	}
	url := "http://" + ln.Addr().String()
	if err := sb.SetBaseURL(url); err != nil {
		return err
	}
	fmt.Fprintf(s.err, `
The sandbox, alone: a Sentry-compatible server with made-up data.

  URL          %[1]s
  Roundhouse   roundhouse sandbox app%[2]s    prints a client id and secret; export them, then
               roundhouse --sentry-url %[1]s --data ANOTHER_DIRECTORY
`, url, cfg.dataFlag())
	if err := welcome(ctx, s.err, sb, fresh, cfg.dsnCommand(url)); err != nil {
		return err
	}
	fmt.Fprint(s.err, "  Stop         Ctrl-C\n\n")
	srv := newHTTPServer(sb, cfg.logger(s.err))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }() // ends with srv.Shutdown
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(drain)
}

func sandboxApp(ctx context.Context, cfg *config, s streams) (err error) {
	sb, err := openOrMake(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	app, err := sb.EnsureApp(ctx, cfg.Name, cfg.RedirectURI)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "export ROUNDHOUSE_SENTRY_CLIENT_ID=%s\nexport ROUNDHOUSE_SENTRY_CLIENT_SECRET=%s\n", app.ClientID, app.ClientSecret)
	return err
}

func checkSandboxToken(c *config) error {
	if err := sandbox.CheckScopes(splitList(c.Scopes)); err != nil {
		return fmt.Errorf("--scopes %q: %w", c.Scopes, err)
	}
	_, err := c.skills()
	return err
}

func sandboxToken(ctx context.Context, cfg *config, s streams) (err error) {
	if err := sandbox.CheckUser(ctx, filepath.Join(cfg.Data, sandboxFile), cfg.SandboxUser); err != nil {
		return usageError{fmt.Errorf("--sandbox-user: %w", err)}
	}
	skills, err := cfg.skills()
	if err != nil {
		return usageError{err}
	}
	scopes := scopesOf(skills)
	if asked := splitList(cfg.Scopes); len(asked) > 0 {
		scopes = asked
	}
	sb, err := openOrMake(ctx, cfg, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	token, err := sb.CreateToken(ctx, cfg.SandboxUser, scopes)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, token)
	return err
}
