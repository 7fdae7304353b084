package sandbox

import (
	"net/http"
	"path"
	"strings"
)

const apiRoot = "/api/0"

// routes has a mux for REST of its own: a pattern that catches all of /api/0/
// would conflict with /api/{project}/envelope/.
func (s *Sandbox) routes() *http.ServeMux {
	rest := http.NewServeMux()
	reg := func(pattern, scope string, h handler) { s.register(rest, pattern, scope, h) }
	s.accountRoutes(reg)

	root := http.NewServeMux()
	root.Handle(apiRoot+"/", s.onlyJSON(rest))
	return root
}

// register adds a REST route, "GET /organizations/{org}/", with and without the
// slash at its end.
func (s *Sandbox) register(mux *http.ServeMux, pattern, scope string, h handler) {
	method, where, _ := strings.Cut(pattern, " ")
	where = method + " " + apiRoot + where
	mux.HandleFunc(where+"{$}", s.api(scope, h))
	mux.HandleFunc(strings.TrimSuffix(where, "/"), s.api(scope, h))
}

// onlyJSON answers what the mux would answer with text or with a redirect:
// unknown paths, other methods, paths that are not clean.
func (s *Sandbox) onlyJSON(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := strings.TrimSuffix(path.Clean(r.URL.Path), "/") == strings.TrimSuffix(r.URL.Path, "/")
		if _, pattern := mux.Handler(r); clean && pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		if allowed := s.methods(mux, r); clean && len(allowed) > 0 {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method \"" + r.Method + "\" not allowed."})
			return
		}
		writeJSON(w, http.StatusNotFound, notFound().Body)
	})
}

func (s *Sandbox) methods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
