// Package login signs users in to an MCP server as real clients do: it finds
// the authorization server from the 401, registers, sends the user's browser
// there, changes the code into tokens, and refreshes them while the run goes on.
package login

import "context"

// Login is what one user's client got. It is safe for concurrent use.
type Login interface {
	// Authorization returns the header for the next request, with a token that
	// is good for a while longer: one that ends soon is refreshed first, once
	// for all who ask.
	Authorization(ctx context.Context) (string, error)
}
