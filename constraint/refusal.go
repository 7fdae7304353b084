package constraint

import (
	"errors"
	"time"
)

// Why a context cannot be entered. Whoever activates a context returns one of
// these, wrapped or not; the router turns it into a status.
var (
	// ErrUnknown: there is no such organization or project, or this caller may
	// not enter it. The two are one error so that nobody can tell them apart.
	ErrUnknown = errors.New("no such organization or project, or no access to it")

	// ErrUnauthorized: the token or the credential behind it is not, or no
	// longer, good for anything. Signing in again is what helps.
	ErrUnauthorized = errors.New("sign in again")
)

// MovedError says that the caller has access, but spelled a slug differently
// from Sentry: Key is the one to use.
type MovedError struct{ Key Key }

func (e *MovedError) Error() string {
	return "the organization or project is spelled differently: use /" + e.Key.Org() + "/" + e.Key.Project()
}

// UnavailableError says that the context cannot be served just now: the node
// is full or shutting down, or Sentry does not answer. Reason is safe to show
// to the client.
type UnavailableError struct {
	Reason     string
	RetryAfter time.Duration // zero: a second
	Err        error         // for the log; may be nil
}

func (e *UnavailableError) Error() string {
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason
}

func (e *UnavailableError) Unwrap() error { return e.Err }
