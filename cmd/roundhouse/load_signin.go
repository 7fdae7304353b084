package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"roundhouse/load"
	"roundhouse/load/login"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// target is what a run drives.
type target struct {
	name    string // for the report; "": the URL
	mcp     string // URL
	signIn  string // one of the below, or "" for hand where it is needed
	own     bool   // it ends with the run
	scale   *sandbox.Scale
	faults  string // URL
	metrics string // URL
	pid     int
}

// The ways to sign in.
const (
	byHand    = "hand"
	bySandbox = "sandbox"
	byNobody  = "none"
)

// target is a server of the run's own.
func (st *stage) target(n served, scale sandbox.Scale) target {
	return target{name: "roundhouse", mcp: n.mcp, signIn: bySandbox, own: true, scale: &scale, faults: st.faults(), metrics: n.metrics, pid: n.pid}
}

// loadUsers sign in for a run.
type loadUsers struct {
	signIn func(context.Context, int) (load.Person, error) // nil: nobody does
	close  func(context.Context) error
}

// lastSignOut is how long the end waits for users to be signed out.
const lastSignOut = 20 * time.Second

// nobody signs in.
var nobody = loadUsers{close: func(context.Context) error { return nil }}

// signIn makes ready what users sign in with.
func (c *config) signIn(ctx context.Context, t target, sc scenario.Scenario, header http.Header, r *loadRunning) (loadUsers, error) {
	cfg := login.Config{URL: t.mcp, Life: sc.TokenLife.Duration, Progress: r.live.say}
	switch {
	case c.load.TokenFile != "":
		return fileUsers(ctx, c.load.TokenFile, sc.Users, cfg)
	case t.signIn == byNobody || header.Get("Authorization") != "":
		return nobody, nil
	case t.signIn == bySandbox:
		cfg.Spread = onLoopback(t.mcp) // a server of the run's own believes it; to others it means nothing
		return appUsers(ctx, cfg, t.own, func(n int) (string, login.Browser) {
			email := c.SandboxUser
			if sc.Users > 1 || t.scale != nil {
				email = scaledUser(n)
			}
			return email, &login.Walker{Email: email, Skills: skillIDs()}
		})
	}
	hand, err := login.ByHand(r.s.err)
	if err != nil {
		return nobody, err
	}
	cfg.Redirect = hand.Redirect()
	users, err := appUsers(ctx, cfg, false, func(int) (string, login.Browser) { return "", hand })
	end := users.close
	users.close = func(ctx context.Context) error { return errors.Join(end(ctx), hand.Close()) }
	return users, err
}

// appUsers sign in with one registered client, if the server asks for it.
// They are signed out at the end unless the server goes then, too.
func appUsers(ctx context.Context, cfg login.Config, goes bool, browser func(n int) (email string, b login.Browser)) (loadUsers, error) {
	app, err := login.NewApp(ctx, cfg)
	if errors.Is(err, login.ErrNotAsked) {
		return nobody, nil
	}
	if err != nil {
		return nobody, fmt.Errorf("sign in: %w", err)
	}
	return loadUsers{
		signIn: func(ctx context.Context, n int) (load.Person, error) {
			email, b := browser(n)
			tokens, err := app.SignIn(ctx, b)
			if errors.Is(err, login.ErrNoUser) {
				err = fmt.Errorf("%w; the sandbox is to be served with --scale, and as many users as the scenario has; --users 1 needs none", err)
			}
			if err != nil {
				return load.Person{}, err
			}
			return load.Person{Email: email, Login: tokens}, nil
		},
		close: func(ctx context.Context) error {
			if goes {
				app.Close()
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, lastSignOut)
			defer cancel()
			return app.SignOut(ctx)
		},
	}, nil
}

// fileUsers have tokens already.
func fileUsers(ctx context.Context, path string, n int, cfg login.Config) (loadUsers, error) {
	f, err := login.ReadFile(path)
	if err != nil {
		return loadUsers{}, usageError{fmt.Errorf("--token-file: %w", err)}
	}
	if f.Users() < n {
		return loadUsers{}, usageError{fmt.Errorf("--token-file %s has the tokens of %d of the %d users that the scenario wants: ask for --users %[2]d", path, f.Users(), n)}
	}
	logins, err := f.Logins(ctx, cfg)
	if err != nil {
		return loadUsers{}, err
	}
	return loadUsers{
		signIn: func(_ context.Context, n int) (load.Person, error) { return load.Person{Login: logins[n-1]}, nil },
		close: func(context.Context) error {
			f.Close() // refreshed tokens are in the file then
			return nil
		},
	}, nil
}
