package login

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Tokens are a user's, kept fresh. It is a Login.
type Tokens struct {
	app    *App
	client *http.Client
	keep   func(*oauth2.Token) error // puts new tokens where they outlive the run; nil: they do not

	mu     sync.Mutex // guards the rest; the app's may be locked under it
	header string
	access string
	next   string    // the refresh token; "" if there is none
	ends   time.Time // zero: not known
	due    time.Time // to be refreshed; zero: never
	busy   chan struct{}
	delay  time.Duration // after the next failure
	failed error         // the last refresh
	over   bool          // nothing will help
}

// String hides the tokens from whoever prints them.
func (t *Tokens) String() string   { return "REDACTED" }
func (t *Tokens) GoString() string { return "REDACTED" }

const (
	refreshTimeout = 30 * time.Second
	firstDelay     = time.Second
	longestDelay   = time.Minute
)

// Authorization returns the header with the token there is as long as that is
// good, and has it refreshed meanwhile when a fifth of its life is left. Only
// when it has ended, callers wait.
func (t *Tokens) Authorization(ctx context.Context) (string, error) {
	for {
		header, busy, err := t.look()
		if header != "" || err != nil {
			return header, err
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// look returns the header; or the refresh to wait for; or why there is none.
func (t *Tokens) look() (header string, busy chan struct{}, err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy == nil && !t.due.IsZero() && !now.Before(t.due) {
		t.begin()
	}
	switch {
	case t.ends.IsZero() || now.Before(t.ends):
		return t.header, nil, nil
	case t.busy != nil:
		return "", t.busy, nil
	case t.failed != nil:
		return "", nil, fmt.Errorf("refresh: %w", t.failed)
	}
	return "", nil, errors.New("the token has ended and cannot be refreshed")
}

// begin starts a refresh, unless the app is closed. With mu. It runs on whoever
// has asked goes away: the server has changed the refresh token by then.
func (t *Tokens) begin() {
	t.app.mu.Lock()
	defer t.app.mu.Unlock()
	if t.app.closed || t.over || t.next == "" {
		return
	}
	t.busy = make(chan struct{})
	t.app.busy.Go(func() { t.refresh(t.next) })
}

// refresh ends with its request.
func (t *Tokens) refresh(token string) {
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	got, err := t.ask(ctx, token)
	if err == nil {
		t.app.refreshes.Add(1)
		t.take(got)
		t.kept(got)
	} else {
		t.app.failures.Add(1)
		t.fail(withoutBody(err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.busy)
	t.busy = nil
}

// kept tells of tokens that could not be kept: the run goes on with them.
func (t *Tokens) kept(got *oauth2.Token) {
	if t.keep == nil {
		return
	}
	if err := t.keep(got); err != nil {
		t.app.tell(fmt.Sprintf("the token file could not be written, and its refresh token is used up: %v", err))
	}
}

// ask sends the request of RFC 6749 §6 with the resource of RFC 8707, which is
// the exchange of a code in other words.
func (t *Tokens) ask(ctx context.Context, token string) (*oauth2.Token, error) {
	config := t.app.oauth
	config.RedirectURL = ""
	return config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, t.client), "",
		oauth2.SetAuthURLParam("grant_type", "refresh_token"), oauth2.SetAuthURLParam("refresh_token", token), t.app.resource())
}

// take puts new tokens in the place of the old.
func (t *Tokens) take(got *oauth2.Token) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.access, t.header = got.AccessToken, "Bearer "+got.AccessToken
	if got.RefreshToken != "" {
		t.next = got.RefreshToken
	}
	t.failed, t.delay = nil, firstDelay
	t.ends, t.due = time.Time{}, time.Time{}
	life := t.app.cfg.Life
	if !got.Expiry.IsZero() {
		whole := max(got.Expiry.Sub(now), 1)                   // a file's may have ended long ago
		t.ends = got.Expiry.Add(-min(whole/20, 5*time.Second)) // what is sent now arrives later
		if life == 0 || whole < life {
			life = whole
		}
	}
	if life > 0 {
		// Between 75 % and 85 % of the life: hundreds that signed in together do
		// not refresh together.
		t.due = now.Add(time.Duration(float64(life) * (0.75 + rand.Float64()/10)))
	}
}

// fail waits longer each time. What the server has refused for good is not
// asked again.
func (t *Tokens) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
	var refused *refusal
	if errors.As(err, &refused) && refused.status/100 == 4 && refused.status != http.StatusTooManyRequests {
		t.over = true
	}
	t.due = time.Now().Add(t.delay)
	t.delay = min(2*t.delay, longestDelay)
}

// revoke ends the grant: the refresh token stands for all of it.
func (t *Tokens) revoke(ctx context.Context) error {
	t.mu.Lock()
	form := url.Values{"token": {t.next}, "token_type_hint": {"refresh_token"}}
	if t.next == "" {
		form = url.Values{"token": {t.access}, "token_type_hint": {"access_token"}}
	}
	t.mu.Unlock()
	basic := t.app.oauth.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", t.app.oauth.ClientID)
		if secret := t.app.oauth.ClientSecret; secret != "" {
			form.Set("client_secret", secret)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.app.server.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic { // RFC 6749 §2.3.1
		r.SetBasicAuth(url.QueryEscape(t.app.oauth.ClientID), url.QueryEscape(t.app.oauth.ClientSecret))
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return bare(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	return nil
}
