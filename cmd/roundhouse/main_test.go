package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
)

// TestRun_Refused lists what is not done, why, and with which exit code: each
// refusal is one line that names what to change.
func TestRun_Refused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	home := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("addr = 127.0.0.1:0\nadress = 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		env  map[string]string
		code int
		says string
	}{
		{args: "surf", code: 2, says: `"surf"`},
		{args: "sandbox foo", code: 2, says: `"sandbox foo"; there is sandbox serve`},
		{args: "serve now", code: 2, says: `"now"`},
		{args: "--port 80", code: 2, says: "-port"},
		{args: "--addr 8080", code: 2, says: "--addr"},
		{args: "--idle soon", code: 2, says: "-idle"},
		{args: "--idle 1ms", code: 2, says: "--idle"},
		{args: "--session-idle 1ms", code: 2, says: "--session-idle"},
		{args: "--max-contexts 0", code: 2, says: "--max-contexts"},
		{args: "--log-level loud", code: 2, says: "--log-level"},
		{args: "--log-format xml", code: 2, says: "--log-format"},
		{args: "help surf", code: 2, says: `"surf"`},
		{args: "--addr 0.0.0.0:8080", code: 2, says: "anybody"},
		{args: "--addr 0.0.0.0:8080 --sentry-url https://sentry.example.com", code: 2, says: "--public-url"},
		{args: "--public-url https://mcp.example.com", code: 2, says: "anybody"},
		{args: "--allowed-origins https://app.example.com/", code: 2, says: "--allowed-origins"},
		{args: "--drain -1s", code: 2, says: "--drain"},
		{args: "--metrics-addr 9464", code: 2, says: "--metrics-addr"},
		{args: "--addr 127.0.0.1:0 --metrics-addr " + taken.Addr().String(), code: 1, says: "--metrics-addr"},
		{args: "--addr 127.0.0.1:0 --sentry-url https://sentry.example.com --sentry-client-id a --sentry-client-secret b --sentry-ca-file " + file, code: 2, says: "no certificate"},
		{args: "--public-url http://mcp.example.com", code: 2, says: "https"},
		{args: "--public-url https://mcp.example.com/mcp", code: 2, says: "--public-url"},
		{args: "--sentry-url sentry.example.com", code: 2, says: "--sentry-client-id"},
		{args: "--sentry-url sentry.example.com --sentry-client-id a --sentry-client-secret b", code: 2, says: "--sentry-url"},
		{args: "token create --expires 2y", code: 2, says: "--expires"},
		{args: "token create --expires 366d", code: 2, says: "365d"},
		{args: "token create --expires 106751992d", code: 2, says: "365d"},
		{args: "token create --project web", code: 2, says: "--org"},
		{args: "token create --sentry-url https://sentry.example.com", code: 2, says: "ROUNDHOUSE_SENTRY_TOKEN"},
		{args: "token create --addr 127.0.0.1:0", code: 2, says: "--public-url"},
		{args: "token create --org no-such-org", code: 1, says: "not one of this server's"},
		{args: "token create --sandbox-user nobody@example.test", code: 1, says: "nobody@example.test"},
		{args: "token revoke", code: 2, says: "token list"},
		{args: "token revoke id --sentry-url https://sentry.example.com", code: 2, says: "--sentry-client-id"},
		{args: "token revoke id --sentry-client-id a", code: 2, says: "--sentry-url"},
		{args: "token revoke id", code: 1, says: "token list"},
		{args: "audit --since yesterday", code: 2, says: "--since"},
		{args: "--sentry-bearer dance", code: 2, says: "--sentry-bearer"},
		{args: "--trusted-proxies proxy.example", code: 2, says: "--trusted-proxies"},
		{args: "--client-documents maybe", code: 2, says: "--client-documents"},
		{args: "--confirm maybe", code: 2, says: "--confirm"},
		{args: "stdio --confirm maybe", code: 2, says: "--confirm"},
		{args: "--step-up maybe", code: 2, says: "--step-up"},
		{args: "--store redis://host", code: 2, says: "--store"},
		{args: "--admin-emails mara", code: 2, says: "--admin-emails"},
		{args: "--admin-roles acme", code: 2, says: "--admin-roles"},
		{args: "--sentry-revoke-url http://sentry.example.com/revoke", code: 2, says: "--sentry-revoke-url"},
		{args: "--sentry-client-id a", code: 2, says: "--sentry-url"},
		{args: "stdio --project web", code: 2, says: "--org"},
		{args: "stdio --org acme-outdoors --skills dance", code: 2, says: "dance"},
		{args: "stdio --sentry-url https://sentry.example.com", code: 2, says: "ROUNDHOUSE_SENTRY_TOKEN"},
		{args: "stdio --org ..", code: 2, says: "organization"},
		{args: "stdio --org no-such-org", code: 1, says: "no such organization"},
		{args: "stdio --org ACME-Outdoors", code: 1, says: "use --org acme-outdoors"},
		{args: "stdio --sandbox-user nobody@example.test", code: 1, says: "nobody@example.test"},
		{args: "stdio --sandbox-url nowhere", code: 2, says: "--sandbox-url"},
		{args: "sandbox serve --addr :9000", code: 2, says: "anybody"},
		{args: "sandbox serve --age ancient", code: 2, says: "--age"},
		{args: "sandbox serve --scale users=lots", code: 2, says: "--scale"},
		{args: "--scale orgs=5", code: 2, says: "users=1"},
		{args: "--empty --sentry-url https://sentry.example.com --sentry-client-id a --sentry-client-secret b", code: 2, says: "--empty"},
		{args: "sandbox dsn storefront", code: 2, says: "organization/project"},
		{args: "sandbox dsn acme-outdoors/none", code: 1, says: "acme-outdoors/none: there is no such project"},
		{args: "sandbox dsn a/b c/d", code: 2, says: "c/d"},
		{args: "sandbox dsn --sdk cobol", code: 2, says: "python"},
		{args: "sandbox dsn --sandbox-url nowhere", code: 2, says: "--sandbox-url"},
		{args: "sandbox token --scopes org:read,org:everything", code: 2, says: `"org:everything"; there are org:read, `},
		{args: "sandbox token", env: map[string]string{"ROUNDHOUSE_SCOPES": "nope"}, code: 2, says: "--scopes is given by ROUNDHOUSE_SCOPES"},
		{args: "sandbox token --skills dance", code: 2, says: "--skills"},
		{args: "sandbox token --sandbox-user nobody@example.test", code: 2, says: `--sandbox-user: there is no user "nobody@example.test"; there are mara@example.test, `},
		{args: "sandbox reset now", code: 2, says: "now"},
		{args: "sandbox serve --addr 127.0.0.1:0 --faults " + file, code: 2, says: "--faults"},
		{args: "sandbox serve --addr 127.0.0.1:0 --faults " + file + ".none", code: 2, says: "--faults"},
		{args: "--control", code: 2, says: "-control"},
		{args: "sandbox app --redirect-uri nowhere", code: 2, says: "--redirect-uri"},
		{env: map[string]string{"ROUNDHOUSE_IDLE": "soon"}, code: 2, says: `ROUNDHOUSE_IDLE: "soon"`},
		{env: map[string]string{"ROUNDHOUSE_ADDR": "8080"}, code: 2, says: "ROUNDHOUSE_ADDR"},
		{args: "--config " + file, code: 2, says: file + ":2"},
		{args: "--config " + file + ".none", code: 2, says: "--config"},
		{args: "--addr " + taken.Addr().String(), code: 1, says: taken.Addr().String()},
		{args: "--addr 127.0.0.1:0 --data " + file + "/below", code: 1, says: "--data"},
	} {
		args := strings.Fields(tt.args)
		env := func(name string) string {
			if name == "HOME" {
				return home
			}
			return tt.env[name]
		}
		err := run(t.Context(), args, env, strings.NewReader(""), io.Discard, io.Discard)
		if code := exitCode(err); code != tt.code {
			t.Errorf("%q %v: exit code %d, want %d: %v", tt.args, tt.env, code, tt.code, err)
			continue
		}
		if line := err.Error(); !strings.Contains(line, tt.says) || strings.Contains(line, "\n") {
			t.Errorf("%q %v: says %q, want one line about %s", tt.args, tt.env, line, tt.says)
		}
	}
}

// TestParse_Precedence: the command line, the environment, the file, the
// default.
func TestParse_Precedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "roundhouse.conf")
	if err := os.WriteFile(file, []byte("# a comment\n\nidle = 1m\nmax-contexts=3\nlog-level = debug\norg = for-stdio\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ROUNDHOUSE_CONFIG": file, "ROUNDHOUSE_MAX_CONTEXTS": "2", "ROUNDHOUSE_LOG_LEVEL": "warn", "HOME": "/home/ann"}
	serve, args := pick([]string{"--log-level", "error"})
	cfg, err := parse(serve, args, func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(cfg.LogLevel, " ", cfg.MaxContexts, " ", cfg.Idle, " ", cfg.Addr, " ", cfg.Data)
	if want := "error 2 1m0s 127.0.0.1:8080 /home/ann/.local/share/roundhouse"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestHelp(t *testing.T) {
	for args, usage := range map[string]string{
		"--help": "serve", "help": "serve", "serve --help": "serve", "stdio -h": "stdio", "help stdio": "stdio",
		"sandbox": "sandbox serve", "sandbox --help": "sandbox serve", "sandbox app --help": "sandbox app", "sandbox dsn --help": "sandbox dsn [ORG/PROJECT]",
	} {
		var out strings.Builder
		if err := run(t.Context(), strings.Fields(args), func(string) string { return "" }, nil, &out, io.Discard); err != nil {
			t.Errorf("%s: %v", args, err)
		}
		if !strings.Contains(out.String(), "Usage: roundhouse "+usage+" [flags]") || !strings.Contains(out.String(), "-data") {
			t.Errorf("%s says\n%s", args, out.String())
		}
	}
}

// TestSignals interrupts the program as a person does.
func TestPrintable(t *testing.T) {
	quoted := "it has \x1b]0;owned\x07, \u202egpj.exe\nand\ta \u009bcode, café"
	if got, want := printable(quoted), "it has �]0;owned�, �gpj.exe\nand\ta �code, café"; got != want {
		t.Errorf("printable(%q) = %q, want %q", quoted, got, want)
	}
}

func TestSignals(t *testing.T) {
	launch := func(t *testing.T) (*exec.Cmd, string, *watch) {
		stderr := newWatch(t)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), build(t), "--addr", "127.0.0.1:0", "--data", t.TempDir())
		cmd.Stderr = stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, strings.TrimPrefix(stderr.find(`MCP client\s+(\S+)/mcp`), "http://"), stderr
	}

	t.Run("once drains", func(t *testing.T) {
		cmd, _, _ := launch(t)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("exit: %v, want 0", err)
		}
	})

	t.Run("twice ends at once", func(t *testing.T) {
		cmd, addr, stderr := launch(t)
		conn, err := net.Dial("tcp", addr) // half a request: what draining waits for
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		stderr.find(`(draining)`)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != interrupted {
			t.Errorf("%v, want exit code %d", cmd.ProcessState, interrupted)
		}
	})
}

// TestStdio_SandboxURL: links lead to where the sandbox is said to be served.
func TestStdio_SandboxURL(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t), "stdio", "--data", t.TempDir(), "--sandbox-url", "http://127.0.0.1:9/there/")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	c := client.NewClient(transport.NewStdioWithOptions(build(t), nil, nil, transport.WithCommandFunc(
		func(context.Context, string, []string, []string) (*exec.Cmd, error) { return cmd, nil })))
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, c: c}
	if _, s.err = c.Initialize(t.Context(), initialize); s.err != nil {
		t.Fatal(s.err)
	}
	if got := s.Call("find_organizations", nil); !strings.Contains(got, "http://127.0.0.1:9/there/organizations/acme-outdoors/") {
		t.Errorf("find_organizations: %v %s", s.err, got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stderr.String(), "serves http://127.0.0.1:9/there,") {
		t.Errorf("at the start it says %s", &stderr)
	}
}

// TestStdio runs the program as a local agent does, with mcp-go's stdio client.
func TestStdio(t *testing.T) {
	data := t.TempDir()
	for place, projects := range contexts {
		parts := strings.Split(place, "/")[1:]
		args := []string{"stdio", "--data", data}
		for i, flag := range []string{"--org", "--project"}[:len(parts)] {
			args = append(args, flag, parts[i])
		}
		c := client.NewClient(transport.NewStdio(build(t), nil, args...))
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := &session{t: t, place: place, c: c}
		if _, s.err = c.Initialize(t.Context(), initialize); s.err == nil {
			checkContext(t, s, place, projects)
		}
		if s.Failed() {
			t.Errorf("stdio, %s", s.Diag())
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
