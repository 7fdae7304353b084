package oauth

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound: the store has no such row, or it has expired.
	ErrNotFound = errors.New("not found")

	// ErrTaken: the ticket was there and has been spent.
	ErrTaken = errors.New("already taken")

	// ErrConflict: somebody else changed the row first.
	ErrConflict = errors.New("changed meanwhile")
)

// What a Store keeps at most. The oldest gives way to the newest, so that a
// flood can crowd out its like but can never lock the door for good. Of clients
// and tickets some hundreds more may stay until a later call drops them.
const (
	MaxIdleClients    = 10_000 // clients that hold no grant
	MaxTickets        = 20_000 // of each kind
	MaxTokensPerGrant = 100

	// Of the grants of one user, and of those of one user for one client: room
	// for a client on every machine, and for those that sign in anew without
	// giving up what they had.
	MaxGrantsPerUser       = 200
	MaxGrantsPerUserClient = 20
)

// Store keeps what an authorization server must remember. Its methods are safe
// for concurrent use, by several processes too where the implementation is
// shared. Each is atomic and durable: it returns nil only when the change is
// kept. Values are copied in and out. Times are kept to the millisecond.
//
// Errors are ErrNotFound, ErrTaken, ErrConflict or ErrTooMany where a method
// says so, possibly wrapped; anything else means that the store is broken.
// Implementations run oauthtest.TestStore.
type Store interface {
	AccountStore
	EventStore

	// PutClient keeps a client. If it is kept already, it only puts off its
	// expiry. Of the others that hold no grant, it drops those that expire
	// first, down to MaxIdleClients.
	PutClient(ctx context.Context, c Client) error

	// Client returns a client, expired or not, for as long as it is kept; else
	// ErrNotFound.
	Client(ctx context.Context, id string) (Client, error)

	// PutTicket keeps a new ticket, and drops others of its kind beyond
	// MaxTickets: first the spent ones, then the oldest. If there is a ticket
	// with that key, spent or not, it changes nothing and returns ErrConflict.
	PutTicket(ctx context.Context, t Ticket) error

	// Ticket returns a ticket as TakeTicket would, with the same errors, and
	// spends nothing.
	Ticket(ctx context.Context, key Hash, now time.Time) (Ticket, error)

	// TakeTicket spends the ticket: of any number of calls, exactly one
	// returns it with nil. Later calls return it with ErrTaken, even after it
	// expired, until Purge forgets it. One that is unknown, or that expired
	// unspent, is ErrNotFound.
	TakeTicket(ctx context.Context, key Hash, now time.Time) (Ticket, error)

	// PutGrant keeps a new grant. Of the other grants of its user, and of those
	// for the same client, it revokes what is beyond MaxGrantsPerUser and
	// MaxGrantsPerUserClient, and returns it: first those that have expired when g is created,
	// then those that have gone longest without a new refresh token. Grants of
	// PersonalClient are neither counted nor revoked: beyond MaxPersonalTokens
	// of a user's, one more is ErrTooMany.
	PutGrant(ctx context.Context, g StoredGrant) (gaveWay []StoredGrant, err error)

	// Grant returns a grant, expired or not; ErrNotFound once it is revoked.
	Grant(ctx context.Context, id string) (StoredGrant, error)

	// RecentGrant is Grant, but of what another process has done in the last
	// moments it may not know: what must not be missed is compared and swapped.
	RecentGrant(ctx context.Context, id string) (StoredGrant, error)

	// Issue adds an access token to a grant and replaces the grant's refresh
	// token, all or nothing. If the current refresh token is not i.From, it
	// changes nothing and returns ErrConflict; without such a grant,
	// ErrNotFound. It puts off the expiry of the grant's client, if that is
	// kept and a minute or more is gained. Of the grant's access tokens it
	// drops the oldest beyond MaxTokensPerGrant.
	Issue(ctx context.Context, i Issuance) error

	// Token returns an access token with its grant, expired or not;
	// ErrNotFound if there is none or its grant was revoked. What another
	// process did less than TokenLag ago it may not have seen, nor what Issue
	// and SwapUpstream have done to the grant.
	Token(ctx context.Context, access Hash) (AccessToken, StoredGrant, error)

	// SwapUpstream replaces the grant's upstream credential and adds one to
	// its generation. If the generation is not the given one, it changes
	// nothing and returns ErrConflict; without such a grant, ErrNotFound.
	SwapUpstream(ctx context.Context, grant string, generation int64, next Upstream) error

	// Revoke forgets a grant and every token of it. Revoking what is not there
	// is no error.
	Revoke(ctx context.Context, grant string) error

	// Purge deletes what expired before now: tickets, access tokens, grants,
	// sessions, clients that hold no grant, and events older than EventMemory.
	// One call deletes a bounded number of rows and returns it; zero means that
	// nothing is left to do. It keeps spent tickets for a further TicketMemory.
	Purge(ctx context.Context, now time.Time) (int, error)
}

// TokenLag is how long a process may take to see that another one has ended a
// token.
const TokenLag = time.Second

// TicketMemory is how long a spent ticket is remembered after it expired, so
// that a replayed code is still told from an unknown one.
const TicketMemory = 24 * time.Hour

// Client is a registered OAuth client.
type Client struct {
	ID           string
	Name         string // chosen by whoever registered it; may be empty
	RedirectURIs []string
	AuthMethod   string // "none", "client_secret_basic" or "client_secret_post"
	Secret       Hash   // zero for a public client
	Created      time.Time
	Expires      time.Time // when Purge may drop it, if it holds no grant
}

// Ticket is what can be spent once. Key is the hash of what spends it; Data is
// sealed.
type Ticket struct {
	Key     Hash
	Kind    string // tickets of one kind crowd out only each other
	Data    []byte
	Created time.Time
	Expires time.Time
}

// Upstream is the upstream credential of a grant.
type Upstream struct {
	Sealed  []byte
	Expires time.Time // zero: never
	Lease   time.Time // until then one process is refreshing it; zero: none is
}

// StoredGrant is a grant with what only the server itself looks at.
type StoredGrant struct {
	Grant

	Refresh Hash      // the current refresh token; zero: none was issued yet
	Rotated time.Time // when it replaced the one before

	Upstream   Upstream
	Generation int64 // of Upstream; a new grant's is zero
}

// AccessToken is an access token, which may reach less than its grant.
type AccessToken struct {
	Hash     Hash
	Grant    string
	Resource string
	Scopes   []string
	Created  time.Time
	Expires  time.Time
}

// Issuance is what Issue does to the grant that Access names.
type Issuance struct {
	Access  AccessToken
	From    Hash      // the current refresh token; zero: none was issued yet
	To      Hash      // the next one; equal to From: keep it, and Rotated too
	Now     time.Time // becomes Rotated
	Expires time.Time // the grant's new end

	ClientExpires time.Time // the client's new end, if it is later than the old one
}
