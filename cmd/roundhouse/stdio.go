package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"roundhouse/constraint"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// stdioTokenLife is far longer than an agent runs, and short enough that the
// tokens of many starts do not pile up in the sandbox.
const stdioTokenLife = 7 * 24 * time.Hour

// stdio serves one context to the process that started this one, by the same
// actor as over HTTP.
func stdio(ctx context.Context, cfg *config, s streams) error {
	logger := cfg.logger(s.err)
	skills, err := cfg.skills()
	if err != nil {
		return usageError{err}
	}
	b, token, err := localBackend(ctx, cfg, skills, logger)
	if err != nil {
		return err
	}
	defer b.close()
	client, err := b.client(sentry.StaticToken{T: token}, nil)
	if err != nil {
		return err
	}
	user, err := client.Whoami(ctx)
	if err != nil {
		return fmt.Errorf("ask Sentry whose the token is: %w", err)
	}
	key, err := constraint.New(string(user.ID), cfg.Org, cfg.Project)
	if err != nil {
		return usageError{err}
	}
	node, err := startNode(cfg, client, nil, nodeKeys{}, nil, logger)
	if err != nil {
		return err
	}
	caller := constraint.Caller{User: key.User(), Grant: "stdio"}
	for _, skill := range skills {
		caller.Skills = append(caller.Skills, skill.ID)
	}
	fmt.Fprintf(s.err, "roundhouse: %s as %s, on standard input and output\n", b.name, user.Email)
	if b.sandbox != nil {
		fmt.Fprintf(s.err, "roundhouse: nothing listens here; links in answers open while roundhouse serve%s serves %s, or what --sandbox-url names\n", cfg.dataFlag(), b.url)
	}
	err = node.ServeStdio(constraint.WithCaller(ctx, caller), key, s.in, s.out)
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		err = nil
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainStdio)
	defer cancel()
	return errors.Join(explain(err, cfg), node.Shutdown(drain))
}

// localBackend opens the Sentry of a local agent and the token to call it with.
func localBackend(ctx context.Context, cfg *config, skills []tools.Skill, logger *slog.Logger) (*backend, sentry.Token, error) {
	if cfg.SentryURL != "" {
		b, err := openSentry(cfg)
		return b, sentry.NewToken(cfg.SentryToken), err
	}
	dir, err := cfg.dataDir()
	if err != nil {
		return nil, sentry.Token{}, err
	}
	b, err := openSandbox(ctx, cfg, dir, strings.TrimRight(cfg.SandboxURL, "/"), logger)
	if err != nil {
		return nil, sentry.Token{}, err
	}
	token, err := b.sandbox.CreateTokenFor(ctx, cfg.SandboxUser, scopesOf(skills), stdioTokenLife)
	if err != nil {
		return nil, sentry.Token{}, errors.Join(err, b.close())
	}
	return b, sentry.NewToken(token), nil
}

func scopesOf(skills []tools.Skill) []string {
	var scopes []string
	for _, s := range skills {
		scopes = append(scopes, s.Scopes...)
	}
	return scopes
}

// explain says on the terminal what a client of the HTTP server would be told.
func explain(err error, cfg *config) error {
	var moved *constraint.MovedError
	switch {
	case errors.Is(err, constraint.ErrUnknown):
		return fmt.Errorf("organization %q, project %q: %w", cfg.Org, cfg.Project, constraint.ErrUnknown)
	case errors.Is(err, constraint.ErrUnauthorized):
		return errors.New("the token is not accepted by Sentry: make a new one in its user settings")
	case errors.As(err, &moved):
		right := "--org " + moved.Key.Org()
		if moved.Key.Project() != "" {
			right += " --project " + moved.Key.Project()
		}
		return errors.New("spelled differently in Sentry: use " + right)
	}
	return err
}
