package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
)

// The prefixes let a secret scanner recognize what leaked into a repository.
const (
	accessPrefix       = "rh_at_"
	personalPrefix     = "rh_pat_"
	refreshPrefix      = "rh_rt_"
	codePrefix         = "rh_ac_"
	clientSecretPrefix = "rh_cs_"
)

// Hash is the SHA-256 of a secret, and all that a Store sees of it. Our
// secrets carry 256 random bits, so there is nothing for a slow hash to
// protect. The zero Hash stands for none.
type Hash [sha256.Size]byte

// hashOf hashes length-prefixed parts, so that no two lists of parts collide.
func hashOf(parts ...string) Hash {
	h := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return Hash(h.Sum(nil))
}

func (h Hash) equal(other Hash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}

// newSecret returns 256 random bits behind a prefix.
func newSecret(prefix string) string {
	var b [32]byte
	rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

const secretLength = 43 // of newSecret(""), in bytes

// newID returns some 128 random bits: unguessable, but no secret. It never looks
// like a flag: people type it after commands.
func newID() string {
	for {
		var b [idSize]byte
		rand.Read(b[:])
		if id := base64.RawURLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return id
		}
	}
}

const idSize = 16
