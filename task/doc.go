// Package task keeps work that goes on after the request that asked for it has
// been answered. A Task is a record in a Store; a Runner does the work of the
// tasks that were made on its node, and takes up what another node or an earlier
// process has left.
//
// The package knows nothing of MCP: what is to be done and what came of it are
// JSON that others read and write.
//
// # What is guaranteed
//
//   - Create returns after the task is in the store, and before its work begins.
//   - A task is found by its id together with the key it was made for, and
//     looks unknown from everywhere else. Its id is a name, never a right.
//   - A task that has ended never changes again.
//   - Who runs a task holds a lease on it. When that lapses, whoever asks for
//     the task next takes it up, if its work may be done twice; otherwise it has
//     failed, and says so. Nobody who asks sees a task that nobody works on.
//   - Work does not need the context it was asked in to stay in memory: it holds
//     what it needs, a context is immutable, and the store has the rest. So a
//     context passivates when it likes, and work is bounded here, by user and in
//     all.
//
// # What is not
//
//   - Work that may be done twice can be done by two nodes at once, for as long
//     as one of them cannot reach the store. The first to end wins.
//   - A task for which nobody asks after a restart is not taken up. It expires.
package task
