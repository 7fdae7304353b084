package constraint

import (
	"context"
	"slices"
	"time"
)

// Caller is the verified holder of the token that a request brought: what they
// may do, where the Key says where. It differs between two clients of one
// user, so it travels with the request and is never kept by an actor.
type Caller struct {
	User     string   // Sentry's id of the user, the same as the key's
	Grant    string   // names the credential that tools use; opaque, not a secret
	Resource string   // RFC 8707: the MCP URL that the token is good for
	Skills   []string // what the user consented to; not to be changed

	Expires time.Time // of the token, and of streams that it opens; zero: never
}

// Has reports whether the user consented to the skill.
func (c Caller) Has(skill string) bool { return slices.Contains(c.Skills, skill) }

type (
	keyInContext    struct{}
	callerInContext struct{}
)

// With returns a copy of ctx that carries key.
func With(ctx context.Context, key Key) context.Context {
	return context.WithValue(ctx, keyInContext{}, key)
}

// From returns the key that With put into ctx.
func From(ctx context.Context) (Key, bool) {
	key, ok := ctx.Value(keyInContext{}).(Key)
	return key, ok
}

// WithCaller returns a copy of ctx that carries caller.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerInContext{}, caller)
}

// CallerFrom returns the caller that WithCaller put into ctx.
func CallerFrom(ctx context.Context) (Caller, bool) {
	caller, ok := ctx.Value(callerInContext{}).(Caller)
	return caller, ok
}
