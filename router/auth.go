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
	token, ok := bearer(r)
	if !ok {
		// No error code without credentials (RFC 6750 §3.1).
		rt.challenge(w, resource, "", "sign in: this URL needs a bearer token")
		return constraint.Caller{}, false
	}
	caller, err := rt.Verify(r.Context(), token)
	switch {
	case errors.Is(err, constraint.ErrUnauthorized):
		rt.challenge(w, resource, "invalid_token", "the token is unknown, expired or revoked")
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

func bearer(r *http.Request) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	return token, ok && token != "" && strings.EqualFold(scheme, "Bearer")
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
