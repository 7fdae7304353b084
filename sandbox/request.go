package sandbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

const maxRequestBody = 1 << 20

// request is one authenticated REST request: who asks, with which scopes, and
// what the path resolved to.
type request struct {
	*http.Request
	sb      *Sandbox
	user    User
	scopes  scopeSet
	org     org         // zero unless in the path
	project project     // zero unless in the path
	header  http.Header // of the answer
	status  int         // of a good answer; 0: 200
}

// handler answers a request with a value to be written as JSON, or with an
// error. An *apiError carries its own answer; any other is a 500 and is logged.
type handler func(*request) (any, error)

// apiError is an answer that is not a success. The body is Sentry's.
type apiError struct {
	Status int
	Body   any
}

func (e *apiError) Error() string { return fmt.Sprintf("status %d: %v", e.Status, e.Body) }

func refuse(status int, format string, args ...any) *apiError {
	return &apiError{status, map[string]string{"detail": fmt.Sprintf(format, args...)}}
}

func badRequest(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, format, args...)
}

// notFound is the one answer for what does not exist and for what the user may
// not see, so that nobody can tell the two apart.
func notFound() *apiError {
	return refuse(http.StatusNotFound, "The requested resource does not exist")
}

func forbidden(scope string) *apiError {
	return refuse(http.StatusForbidden, "You do not have permission to perform this action. It needs the scope %s.", anyOfScopes(scope))
}

// anyOfScopes puts into words that one of several is enough.
func anyOfScopes(scope string) string { return strings.ReplaceAll(scope, "|", " or ") }

// api wraps a handler with everything that every request shares: who asks, may
// they, and which organization and project the path names.
func (s *Sandbox) api(scope string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, sb: s, header: w.Header()}
		hr.Body = http.MaxBytesReader(w, hr.Body, maxRequestBody)
		body, err := r.answer(scope, h)
		s.writeAnswer(w, r, body, err)
	}
}

func (r *request) answer(scope string, h handler) (any, error) {
	if err := r.authenticate(); err != nil {
		return nil, err
	}
	// Before anything is looked up, so that the answer says nothing about it.
	if scope != "" && !r.scopes.has(scope) {
		return nil, forbidden(scope)
	}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	if !roleAllows(r.org.role, scope) {
		return nil, refuse(http.StatusForbidden, "You do not have permission to perform this action. It needs the scope %s, which the role %s does not have.", anyOfScopes(scope), r.org.role)
	}
	return h(r)
}

func (s *Sandbox) writeAnswer(w http.ResponseWriter, r *request, body any, err error) {
	if f, ok := body.(file); ok && err == nil {
		f.write(w)
		return
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	if err == nil && (status == http.StatusNoContent || status == http.StatusAccepted && body == nil) {
		w.WriteHeader(status)
		return
	}
	if err == nil {
		body, err = s.age.answer(r.Pattern, body)
	}
	if err != nil {
		status, body = s.explain(r.Request, err)
	}
	writeJSON(w, status, body)
}

// explain turns an error into an answer. What is not an apiError is ours to
// find in the log by its id, and says nothing to the client.
func (s *Sandbox) explain(r *http.Request, err error) (int, any) {
	var ae *apiError
	if errors.As(err, &ae) {
		return ae.Status, ae.Body
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, map[string]string{"detail": fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit)}
	}
	if ae := cannotStore(err); ae != nil {
		s.log.Error("sandbox database", slog.Any("error", err))
		return ae.Status, ae.Body
	}
	id := rand.Text()
	if !errors.Is(err, context.Canceled) {
		s.log.Error("sandbox request", slog.String("error_id", id), slog.String("route", r.Pattern), slog.Any("error", err))
	}
	return http.StatusInternalServerError, map[string]string{"detail": "Internal Error", "errorId": id}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil { // a value that JSON cannot hold, such as NaN
		status, raw = http.StatusInternalServerError, []byte(`{"detail":"Internal Error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="api"`)
	}
	w.WriteHeader(status)
	w.Write(raw)
}

// decode reads the JSON body. Unknown members are ignored, as Sentry does.
func (r *request) decode(into any) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return badRequest("JSON parse error - %v", err)
	}
	return nil
}

// resolve looks up {org} and {project} of the path.
func (r *request) resolve() (err error) {
	if name := r.PathValue("org"); name != "" {
		if r.org, err = r.sb.orgOf(r.Context(), r.user, name); err != nil {
			return err
		}
	}
	if name := r.PathValue("project"); name != "" {
		r.project, err = r.sb.projectOf(r.Context(), r.org, name)
	}
	return err
}

// orNotFound turns the absence of a row into the 404 that tells nothing.
func orNotFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound()
	}
	return err
}
