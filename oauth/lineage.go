package oauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// lineage makes the refresh tokens of a grant, one after the other. A token
// holds its grant's id, 256 secret bits, and a tag that only we can make:
//
//	rh_rt_ base64url(id ‖ secret ‖ tag)
//
// The tag tells a token of long ago from an invented one, so that its reuse
// can be detected though the store keeps only the current one's hash, and so
// that knowing a grant's id is not enough to get the grant revoked.
//
// A successor's secret is derived from its predecessor. A client that lost our
// answer, or a second one that shares the token, asks again and is given the
// same successor: they cannot drift apart. Without the key, a token says
// nothing about its successor.
type lineage struct {
	tagKey, nextKey []byte
}

const (
	refreshSecretSize = 32
	refreshTagSize    = 16
	refreshSize       = idSize + refreshSecretSize + refreshTagSize
)

func newLineage(key Key) lineage {
	return lineage{tagKey: key.derive("refresh tag"), nextKey: key.derive("refresh successor")}
}

// first returns a random token for a grant.
func (l lineage) first(grant string) string {
	var secret [refreshSecretSize]byte
	rand.Read(secret[:])
	id, err := base64.RawURLEncoding.DecodeString(grant)
	if err != nil || len(id) != idSize {
		panic("grant id " + grant + " is not one of ours")
	}
	return l.assemble(id, secret[:])
}

// next returns the successor of a token that grantOf accepts.
func (l lineage) next(token string) string {
	body, _ := l.parse(token)
	return l.assemble(body[:idSize], mac(l.nextKey, body)[:refreshSecretSize])
}

// grantOf returns the id of the grant that a token is or was of. It does not
// say that the token is still good.
func (l lineage) grantOf(token string) (grant string, ok bool) {
	body, ok := l.parse(token)
	if !ok {
		return "", false
	}
	return base64.RawURLEncoding.EncodeToString(body[:idSize]), true
}

func (l lineage) assemble(id, secret []byte) string {
	body := append(append(make([]byte, 0, refreshSize), id...), secret...)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(body, mac(l.tagKey, body)[:refreshTagSize]...))
}

// parse returns a token's id and secret if its tag is right.
func (l lineage) parse(token string) (body []byte, ok bool) {
	encoded, ok := strings.CutPrefix(token, refreshPrefix)
	if !ok || len(token) > maxToken {
		return nil, false
	}
	// Strict: without it, stray low bits would give one token two spellings.
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) != refreshSize {
		return nil, false
	}
	body, tag := b[:refreshSize-refreshTagSize], b[refreshSize-refreshTagSize:]
	return body, hmac.Equal(tag, mac(l.tagKey, body)[:refreshTagSize])
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
