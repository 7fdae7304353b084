package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRealClients_claude lets Claude Code look after its list of servers, as far
// as it goes without a model: it adds one, and connects to all it has when it
// lists them.
func TestRealClients_claude(t *testing.T) {
	needsClients(t)
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "").token(t)
	home := t.TempDir()
	claude := func(args ...string) string {
		t.Helper()
		program, err := filepath.Abs(filepath.Join("testdata", "clients", "node_modules", "@anthropic-ai", "claude-code", "bin", "claude.exe"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append([]string{"mcp"}, args...)...)
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "HOME="+home, "CLAUDE_CONFIG_DIR="+home, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("claude mcp %s: %v\n%s", args[0], err, out)
		}
		return strings.ReplaceAll(string(out), token, "TOKEN")
	}
	claude("add", "--scope", "user", "--transport", "http", "acme", r.url+"/mcp/acme-outdoors", "--header", "Authorization: Bearer "+token)
	claude("add", "--scope", "user", "--transport", "http", "unsigned", r.url+"/mcp")
	list := claude("list")
	t.Log(list)
	if !regexp.MustCompile(`(?m)^acme: .*Connected`).MatchString(list) {
		t.Errorf("with a token: %s", list)
	}
	if !regexp.MustCompile(`(?m)^unsigned: .*[Aa]uthentication`).MatchString(list) {
		t.Errorf("without one: %s", list)
	}
	if got := claude("get", "acme"); !strings.Contains(got, r.url+"/mcp/acme-outdoors") || !strings.Contains(got, "Connected") {
		t.Errorf("claude mcp get: %s", got)
	}
}
