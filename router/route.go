package router

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"roundhouse/constraint"
	"roundhouse/jsonrpc"
)

// serve is the way of a request on an MCP URL.
func (rt *router) serve(w http.ResponseWriter, r *http.Request) {
	if !rt.admitOrigin(w, r) {
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodDelete:
	default:
		w.Header().Set("Allow", corsMethods)
		writeError(w, http.StatusMethodNotAllowed, "MCP uses "+corsMethods)
		return
	}
	org, project := mux.Vars(r)["org"], mux.Vars(r)["project"]
	if err := constraint.Check(org, project); err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	resource := rt.resource(org, project)
	caller, ok := rt.authenticate(w, r, resource)
	if !ok {
		return
	}
	key, err := constraint.New(caller.User, org, project)
	if err != nil { // a user id that Sentry would not give
		rt.Logger.ErrorContext(r.Context(), "caller without a usable id", "error", err)
		writeError(w, http.StatusInternalServerError, "this sign-in cannot be used here")
		return
	}
	body, done, ok := rt.readBody(w, r, caller.User)
	defer done()
	if !ok || !rt.admitCall(w, resource, key, caller, body) {
		return
	}

	ctx := constraint.WithCaller(r.Context(), caller)
	noteKey(ctx, key)
	handler, release, err := rt.Directory.Acquire(ctx, key)
	if err != nil {
		rt.refuse(w, r.WithContext(ctx), resource, err)
		return
	}
	defer release()
	r = r.WithContext(ctx)
	if body != nil {
		r.Body = jsonrpc.NewBody(body)
	}
	if isStream(r) {
		done() // or open streams would take the places of calls
		rt.serveStream(w, r, caller, handler)
		return
	}
	handler.ServeHTTP(w, r)
}

// refuse writes why a context could not be entered.
func (rt *router) refuse(w http.ResponseWriter, r *http.Request, resource string, err error) {
	var moved *constraint.MovedError
	var unavailable *constraint.UnavailableError
	switch {
	case errors.Is(err, constraint.ErrUnknown):
		writeError(w, http.StatusNotFound, constraint.ErrUnknown.Error())
	case errors.As(err, &moved):
		writeError(w, http.StatusNotFound, "spelled differently here: use "+rt.resource(moved.Key.Org(), moved.Key.Project()))
	case errors.Is(err, constraint.ErrUnauthorized):
		rt.challenge(w, resource, "invalid_token", "Sentry no longer accepts this sign-in: sign in again")
	case errors.As(err, &unavailable):
		rt.Logger.WarnContext(r.Context(), "context unavailable", "error", err)
		retryAfter(w, unavailable.RetryAfter)
		writeError(w, http.StatusServiceUnavailable, unavailable.Reason)
	case errors.Is(err, context.Canceled):
		// The client has gone; nobody reads an answer.
	default:
		rt.Logger.ErrorContext(r.Context(), "context not acquired", "error", err)
		retryAfter(w, time.Second)
		writeError(w, http.StatusServiceUnavailable, "the context could not be opened; try again")
	}
}

// resource is the URL of a context as RFC 8707 wants it: from the
// configuration, never from Host.
func (rt *router) resource(org, project string) string {
	return rt.PublicURL + place(org, project)
}

func place(org, project string) string {
	p := "/mcp"
	if org != "" {
		p += "/" + org
	}
	if project != "" {
		p += "/" + project
	}
	return p
}
