package oauth

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openKeyring(t *testing.T, path string) *Keyring {
	t.Helper()
	ring, err := OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestOpenKeyring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made := openKeyring(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 || info.Size() != KeySize {
		t.Errorf("the key file's mode is %v, want 0600; its size %d", got, info.Size())
	}
	again := openKeyring(t, path)
	if made.List()[0] != again.List()[0] || len(made.List()) != 1 {
		t.Errorf("the second start has keys %v, the first %v", again.List(), made.List())
	}
	if other := openKeyring(t, path+"2"); other.List()[0].ID == made.List()[0].ID {
		t.Error("two files hold the same key")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpenKeyring_refuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := openKeyring(t, path).add(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	tests := map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by the group": {string(make([]byte, KeySize)), 0o640, "chmod 600"},
		"readable by all":       {string(good), 0o604, "chmod 600"},
		"empty":                 {"", 0o600, "holds 0 bytes"},
		"with a newline":        {string(make([]byte, KeySize+1)), 0o600, "holds 33 bytes"},
		"another header":        {"roundhouse keys 3\n" + lines[1] + lines[2], 0o600, "bytes"},
		"no keys":               {lines[0] + lines[1], 0o600, "is damaged"},
		"no lineage":            {lines[0] + lines[2], 0o600, "is damaged"},
		"cut short":             {string(good[:len(good)-20]), 0o600, "is damaged"},
		"a short key":           {lines[0] + lines[1] + "key AAAA 1\n", 0o600, "is damaged"},
		"a word too many":       {lines[0] + lines[1] + strings.TrimSpace(lines[2]) + " x\n", 0o600, "is damaged"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			_, err := OpenKeyring(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("OpenKeyring = %v, want a mention of %q", err, tt.want)
			}
			for _, secret := range strings.Fields(string(good)) {
				if len(secret) > 20 && strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

// What another process does to the file is seen at once, and what cannot be read
// changes nothing.
func TestKeyring_now(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	server, rotator := openKeyring(t, path), openKeyring(t, path)
	seal := newSealer(server)
	before, err := seal.seal("row", "value")
	if err != nil {
		t.Fatal(err)
	}
	first, tags := server.List()[0].ID, server.now().lineage.first(newID())
	if err := rotator.add(time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	list := server.List()
	if len(list) != 2 || list[1].ID != first || !list[0].Seals || list[1].Seals || list[0].Created.Unix() != 7 {
		t.Fatalf("the server has %+v", list)
	}
	if err := rotator.add(time.Unix(8, 0)); err != nil || len(rotator.List()) != 2 {
		t.Errorf("added while a rotation has not ended: %v, %+v", err, rotator.List())
	}
	after, err := seal.seal("row", "value")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, sealed := range [][]byte{before, after} {
		if err := seal.open("row", sealed, &got); err != nil || got != "value" {
			t.Errorf("with both keys: %q, %v", got, err)
		}
	}
	if seal.isCurrent(before) || !seal.isCurrent(after) {
		t.Error("the new key does not seal")
	}
	if err := rotator.drop(); err != nil {
		t.Fatal(err)
	}
	if err := seal.open("row", before, &got); err == nil {
		t.Error("what the dropped key sealed opens")
	}
	if err := seal.open("row", after, &got); err != nil {
		t.Errorf("what the new key sealed: %v", err)
	}
	if _, ok := server.now().lineage.grantOf(tags); !ok {
		t.Error("refresh tokens of before are unknown")
	}
	for _, break_ := range []func() error{
		func() error { return os.WriteFile(path, []byte("broken"), 0o600) },
		func() error { return os.Remove(path) },
	} {
		if err := break_(); err != nil {
			t.Fatal(err)
		}
		if err := seal.open("row", after, &got); err != nil {
			t.Errorf("after the file was spoiled: %v", err)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s", server, server, server, server); strings.ReplaceAll(got, "REDACTED", "") != "   " {
		t.Errorf("prints as %s", got)
	}
}

// A derived key is the same after a restart and a rotation, on every node with
// the file; another purpose has another, and so has another file.
func TestKeyring_Derive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	ring := openKeyring(t, path)
	want := ring.Derive("sessions")
	if len(want) != KeySize || bytes.Equal(want, ring.Derive("session")) || bytes.Equal(want, openKeyring(t, filepath.Join(t.TempDir(), "key")).Derive("sessions")) {
		t.Error("one key for two purposes or two files")
	}
	if err := ring.add(time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	if err := ring.drop(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, ring.Derive("sessions")) || !bytes.Equal(want, openKeyring(t, path).Derive("sessions")) {
		t.Error("another key after a rotation")
	}
}

func TestKey_isNotPrinted(t *testing.T) {
	key := NewKey([KeySize]byte{'s', 'e', 'c', 'r', 'e', 't'})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, key); got != "REDACTED" {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, struct{ Key Key }{key}); strings.Contains(got, "115, 101") || strings.Contains(got, "0x73, 0x65") {
			t.Errorf("%s of a struct prints the key: %s", verb, got)
		}
	}
}
