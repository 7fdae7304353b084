package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeys rotates the key of a server that runs.
func TestKeys(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	l := r.login(mara, "")
	works := func(when string) {
		t.Helper()
		if status, answer := r.whoami("/acme-outdoors", "Bearer "+l.token(t)); status != http.StatusOK || !strings.Contains(answer, mara) {
			t.Errorf("%s: %d: %s", when, status, answer)
		}
	}
	works("before")
	before := strings.Fields(runCommand(t, data, "keys", "list"))
	runCommand(t, data, "keys", "rotate")
	after := strings.Fields(runCommand(t, data, "keys", "list"))
	if len(before) != 9 || before[8] != "1" || len(after) != 8 || after[7] != "1" || before[4] == after[4] {
		t.Errorf("keys before %q, after %q: want another one, with the sign-in", before, after)
	}
	works("after")
	r.stop()
	started := start(t, data, nil)
	if status, _ := started.whoami("/acme-outdoors", "Bearer "+l.token(t)); status != http.StatusUnauthorized { // another port: another resource
		t.Errorf("at another address: %d", status)
	}
	started.stop()

	// A restore with the wrong key is refused by every command, in one line.
	path := filepath.Join(data, "roundhouse.key")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"keys", "rotate"}, {"keys", "list"}, {"token", "create"}} {
		err := run(t.Context(), append(args, "--data", data), func(string) string { return "" }, strings.NewReader(""), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "restore the key file") || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v with another key: %v", args, err)
		}
		if code := exitCode(err); code != 1 {
			t.Errorf("%v: exit code %d, want 1", args, code)
		}
	}
}
