package oauth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadOrCreateKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if made == (Key{}) {
		t.Error("the new key is zero")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the key file's mode is %v, want 0600", got)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if again != made {
		t.Error("the second start made another key")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLoadOrCreateKey_refuses(t *testing.T) {
	tests := map[string]struct {
		size int
		mode os.FileMode
		want string
	}{
		"readable by the group": {KeySize, 0o640, "chmod 600"},
		"readable by all":       {KeySize, 0o604, "chmod 600"},
		"empty":                 {0, 0o600, "holds 0 bytes"},
		"with a newline":        {KeySize + 1, 0o600, "holds 33 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, make([]byte, tt.size), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			_, err := LoadOrCreateKey(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("LoadOrCreateKey = %v, want a mention of %q", err, tt.want)
			}
		})
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
