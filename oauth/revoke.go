package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serveRevoke ends what a token belongs to (RFC 7009). Whichever token comes,
// and of whichever generation, it is the whole grant: a client that signs out
// means all of it, and one that lost the newest token must be able to. A token
// that is unknown or dead already is no error (§2.2).
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	client, err := s.revoke(r)
	if err != nil {
		s.refuse(w, r, client.ID, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Server) revoke(r *http.Request) (Client, error) {
	if err := parseForm(r); err != nil {
		return Client{}, err
	}
	client, err := s.authenticate(r)
	if err != nil {
		return Client{}, err
	}
	token := r.PostForm.Get("token")
	if token == "" {
		return client, invalidRequest("token is missing")
	}
	grant, err := s.grantBehind(r.Context(), token)
	switch {
	case errors.Is(err, ErrNotFound):
		return client, nil
	case err != nil:
		return client, err
	case grant.ClientID != client.ID: // §2.1: refused, and the client is told
		return client, &Error{Code: codeInvalidGrant, Description: "the token is not this client's"}
	}
	return client, s.end(r.Context(), grant, Event{Detail: "by its client"})
}

// grantBehind returns the grant of any token of ours, whether or not the token
// is still good; else ErrNotFound. token_type_hint only tells where to look
// first, and the prefixes tell that better.
func (s *Server) grantBehind(ctx context.Context, token string) (StoredGrant, error) {
	if id, ok := s.lineage.grantOf(token); ok {
		return s.store.Grant(ctx, id)
	}
	if !isAccessToken(token) {
		return StoredGrant{}, ErrNotFound
	}
	_, grant, err := s.store.Token(ctx, hashOf(token))
	return grant, err
}

// end revokes a grant for whom e says, here at once and then upstream.
func (s *Server) end(ctx context.Context, grant StoredGrant, e Event) error {
	if err := s.store.Revoke(ctx, grant.ID); err != nil {
		return err
	}
	s.ended(ctx, grant, e)
	return nil
}

// ended tells and records that a grant was revoked here, and has it revoked
// upstream.
func (s *Server) ended(ctx context.Context, grant StoredGrant, e Event) {
	s.tellEnded(grant.ID)
	if e.Kind == "" {
		e.Kind = EventRevocation
	}
	s.recordGrant(ctx, grant.Grant, e)
	s.log.LogAttrs(ctx, slog.LevelInfo, "grant revoked", slog.String("reason", e.Detail), slog.String("grant", grant.ID), slog.String("client", grant.ClientID))
	var c credential
	if s.sealer.open(grant.ID, grant.Upstream.Sealed, &c) == nil {
		s.forget(grant.User, grant.ID, c)
	}
}

// recordGrant records what happened to a grant.
func (s *Server) recordGrant(ctx context.Context, grant Grant, e Event) {
	e.Grant, e.User, e.Client, e.Resource = grant.ID, grant.User, grant.ClientID, grant.Resource
	s.record(ctx, e)
}

const (
	maxFarewells    = 256
	farewellTimeout = 5 * time.Second
	revokeAgain     = time.Hour // after the upstream said that it has no such URL, which it may while it restarts
)

// farewell is an upstream credential that is not needed any more.
type farewell struct {
	user  string
	grant string // that it was of; may be empty
	credential
}

// forget asks the upstream to revoke a credential, when there is time. That
// must hold up nobody: ours is revoked whether or not the upstream can do it.
func (s *Server) forget(user, grant string, c credential) {
	if s.revokeURL != "" && !c.Brought && s.now().UnixNano() >= s.cannotRevoke.Load() {
		s.farewells.add(farewell{user, grant, c})
	}
}

// needed reports whether another grant of the user lives by the same credential:
// an upstream may give out again what it gave before.
func (s *Server) needed(ctx context.Context, f farewell) (bool, error) {
	grants, err := s.store.Grants(ctx, GrantQuery{User: f.user, Alive: s.now(), Limit: MaxGrantsPerUser + MaxPersonalTokens})
	for _, g := range grants {
		var c credential
		if g.ID != f.grant && s.sealer.open(g.ID, g.Upstream.Sealed, &c) == nil && c.AccessToken == f.AccessToken {
			return true, nil
		}
	}
	return false, err
}

func (s *Server) newFarewells() *batch[farewell] {
	return &batch[farewell]{
		write: func(_ context.Context, all []farewell) error {
			for _, f := range all {
				if err := s.bid(f); err != nil {
					s.log.LogAttrs(context.Background(), slog.LevelWarn, "upstream token not revoked", slog.String("grant", f.grant), slog.Any("error", err))
				}
			}
			return nil
		},
		most: maxFarewells,
		fail: func(_ error, lost int) {
			s.log.LogAttrs(context.Background(), slog.LevelWarn, "upstream tokens not revoked: too many at once", slog.Int("tokens", lost))
		},
	}
}

// bid sends the request of RFC 7009. The refresh token stands for both; with
// it, the access token ends as well.
func (s *Server) bid(f farewell) error {
	form := url.Values{
		"token": {f.RefreshToken}, "token_type_hint": {"refresh_token"},
		"client_id": {s.upstream.ClientID}, "client_secret": {s.upstream.ClientSecret},
	}
	if f.RefreshToken == "" {
		form.Set("token", f.AccessToken)
		form.Set("token_type_hint", "access_token")
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellTimeout)
	defer cancel()
	if needed, err := s.needed(ctx, f); needed || err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.revokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.httpClient.Do(req)
	if err != nil {
		return upstreamError("revoke", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be used again
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed {
		if s.cannotRevoke.Swap(s.now().Add(revokeAgain).UnixNano()) == 0 {
			s.log.LogAttrs(ctx, slog.LevelInfo, "the upstream cannot revoke tokens: what is revoked here lives on there until it expires")
		}
		return nil
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("revoke: the upstream answered %d", resp.StatusCode)
	}
	return nil
}
