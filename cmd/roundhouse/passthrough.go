package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"roundhouse/constraint"
	"roundhouse/oauth"
	"roundhouse/sentry"
	"roundhouse/tools"
)

const (
	sentryScheme = "Sentry-Bearer"

	knownLife   = time.Minute      // of what Sentry said about a good token: that long a revoked one goes on
	unknownLife = 15 * time.Second // and about a bad one
	streamLife  = time.Hour        // of a stream that such a token opens

	maxKnown         = 10_000
	maxSentryToken   = 1024
	checksPerMinute  = 120 // of tokens that are not known, from one source
	checkTimeout     = 10 * time.Second
	passthroughGrant = "sentry-"
)

// passthrough lets the holder of a Sentry token in without signing in:
// "Authorization: Sentry-Bearer TOKEN". The token itself stays in the request;
// what is remembered is its SHA-256 and what Sentry said about it.
type passthrough struct {
	ask      func(ctx context.Context, token string) (constraint.Caller, error)
	resource string // the widest: Sentry decides what the token reaches
	source   func(*http.Request) netip.Addr
	now      func() time.Time
	limit    *oauth.Limiter

	checks singleflight.Group // by grant

	mu    sync.Mutex
	known map[string]verdict // by grant
}

type verdict struct {
	caller constraint.Caller
	err    error
	until  time.Time
}

func newPassthrough(resource string, source func(*http.Request) netip.Addr, ask func(context.Context, string) (constraint.Caller, error)) *passthrough {
	return &passthrough{
		ask: ask, resource: resource, source: source, now: time.Now, known: map[string]verdict{},
		limit: oauth.NewLimiter(oauth.Limit{PerMinute: checksPerMinute, Burst: checksPerMinute}, time.Now),
	}
}

// brought is the Sentry token that a request came with. It is in the request's
// context, and gone with it.
type brought struct {
	token, grant string
	source       netip.Addr
}

type broughtInContext struct{}

func broughtFrom(ctx context.Context) (brought, bool) {
	b, ok := ctx.Value(broughtInContext{}).(brought)
	return b, ok
}

// carry puts the token of a request where verify and the tools find it.
func (p *passthrough) carry(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if headers := r.Header.Values("Authorization"); len(headers) == 1 {
			scheme, token, _ := strings.Cut(headers[0], " ")
			if strings.EqualFold(scheme, sentryScheme) {
				r = r.WithContext(context.WithValue(r.Context(), broughtInContext{}, brought{token, grantOfToken(token), p.source(r)}))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// grantOfToken names a Sentry token where a grant's id is wanted: in logs, and
// to keep what was cached with one token from another.
func grantOfToken(token string) string {
	sum := sha256.Sum256([]byte("sentry token\x00" + token))
	return passthroughGrant + hex.EncodeToString(sum[:20])
}

// verify returns the holder of the token that ctx carries. It asks Sentry once
// a minute, and not too often for tokens that nobody knows.
func (p *passthrough) verify(ctx context.Context, token string) (constraint.Caller, error) {
	b, ok := broughtFrom(ctx)
	if !ok || b.token != token || token == "" || len(token) > maxSentryToken || strings.ContainsFunc(token, notInToken) {
		return constraint.Caller{}, constraint.ErrUnauthorized
	}
	if v, ok := p.recall(b.grant); ok {
		return p.lasting(v.caller), v.err
	}
	if wait := p.limit.Take(b.source); wait > 0 {
		return constraint.Caller{}, &constraint.UnavailableError{Reason: "too many Sentry tokens to check from this address; try again in a minute", RetryAfter: wait}
	}
	// The check outlives a caller that gives up: others may wait for it.
	result, err, _ := p.checks.Do(b.grant, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		return p.check(ctx, b)
	})
	if err != nil {
		return constraint.Caller{}, err
	}
	return p.lasting(result.(constraint.Caller)), nil
}

// lasting bounds the streams of a token whose end Sentry does not tell.
func (p *passthrough) lasting(caller constraint.Caller) constraint.Caller {
	caller.Expires = p.now().Add(streamLife)
	return caller
}

func notInToken(r rune) bool { return r <= ' ' || r > '~' }

func (p *passthrough) check(ctx context.Context, b brought) (constraint.Caller, error) {
	caller, err := p.ask(ctx, b.token)
	switch {
	case errors.Is(err, constraint.ErrUnauthorized):
		p.remember(b.grant, verdict{err: constraint.ErrUnauthorized, until: p.now().Add(unknownLife)})
		return constraint.Caller{}, err
	case err != nil: // Sentry is to be asked again
		return constraint.Caller{}, err
	}
	caller.Grant, caller.Resource = b.grant, p.resource
	p.remember(b.grant, verdict{caller: caller, until: p.now().Add(knownLife)})
	return caller, nil
}

func (p *passthrough) recall(grant string) (verdict, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.known[grant]
	return v, ok && p.now().Before(v.until)
}

func (p *passthrough) remember(grant string, v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known) // whoever still comes is asked for once more
	}
	p.known[grant] = v
}

// forget makes the next request with a token ask Sentry.
func (p *passthrough) forget(grant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, grant)
}

// askSentry finds out whose a Sentry token is, and what it is good for: the
// skills whose scopes it has, or those of the configuration where Sentry does
// not tell the scopes.
func (p *program) askSentry(otherwise []string) func(context.Context, string) (constraint.Caller, error) {
	return func(ctx context.Context, token string) (constraint.Caller, error) {
		client, err := p.clientOf(token)
		if err != nil {
			return constraint.Caller{}, err
		}
		user, err := client.Whoami(ctx)
		var scopes []string
		if err == nil {
			scopes, err = client.Scopes(ctx)
		}
		switch {
		case errors.Is(err, sentry.ErrUnauthorized), errors.Is(err, sentry.ErrForbidden), err == nil && user.ID == "":
			return constraint.Caller{}, constraint.ErrUnauthorized
		case err != nil:
			return constraint.Caller{}, &constraint.UnavailableError{Reason: "Sentry could not be asked about this token; try again", Err: err}
		}
		skills := otherwise
		if scopes != nil {
			skills = skillsWithin(scopes)
		}
		if len(skills) == 0 { // good for nothing here
			return constraint.Caller{}, constraint.ErrUnauthorized
		}
		return constraint.Caller{User: string(user.ID), Skills: skills}, nil
	}
}

// skillsWithin are the skills that need no more than the scopes.
func skillsWithin(scopes []string) []string {
	var skills []string
	for _, s := range tools.Skills {
		if !slices.ContainsFunc(s.Scopes, func(need string) bool { return !implied(scopes, need) }) {
			skills = append(skills, s.ID)
		}
	}
	return skills
}

// implied reports whether scopes hold one, or one of the same kind that says
// more: admin implies write, and write read.
func implied(scopes []string, need string) bool {
	kind, level, _ := strings.Cut(need, ":")
	levels := []string{"read", "write", "admin"}
	at := slices.Index(levels, level)
	if at < 0 {
		return slices.Contains(scopes, need)
	}
	return slices.ContainsFunc(levels[at:], func(level string) bool { return slices.Contains(scopes, kind+":"+level) })
}
