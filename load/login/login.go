// Package login signs users in to an MCP server as real clients do: it finds
// the authorization server from the 401, registers, sends the user's browser
// there, changes the code into tokens, and refreshes them while the run goes on.
//
// Of golang.org/x/oauth2 it uses the request for a code, PKCE and the exchange.
// Its TokenSource would leave out the resource (RFC 8707), make those wait who
// still have a good token, and refresh for whoever came first.
package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// Login is what one user's client got. It is safe for concurrent use.
type Login interface {
	// Authorization returns the header for the next request, with a token that
	// is good for a while longer: one that ends soon is refreshed first, once
	// for all who ask.
	Authorization(ctx context.Context) (string, error)
}

// Browser takes a user through the pages of a sign-in, from start until they
// lead to callback, and returns the query that arrives there. What it sends
// goes through send.
type Browser interface {
	Walk(ctx context.Context, send http.RoundTripper, start, callback string) (url.Values, error)
}

// Config is the client that users sign in with. URL is required.
type Config struct {
	URL        string       // of the MCP server: tokens will be good there and below
	HTTP       *http.Client // nil: http.DefaultClient's transport
	ClientName string       // shown to users; "": Roundhouse load
	Redirect   string       // where codes arrive; "": on this machine, where only a Walker comes
	Scopes     []string     // asked for; nil: what the server names

	ClientID     string // of a client that is registered already; "": register one
	ClientSecret string

	Life   time.Duration // refresh tokens as if they lived so long; 0: as long as the server says
	Spread bool          // let each user come from an address of its own, 127.x in X-Forwarded-For. For a server of the run's own that trusts it: limits count addresses

	Progress func(string) // told what a person should know, such as that a limit makes a sign-in wait; may be nil
}

// App is one client, which many users sign in with. It is safe for concurrent
// use.
type App struct {
	cfg    Config
	server *server
	oauth  oauth2.Config
	http   http.RoundTripper

	users, signIns, refreshes, failures atomic.Uint64

	toldWait atomic.Int64 // when a wait was told of, in Unix nanoseconds

	mu     sync.Mutex // guards the rest
	made   []*Tokens
	closed bool
	busy   sync.WaitGroup // refreshes; added to with mu
}

// Counts are what an App has done.
type Counts struct {
	SignIns   uint64
	Refreshes uint64
	Failures  uint64 // of refreshes
}

// defaultRedirect is where nobody listens: a Walker stops before it.
const defaultRedirect = "http://127.0.0.1:33418/callback"

// ErrNotAsked is returned for a server that asks nobody to sign in.
var ErrNotAsked = errors.New("the server asks for no sign-in")

// NewApp finds the authorization server and registers there, unless cfg has a
// client.
func NewApp(ctx context.Context, cfg Config) (*App, error) {
	if cfg.ClientName == "" {
		cfg.ClientName = "Roundhouse load"
	}
	if cfg.Redirect == "" {
		cfg.Redirect = defaultRedirect
	}
	a := &App{cfg: cfg, http: http.DefaultTransport}
	if cfg.HTTP != nil && cfg.HTTP.Transport != nil {
		a.http = cfg.HTTP.Transport
	}
	client := a.client("")
	found, err := discover(ctx, client, cfg.URL)
	if err != nil {
		return nil, err
	}
	a.server = found
	if cfg.Scopes == nil {
		a.cfg.Scopes = found.scopes
	}
	registered := registration{ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret}
	if cfg.ClientID == "" {
		if registered, err = found.register(ctx, client, a.cfg); err != nil {
			return nil, err
		}
	}
	a.oauth = oauth2.Config{
		ClientID:     registered.ClientID,
		ClientSecret: registered.ClientSecret,
		Endpoint:     oauth2.Endpoint{AuthURL: found.AuthorizationEndpoint, TokenURL: found.TokenEndpoint, AuthStyle: registered.style(found)},
		RedirectURL:  cfg.Redirect,
		Scopes:       a.cfg.Scopes,
	}
	return a, nil
}

func (a *App) tell(what string) {
	if a.cfg.Progress != nil {
		a.cfg.Progress(what)
	}
}

// tellWait tells of a wait, unless it told of one just now: a hundred sign-ins
// wait for one limit.
func (a *App) tellWait(wait time.Duration) {
	now, last := time.Now().UnixNano(), a.toldWait.Load()
	if now-last >= int64(5*time.Second) && a.toldWait.CompareAndSwap(last, now) {
		a.tell(fmt.Sprintf("the server limits sign-ins: waiting %s", wait))
	}
}

// client returns an HTTP client for a user who comes from an address; "": the
// real one.
func (a *App) client(from string) *http.Client {
	return &http.Client{
		Transport:     &patient{send: a.http, from: from, app: a},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// nextFrom is the address of one more user.
func (a *App) nextFrom() string {
	if !a.cfg.Spread {
		return ""
	}
	n := a.users.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 1+n>>16%254, n>>8%256, n%256)
}

// SignIn takes a user through the browser.
func (a *App) SignIn(ctx context.Context, b Browser) (*Tokens, error) {
	client := a.client(a.nextFrom())
	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	start := a.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), a.resource())
	came, err := b.Walk(ctx, client.Transport, start, a.cfg.Redirect)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", bare(err))
	}
	if err := a.check(came, state); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	got, err := a.oauth.Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), came.Get("code"), oauth2.VerifierOption(verifier), a.resource())
	if err != nil {
		return nil, fmt.Errorf("change the code into tokens: %w", withoutBody(err))
	}
	t := &Tokens{app: a, client: client}
	t.take(got)
	a.signIns.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made = append(a.made, t)
	return t, nil
}

func (a *App) resource() oauth2.AuthCodeOption {
	return oauth2.SetAuthURLParam("resource", a.server.resource)
}

// check refuses an answer that is not to this sign-in (state), that comes from
// another authorization server (RFC 9207: mix-up), or that is a refusal.
func (a *App) check(came url.Values, state string) error {
	iss, required := came.Get("iss"), a.server.IssParameter
	switch {
	case came.Get("state") != state:
		return errors.New("the state at the callback is another than was sent")
	case iss != a.server.Issuer && (iss != "" || required):
		return fmt.Errorf("the answer comes from %q and not from %s", short(iss), a.server.Issuer)
	case came.Get("error") != "":
		return fmt.Errorf("refused: %s: %s", short(came.Get("error")), short(came.Get("error_description")))
	case came.Get("code") == "":
		return errors.New("no code arrived at the callback")
	}
	return nil
}

// Counts returns what a has done so far.
func (a *App) Counts() Counts {
	return Counts{a.signIns.Load(), a.refreshes.Load(), a.failures.Load()}
}

// Close waits for what is under way. Tokens that a made are good as long as they
// last, but are not refreshed any more.
func (a *App) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.busy.Wait()
}

// SignOut closes a, and has the server revoke all that SignIn made (RFC 7009).
func (a *App) SignOut(ctx context.Context) error {
	a.Close()
	if a.server.RevocationEndpoint == "" {
		return errors.New("sign out: the server cannot revoke tokens; they end by themselves")
	}
	a.mu.Lock()
	made := slices.Clone(a.made)
	a.mu.Unlock()
	var (
		busy   sync.WaitGroup
		places = make(chan struct{}, 8) // at once
		failed = make([]error, len(made))
	)
	for i, t := range made {
		places <- struct{}{}
		busy.Go(func() {
			failed[i] = t.revoke(ctx)
			<-places
		})
	}
	busy.Wait()
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) > 0 {
		return fmt.Errorf("sign out: %d of %d tokens were not revoked: %w", len(failed), len(made), failed[0])
	}
	return nil
}
