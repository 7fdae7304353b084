package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"roundhouse/oauth"
)

// tokenList prints the personal access tokens that have not expired, the newest
// first, and nothing by which one could be used.
func tokenList(ctx context.Context, cfg *config, s streams) error {
	return withStore(ctx, cfg, func(_ string, store *oauth.SQLStore) error {
		return printTokens(ctx, store, oauth.GrantQuery{User: cfg.User, Alive: time.Now(), Limit: 1000}, s.out)
	})
}

func printTokens(ctx context.Context, store *oauth.SQLStore, q oauth.GrantQuery, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tUSER\tCONTEXT\tSKILLS\tENDS\tLAST USED")
	for {
		grants, err := store.Grants(ctx, q)
		if err != nil {
			return err
		}
		for i, g := range grants {
			if g.ClientID == oauth.PersonalClient {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", g.ID, g.ClientName, g.UserName, g.Resource,
					strings.Join(g.Scopes, ","), g.Expires.UTC().Format(time.DateOnly), lastUsed(g.Used))
			}
			q.After = &grants[i].Grant
		}
		if len(grants) < q.Limit {
			return w.Flush()
		}
	}
}

func lastUsed(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04")
}

// tokenRevoke ends a personal access token in the store that a server uses,
// which may be running, and in Sentry what was made there for it.
func tokenRevoke(ctx context.Context, cfg *config, s streams) (err error) {
	dir, err := cfg.dataDir()
	if err != nil {
		return err
	}
	p := &program{publicURL: "http://" + defaultAddr} // nobody is sent there
	defer func() { err = errors.Join(err, p.close()) }()
	if p.backend, err = openRevoking(cfg); err != nil {
		return err
	}
	if p.store, err = openStore(ctx, cfg, dir); err != nil {
		return err
	}
	keys, err := openKeys(ctx, dir, p.store)
	if err != nil {
		return err
	}
	// What happens is in the audit record; only what does not work is told.
	logger := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if p.auth, err = p.newAuth(cfg, keys, logger); err != nil {
		return err
	}
	grant, err := p.auth.RevokePersonalToken(ctx, cfg.Operand)
	if errors.Is(err, oauth.ErrNotFound) {
		return fmt.Errorf("there is no personal access token %q; roundhouse token list shows them", cfg.Operand)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "Revoked %q of %s at %s.\n", grant.ClientName, grant.UserName, grant.Resource)
	if p.backend.revokeURL == "" {
		fmt.Fprintln(s.err, "The Sentry token behind it was not: end it in Sentry, or let it expire.")
	}
	return p.auth.Wait(ctx)
}

// openRevoking opens the Sentry whose application made the tokens behind the
// personal ones; without it, nothing is revoked there.
func openRevoking(cfg *config) (*backend, error) {
	if cfg.SentryURL != "" {
		return openSentry(cfg)
	}
	return &backend{url: "http://" + defaultAddr, name: "none", http: new(http.Client), clientID: "none", secret: "none"}, nil
}

func checkTokenRevoke(c *config) error {
	switch {
	case c.Operand == "":
		return errors.New("which token? roundhouse token revoke ID; roundhouse token list shows the ids")
	case c.SentryURL != "" && (c.SentryClientID == "" || c.SentryClientSecret == ""):
		return errors.New("--sentry-url needs --sentry-client-id and --sentry-client-secret, of the OAuth application that the server uses")
	case c.SentryURL == "" && (c.SentryClientID != "" || c.SentryClientSecret != ""):
		return errors.New("--sentry-client-id and --sentry-client-secret need --sentry-url")
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	if err := c.checkRevokeURL(); err != nil {
		return err
	}
	return checkSentryURL(c.SentryURL)
}
