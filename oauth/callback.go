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
	if s.limited(w, r, s.limits.authorize) {
		return
	}
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
	switch pending.For {
	case forAccount:
		s.finishSignIn(w, r, pending, q)
	case forPersonal:
		s.finishPersonal(w, r, pending, q)
	case forDevice:
		s.finishDevice(w, r, pending, q)
	default:
		s.finishClient(w, r, pending, q)
	}
}

// finishClient tells the client what came of its authorization.
func (s *Server) finishClient(w http.ResponseWriter, r *http.Request, pending authorization, q url.Values) {
	code, err := s.finish(r.Context(), pending, q)
	if err != nil {
		s.refused(r, pending.Client.ID, err)
		s.redirectError(w, r, pending.RedirectURI, pending.State, err)
		return
	}
	s.redirectToClient(w, pending.RedirectURI, pending.State, url.Values{"code": {code}})
}

// arrival is a user who came back from the upstream.
type arrival struct {
	user User
	credential
	expires time.Time // of the credential
}

// arrive finds out who came back, for what was pending. The error is an *Error.
func (s *Server) arrive(ctx context.Context, pending authorization, q url.Values) (arrival, error) {
	if refusal := q.Get("error"); refusal != "" {
		s.log.LogAttrs(ctx, slog.LevelInfo, "upstream refused", slog.String("error", printable(refusal)))
		return arrival{}, s.relay(refusal)
	}
	if q.Get("code") == "" {
		return arrival{}, s.relay(codeServerError)
	}
	came, err := s.login(ctx, q.Get("code"), pending.Verifier)
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "upstream login failed", slog.Any("error", err))
		return arrival{}, s.relay(codeTemporarilyUnavailable)
	}
	if pending.User != "" && came.user.ID != pending.User {
		s.forget(came.user.ID, "", came.credential)
		return arrival{}, &Error{Code: codeAccessDenied, Description: "another user came back from the upstream"}
	}
	if err := s.checkReach(ctx, pending, came.AccessToken); err != nil {
		s.forget(came.user.ID, "", came.credential)
		return arrival{}, err
	}
	return came, nil
}

// checkReach refuses a resource that the user has no access to: a token for it
// would only ever be turned away, and nobody would know why.
func (s *Server) checkReach(ctx context.Context, pending authorization, accessToken string) error {
	segments := s.segments(pending.Resource)
	if s.reaches == nil || pending.For == forAccount || len(segments) == 0 {
		return nil
	}
	ok, err := s.reaches(ctx, accessToken, segments[0], strings.Join(segments[1:], ""))
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "access not checked", slog.Any("error", err))
		return s.relay(codeTemporarilyUnavailable)
	}
	if !ok {
		return invalidTarget()
	}
	return nil
}

// finish makes a grant of an authorization, and a code for it.
func (s *Server) finish(ctx context.Context, pending authorization, q url.Values) (code string, err error) {
	came, err := s.arrive(ctx, pending, q)
	if err != nil {
		return "", err
	}
	grant, err := s.putGrant(ctx, pending, came)
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

func (s *Server) login(ctx context.Context, code, verifier string) (arrival, error) {
	token, err := s.upstream.Exchange(s.withClient(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return arrival{}, upstreamError("exchange code", err)
	}
	user, err := s.identify(ctx, token.AccessToken)
	if err != nil {
		return arrival{}, fmt.Errorf("identify user: %w", err)
	}
	if user.ID == "" || len(user.ID) > maxUserID {
		return arrival{}, errors.New("identify user: the id is empty or too long")
	}
	return arrival{user, credential{AccessToken: token.AccessToken, RefreshToken: token.RefreshToken}, s.expiry(token)}, nil
}

const maxUserID = 128

// putGrant keeps the grant for as long as its code lives. The first tokens
// extend it; without them, nothing of it stays.
func (s *Server) putGrant(ctx context.Context, pending authorization, came arrival) (Grant, error) {
	now, life := s.now(), codeLife
	if pending.For == forDevice {
		life = deviceLife // it asks in its own time
	}
	grant := Grant{
		ID:         newID(),
		User:       came.user.ID,
		UserName:   came.user.label(),
		ClientID:   pending.Client.ID,
		ClientName: pending.Client.Name,
		Resource:   pending.Resource,
		Scopes:     pending.Skills,
		Created:    now,
		Expires:    now.Add(life),
	}
	sealed, err := s.sealer.seal(grant.ID, came.credential)
	if err != nil {
		return Grant{}, err
	}
	gaveWay, err := s.store.PutGrant(ctx, StoredGrant{Grant: grant, Upstream: Upstream{Sealed: sealed, Expires: came.expires}})
	if err != nil {
		return Grant{}, err
	}
	for _, old := range gaveWay {
		s.ended(ctx, old, Event{Detail: "it gave way to a newer one: there were too many"})
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "grant made", slog.String("grant", grant.ID), slog.String("client", grant.ClientID),
		slog.String("resource", grant.Resource), slog.Any("skills", grant.Scopes))
	s.recordGrant(ctx, grant, Event{Kind: EventGrant, Detail: strings.Join(grant.Scopes, " ")})
	return grant, nil
}
