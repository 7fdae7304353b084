package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"roundhouse/constraint"
	"roundhouse/load/rival"
	"roundhouse/sandbox"
)

func rivalDesigns() (lines []string) {
	for _, d := range rival.Designs {
		lines = append(lines, fmt.Sprintf("%-20s%s", d.Name, d.About))
	}
	return lines
}

func checkLoadRival(c *config) error {
	switch {
	case c.Operand == "":
		return fmt.Errorf("a design is wanted: %s", strings.Join(rival.Names(), ", "))
	case !slices.Contains(rival.Names(), c.Operand):
		return fmt.Errorf("%q is no design; there is %s", c.Operand, strings.Join(rival.Names(), ", "))
	case (c.SentryURL == "") != (c.load.Holders == ""):
		return errors.New("--sentry-url and --holders need each other")
	case c.Operand == "bare" && c.SentryURL != "" && !onLoopback(c.SentryURL):
		return errors.New("bare asks nobody for a token: whoever reaches it would use the holder's, so its --sentry-url must be a sandbox on this machine")
	case c.load.Trust < 0:
		return fmt.Errorf("--trust %s must not be negative", c.load.Trust)
	case !loopbackAddr(c.Addr):
		return fmt.Errorf("--addr %s is not on loopback", c.Addr)
	}
	if err := checkAddr("addr", c.Addr); err != nil {
		return err
	}
	if err := constraint.Check(c.Org, c.Project); err != nil {
		return fmt.Errorf("--org %q and --project %q are no context: %w", c.Org, c.Project, err)
	}
	return checkSentryURL(c.SentryURL)
}

// loadRival serves a design until ctx ends.
func loadRival(ctx context.Context, cfg *config, s streams) (err error) {
	token := "" // of a holder that is made for this run
	if cfg.SentryURL == "" {
		st, failed := setStage(ctx, comparedScale, 1, func(string) {})
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, st.close()) }()
		cfg.SentryURL, cfg.load.Holders = st.sentry, st.holders
		if token, err = st.bearer(); err != nil {
			return err
		}
	}
	handler, err := openRival(cfg)
	if err != nil {
		return err
	}
	ln, err := listen("addr", cfg.Addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "\nThe tools of Roundhouse by another design: %s\n\n  %-12s http://%s/mcp\n", cfg.Operand, "MCP client", ln.Addr())
	if token != "" {
		fmt.Fprintf(s.err, "  %-12s %s\n", "Bearer token", token)
	}
	fmt.Fprintf(s.err, "  %-12s Ctrl-C\n\n", "Stop")
	srv := newHTTPServer(handler, cfg.logger(s.err))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }() // ends with srv.Shutdown
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(drain)
}

func openRival(cfg *config) (http.Handler, error) {
	f, err := os.Open(cfg.load.Holders)
	if err != nil {
		return nil, usageError{fmt.Errorf("--holders: %w", err)}
	}
	defer f.Close()
	holders, err := rival.ReadHolders(f)
	if err != nil {
		return nil, usageError{fmt.Errorf("--holders %s: %w", cfg.load.Holders, err)}
	}
	trust := cfg.load.Trust
	if trust == 0 { // which would be the default
		trust = -1
	}
	place := strings.TrimSuffix(cfg.Org+"/"+cfg.Project, "/")
	return rival.New(cfg.Operand, rival.Config{SentryURL: cfg.SentryURL, Holders: holders, Place: place, Trust: trust})
}

// writeHolders makes tokens for the first users, who may ask rivals.
func (st *stage) writeHolders(ctx context.Context, sb *sandbox.Sandbox, n int) error {
	users, err := sb.Users(ctx)
	if err != nil {
		return err
	}
	ids := map[string]int64{}
	for _, u := range users {
		ids[u.Email] = u.ID
	}
	var lines strings.Builder
	for i := 1; i <= n; i++ {
		email := scaledUser(i)
		token, err := sb.CreateToken(ctx, email, []string{"org:read", "project:read", "event:read", "event:write", "team:read", "member:read"})
		if err != nil {
			return err
		}
		fmt.Fprintln(&lines, rand.Text(), ids[email], token)
	}
	st.holders = filepath.Join(st.dir, "holders")
	return os.WriteFile(st.holders, []byte(lines.String()), 0o600)
}

// scaledUser is the e-mail of user n of a sandbox's scale.
func scaledUser(n int) string { return fmt.Sprintf("user-%d@example.test", n) }
