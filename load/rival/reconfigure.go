package rival

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/tools"
)

// newReconfigure is the design that the official team kept at first: an object
// per user, which is made over when the user's next request is of another
// context.
//
// It was given what that one lacked, a lock, so that no context answers for
// another; and a fair one, which lets in together those who wait for the same
// context. Users do not wait for each other. Tools are exchanged all at once,
// and made for the one shape that is asked for; Sentry is not asked about a
// context that it knew a quarter of an hour ago.
func newReconfigure(catalog catalogOf) func(Config) (http.Handler, error) {
	return func(cfg Config) (http.Handler, error) {
		verified, err := newVerified(cfg)
		if err != nil {
			return nil, err
		}
		users := map[string]*userServer{}
		for _, h := range cfg.Holders {
			if users[h.User] == nil {
				users[h.User] = newUserServer(verified, catalog)
			}
		}
		return front{cfg.Holders, func(w http.ResponseWriter, r *http.Request, key constraint.Key) error {
			return users[key.User()].serve(w, r, key)
		}}, nil
	}
}

// userServer is the one server of a user.
type userServer struct {
	verified *verified
	catalog  catalogOf
	mcp      *server.MCPServer
	http     http.Handler
	turns    *turns
}

func newUserServer(v *verified, catalog catalogOf) *userServer {
	u := &userServer{verified: v, catalog: catalog, mcp: newServer()}
	u.http = newTransport(u.mcp)
	u.turns = &turns{change: u.reconfigure}
	return u
}

func (u *userServer) serve(w http.ResponseWriter, r *http.Request, key constraint.Key) error {
	if err := u.turns.enter(r.Context(), key); err != nil {
		return err
	}
	defer u.turns.leave()
	u.http.ServeHTTP(w, r)
	return nil
}

// reconfigure makes the server one of key's context. No call is running.
func (u *userServer) reconfigure(ctx context.Context, key constraint.Key) error {
	env, err := u.verified.bind(ctx, key)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	u.mcp.SetTools(u.catalog(tools.ShapeOf(key)).ServerTools(env)...)
	return nil
}
