package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

const (
	refreshEarly   = 2 * time.Minute  // before the upstream token expires
	refreshTimeout = 20 * time.Second // of one upstream refresh
	leaseLife      = 30 * time.Second // longer than that, so that its holder has given up before another starts
	leasePoll      = 50 * time.Millisecond
	storeTimeout   = 5 * time.Second

	// Between two attempts to store what the upstream answered: at first, and at
	// the most. It is a store's failover, some ten seconds, in all.
	keepPause = 20 * time.Millisecond
	keepTime  = 5 * time.Second
)

// credential is the upstream's, sealed in a grant.
type credential struct {
	AccessToken  string
	RefreshToken string // empty: it cannot be refreshed
	Brought      bool   `json:",omitempty"` // by the user, who made it: not ours to revoke
}

// UpstreamToken returns the upstream access token of a grant, and refreshes it
// first if it expires within two minutes. All callers of one grant share one
// refresh, and so do all processes on one store.
//
// The error is ErrInvalidToken when the user must sign in again: the grant is
// gone, its upstream token does not open, or the upstream ended the sign-in,
// upon which the grant is revoked. Any other error is worth another try later.
func (s *Server) UpstreamToken(ctx context.Context, grantID string) (string, error) {
	grant, err := s.live(s.store.RecentGrant(ctx, grantID))
	if err != nil {
		return "", err
	}
	if !s.expiresSoon(grant.Upstream) {
		c, err := s.openCredential(ctx, grant)
		return c.AccessToken, err
	}
	// The refresh outlives the caller that began it: others wait for it, and
	// giving up between the upstream's answer and the store loses the sign-in.
	shared := s.refreshes.DoChan(grantID, func() (any, error) {
		defer s.rotating.begin()()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseLife)
		defer cancel()
		return s.refreshUpstream(ctx, grantID)
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case result := <-shared:
		if result.Err != nil {
			return "", result.Err
		}
		return result.Val.(string), nil
	}
}

// UpstreamRefused says that the upstream refused an access token which
// UpstreamToken returned: the upstream ended the sign-in before its time. The
// grant is revoked, so that the client's next request has the user sign in
// again. A refusal that comes late ends nothing: the token must still be the
// grant's, with nobody replacing it.
func (s *Server) UpstreamRefused(ctx context.Context, grantID, accessToken string) error {
	grant, err := s.liveGrant(ctx, grantID)
	if err != nil {
		return unlessEnded(err)
	}
	current, err := s.openCredential(ctx, grant)
	if err != nil {
		return unlessEnded(err)
	}
	if !hashOf(current.AccessToken).equal(hashOf(accessToken)) || s.now().Before(grant.Upstream.Lease) {
		return nil
	}
	grant.Upstream.Lease = s.now().Add(leaseLife) // nobody else replaces the token now
	switch err := s.store.SwapUpstream(ctx, grantID, grant.Generation, grant.Upstream); {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return s.endGrant(ctx, grant)
}

// unlessEnded passes an error on, unless it is that the grant is of no use any
// more.
func unlessEnded(err error) error {
	if errors.Is(err, ErrInvalidToken) {
		return nil
	}
	return err
}

// endGrant revokes a grant whose sign-in the upstream ended.
func (s *Server) endGrant(ctx context.Context, grant StoredGrant) error {
	s.log.LogAttrs(ctx, slog.LevelWarn, "grant revoked", slog.String("reason", errEnded.Error()), slog.String("grant", grant.ID))
	if err := s.store.Revoke(ctx, grant.ID); err != nil {
		return err
	}
	s.tellEnded(grant.ID)
	s.recordGrant(ctx, grant.Grant, Event{Kind: EventRevocation, Detail: errEnded.Error()})
	return nil
}

func (s *Server) liveGrant(ctx context.Context, id string) (StoredGrant, error) {
	return s.live(s.store.Grant(ctx, id))
}

// live takes what a store says of a grant.
func (s *Server) live(grant StoredGrant, err error) (StoredGrant, error) {
	if errors.Is(err, ErrNotFound) || err == nil && !s.now().Before(grant.Expires) {
		return StoredGrant{}, ErrInvalidToken
	}
	if err != nil {
		return StoredGrant{}, fmt.Errorf("look up grant: %w", err)
	}
	return grant, nil
}

func (s *Server) expiresSoon(u Upstream) bool {
	return !u.Expires.IsZero() && !s.now().Before(u.Expires.Add(-refreshEarly))
}

// openCredential returns ErrInvalidToken for what does not open: with another
// key than before, only signing in again helps. It revokes nothing, because a
// node that was given the wrong key must not end everybody's grants.
func (s *Server) openCredential(ctx context.Context, grant StoredGrant) (credential, error) {
	var c credential
	if err := s.sealer.open(grant.ID, grant.Upstream.Sealed, &c); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "upstream token does not open", slog.String("grant", grant.ID), slog.Any("error", err))
		return credential{}, ErrInvalidToken
	}
	return c, nil
}

// refreshUpstream takes the lease on a grant's upstream credential, or waits
// for the process that holds it. Comparing and swapping the result alone would
// not do: the upstream kills the old refresh token at once, so two processes
// must not even ask.
func (s *Server) refreshUpstream(ctx context.Context, id string) (string, error) {
	for {
		grant, err := s.liveGrant(ctx, id)
		if err != nil {
			return "", err
		}
		if !s.expiresSoon(grant.Upstream) {
			c, err := s.openCredential(ctx, grant)
			return c.AccessToken, err
		}
		if s.now().Before(grant.Upstream.Lease) {
			if err := pause(ctx, leasePoll); err != nil {
				return "", fmt.Errorf("wait for another process to refresh: %w", err)
			}
			continue
		}
		grant.Upstream.Lease = s.now().Add(leaseLife)
		switch err := s.store.SwapUpstream(ctx, id, grant.Generation, grant.Upstream); {
		case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
			continue // to see what happened
		case err != nil:
			return "", err
		}
		grant.Generation++
		// Waiting may have used up ctx, and half a refresh loses the sign-in.
		return s.rotateUpstream(context.WithoutCancel(ctx), grant)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// rotateUpstream refreshes at the upstream. The caller holds the lease.
func (s *Server) rotateUpstream(ctx context.Context, grant StoredGrant) (string, error) {
	old, err := s.openCredential(ctx, grant)
	if err != nil {
		return "", err
	}
	token, err := s.exchangeRefresh(ctx, old.RefreshToken)
	if err != nil {
		return s.keepUpstream(ctx, grant, old, err)
	}
	next := credential{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken}
	sealed, err := s.sealer.seal(grant.ID, next)
	if err != nil {
		return "", err
	}
	switch err := s.keepRotated(ctx, grant, Upstream{Sealed: sealed, Expires: s.expiry(token)}); {
	case errors.Is(err, ErrNotFound): // revoked meanwhile, with the credential before this one
		s.forget(grant.User, grant.ID, next)
		return "", ErrInvalidToken
	case err != nil:
		return "", fmt.Errorf("keep refreshed upstream token: %w", err)
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "upstream token refreshed", slog.String("grant", grant.ID))
	return next.AccessToken, nil
}

var errEnded = errors.New("the upstream ended the sign-in")

// exchangeRefresh returns errEnded when no retry can help. A token source
// without an access token to begin with refreshes at once, and keeps the old
// refresh token if the upstream sends none.
func (s *Server) exchangeRefresh(ctx context.Context, refreshToken string) (*oauth2.Token, error) {
	if refreshToken == "" {
		return nil, errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	token, err := s.upstream.TokenSource(s.withClient(ctx), &oauth2.Token{RefreshToken: refreshToken}).Token()
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && answer.ErrorCode == codeInvalidGrant {
		return nil, errEnded
	}
	if err != nil {
		return nil, upstreamError("refresh", err)
	}
	return token, nil
}

// keepUpstream goes on with the old upstream token when it could not be
// refreshed, for as long as that lives. It gives the lease back, so that the
// next call tries again.
func (s *Server) keepUpstream(ctx context.Context, grant StoredGrant, old credential, cause error) (string, error) {
	alive := s.now().Before(grant.Upstream.Expires)
	if errors.Is(cause, errEnded) && !(alive && old.RefreshToken == "") {
		if err := s.endGrant(ctx, grant); err != nil {
			return "", err
		}
		return "", ErrInvalidToken
	}
	released := grant.Upstream
	released.Lease = time.Time{}
	if err := s.swap(ctx, grant, released); err != nil {
		return "", fmt.Errorf("release lease: %w", err)
	}
	if !alive {
		return "", cause
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "upstream token not refreshed", slog.String("grant", grant.ID), slog.Any("error", cause))
	return old.AccessToken, nil
}

// keepRotated writes a new credential, again and again while the store fails:
// the old one is dead, and with the new one the sign-in would be lost.
func (s *Server) keepRotated(ctx context.Context, grant StoredGrant, next Upstream) error {
	for wait := keepPause; ; wait *= 2 {
		err := s.swap(ctx, grant, next)
		if errors.Is(err, ErrConflict) && wait > keepPause { // by the attempt before, of which the store did not tell?
			kept, lookErr := s.store.Grant(ctx, grant.ID)
			if lookErr == nil && bytes.Equal(kept.Upstream.Sealed, next.Sealed) {
				return nil
			}
		}
		if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) || wait > keepTime {
			return err
		}
		s.log.LogAttrs(ctx, slog.LevelError, "refreshed upstream token not stored yet", slog.String("grant", grant.ID), slog.Any("error", err))
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// swap writes what the upstream answered, even when the time to ask is over.
func (s *Server) swap(ctx context.Context, grant StoredGrant, next Upstream) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	return s.store.SwapUpstream(ctx, grant.ID, grant.Generation, next)
}

// withClient tells x/oauth2 which HTTP client to use.
func (s *Server) withClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, s.httpClient)
}

// expiry reckons by our clock; x/oauth2 would by its own.
func (s *Server) expiry(token *oauth2.Token) time.Time {
	if token.ExpiresIn <= 0 {
		return token.Expiry
	}
	return s.now().Add(time.Duration(token.ExpiresIn) * time.Second)
}

// upstreamError keeps what is safe to log. The text of x/oauth2's errors can
// hold the upstream's whole answer, tokens included.
func upstreamError(op string, err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		return fmt.Errorf("%s: the upstream answered %d %q", op, answer.Response.StatusCode, printable(answer.ErrorCode))
	}
	var network *url.Error
	if errors.As(err, &network) {
		return fmt.Errorf("%s: %w", op, network.Err)
	}
	return fmt.Errorf("%s: the upstream's answer cannot be read", op)
}
