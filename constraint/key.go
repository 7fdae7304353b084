// Package constraint is the vocabulary that every other package shares: the
// user, and the organization and project that a URL narrows them to.
//
// A Key can only be made by New or Parse, so holding one is proof that its
// parts have been checked. Keys are comparable and safe to use as map keys.
// The zero Key is not valid: its User is empty.
//
// The package imports nothing of ours, starts nothing and holds no state.
package constraint

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	maxUser = 128
	maxSlug = 100
)

// reserved slugs collide with documents that are served beside the MCP
// endpoints (/mcp/server-card, /mcp/{org}/server-card).
var reserved = map[string]bool{"server-card": true}

// Key is the user, organization and project that one MCP server is confined
// to. Organization and project may be empty; a project never stands without
// its organization. Case is kept and significant: two spellings are two keys.
type Key struct {
	user, org, project string
}

// Error tells which part of a key is not acceptable and why. Value is the part
// as it was given; quote it before showing it.
type Error struct {
	Part   string // "user", "organization", "project" or "key"
	Value  string
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %q %s", e.Part, e.Value, e.Reason)
}

// New returns the key for a verified user and the slugs of a URL. The check is
// of syntax only, so it tells nothing about what exists. The error is an
// *Error.
func New(user, org, project string) (Key, error) {
	if err := check("user", user, maxUser); err != nil {
		return Key{}, err
	}
	if err := Check(org, project); err != nil {
		return Key{}, err
	}
	return Key{user, org, project}, nil
}

// Check is the part of New that needs no user: whether a URL with these slugs
// can name a context at all. The error is an *Error.
func Check(org, project string) error {
	if org == "" && project != "" {
		return &Error{Part: "project", Value: project, Reason: "needs an organization"}
	}
	if org != "" {
		if err := checkSlug("organization", org); err != nil {
			return err
		}
	}
	if project != "" {
		return checkSlug("project", project)
	}
	return nil
}

// Parse is the inverse of String. It accepts what String returns and nothing
// else. The error is an *Error.
func Parse(s string) (Key, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return Key{}, &Error{Part: "key", Value: s, Reason: "is not of the form user:organization:project"}
	}
	return New(parts[0], parts[1], parts[2])
}

// User is Sentry's id of the user; never empty in a valid key.
func (k Key) User() string { return k.user }

// Org is the organization's slug, or "" where the URL names none.
func (k Key) Org() string { return k.org }

// Project is the project's slug, or "" where the URL names none.
func (k Key) Project() string { return k.project }

// String returns user:org:project with empty parts kept, such as "1001:acme:".
// No part can hold a colon, so equal strings mean equal keys. It names the
// user: log Identity instead.
func (k Key) String() string {
	return k.user + ":" + k.org + ":" + k.project
}

var identityEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Identity returns the 32 characters that name the key's virtual actor: 160
// bits of a SHA-256 over the length-prefixed parts. It cannot be reversed and
// shows no user id in a log, though somebody who can guess all three parts can
// recognize it.
func (k Key) Identity() string {
	h := sha256.New()
	var length [4]byte
	for _, part := range [...]string{k.user, k.org, k.project} {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	var sum [sha256.Size]byte
	return identityEncoding.EncodeToString(h.Sum(sum[:0])[:20])
}

// Contains reports whether other is k or lies below it: the same user, and
// every part that k names equal.
func (k Key) Contains(other Key) bool {
	return k.user == other.user &&
		(k.org == "" || k.org == other.org) &&
		(k.project == "" || k.project == other.project)
}

func checkSlug(part, s string) error {
	if err := check(part, s, maxSlug); err != nil {
		return err
	}
	if reserved[s] {
		return &Error{Part: part, Value: s, Reason: "is reserved"}
	}
	return nil
}

// check accepts [A-Za-z0-9][A-Za-z0-9._-]* of at most limit bytes. The first
// character keeps "." and ".." out; the set keeps out everything that a URL, a
// header or a log line would have to escape.
func check(part, s string, limit int) error {
	if s == "" {
		return &Error{Part: part, Value: s, Reason: "is empty"}
	}
	if len(s) > limit {
		return &Error{Part: part, Value: s[:limit], Reason: fmt.Sprintf("is longer than %d characters", limit)}
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		mark := c == '.' || c == '_' || c == '-'
		if letter || mark && i > 0 {
			continue
		}
		return &Error{Part: part, Value: s, Reason: "must be letters, digits, '.', '_' or '-', and begin with a letter or digit"}
	}
	return nil
}
