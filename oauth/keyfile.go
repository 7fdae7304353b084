package oauth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A key file that was never rotated holds the KeySize bytes of its one key.
// After that it is text: a line that says so, the secrets of the refresh
// tokens, and a line for each key, the one that seals first.
const (
	keyFileHeader  = "roundhouse keys 2"
	maxKeyFile     = 4 << 10
	lineageKeySize = 32
)

// OpenKeyring reads the key file at path. If there is none, it makes one that
// only its owner can read. A file that others can read, or that is damaged, is
// refused: its error says what to do.
func OpenKeyring(path string) (*Keyring, error) {
	read, info, err := readKeys(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKeyFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		read, info, err = readKeys(path) // what is there now may be another process's
	}
	if err != nil {
		return nil, err
	}
	return &Keyring{path: path, stamp: stamp{info}, keys: read}, nil
}

func readKeys(path string) (keys, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return keys{}, nil, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return keys{}, nil, fmt.Errorf("inspect key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return keys{}, nil, fmt.Errorf("key file %s can be read by others: run chmod 600 on it, and roundhouse keys rotate if anybody may have copied it", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return keys{}, nil, fmt.Errorf("read key file: %w", err)
	}
	read, err := parseKeys(b)
	if err != nil {
		return keys{}, nil, fmt.Errorf("key file %s %w: restore it from a backup; "+
			"or move it and the store away to begin anew, after which everybody signs in again", path, err)
	}
	return read, info, nil
}

func parseKeys(b []byte) (keys, error) {
	text, isText := bytes.CutPrefix(b, []byte(keyFileHeader+"\n"))
	if !isText {
		if len(b) != KeySize {
			return keys{}, fmt.Errorf("holds %d bytes instead of %d", len(b), KeySize)
		}
		key := Key{[KeySize]byte(b)}
		only, err := newSealingKey(key, time.Time{})
		return keys{[]sealingKey{only}, newLineage(key)}, err
	}
	var read keys
	for line := range strings.Lines(string(text)) {
		if err := read.parseLine(strings.Fields(line)); err != nil {
			return keys{}, err
		}
	}
	if len(read.seals) == 0 || read.lineage.tagKey == nil {
		return keys{}, errDamagedKeys
	}
	return read, nil
}

// errDamagedKeys tells nothing of what is there.
var errDamagedKeys = errors.New("is damaged")

func (k *keys) parseLine(fields []string) error {
	if len(fields) != 3 {
		return errDamagedKeys
	}
	switch secret, err := base64.StdEncoding.DecodeString(fields[1]); {
	case err != nil:
		return errDamagedKeys
	case fields[0] == "lineage" && len(secret) == lineageKeySize:
		next, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || len(next) != lineageKeySize {
			return errDamagedKeys
		}
		k.lineage = lineage{tagKey: secret, nextKey: next}
	case fields[0] == "key" && len(secret) == KeySize:
		created, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return errDamagedKeys
		}
		key, err := newSealingKey(Key{[KeySize]byte(secret)}, instant(created))
		if err != nil {
			return err
		}
		k.seals = append(k.seals, key)
	default:
		return errDamagedKeys
	}
	return nil
}

func (k keys) format() []byte {
	var b bytes.Buffer
	encode := base64.StdEncoding.EncodeToString
	fmt.Fprintf(&b, "%s\nlineage %s %s\n", keyFileHeader, encode(k.lineage.tagKey), encode(k.lineage.nextKey))
	for _, key := range k.seals {
		fmt.Fprintf(&b, "key %s %d\n", encode(key.key.secret[:]), millis(key.created))
	}
	return b.Bytes()
}

// createKeyFile links a file with a random key into place: of two processes that
// start together, the second finds the first one's file (fs.ErrExist).
func createKeyFile(path string) error {
	var secret [KeySize]byte
	rand.Read(secret[:])
	return placeKeyFile(path, secret[:], os.Link)
}

// writeKeys replaces the key file.
func writeKeys(path string, k keys) error {
	return placeKeyFile(path, k.format(), os.Rename)
}

// placeKeyFile writes a file beside path before it is put there: a crash leaves
// the old one or the new one, and nothing between.
func placeKeyFile(path string, content []byte, put func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := put(f.Name(), path); err != nil {
		return fmt.Errorf("put key file in place: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the new name durable: what is sealed with a key that a power cut
// takes away is lost.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("put key file in place: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("put key file in place: %w", err)
	}
	return nil
}
