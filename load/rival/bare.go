package rival

import (
	"context"
	"fmt"
	"net/http"

	"roundhouse/sentry"
	"roundhouse/tools"
)

// newBare is what one would write first: mcp-go's handler and the tools.
//
// It was given: the context of its one URL, verified and narrowed once, at the
// start; all of its tools registered then; definitions and validators made once;
// a Sentry token that is never looked up. It reads no path and no credential.
func newBare(cfg Config) (http.Handler, error) {
	if len(cfg.Holders) != 1 {
		return nil, fmt.Errorf("the bare server has one holder, not %d", len(cfg.Holders))
	}
	var holder Holder
	for _, holder = range cfg.Holders {
	}
	key, ok := placeKey(holder.User, cfg.Place)
	if !ok {
		return nil, fmt.Errorf("no context is %q", cfg.Place)
	}
	client, err := sentry.NewClient(sentry.Config{BaseURL: cfg.SentryURL, Tokens: sentry.StaticToken{T: holder.Sentry}})
	if err != nil {
		return nil, err
	}
	env, err := tools.Bind(holder.of(context.Background(), key), client, key)
	if err != nil {
		return nil, err
	}
	s := newServer()
	s.AddTools(tools.Default().ServerTools(env)...)
	transport := newTransport(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transport.ServeHTTP(w, r.WithContext(holder.of(r.Context(), key)))
	}), nil
}
