package sandbox

import (
	"net/http"
	"path"
	"strings"
)

const apiRoot = "/api/0"

func (s *Sandbox) restRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	s.apiRoutes(func(pattern, scope string, h handler) { s.register(mux, pattern, scope, h) })
	return mux
}

// apiRoutes names every REST route there is, for the mux and for tests of what
// all of them have to do.
func (s *Sandbox) apiRoutes(reg func(pattern, scope string, h handler)) {
	s.accountRoutes(reg)
	s.issueRoutes(reg)
	s.eventRoutes(reg)
	s.monitorRoutes(reg)
	s.monitorUpdateRoutes(reg)
	s.attachmentRoutes(reg)
	s.traceRoutes(reg)
	s.releaseRoutes(reg)
	s.keyRoutes(reg)
	s.profileRoutes(reg)
	s.replayRoutes(reg)
	s.conversationRoutes(reg)
	s.sourceRoutes(reg)
	s.sessionRoutes(reg)
	s.uptimeRoutes(reg)
	s.issueRuleRoutes(reg)
	s.workflowRoutes(reg)
	s.metricRuleRoutes(reg)
	s.dashboardRoutes(reg)
}

func (s *Sandbox) rootRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	s.ingestRoutes(mux)
	s.oauthRoutes(mux)
	s.pageRoutes(mux)
	return mux
}

// isIngest tells what SDKs ask for from what clients of the REST API do.
func isIngest(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, apiRoot+"/")
}

// register adds a REST route, "GET /organizations/{org}/", with and without the
// slash at its end, unless a Sentry of the sandbox's age has no such route.
func (s *Sandbox) register(mux *http.ServeMux, pattern, scope string, h handler) {
	if !s.age.has(pattern) {
		return
	}
	method, where, _ := strings.Cut(pattern, " ")
	where = method + " " + apiRoot + where
	mux.HandleFunc(where+"{$}", s.api(scope, h))
	mux.HandleFunc(strings.TrimSuffix(where, "/"), s.api(scope, h))
}

// serveAPI also answers, in JSON, what the mux would answer with text or with
// a redirect: unknown paths, other methods, paths that are not clean.
func serveAPI(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	clean := strings.TrimSuffix(path.Clean(r.URL.Path), "/") == strings.TrimSuffix(r.URL.Path, "/")
	if !clean {
		writeJSON(w, http.StatusNotFound, notFound().Body)
		return
	}
	if _, pattern := mux.Handler(r); pattern != "" {
		mux.ServeHTTP(w, r)
		return
	}
	if allowed := methods(mux, r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method \"" + r.Method + "\" not allowed."})
		return
	}
	writeJSON(w, http.StatusNotFound, map[string]string{"detail": "The sandbox has no such endpoint"})
}

// methods lists what the path would have answered.
func methods(mux *http.ServeMux, r *http.Request) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
