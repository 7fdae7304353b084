package oauth

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// KeySize is the length in bytes of a Key and of the file that holds it.
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

// LoadOrCreateKey reads the key file at path. If there is none, it makes one
// that only its owner can read. A file that others can read, or that is not
// exactly KeySize bytes long, is refused: its error says what to do.
func LoadOrCreateKey(path string) (Key, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, err
	}
	return loadKey(path) // what is there now may be another process's
}

func loadKey(path string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("inspect key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("key file %s can be read by others: run chmod 600 on it, and replace it if anybody may have copied it", path)
	}
	if info.Size() != KeySize {
		return Key{}, fmt.Errorf("key file %s holds %d bytes instead of %d: restore it from a backup; "+
			"or move it away to have a new one made, after which everybody signs in again", path, info.Size(), KeySize)
	}
	var key Key
	if _, err := f.ReadAt(key.secret[:], 0); err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	return key, nil
}

// createKey writes a random key beside path and links it into place: a crash
// leaves no half-written key, and of two processes that start together the
// second finds the first one's file (fs.ErrExist).
func createKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var secret [KeySize]byte
	rand.Read(secret[:])
	if _, err := f.Write(secret[:]); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	return nil
}
