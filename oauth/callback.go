package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// serveCallback takes the browser back from the upstream, in the same browser
// and for an authorization that the user consented to; then the client is told
// what came of it.
func (s *Server) serveCallback(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RawQuery) > maxQuery {
		s.errorPage(w, http.StatusRequestURITooLong, "The request is too long", "Start again from your app.")
		return
	}
	q := r.URL.Query()
	var pending authorization
	if err := s.takeTicket(r.Context(), loginKey(q.Get("state"), s.cookie.read(r)), &pending); err != nil {
		s.ticketPage(w, r, err)
		return
	}
	code, err := s.finish(r.Context(), pending, q)
	if err != nil {
		s.refused(r, pending.Client.ID, err)
		s.redirectError(w, r, pending.RedirectURI, pending.State, err)
		return
	}
	s.redirectToClient(w, pending.RedirectURI, pending.State, url.Values{"code": {code}})
}

// finish makes a grant of an authorization, and a code for it.
func (s *Server) finish(ctx context.Context, pending authorization, q url.Values) (code string, err error) {
	if refusal := q.Get("error"); refusal != "" {
		s.log.LogAttrs(ctx, slog.LevelInfo, "upstream refused", slog.String("error", printable(refusal)))
		return "", s.relay(refusal)
	}
	if q.Get("code") == "" {
		return "", s.relay(codeServerError)
	}
	user, credential, expires, err := s.login(ctx, q.Get("code"), pending.Verifier)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "upstream login failed", slog.Any("error", err))
		return "", s.relay(codeTemporarilyUnavailable)
	}
	grant, err := s.putGrant(ctx, pending, user, credential, expires)
	if err != nil {
		return "", err
	}
	// The client may have given way to a flood of others since the user was
	// asked. Now that it has a grant, it stays.
	if err := s.store.PutClient(ctx, pending.Client); err != nil {
		return "", err
	}
	code = newSecret(codePrefix)
	err = s.putTicket(ctx, kindCode, codeKey(code), grant.Expires, authorizationCode{
		Grant:       grant.ID,
		ClientID:    pending.Client.ID,
		RedirectURI: pending.RedirectURI,
		Challenge:   pending.Challenge,
	})
	return code, err
}

// relay tells the client of an upstream's error. Most of them are between the
// upstream and us, so the client is told no more than that.
func (s *Server) relay(upstreamCode string) *Error {
	switch upstreamCode {
	case codeAccessDenied:
		return &Error{Code: codeAccessDenied, Description: "the user refused at the upstream"}
	case codeTemporarilyUnavailable:
		return &Error{Code: codeTemporarilyUnavailable, Description: "the upstream did not complete the sign-in; try again later"}
	default:
		return &Error{Code: codeServerError, Description: "the upstream refused the sign-in"}
	}
}

func (s *Server) login(ctx context.Context, code, verifier string) (User, credential, time.Time, error) {
	token, err := s.upstream.Exchange(s.withClient(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return User{}, credential{}, time.Time{}, upstreamError("exchange code", err)
	}
	user, err := s.identify(ctx, token.AccessToken)
	if err != nil {
		return User{}, credential{}, time.Time{}, fmt.Errorf("identify user: %w", err)
	}
	if user.ID == "" || len(user.ID) > maxUserID {
		return User{}, credential{}, time.Time{}, errors.New("identify user: the id is empty or too long")
	}
	return user, credential{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken}, s.expiry(token), nil
}

const maxUserID = 128

// putGrant keeps the grant for as long as its code lives. The first tokens
// extend it; without them, nothing of it stays.
func (s *Server) putGrant(ctx context.Context, pending authorization, user User, c credential, expires time.Time) (Grant, error) {
	now := s.now()
	grant := Grant{
		ID:         newID(),
		User:       user.ID,
		UserName:   user.Name,
		ClientID:   pending.Client.ID,
		ClientName: pending.Client.Name,
		Resource:   pending.Resource,
		Scopes:     pending.Skills,
		Created:    now,
		Expires:    now.Add(codeLife),
	}
	if grant.UserName == "" {
		grant.UserName = user.Email
	}
	sealed, err := s.sealer.seal(grant.ID, c)
	if err != nil {
		return Grant{}, err
	}
	err = s.store.PutGrant(ctx, StoredGrant{Grant: grant, Upstream: Upstream{Sealed: sealed, Expires: expires}})
	if err != nil {
		return Grant{}, err
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "grant made", slog.String("grant", grant.ID), slog.String("client", grant.ClientID),
		slog.String("resource", grant.Resource), slog.Any("skills", grant.Scopes))
	s.recordGrant(ctx, grant, Event{Kind: EventGrant, Detail: strings.Join(grant.Scopes, " ")})
	return grant, nil
}
