package sentry

import (
	"context"
	"fmt"
	"log/slog"
)

const redacted = "REDACTED"

// Token is a bearer token that Sentry issued. Whichever way it is printed,
// encoded or logged, the secret stays inside. The zero Token sends no
// Authorization header.
type Token struct{ secret string }

// NewToken returns the Token that carries secret.
func NewToken(secret string) Token { return Token{secret} }

// IsZero reports whether there is no secret in t.
func (t Token) IsZero() bool { return t.secret == "" }

func (Token) String() string               { return redacted }
func (Token) GoString() string             { return redacted }
func (Token) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (Token) LogValue() slog.Value         { return slog.StringValue(redacted) }

// TokenSource finds the credential of the caller that ctx carries. Token is
// called once per API call, concurrently. An error ends the call and stays
// matchable in its error: a source that knows the credential to be dead wraps
// ErrUnauthorized.
type TokenSource interface {
	Token(ctx context.Context) (Token, error)
}

// StaticToken is a TokenSource that has one token for everybody: for a
// process that serves a single user.
type StaticToken struct{ T Token }

// Token returns the one token.
func (s StaticToken) Token(context.Context) (Token, error) { return s.T, nil }
