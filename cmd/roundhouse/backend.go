package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"roundhouse/sandbox"
	"roundhouse/sentry"
)

// sandboxPath is where the embedded sandbox is mounted beside the MCP URLs, for
// its sign-in page and for SDKs that send to it.
const sandboxPath = "/sandbox"

// backend is the Sentry behind this server: a real one, or the embedded
// sandbox, which is reached the same way.
type backend struct {
	url      string // as browsers and links write it, no trailing slash
	name     string // for the consent page
	http     *http.Client
	clientID string
	secret   string
	sandbox  *sandbox.Sandbox // nil for a real one
	fresh    bool             // the sandbox was made just now

	revokeURL string // where tokens are revoked; empty: nowhere
}

func openSentry(cfg *config) (*backend, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	if cfg.SentryCAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("--sentry-ca-file: system certificates: %w", err)
		}
		pem, err := os.ReadFile(cfg.SentryCAFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--sentry-ca-file: %w", err)}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usageError{fmt.Errorf("--sentry-ca-file: no certificate in %s", cfg.SentryCAFile)}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	u, err := url.Parse(cfg.SentryURL)
	if err != nil {
		return nil, fmt.Errorf("--sentry-url: %w", err)
	}
	return &backend{
		url:      strings.TrimRight(cfg.SentryURL, "/"),
		name:     u.Host,
		http:     &http.Client{Transport: transport, Timeout: 30 * time.Second},
		clientID: cfg.SentryClientID,
		secret:   cfg.SentryClientSecret,

		revokeURL: cfg.revokeURL(),
	}, nil
}

// revokeURL is where that Sentry revokes tokens, if it can.
func (c *config) revokeURL() string {
	switch c.SentryRevokeURL {
	case "off":
		return ""
	case "":
		return strings.TrimRight(c.SentryURL, "/") + "/oauth/revoke/"
	}
	return c.SentryRevokeURL
}

// openSandbox opens the sandbox in dir, to be reached by browsers at baseURL.
func openSandbox(ctx context.Context, cfg *config, dir, baseURL string, logger *slog.Logger) (*backend, error) {
	o, err := cfg.sandboxOptions(dir)
	if err != nil {
		return nil, err
	}
	o.BaseURL, o.Logger = baseURL, logger.With("part", "sandbox")
	fresh := isNew(o.Path)
	sb, err := sandbox.New(ctx, o)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, err
	}
	return &backend{
		url:     baseURL,
		name:    "the embedded sandbox",
		http:    &http.Client{Transport: inProcess{http.StripPrefix(u.Path, sb)}, Timeout: 30 * time.Second},
		sandbox: sb,
		fresh:   fresh,
	}, nil
}

// register makes the server at publicURL an OAuth application of the embedded
// sandbox. Its name holds the URL, so that a second server on the same data gets
// an application of its own instead of a new secret for the first one's.
func (b *backend) register(ctx context.Context, publicURL string) error {
	app, err := b.sandbox.EnsureApp(ctx, "roundhouse at "+publicURL, publicURL+"/oauth/callback")
	if err != nil {
		return fmt.Errorf("register in the sandbox: %w", err)
	}
	b.clientID, b.secret = app.ClientID, app.ClientSecret
	return nil
}

func (b *backend) oauth() oauth2.Config {
	return oauth2.Config{
		ClientID:     b.clientID,
		ClientSecret: b.secret,
		Endpoint:     oauth2.Endpoint{AuthURL: b.url + "/oauth/authorize/", TokenURL: b.url + "/oauth/token/"},
	}
}

// client calls the API with the tokens that source gives, over transport; nil
// means the backend's own.
func (b *backend) client(source sentry.TokenSource, transport http.RoundTripper) (*sentry.Client, error) {
	c := *b.http
	if transport != nil {
		c.Transport = transport
	}
	return sentry.NewClient(sentry.Config{
		BaseURL:    b.url,
		Tokens:     source,
		HTTPClient: &c,
		UserAgent:  "roundhouse/" + version(),
	})
}

func (b *backend) close() error {
	b.http.CloseIdleConnections()
	if b.sandbox == nil {
		return nil
	}
	return b.sandbox.Close()
}
