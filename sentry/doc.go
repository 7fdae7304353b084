// Package sentry is a client for Sentry's REST API, of sentry.io and of
// self-hosted servers of any age.
//
// It is tolerant where Sentry varies and strict where a mistake would be
// dangerous. Ids and counts may be numbers or strings, fields may be missing,
// null or of another type: none of that fails a call. But every path element
// is checked before it is escaped, every body is bounded, every call ends
// within its timeout, and a credential is never sent to a host other than the
// configured one and its subdomains.
//
// A Client is immutable and safe for concurrent use. It starts no goroutine,
// caches nothing and logs nothing. The credential is asked of the TokenSource
// on every call, through ctx, so one Client serves any number of callers.
//
// All methods return an *Error for what Sentry answered or failed to answer;
// match it with errors.Is and ErrNotFound, ErrUnauthorized, ErrForbidden,
// ErrRateLimited or ErrUnavailable.
package sentry
