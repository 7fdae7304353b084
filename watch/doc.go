// Package watch notices that MCP resources have changed, for clients that
// asked to be told. Sentry pushes nothing, so somebody has to look: a Watcher
// does, once for all subscribers of a context.
//
// While there are subscribers, one goroutine per Watcher reads what is due, one
// resource after the other, and compares it with what it read before. It looks
// again after MinInterval; the pause doubles up to MaxInterval while nothing
// changes or Sentry fails, and no read comes before Sentry wants to be asked
// again. Without subscribers there is no goroutine and next to no memory.
//
// A read is made with the context.Context of a subscriber that is still there,
// which carries the credential: nobody's is used after they have left. When it
// fails the next read tries another one's, because the grants of one user
// differ in what they may read.
//
// What is not guaranteed: that a change which is undone between two reads is
// noticed, or that a subscriber who joins late is not told of a change from just
// before.
package watch
