package oauth

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxForm bounds the bodies of the token endpoint.
const maxForm = 16 << 10

const (
	grantTypeCode    = "authorization_code"
	grantTypeRefresh = "refresh_token"
)

// tokenResponse is the answer of RFC 6749 §5.1.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	answer, err := s.grantTokens(r)
	if err != nil {
		s.refuse(w, r, r.PostForm.Get("client_id"), err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) grantTokens(r *http.Request) (tokenResponse, error) {
	if err := parseForm(r); err != nil {
		return tokenResponse{}, err
	}
	client, err := s.authenticate(r)
	if err != nil {
		return tokenResponse{}, err
	}
	switch r.PostForm.Get("grant_type") {
	case grantTypeCode:
		return s.exchangeCode(r.Context(), client, r.PostForm)
	case grantTypeRefresh:
		return s.refresh(r.Context(), client, r.PostForm)
	case grantTypeDevice:
		return s.exchangeDevice(r.Context(), client, r.PostForm)
	case "":
		return tokenResponse{}, invalidRequest("grant_type is missing")
	default:
		return tokenResponse{}, &Error{Code: codeUnsupportedGrantType, Description: "grant_type must be authorization_code, refresh_token or that of RFC 8628"}
	}
}

// parseForm fills in PostForm, which is read everywhere in place of Form: it
// has no parameters of the URL, where secrets would end up in logs.
func parseForm(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return invalidRequest("the form is malformed or too large")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return invalidRequest("a parameter is repeated: " + printable(name))
		}
	}
	return nil
}

// printable shortens a name from outside to what an error description may hold
// (RFC 6749 §5.2).
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, name)
	return name[:min(len(name), 40)]
}

// exchangeCode changes a code into tokens (RFC 6749 §4.1.3). What is wrong with
// the form is found before the code is spent; a code that is spent by a client
// that cannot use it has leaked, and what it stands for is revoked.
func (s *Server) exchangeCode(ctx context.Context, client Client, form url.Values) (tokenResponse, error) {
	code, redirectURI, verifier := form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier")
	if code == "" || redirectURI == "" {
		return tokenResponse{}, invalidRequest("code and redirect_uri are required")
	}
	if err := checkVerifier(verifier); err != nil {
		return tokenResponse{}, err
	}
	if err := s.limit(ctx, s.limits.code); err != nil && s.unspent(ctx, code) {
		return tokenResponse{}, err
	}
	var spent authorizationCode
	switch err := s.takeTicket(ctx, codeKey(code), &spent); {
	case errors.Is(err, ErrTaken): // §4.1.2: whoever used it first may be a thief
		return tokenResponse{}, s.revokeFor(ctx, "code replayed", spent.Grant, client)
	case errors.Is(err, ErrNotFound):
		return tokenResponse{}, invalidGrant()
	case err != nil:
		return tokenResponse{}, err
	}
	if spent.ClientID != client.ID || spent.RedirectURI != redirectURI || !verifierMatches(verifier, spent.Challenge) {
		return tokenResponse{}, s.revokeFor(ctx, "code not this client's", spent.Grant, client)
	}
	grant, err := s.store.Grant(ctx, spent.Grant)
	if errors.Is(err, ErrNotFound) {
		return tokenResponse{}, invalidGrant()
	}
	if err != nil {
		return tokenResponse{}, err
	}
	resource, err := s.narrowResource(grant.Resource, form.Get("resource"))
	if err != nil {
		return tokenResponse{}, err
	}
	return s.issue(ctx, grant.Grant, resource, grant.Scopes, Hash{}, s.lineage.first(grant.ID))
}

// unspent reports whether a code may still be good later. What is no good must
// be told so whatever the limit: a client would go on trying.
func (s *Server) unspent(ctx context.Context, code string) bool {
	_, err := s.store.Ticket(ctx, codeKey(code), s.now())
	return err == nil
}

// issue makes an access token, and moves the grant's refresh token on from one
// to the next.
func (s *Server) issue(ctx context.Context, grant Grant, resource string, scopes []string, from Hash, refresh string) (tokenResponse, error) {
	now := s.now()
	access := newSecret(accessPrefix)
	err := s.store.Issue(ctx, Issuance{
		Access: AccessToken{
			Hash:     hashOf(access),
			Grant:    grant.ID,
			Resource: resource,
			Scopes:   scopes,
			Created:  now,
			Expires:  now.Add(accessLife),
		},
		From:    from,
		To:      hashOf(refresh),
		Now:     now,
		Expires: now.Add(refreshLife),

		ClientExpires: now.Add(clientLife),
	})
	if errors.Is(err, ErrNotFound) { // revoked meanwhile
		return tokenResponse{}, invalidGrant()
	}
	if err != nil {
		return tokenResponse{}, err
	}
	return tokenResponse{
		AccessToken:  access,
		TokenType:    "Bearer",
		ExpiresIn:    int(accessLife.Seconds()),
		RefreshToken: refresh,
		Scope:        strings.Join(scopes, " "),
	}, nil
}

// revokeFor ends a grant because something of it seems to be in wrong hands,
// and returns what the client is told.
func (s *Server) revokeFor(ctx context.Context, reason, id string, client Client) error {
	s.log.LogAttrs(ctx, slog.LevelWarn, "token reused",
		slog.String("reason", reason), slog.String("grant", id), slog.String("client", client.ID))
	alarm := Event{Kind: EventReuse, Detail: reason + " by client " + client.ID}
	grant, err := s.store.Grant(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound): // ended before
		alarm.Grant, alarm.Client = id, client.ID
		s.recordNoise(ctx, alarm)
		return invalidGrant()
	case err != nil:
		return err
	}
	if err := s.end(ctx, grant, alarm); err != nil {
		return err
	}
	return invalidGrant()
}
