package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"roundhouse/constraint"
	"roundhouse/oauth"
)

// tokenCreate makes a personal access token in the store that a server uses,
// which may be running.
func tokenCreate(ctx context.Context, cfg *config, s streams) (err error) {
	life, err := parseLife(cfg.Expires)
	if err != nil {
		return usageError{err}
	}
	publicURL := cfg.PublicURL
	if publicURL == "" {
		publicURL = "http://" + cfg.Addr
	}
	// What happens is in the audit record; the log would only repeat it.
	logger := slog.New(slog.DiscardHandler)
	p := &program{publicURL: publicURL}
	defer func() { err = errors.Join(err, p.close()) }()
	token, err := p.openForToken(ctx, cfg, life, logger)
	if err != nil {
		return err
	}
	resource := publicURL + "/mcp"
	for _, slug := range []string{cfg.Org, cfg.Project} {
		if slug != "" {
			resource += "/" + slug
		}
	}
	made, grant, err := p.auth.CreatePersonalToken(ctx, oauth.PersonalToken{
		Name: cfg.TokenName, Resource: resource, Skills: splitList(cfg.Skills), Life: life, AccessToken: token,
	})
	var known *oauth.Error
	if errors.As(err, &known) {
		return errors.New(known.Description)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "For %s at %s, until %s. It is not shown again.\n", grant.UserName, grant.Resource, grant.Expires.UTC().Format(time.DateOnly))
	if _, err := fmt.Fprintln(s.out, made); err != nil {
		return err
	}
	return p.auth.Wait(ctx)
}

// openForToken opens the store and the Sentry, and returns the Sentry token that
// the personal one will stand for: the one that was given, or in the sandbox a
// new one.
func (p *program) openForToken(ctx context.Context, cfg *config, life time.Duration, logger *slog.Logger) (token string, err error) {
	skills, err := cfg.skills()
	if err != nil {
		return "", usageError{err}
	}
	dir, err := cfg.dataDir()
	if err != nil {
		return "", err
	}
	if p.backend, err = openTokenBackend(ctx, cfg, dir, p.publicURL, logger); err != nil {
		return "", err
	}
	if p.store, err = openStore(ctx, cfg, dir); err != nil {
		return "", err
	}
	keys, err := openKeys(ctx, dir, p.store)
	if err != nil {
		return "", err
	}
	if p.auth, err = p.newAuth(cfg, keys, logger); err != nil {
		return "", err
	}
	if p.backend.sandbox == nil {
		return cfg.SentryToken, nil
	}
	return p.backend.sandbox.CreateTokenFor(ctx, cfg.SandboxUser, scopesOf(skills), life)
}

// openTokenBackend opens the Sentry without an application in it: nobody signs
// in, and registering would take the secret away from a server that runs.
func openTokenBackend(ctx context.Context, cfg *config, dir, publicURL string, logger *slog.Logger) (b *backend, err error) {
	if cfg.SentryURL != "" {
		b, err = openSentry(cfg)
	} else {
		b, err = openSandbox(ctx, cfg, dir, publicURL+sandboxPath, logger)
	}
	if err == nil {
		b.clientID, b.secret = "none", "none"
	}
	return b, err
}

// parseLife reads "90d", or what time.ParseDuration reads.
func parseLife(text string) (time.Duration, error) {
	life, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		life = time.Duration(min(n, 1000)) * 24 * time.Hour // many more would wrap around
	}
	if err != nil || life <= 0 || life > oauth.MaxPersonalLife {
		return 0, fmt.Errorf("--expires %q is not a time up to 365d, such as 30d or 12h", text)
	}
	return life, nil
}

func checkTokenCreate(c *config) error {
	if _, err := parseLife(c.Expires); err != nil {
		return err
	}
	if err := constraint.Check(c.Org, c.Project); err != nil {
		return fmt.Errorf("--org, --project: %w", err)
	}
	if _, err := c.skills(); err != nil {
		return err
	}
	switch {
	case c.PublicURL == "" && strings.HasSuffix(c.Addr, ":0"):
		return errors.New("--addr with port 0 names no server: give --public-url, or the address that the server listens on")
	case c.SentryURL != "" && c.SentryToken == "":
		return errors.New("--sentry-url needs --sentry-token (or ROUNDHOUSE_SENTRY_TOKEN), a user auth token of that Sentry")
	case c.SentryURL == "" && c.SentryToken != "":
		return errors.New("--sentry-token needs --sentry-url")
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	if err := c.checkPublicURL(); err != nil {
		return err
	}
	return checkSentryURL(c.SentryURL)
}
