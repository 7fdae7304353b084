package router

import (
	"io"
	"net/http"
)

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// health says that the process runs and answers.
func (rt *router) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

// ready says whether new requests should be sent here. Why not is in the log.
func (rt *router) ready(w http.ResponseWriter, r *http.Request) {
	if rt.Ready != nil {
		if err := rt.Ready(r.Context()); err != nil {
			rt.Logger.WarnContext(r.Context(), "not ready", "error", err)
			retryAfter(w, 0)
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
	}
	rt.health(w, r)
}
