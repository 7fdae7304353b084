// Package actors keeps one virtual actor per constraint.Key. The actor owns one
// immutable MCP server, built for that key when the first request comes and
// given back when the context has been idle. It is the only package that knows
// Proto.Actor.
//
// An actor owns identity, configuration, admission and life; it never runs a
// request. It answers Acquire with a lease on its handler, and the request runs
// on the goroutine that net/http gave it: streams, cancellation and
// back-pressure stay net/http's. Calls run concurrently because the server
// cannot change.
//
//	Acquire ── cached lease, counted by an atomic ───────────────► lease.ServeHTTP
//	   └────── first time, or fenced: acquire ─► activation ─► build in a goroutine ─► built ─┘
//
// # What is guaranteed
//
//   - A handler serves the key it was acquired for and no other. The key comes
//     from the caller of Acquire, never from a header, a body or a session id.
//   - On one node a key has one activation at a time. Two hundred first requests
//     build one server; the others wait for it.
//   - Whoever holds a lease keeps the activation: passivation fences first, and
//     the fence fails while anything is in flight.
//   - Nobody is lost in between: after the fence the activation leaves the
//     directory and stops, and whoever had asked it learns that it has stopped
//     and asks the successor. No clock is involved.
//   - A failed activation fails only the callers who share the credential that
//     failed; the others activate with their own.
//   - Receive returns at once. Sentry is asked in a goroutine of its own.
//   - After Shutdown has returned, no goroutine of the package is left, unless
//     its context ended first.
//
// # What is not
//
//   - On several nodes, two activations of one identity may overlap for a moment
//     when the membership changes. The server is immutable, so that is waste and
//     not corruption. Nothing exclusive may live in an actor alone.
//   - Messages may come twice. All of them are idempotent.
//   - A legacy session ends with its activation: the next request gets 404, and
//     the client initializes anew.
package actors
