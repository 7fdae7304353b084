package oauth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"time"
)

// Keyring holds the keys from which everything at rest is sealed: the first one
// seals, and all of them open. While keys are rotated there are two. It prints
// as REDACTED, and is safe for concurrent use.
type Keyring struct {
	path string // of its file; empty: the keys never change

	mu    sync.Mutex
	stamp stamp // of the file when it was read
	keys  keys
}

// keys are what a key file holds.
type keys struct {
	seals   []sealingKey
	lineage lineage // never rotated: it is in the refresh tokens that clients hold
}

// sealingKey is one key, ready for use.
type sealingKey struct {
	key     Key
	id      [keyIDSize]byte
	aead    cipher.AEAD
	created time.Time // zero: not known
}

// stamp tells one version of a file from the next: each is a file of its own.
type stamp struct {
	info os.FileInfo
}

func (s stamp) same(info os.FileInfo) bool {
	return s.info != nil && os.SameFile(s.info, info) && s.info.ModTime().Equal(info.ModTime()) && s.info.Size() == info.Size()
}

// NewKeyring returns a keyring with one key, which does not change.
func NewKeyring(key Key) (*Keyring, error) {
	first, err := newSealingKey(key, time.Time{})
	if err != nil {
		return nil, err
	}
	return &Keyring{keys: keys{seals: []sealingKey{first}, lineage: newLineage(key)}}, nil
}

func (*Keyring) String() string   { return "REDACTED" }
func (*Keyring) GoString() string { return "REDACTED" }

func newSealingKey(key Key, created time.Time) (sealingKey, error) {
	block, err := aes.NewCipher(key.derive("seal"))
	if err != nil {
		return sealingKey{}, fmt.Errorf("make key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealingKey{}, fmt.Errorf("make key: %w", err)
	}
	return sealingKey{key: key, id: [keyIDSize]byte(key.derive("key id")), aead: aead, created: created}, nil
}

// now returns the keys, read anew if the file has changed: a rotation is
// another process's, and what it seals must open here at once. A file that is
// gone or broken changes nothing.
func (r *Keyring) now() keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" {
		return r.keys
	}
	info, err := os.Stat(r.path)
	if err != nil || r.stamp.same(info) {
		return r.keys
	}
	if read, info, err := readKeys(r.path); err == nil {
		r.keys, r.stamp = read, stamp{info}
	}
	return r.keys
}

// first is the key that seals.
func (k keys) first() sealingKey { return k.seals[0] }

func (k keys) byID(id [keyIDSize]byte) (sealingKey, bool) {
	for _, key := range k.seals {
		if key.id == id {
			return key, true
		}
	}
	return sealingKey{}, false
}

// Derive returns a key for one purpose of another package: the same on every
// node that shares the key file, and after every rotation.
func (r *Keyring) Derive(purpose string) []byte {
	derived, err := hkdf.Key(sha256.New, r.now().lineage.nextKey, nil, "roundhouse "+purpose, KeySize)
	if err != nil {
		panic(err) // only a length that SHA-256 cannot stretch to
	}
	return derived
}

// KeyInfo tells about a key, and nothing of the key.
type KeyInfo struct {
	ID      string
	Created time.Time // zero: not known
	Seals   bool      // what is sealed from now on; the others only open
}

// List tells about the keys, the one that seals first.
func (r *Keyring) List() []KeyInfo {
	var list []KeyInfo
	for i, key := range r.now().seals {
		list = append(list, KeyInfo{ID: hex.EncodeToString(key.id[:]), Created: key.created, Seals: i == 0})
	}
	return list
}

// add puts a new key in front, unless a rotation that did not end has left one
// there.
func (r *Keyring) add(now time.Time) error {
	have := r.now()
	if len(have.seals) > 1 {
		return nil
	}
	var key Key
	rand.Read(key.secret[:])
	next, err := newSealingKey(key, now)
	if err != nil {
		return err
	}
	return r.replace(keys{seals: append([]sealingKey{next}, have.seals...), lineage: have.lineage})
}

// drop keeps only the key that seals.
func (r *Keyring) drop() error {
	have := r.now()
	return r.replace(keys{seals: have.seals[:1:1], lineage: have.lineage})
}

func (r *Keyring) replace(next keys) error {
	if err := writeKeys(r.path, next); err != nil {
		return err
	}
	read, info, err := readKeys(r.path)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.stamp = read, stamp{info}
	return nil
}
