package oauth

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Error is a failure that the client is told about: RFC 6749 §5.2, or §4.1.2.1
// when it travels in a redirect. Grant code returns it; only an endpoint
// writes it. Description is plain ASCII and never holds a secret.
type Error struct {
	Code        string
	Description string
	Status      int // zero: 400; without meaning in a redirect
	RetryAfter  time.Duration
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// The wire codes.
const (
	codeInvalidRequest          = "invalid_request"
	codeInvalidClient           = "invalid_client"
	codeInvalidGrant            = "invalid_grant"
	codeInvalidScope            = "invalid_scope"
	codeInvalidTarget           = "invalid_target" // RFC 8707
	codeUnsupportedGrantType    = "unsupported_grant_type"
	codeUnsupportedResponseType = "unsupported_response_type"
	codeAccessDenied            = "access_denied"
	codeServerError             = "server_error"
	codeTemporarilyUnavailable  = "temporarily_unavailable"
	codeAuthorizationPending    = "authorization_pending" // RFC 8628
	codeSlowDown                = "slow_down"
	codeExpiredToken            = "expired_token"
	codeInvalidRedirectURI      = "invalid_redirect_uri"    // RFC 7591
	codeInvalidClientMetadata   = "invalid_client_metadata" // RFC 7591
)

func invalidRequest(description string) *Error {
	return &Error{Code: codeInvalidRequest, Description: description}
}

// invalidGrant is one answer for every code or refresh token that is no good.
func invalidGrant() *Error {
	return &Error{Code: codeInvalidGrant, Description: "the code or refresh token is unknown, expired, spent, revoked, or not this client's"}
}

// asError returns what the client may be told of err. The rest goes to the
// log.
func (s *Server) asError(r *http.Request, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	s.logFailure(r, err)
	return &Error{Code: codeServerError, Description: "the authorization server failed; try again later", Status: http.StatusInternalServerError}
}

func (s *Server) logFailure(r *http.Request, err error) {
	s.log.LogAttrs(r.Context(), slog.LevelError, "authorization server failed",
		slog.String("path", r.URL.Path), slog.Any("error", err))
}

// writeError answers a program.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := s.asError(r, err)
	if e.Code == codeInvalidClient && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
	}
	e.writeRetry(w)
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{e.Code, e.Description})
}

// writeJSON answers with a document that nobody may cache.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the client is gone if it fails
}
