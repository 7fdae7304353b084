// Package oauth is an OAuth 2.1 authorization server that lets MCP clients in
// on behalf of users whom another authorization server, the upstream, knows.
//
// # The walk
//
// A client registers, sends the user's browser to the authorization endpoint,
// and the user chooses skills on a consent page. Only then does the browser go
// upstream, asking for no more than those skills need. When it comes back, the
// upstream's tokens are sealed into a grant, and the client gets a code that
// it changes into tokens of ours. The upstream's tokens never leave the
// server, and ours are never sent upstream.
//
// Until the user approves, the store keeps nothing of it: the consent form
// carries the pending authorization, sealed for the browser that it is shown
// in.
//
// # Words
//
// A grant is what one user allowed one client, for one resource. Everything
// that we issue hangs on a grant and dies with it. A ticket is a value that
// can be spent once: a login at the upstream or a code. A token is always one
// that we issued; Sentry's are called upstream tokens.
//
// # What is kept
//
// Codes, access tokens, refresh tokens, session cookies and client secrets are
// kept only as SHA-256. Upstream tokens and pending authorizations are sealed
// with a key that the store does not hold. The store alone opens no door.
//
// What happens is recorded: see Event. Grants, last uses and events are what the
// account page shows to their user, who can end what they have allowed.
//
// # Without a browser
//
// A device shows a code that its user types into a browser elsewhere. A personal
// access token, made on the account page, stands for a grant that has no client.
//
// # Concurrency
//
// A Server is safe for concurrent use, and so are several on one store. What
// must happen once (spending a ticket, replacing a refresh token, refreshing
// an upstream token) is decided by an atomic step of the Store, never by a
// lock in a process. All callers of one grant share one upstream refresh.
//
// # Limits
//
// What anybody can ask for is limited by its source, in each process: see
// Limits. What is over for good is told whatever the limit, since a client that
// is told to wait tries again for ever.
//
// The package does not serve the protected-resource metadata (RFC 9728): that
// belongs to whoever serves the resource.
package oauth
