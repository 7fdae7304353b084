// Package transport is MCP's Streamable HTTP over one immutable server, for one
// context: mcp-go's, behind the checks that mcp-go leaves out and beside the
// parts that it does not have. Each concern is a file; transport.go shows their
// order. Whoever calls has authenticated the request and put the key and the
// caller into its context; nothing here decides which context a request is for.
package transport
