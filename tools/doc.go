// Package tools is the catalog of MCP tools and everything between a
// tools/call and a tool's handler.
//
// A tool is Defined once: its schemas come from the Go types of its handler's
// input and output. NewCatalog narrows each definition to the three shapes of
// a constraint.Key (user; with an organization; with a project), dropping the
// parameters that the key fixes, and compiles a validator for each. All of
// that is shared: NewServer only binds it to one Env, and nothing changes
// afterwards.
//
// There is one way to a handler, for direct calls and for those through the
// gateway tools alike: the caller's skills are checked, unknown arguments and
// values that contradict the key are refused, the rest is validated, the key's
// values are put in, and the handler runs under our own recover. An error
// becomes a tool result in errors.go and nowhere else; its cause goes to the
// log, never to the client.
//
// What Sentry stores was written by programs and their users. It reaches an
// answer only as a code span or a block: Markdown is a type of its own, which
// other text becomes only through the functions of markdown.go.
//
// A Catalog is immutable and safe for concurrent use.
package tools
