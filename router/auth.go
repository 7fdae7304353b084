package router

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"roundhouse/constraint"
)

// authenticate finds the caller by the bearer token, on every method and
// protocol version, or answers 401 itself. RFC 6750 §2.1 only: a token in a
// query or a body is not looked at, because both end up in logs.
func (rt *router) authenticate(w http.ResponseWriter, r *http.Request, resource string) (constraint.Caller, bool) {
	token, verify := rt.bearer(r)
	if verify == nil {
		// No error code without credentials (RFC 6750 §3.1).
		rt.challenge(w, resource, "", "sign in: this URL needs a bearer token")
		return constraint.Caller{}, false
	}
	caller, err := verify(r.Context(), token)
	var unavailable *constraint.UnavailableError
	switch {
	case errors.Is(err, constraint.ErrUnauthorized):
		rt.challenge(w, resource, "invalid_token", "the token is unknown, expired or revoked")
		return constraint.Caller{}, false
	case errors.As(err, &unavailable):
		rt.Logger.WarnContext(r.Context(), "token not looked up", "error", err)
		retryAfter(w, unavailable.RetryAfter)
		writeError(w, http.StatusServiceUnavailable, unavailable.Reason)
		return constraint.Caller{}, false
	case err != nil:
		rt.Logger.ErrorContext(r.Context(), "token not looked up", "error", err)
		retryAfter(w, time.Second)
		writeError(w, http.StatusServiceUnavailable, "the token could not be looked up; try again")
		return constraint.Caller{}, false
	case !covers(caller.Resource, resource):
		rt.challenge(w, resource, "invalid_token", "the token is for another URL")
		return constraint.Caller{}, false
	}
	return caller, true
}

// bearer returns the token of a request and who knows it; nil if there is none.
// A token of one scheme is never shown to the other's verifier.
func (rt *router) bearer(r *http.Request) (token string, verify Verifier) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	switch {
	case token == "":
		return "", nil
	case strings.EqualFold(scheme, "Bearer"):
		return token, rt.Verify
	case strings.EqualFold(scheme, "Sentry-Bearer"):
		return token, rt.VerifySentry
	}
	return "", nil
}

// covers reports whether a token for granted is good at resource: there and
// below, on a path boundary. A plain prefix would let /mcp/acme/web into
// /mcp/acme/web2.
func covers(granted, resource string) bool {
	return granted == resource || granted != "" && strings.HasPrefix(resource, granted+"/")
}

// challenge answers 401 with the place where a client learns how to sign in
// (RFC 9728 §5.1). The slugs in resource have been checked, so nothing in it
// can end the quoted string.
func (rt *router) challenge(w http.ResponseWriter, resource, code, message string) {
	parts := []string{`resource_metadata="` + rt.metadataURL(resource) + `"`}
	if code != "" {
		parts = append(parts, `error="`+code+`"`, `error_description="`+message+`"`)
	}
	if len(rt.DefaultScopes) > 0 {
		parts = append(parts, `scope="`+strings.Join(rt.DefaultScopes, " ")+`"`)
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(parts, ", "))
	writeError(w, http.StatusUnauthorized, message)
}
