package rival

import (
	"net/http"

	"roundhouse/constraint"
	"roundhouse/tools"
)

// newPerRequest is the official server's design of today, and what a plain
// stateless server does that binds its tools to the request: nothing is kept, so
// nothing can leak, and every request pays for a server.
//
// It was given: definitions for the request's shape alone, and a validator for
// the tool that is called alone; one memory for all requests of what Sentry has
// verified; and, if shared, the catalog that ours uses, whose servers register
// the one tool that is called.
func newPerRequest(catalog catalogOf) func(Config) (http.Handler, error) {
	return func(cfg Config) (http.Handler, error) {
		verified, err := newVerified(cfg)
		if err != nil {
			return nil, err
		}
		return front{cfg.Holders, func(w http.ResponseWriter, r *http.Request, key constraint.Key) error {
			env, err := verified.bind(r.Context(), key)
			if err != nil {
				return err
			}
			newTransport(catalog(tools.ShapeOf(key)).NewServer(env)).ServeHTTP(w, r)
			return nil
		}}, nil
	}
}
