package oauth

import (
	"context"
	"log/slog"
	"time"
)

// The kinds of tickets. Anybody can have logins and sign-ins made; a code takes
// a user.
const (
	kindLogin  = "login"   // to allow something
	kindSignIn = "sign-in" // to see the account page
	kindCode   = "code"

	kindDevice       = "device"        // by its user code
	kindDeviceResult = "device result" // what came of it
)

// What the user comes back from the upstream for.
const (
	forClient   = "" // the client that sent the browser
	forAccount  = "account"
	forPersonal = "personal"
	forDevice   = "device"
)

// The keys of tickets. A login's is bound to the browser that began it: with
// another browser's cookie, the ticket cannot even be found, so nobody can
// spend or burn somebody else's.

func loginKey(state, browser string) Hash { return hashOf("login", state, browser) }

func codeKey(code string) Hash { return hashOf("code", code) }

// authorization is what was asked for, from the first request until the user is
// back from the upstream.
type authorization struct {
	For         string `json:",omitempty"`
	Client      Client // as it was kept then
	RedirectURI string
	State       string // the client's
	Challenge   string // the client's
	Resource    string
	Asked       []string  // skills that scope named: a hint, the user chooses
	Skills      []string  // chosen; after the consent
	Login       string    // our state for the upstream; told to nobody before the consent
	Verifier    string    // ours, for the upstream; after the consent
	Expires     time.Time // of the consent

	User string        `json:",omitempty"` // who must come back; empty: anybody
	Life time.Duration `json:",omitempty"` // of a personal access token

	Device   string `json:",omitempty"` // the ID of its deviceCode
	UserCode string `json:",omitempty"` // which it shows
	Source   string `json:",omitempty"` // where it asked from
}

// authorizationCode is what a code stands for, beside its grant.
type authorizationCode struct {
	Grant       string
	ClientID    string
	RedirectURI string
	Challenge   string
}

// putTicket seals v into a ticket.
func (s *Server) putTicket(ctx context.Context, kind string, key Hash, expires time.Time, v any) error {
	data, err := s.sealer.seal(string(key[:]), v)
	if err != nil {
		return err
	}
	return s.store.PutTicket(ctx, Ticket{Key: key, Kind: kind, Data: data, Created: s.now(), Expires: expires})
}

// takeTicket spends a ticket and opens it into v: with ErrTaken, too.
func (s *Server) takeTicket(ctx context.Context, key Hash, v any) error {
	ticket, taken := s.store.TakeTicket(ctx, key, s.now())
	if ticket.Data == nil {
		return taken
	}
	if err := s.sealer.open(string(key[:]), ticket.Data, v); err != nil {
		// Its key has been rotated away: what it was for has to start again.
		s.log.LogAttrs(ctx, slog.LevelWarn, "ticket does not open", slog.String("kind", ticket.Kind), slog.Any("error", err))
		return ErrNotFound
	}
	return taken
}
