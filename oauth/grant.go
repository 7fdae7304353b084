package oauth

import (
	"errors"
	"time"
)

// ErrInvalidToken: the token, or the grant, is unknown, expired or revoked, or
// the upstream ended the sign-in. It is one error, so that nobody learns which.
var ErrInvalidToken = errors.New("invalid token")

// Grant is what one user allowed one client.
type Grant struct {
	ID         string // not a secret
	User       string // the upstream's id of the user
	UserName   string
	ClientID   string
	ClientName string
	Resource   string   // RFC 8707: the MCP URL it is good for, and all below
	Scopes     []string // ids of skills, in the order of Config.Skills
	Created    time.Time
	Expires    time.Time
}
