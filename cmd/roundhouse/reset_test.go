package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// typed runs a command with the words of a person at standard input.
func typed(t *testing.T, dir, input string, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	getenv := func(name string) string { return map[string]string{"ROUNDHOUSE_DATA": dir}[name] }
	err = run(t.Context(), args, getenv, strings.NewReader(input), &stdout, &stderr)
	return stdout.String(), err
}

func TestSandboxReset(t *testing.T) {
	dir := t.TempDir()
	first, err := typed(t, dir, "", "sandbox", "dsn", "acme-outdoors/my-app")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"", "\n", "no\n", "yep\n"} {
		out, err := typed(t, dir, answer, "sandbox", "reset")
		if err == nil || !strings.Contains(out, "2 organizations") || !strings.Contains(out, filepath.Join(dir, sandboxFile)) {
			t.Errorf("answered %q: %v, %s", answer, err, out)
		}
	}
	if kept, err := typed(t, dir, "", "sandbox", "dsn", "acme-outdoors/my-app"); err != nil || kept != first {
		t.Errorf("after a no: %q, %v, want %q", kept, err, first)
	}
	if out, err := typed(t, dir, "y\n", "sandbox", "reset"); err != nil || !strings.Contains(out, "Deleted.") {
		t.Errorf("answered y: %v, %s", err, out)
	}
	if out, err := typed(t, dir, "", "sandbox", "reset", "--yes"); err != nil || !strings.Contains(out, "no sandbox") {
		t.Errorf("nothing to delete: %v, %s", err, out)
	}
	if anew, err := typed(t, dir, "", "sandbox", "dsn", "acme-outdoors/my-app"); err != nil || anew == first {
		t.Errorf("a new one has the key of the old: %q, %v", anew, err)
	}
	if out, err := typed(t, dir, "", "sandbox", "reset", "--yes"); err != nil || strings.Contains(out, "[y/N]") {
		t.Errorf("--yes: %v, %s", err, out)
	}
}

func TestSandboxReset_Refuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, sandboxFile)
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := typed(t, dir, "", "sandbox", "reset", "--yes"); err == nil || !strings.Contains(err.Error(), "not a sandbox") {
		t.Errorf("another file: %v", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "something else" {
		t.Errorf("it holds %q, %v", raw, err)
	}
}

func TestSandboxDSN(t *testing.T) {
	dir := t.TempDir()
	all, err := typed(t, dir, "", "sandbox", "dsn")
	line := regexp.MustCompile(`(?m)^acme-outdoors/my-app +(http://[0-9a-f]{32}@127\.0\.0\.1:8080/sandbox/\d+)$`).FindStringSubmatch(all)
	if err != nil || line == nil {
		t.Fatalf("sandbox dsn: %v\n%s", err, all)
	}
	for _, args := range [][]string{{"acme-outdoors/my-app"}, {"--log-level", "warn", "acme-outdoors/my-app"}} {
		if out, err := typed(t, dir, "", append([]string{"sandbox", "dsn"}, args...)...); err != nil || out != line[1]+"\n" {
			t.Errorf("%v: %q, %v, want %s", args, out, err, line[1])
		}
	}
	elsewhere := strings.Replace(line[1], "127.0.0.1:8080/sandbox", "127.0.0.1:9000", 1)
	out, err := typed(t, dir, "", "sandbox", "dsn", "--sdk", "go", "--sandbox-url", "http://127.0.0.1:9000")
	if err != nil || !strings.Contains(out, `"`+elsewhere+`"`) || strings.Count(out, "\n") != 3 {
		t.Errorf("--sdk go: %v\n%s", err, out)
	}
}
