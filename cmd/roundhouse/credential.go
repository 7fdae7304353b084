package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"roundhouse/constraint"
	"roundhouse/oauth"
	"roundhouse/sentry"
)

// grantTokens finds the Sentry token of the grant that a request came with.
type grantTokens struct{ auth *oauth.Server }

func (t grantTokens) Token(ctx context.Context) (sentry.Token, error) {
	caller, ok := constraint.CallerFrom(ctx)
	if !ok {
		return sentry.Token{}, errors.New("a call to Sentry without a caller")
	}
	if b, ok := broughtFrom(ctx); ok && b.grant == caller.Grant {
		return sentry.NewToken(b.token), nil
	}
	token, err := t.auth.UpstreamToken(ctx, caller.Grant)
	if errors.Is(err, oauth.ErrInvalidToken) { // it has ended while a call, or a task, goes on
		return sentry.Token{}, fmt.Errorf("token of the grant: %w", sentry.ErrUnauthorized)
	}
	if err != nil {
		return sentry.Token{}, fmt.Errorf("token of the grant: %w", err)
	}
	return sentry.NewToken(token), nil
}

// refusals watches what Sentry answers to the tokens of grants: a 401 means that
// it has ended the sign-in before its time. The grant then ends too, and the
// client's next request is asked to sign in again instead of failing for ever.
type refusals struct {
	next    http.RoundTripper
	auth    *oauth.Server
	brought *passthrough // may be nil
	logger  *slog.Logger
}

func (t refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	ctx := context.WithoutCancel(req.Context())
	caller, ok := constraint.CallerFrom(ctx)
	token, isBearer := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if b, ok := broughtFrom(ctx); ok && b.grant == caller.Grant && t.brought != nil {
		t.brought.forget(b.grant)
		return resp, nil
	}
	if ok && isBearer {
		if err := t.auth.UpstreamRefused(ctx, caller.Grant, token); err != nil {
			t.logger.Error("grant not ended", "grant", caller.Grant, "error", err)
		}
	}
	return resp, nil
}
