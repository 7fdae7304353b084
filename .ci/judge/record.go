package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// requestLog remembers what was asked of the sandbox and refused.
type requestLog struct {
	mu    sync.Mutex
	count map[string]int // by status, method and path
}

// wrongStatus is one kind of request that did not succeed.
type wrongStatus struct {
	what  string
	times int
}

// record wraps a handler.
func (l *requestLog) record(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(s, r)
		if s.status < 300 {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.count == nil {
			l.count = map[string]int{}
		}
		l.count[fmt.Sprintf("%d %s %s", s.status, r.Method, anonymous(r))]++
	})
}

var id = regexp.MustCompile(`/(\d+|[0-9a-f]{16}|[0-9a-f]{32})/`)

// anonymous is the path with its query, without ids: many requests become one.
func anonymous(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/0")
	path = id.ReplaceAllString(path, "/{id}/")
	if query := r.URL.RawQuery; query != "" {
		path += "?" + query
	}
	return path
}

func (l *requestLog) refused() (all []wrongStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for what, times := range l.count {
		all = append(all, wrongStatus{what, times})
	}
	slices.SortFunc(all, func(a, b wrongStatus) int { return strings.Compare(a.what, b.what) })
	return all
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
