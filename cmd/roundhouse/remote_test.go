package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// beginNode starts a program of testdata/clients, which lives as long as the
// test, and returns what goes into it and what it says.
func beginNode(t *testing.T, args ...string) (stdin io.Writer, stdout io.Reader, stderr *watch, cmd *exec.Cmd) {
	t.Helper()
	dir := filepath.Join("testdata", "clients")
	program, err := filepath.Abs(filepath.Join(dir, "node_modules", "node", "bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	cmd = exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "BROWSER=true") // true: the test is the browser
	stderr = newWatch(t)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return in, out, stderr, cmd
}

// TestRealClients_mcpRemote lets mcp-remote sign in with Chromium, by the
// address that it prints for a person, and a host behind it list tools and call
// one.
func TestRealClients_mcpRemote(t *testing.T) {
	needsClients(t)
	r := start(t, t.TempDir(), nil)
	stdin, stdout, stderr, cmd := beginNode(t, "node_modules/mcp-remote/dist/proxy.js", r.url+"/mcp/acme-outdoors")
	node(t, append([]string{"chromium.mjs", stderr.find(`(http://\S+/oauth/authorize\?\S+)`), mara, "inspect"}, pictures()...)...)
	host := lineClient{t, stdin, bufio.NewReader(stdout)}
	host.call(1, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}`)
	fmt.Fprintln(stdin, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if tools := host.call(2, "tools/list", `{}`); !strings.Contains(tools, `"search_issues"`) || strings.Contains(tools, `"find_organizations"`) {
		t.Errorf("tools/list: %.600s", tools)
	}
	if who := host.call(3, "tools/call", `{"name":"whoami","arguments":{}}`); !strings.Contains(who, mara) {
		t.Errorf("whoami: %.600s", who)
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait() // it answers an interrupt with whatever status it likes
}

// pictures is where to put pictures of the pages: ROUNDHOUSE_PICTURES.
func pictures() []string {
	if dir := os.Getenv("ROUNDHOUSE_PICTURES"); dir != "" {
		return []string{dir}
	}
	return nil
}

// lineClient is an MCP host over stdio.
type lineClient struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func (c lineClient) call(id int, method, params string) string {
	c.t.Helper()
	fmt.Fprintf(c.in, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", id, method, params)
	for {
		line, err := c.out.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     *int            `json:"id"`
			Result json.RawMessage `json:"result"`
		}
		if json.Unmarshal([]byte(line), &answer) == nil && answer.ID != nil && *answer.ID == id {
			if answer.Result == nil {
				c.t.Fatalf("%s: %s", method, line)
			}
			return string(answer.Result)
		}
	}
}

const conformance = "node_modules/@modelcontextprotocol/conformance/dist/index.js"

// TestRealClients_conformance runs what the MCP conformance suite has for
// authorization servers.
func TestRealClients_conformance(t *testing.T) {
	needsClients(t)
	r := start(t, t.TempDir(), nil)
	port := freePort(t)
	_, stdout, _, cmd := beginNode(t, conformance, "authorization", "--url", r.url,
		"--client-id", register(t, r.url, port), "--resource", r.url+"/mcp/acme-outdoors", "--port", port)
	lines := bufio.NewScanner(stdout)
	var said strings.Builder
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), r.url+"/oauth/authorize?") {
			node(t, "chromium.mjs", lines.Text(), mara, "inspect")
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "Total: 2 passed, 0 failed") {
		t.Errorf("%v:\n%.4000s", err, said.String())
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func register(t *testing.T, url, port string) (client string) {
	t.Helper()
	resp, err := http.Post(url+"/oauth/register", "application/json", strings.NewReader(
		`{"client_name":"conformance","redirect_uris":["http://127.0.0.1:`+port+`/callback"],"token_endpoint_auth_method":"none"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.ID == "" {
		t.Fatalf("register: status %d, %v", resp.StatusCode, err)
	}
	return answer.ID
}
