package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"roundhouse/sandbox"
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
	if _, err := typed(t, dir, "", "sandbox", "token", "--sandbox-user", "nobody@example.test"); exitCode(err) != 2 {
		t.Errorf("a token for nobody: %v", err)
	}
	if out, err := typed(t, dir, "", "sandbox", "reset", "--yes"); err != nil || !strings.Contains(out, "no sandbox") {
		t.Errorf("a token for nobody made a sandbox: %v, %s", err, out)
	}
	if anew, err := typed(t, dir, "", "sandbox", "dsn", "acme-outdoors/my-app"); err != nil || anew == first {
		t.Errorf("a new one has the key of the old: %q, %v", anew, err)
	}
	if out, err := typed(t, dir, "", "sandbox", "reset", "--yes"); err != nil || strings.Contains(out, "[y/N]") {
		t.Errorf("--yes: %v, %s", err, out)
	}
}

func TestDescribe(t *testing.T) {
	for want, c := range map[string]sandbox.Contents{
		"1 organization, 1 project with its keys, 1 issue, 1 event, span or log, 1 token and 1 OAuth application":            {Orgs: 1, Projects: 1, Issues: 1, Items: 1, Tokens: 1, Applications: 1},
		"2 organizations, 2 projects with their keys, 0 issues, 0 events, spans and logs, 0 tokens and 2 OAuth applications": {Orgs: 2, Projects: 2, Applications: 2},
		"it is damaged, or of another release, and what it holds cannot be counted":                                          {Damaged: true, Tokens: 1},
	} {
		if got := describe(c); got != want {
			t.Errorf("describe(%+v) = %q, want %q", c, got, want)
		}
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

// TestSandbox_DSNCommand: what a server prints leads to the DSNs of that server.
func TestSandbox_DSNCommand(t *testing.T) {
	dir := t.TempDir() + "/it's mine"
	for _, args := range [][]string{{"serve"}, {"sandbox", "serve"}} {
		for range 2 { // the first start says more
			ctx, cancel := context.WithCancel(t.Context())
			out := newWatch(t)
			ended := make(chan error, 1)
			go func() { // ends with cancel
				ended <- run(ctx, append(args, "--addr", "127.0.0.1:0", "--data", dir), func(string) string { return "" }, strings.NewReader(""), io.Discard, out)
			}()
			flags := out.find(`roundhouse sandbox dsn( .*?)(?: --sdk|  )`)
			url := strings.TrimPrefix(flags[strings.Index(flags, "http://"):], "http://")
			listening := out.find(map[bool]string{true: `MCP client\s+http://(\S+)/mcp`, false: `URL\s+http://(\S+)`}[args[0] == "serve"])
			cancel()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if want := ` --data '` + strings.ReplaceAll(dir, "'", `'\''`) + `' --sandbox-url http://` + url; flags != want || !strings.HasPrefix(url, listening) {
				t.Errorf("%v at %s: roundhouse sandbox dsn%s, want%s", args, listening, flags, want)
			}
			if strings.HasSuffix(url, sandboxPath) != (args[0] == "serve") {
				t.Errorf("%v: the sandbox is not at %s", args, url)
			}
		}
	}
	usual := &config{Data: "/home/ann/data", usualData: "/home/ann/data"}
	if got := usual.dsnCommand(defaultSandboxURL); got != "roundhouse sandbox dsn" {
		t.Errorf("by default: %s", got)
	}
}

// TestSandbox_SaysWhatItMade: a command with a wrong directory does not pass a
// new sandbox for the one that was meant.
func TestSandbox_SaysWhatItMade(t *testing.T) {
	for _, command := range []string{"dsn", "app", "token"} {
		dir := t.TempDir()
		for _, says := range []bool{true, false} {
			var stderr bytes.Buffer
			err := run(t.Context(), []string{"sandbox", command, "--data", dir}, func(string) string { return "" }, strings.NewReader(""), io.Discard, &stderr)
			if err != nil || strings.Contains(stderr.String(), "made a new sandbox, "+dir) != says {
				t.Errorf("sandbox %s: %v, %s; want it to tell of a new sandbox: %v", command, err, &stderr, says)
			}
		}
	}
}

// TestSandbox_Empty: questions about the story are for those who have it, and
// whoever asks for a sandbox without it and keeps one with it is told so.
func TestSandbox_Empty(t *testing.T) {
	full, empty := t.TempDir(), t.TempDir()
	plant(t, full)
	for _, tt := range []struct {
		args, dir  string
		asks, says bool
	}{
		{args: "serve", dir: full, asks: true},
		{args: "serve --empty", dir: full, asks: true, says: true},
		{args: "sandbox serve --empty", dir: full, says: true},
		{args: "serve --empty", dir: empty},
		{args: "serve --empty", dir: empty},
		{args: "sandbox serve", dir: empty},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := newWatch(t)
		ended := make(chan error, 1)
		go func() { // ends with cancel
			ended <- run(ctx, strings.Fields(tt.args+" --addr 127.0.0.1:0 --data "+tt.dir), func(string) string { return "" }, strings.NewReader(""), io.Discard, out)
		}()
		said := out.find(`(?s)(.*Stop .*)`)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		told := strings.Contains(said, "--empty is ignored") && strings.Contains(said, "run roundhouse sandbox reset --data "+tt.dir+" ")
		if strings.Contains(said, "What broke") != tt.asks || told != tt.says {
			t.Errorf("%s: says\n%s\nwant questions: %v, and what becomes of --empty: %v", tt.args, said, tt.asks, tt.says)
		}
	}
}
