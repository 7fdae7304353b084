package oauth

import (
	"context"
	"errors"
	"time"
)

// PersonalClient stands for the client of a personal access token, which has
// none: whoever holds the token is it. No registered client can have this id.
const PersonalClient = "personal-access-token"

// ErrTooMany: the user has as many as one may have.
var ErrTooMany = errors.New("too many")

// What a Store keeps of one user at most.
const (
	MaxPersonalTokens  = 50 // one more is refused: losing one in silence would stop somebody's job
	MaxSessionsPerUser = 20 // the oldest gives way
)

// AccountStore keeps what the account page needs. Its contract is the Store's.
type AccountStore interface {
	// Grants lists grants, the newest first.
	Grants(ctx context.Context, q GrantQuery) ([]ListedGrant, error)

	// PutUses notes when grants were last used. A use that is older than what
	// is kept, or of a grant that is gone, changes nothing.
	PutUses(ctx context.Context, uses []Use) error

	// PutSession keeps a new session of the account page, and of its user's
	// others the newest, MaxSessionsPerUser in all.
	PutSession(ctx context.Context, s Session) error

	// Session returns a session, expired or not; else ErrNotFound.
	Session(ctx context.Context, key Hash) (Session, error)

	// EndSession forgets a session. One that is not there is no error.
	EndSession(ctx context.Context, key Hash) error

	// Canary returns the value that shows whether a key is the right one;
	// ErrNotFound if there is none.
	Canary(ctx context.Context) (sealed []byte, err error)

	// SwapCanary replaces it; old is nil if there is none. If it is not old,
	// nothing changes and the error is ErrConflict.
	SwapCanary(ctx context.Context, old, next []byte) error
}

// GrantQuery says which grants to list.
type GrantQuery struct {
	User  string    // this user's only; empty: everybody's
	Alive time.Time // those that have not expired then; zero: all
	After *Grant    // go on after this one; only its ID and Created count
	Limit int       // at most so many, and at most 1000
}

// ListedGrant is a grant with what is known of its use.
type ListedGrant struct {
	StoredGrant
	Used time.Time // to the minute; zero: never
}

// Use says that a grant was used.
type Use struct {
	Grant string
	Time  time.Time
}

// Session is a user's sign-in to the account page.
type Session struct {
	Key      Hash // of the cookie's value
	User     string
	UserName string
	Admin    bool
	Created  time.Time
	Expires  time.Time
}
