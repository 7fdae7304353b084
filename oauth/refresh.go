package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
)

// refresh replaces a refresh token (RFC 6749 §6, OAuth 2.1 §4.3.1):
//
//   - The current token is replaced by its successor.
//   - The one before, within replayWindow of its replacement, gets the same
//     successor again with a fresh access token. Clients lose answers, and
//     several processes of one client refresh at once.
//   - Any other token of the grant was replaced long ago: either it or its
//     successor was stolen, so the grant is revoked with all of its tokens.
//
// Of racing requests one moves the store on; the others find that it moved and
// look again, which makes them the second case.
func (s *Server) refresh(ctx context.Context, client Client, form url.Values) (tokenResponse, error) {
	token := form.Get("refresh_token")
	if token == "" {
		return tokenResponse{}, invalidRequest("refresh_token is missing")
	}
	id, ok := s.lineage.grantOf(token)
	if !ok {
		return tokenResponse{}, invalidGrant()
	}
	const attempts = 3 // a token is current, then previous, then neither
	for range attempts {
		answer, err := s.refreshOnce(ctx, client, id, token, form)
		if !errors.Is(err, ErrConflict) {
			return answer, err
		}
	}
	return tokenResponse{}, invalidGrant()
}

// refreshOnce returns ErrConflict when another request changed the grant first.
func (s *Server) refreshOnce(ctx context.Context, client Client, id, token string, form url.Values) (tokenResponse, error) {
	grant, err := s.store.Grant(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return tokenResponse{}, invalidGrant()
	}
	if err != nil {
		return tokenResponse{}, err
	}
	if grant.ClientID != client.ID || !s.now().Before(grant.Expires) {
		return tokenResponse{}, invalidGrant()
	}
	from, ok := s.replaceable(grant, token)
	if !ok {
		return tokenResponse{}, s.revokeFor(ctx, "refresh token reused", grant.ID, client)
	}
	resource, err := s.narrowResource(grant.Resource, form.Get("resource"))
	if err != nil {
		return tokenResponse{}, err
	}
	scopes, err := s.narrowScopes(grant.Scopes, form.Get("scope"))
	if err != nil {
		return tokenResponse{}, err
	}
	// Only now: a client whose sign-in is over must be told so whatever the
	// limit, or it would go on trying.
	if err := s.limit(ctx, s.limits.refresh); err != nil {
		return tokenResponse{}, err
	}
	answer, err := s.issue(ctx, grant.Grant, resource, scopes, from, s.lineage.next(token))
	if err == nil {
		s.recordGrant(ctx, grant.Grant, Event{Kind: EventRefresh})
	}
	return answer, err
}

// replaceable tells from which refresh token to move on when one is presented:
// from itself, if it is the current one; or, within the window, from its
// successor, if that is the current one. Being its successor too, it stays.
func (s *Server) replaceable(grant StoredGrant, token string) (from Hash, ok bool) {
	presented := hashOf(token)
	if presented.equal(grant.Refresh) {
		return presented, true
	}
	next := hashOf(s.lineage.next(token))
	inWindow := s.now().Sub(grant.Rotated) <= replayWindow
	return next, inWindow && next.equal(grant.Refresh)
}

// narrowScopes returns the scopes of the next access token: the grant's, or
// those asked for, which must be among them (RFC 6749 §6).
func (s *Server) narrowScopes(granted []string, asked string) ([]string, error) {
	if asked == "" {
		return granted, nil
	}
	scopes := skillIDs(s.skillsNamed(asked))
	for _, scope := range scopes {
		if !slices.Contains(granted, scope) {
			return nil, &Error{Code: codeInvalidScope, Description: "scope goes beyond what the user granted"}
		}
	}
	if len(scopes) == 0 {
		return granted, nil
	}
	return scopes, nil
}
