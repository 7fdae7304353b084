package oauth

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// KeySize is the length in bytes of a Key, and of a file that holds only one.
const KeySize = 32

// Key is the secret from which everything kept at rest is sealed. It prints as
// REDACTED. The zero Key is not valid.
type Key struct{ secret [KeySize]byte }

// NewKey returns the key with the given bytes.
func NewKey(secret [KeySize]byte) Key { return Key{secret} }

func (Key) String() string   { return "REDACTED" }
func (Key) GoString() string { return "REDACTED" }

// derive returns a key for one purpose, so that no two purposes share one.
func (k Key) derive(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.secret[:], nil, "roundhouse oauth "+purpose, KeySize)
	if err != nil {
		panic(err) // only a length that SHA-256 cannot stretch to
	}
	return b
}
