package router

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"roundhouse/constraint"
)

// observe wraps the router from outside, because mux's own middleware does not
// run for a 404 or 405: every request gets an id and a line in the log, and a
// panic becomes a 500 that says nothing.
func (rt *router) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		note := &note{id: newID()}
		w.Header().Set("X-Request-Id", note.id)
		limitBodyTime(w, r)
		rec := &recorder{ResponseWriter: w}
		route := rt.routeOf(r)
		rt.Observer.Begin(route)
		defer func() { rt.Observer.End(route, rec.status, time.Since(begin)) }()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				rt.Logger.Error("panic", "request", note.id, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					writeError(rec, http.StatusInternalServerError, "internal error; the operator finds it by request "+note.id)
				}
			}
			rt.log(r, rec.status, time.Since(begin), note)
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), noteInContext{}, note)))
	})
}

// newID is for logs, and need not be hard to guess.
func newID() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], rand.Uint64())
	return hex.EncodeToString(b[:])
}

// log leaves out the query, which may hold an authorization code, and shows an
// MCP path as the identity of its context.
func (rt *router) log(r *http.Request, status int, took time.Duration, note *note) {
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !rt.Logger.Enabled(r.Context(), level) {
		return
	}
	where := slog.String("path", r.URL.EscapedPath())
	if note.key != (constraint.Key{}) {
		where = slog.String("constraint", note.key.Identity())
	}
	rt.Logger.LogAttrs(r.Context(), level, "request", slog.String("request", note.id), slog.String("method", r.Method),
		where, slog.Int("status", status), slog.Duration("took", took))
}

// note is what a request's log line gathers on the way in.
type note struct {
	id  string
	key constraint.Key
}

type noteInContext struct{}

func noteKey(ctx context.Context, key constraint.Key) {
	if n, ok := ctx.Value(noteInContext{}).(*note); ok {
		n.key = key
	}
}

// recorder remembers the status. It flushes, because mcp-go streams only
// through a ResponseWriter that can.
type recorder struct {
	http.ResponseWriter
	status int
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(b []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return rec.ResponseWriter.Write(b)
}

func (rec *recorder) Flush() { _ = http.NewResponseController(rec.ResponseWriter).Flush() }

func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }
