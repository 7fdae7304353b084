package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Verify returns the live grant of an access token. Its Resource, Scopes and
// Expires are those of the token, which may be narrower than what the user
// allowed. Whoever serves a resource must still check that Resource contains
// it. The error is ErrInvalidToken, or that of a broken store. A token that
// another process ended may be good here for TokenLag.
func (s *Server) Verify(ctx context.Context, token string) (Grant, error) {
	if !isAccessToken(token) {
		return Grant{}, ErrInvalidToken
	}
	access, stored, err := s.store.Token(ctx, hashOf(token))
	if errors.Is(err, ErrNotFound) {
		return Grant{}, ErrInvalidToken
	}
	if err != nil {
		return Grant{}, fmt.Errorf("look up token: %w", err)
	}
	now := s.now()
	if !now.Before(access.Expires) || !now.Before(stored.Expires) {
		return Grant{}, ErrInvalidToken
	}
	grant := stored.Grant
	grant.Resource, grant.Scopes, grant.Expires = access.Resource, access.Scopes, access.Expires
	s.noteUse(grant.ID)
	return grant, nil
}

const maxToken = 128

// isAccessToken reports whether a token has the form of those that Verify
// accepts.
func isAccessToken(token string) bool {
	return len(token) <= maxToken && (strings.HasPrefix(token, accessPrefix) || strings.HasPrefix(token, personalPrefix))
}
