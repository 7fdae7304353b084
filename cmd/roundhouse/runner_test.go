package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/actors"
	"roundhouse/load/login"
	"roundhouse/sandbox"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// runner is a running program, the one that main runs.
type runner struct {
	t    testing.TB
	url  string // public
	stop func() // drains, and fails the test if that goes wrong

	stderr *watch

	mu      sync.Mutex // guards clients
	clients []*client.Client
}

// start runs the program with a data directory until the test ends or stop is
// called.
func start(t testing.TB, data string, env map[string]string, args ...string) *runner {
	t.Helper()
	return launch(t, data, env, func(ctx context.Context, args []string, s streams) error {
		return run(ctx, args, func(name string) string { return env[name] }, s.in, s.out, s.err)
	}, args)
}

// startTuned is start with what a test changes about the contexts.
func startTuned(t testing.TB, tune func(*actors.Config), args ...string) *runner {
	t.Helper()
	return launch(t, t.TempDir(), nil, func(ctx context.Context, args []string, s streams) error {
		command, args := pick(append([]string{"serve"}, args...))
		cfg, err := parse(command, args, func(string) string { return "" }, s.out)
		if err != nil {
			return err
		}
		cfg.tune = tune
		return serve(ctx, cfg, s)
	}, args)
}

func launch(t testing.TB, data string, env map[string]string, program func(context.Context, []string, streams) error, args []string) *runner {
	t.Helper()
	if env["ROUNDHOUSE_SENTRY_URL"] == "" {
		plant(t, data)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stderr := newWatch(t)
	ended := make(chan error, 1)
	go func() {
		args := append([]string{"--addr", "127.0.0.1:0", "--data", data, "--log-level", "debug"}, args...)
		ended <- program(ctx, args, streams{strings.NewReader(""), io.Discard, stderr})
		stderr.close()
	}()
	r := &runner{t: t, stderr: stderr, url: strings.TrimSuffix(stderr.find(`MCP client\s+(\S+)`), "/mcp")}
	r.stop = sync.OnceFunc(func() {
		r.disconnect()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// seeded is the file of a sandbox with its story: to copy it takes less than to
// tell it again.
var seeded = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "seeded")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, sandboxFile)
	sb, err := sandbox.New(context.Background(), sandbox.Options{Path: path})
	if err != nil {
		return nil, err
	}
	if err := sb.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// plant puts a sandbox into a folder that has none.
func plant(t testing.TB, data string) {
	t.Helper()
	path := filepath.Join(data, sandboxFile)
	if _, err := os.Stat(path); err == nil {
		return
	}
	raw, err := seeded()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// startProcess builds the program, runs it as a process of its own and returns
// what the pattern finds in its standard error.
func startProcess(t testing.TB, pattern string, args ...string) string {
	t.Helper()
	stderr := newWatch(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), build(t), args...)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		stderr.close()
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	return stderr.find(pattern)
}

var (
	buildDir  string // "" until a test needs the program as a process
	buildOnce = sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "roundhouse-test-")
		if err != nil {
			return "", err
		}
		buildDir = dir
		path := filepath.Join(dir, "roundhouse")
		out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return path, nil
	})
)

func build(t testing.TB) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// watch is a program's standard error, in which a test waits for a line.
type watch struct {
	t testing.TB

	mu      sync.Mutex // guards the rest
	changed *sync.Cond
	text    strings.Builder
	closed  bool
}

func newWatch(t testing.TB) *watch {
	w := &watch{t: t}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *watch) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed.Broadcast()
	return w.text.Write(b)
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
}

// find waits until the pattern's group is there, or the program has ended.
func (w *watch) find(pattern string) string {
	w.t.Helper()
	re := regexp.MustCompile(pattern)
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if m := re.FindStringSubmatch(w.text.String()); m != nil {
			return m[1]
		}
		if w.closed {
			w.t.Fatalf("%q never came; the program said:\n%s", pattern, w.text.String())
		}
		w.changed.Wait()
	}
}

// account is a client that has signed in, as far as it goes on a disk: what it
// registered and the tokens it got.
type account struct {
	config client.OAuthConfig
	forms  int // pages that the browser had to answer
}

// callback is where the clients of these tests receive their codes. Nothing
// listens there: the browser stops before it follows.
const callback = "http://127.0.0.1:33418/callback"

// login signs in at place ("", "/org" or "/org/project") with the OAuth of
// mcp-go's client: discovery from the 401, registration, PKCE, code, tokens.
func (r *runner) login(email, place string, skills ...string) *account {
	r.t.Helper()
	ctx := r.t.Context()
	l := &account{config: client.OAuthConfig{
		RedirectURI: callback,
		TokenStore:  client.NewMemoryTokenStore(),
		PKCEEnabled: true,
		Scopes:      []string{"inspect"}, // what the challenge names, which is what clients ask for
	}}
	c := r.connect(l, place)
	_, err := c.Initialize(ctx, initialize)
	if !client.IsOAuthAuthorizationRequiredError(err) {
		r.t.Fatalf("a client without a token got %v, want to be asked to sign in", err)
	}
	handler := client.GetOAuthHandler(err)
	if err := handler.RegisterClient(ctx, "end-to-end test"); err != nil {
		r.t.Fatal(err)
	}
	l.config.ClientID = handler.GetClientID()
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		r.t.Fatal(err)
	}
	state, err := client.GenerateState()
	if err != nil {
		r.t.Fatal(err)
	}
	authorize, err := handler.GetAuthorizationURL(ctx, state, client.GenerateCodeChallenge(verifier))
	if err != nil {
		r.t.Fatal(err)
	}
	b := &login.Walker{Email: email, Skills: skills}
	got, err := b.Walk(ctx, http.DefaultTransport, authorize, callback)
	if err != nil {
		r.t.Fatal(err)
	}
	l.forms = b.Pages
	if got.Get("iss") != r.url {
		r.t.Errorf("iss at the callback is %q, want %q", got.Get("iss"), r.url)
	}
	if err := handler.ProcessAuthorizationResponse(ctx, got.Get("code"), got.Get("state"), verifier); err != nil {
		r.t.Fatalf("%v, from the callback with error %q %q", err, got.Get("error"), got.Get("error_description"))
	}
	return l
}

// token is the access token of the login.
func (l *account) token(t testing.TB) string {
	t.Helper()
	token, err := l.config.TokenStore.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken
}

var initialize = mcp.InitializeRequest{Params: mcp.InitializeParams{
	ClientInfo: mcp.Implementation{Name: "end-to-end test", Version: "1"},
}}

func (r *runner) connect(l *account, place string, options ...client.ClientOption) *client.Client {
	r.t.Helper()
	trans, err := transport.NewStreamableHTTP(r.url+"/mcp"+place, transport.WithHTTPOAuth(l.config), transport.WithHTTPTimeout(30*time.Second))
	if err != nil {
		r.t.Fatal(err)
	}
	c := client.NewClient(trans, options...)
	if err := c.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients = append(r.clients, c)
	return c
}

// disconnect ends the sessions of all clients.
func (r *runner) disconnect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		if err := c.Close(); err != nil {
			r.t.Errorf("close a client: %v", err)
		}
	}
	r.clients = nil
}

// session is one client at one context. An error sticks, so that a script reads
// on; Diag tells it.
type session struct {
	t       testing.TB
	place   string
	c       *client.Client
	version string // of the protocol, as negotiated
	err     error
}

// at opens a session in the given era.
func (r *runner) at(l *account, place string, options ...client.ClientOption) *session {
	r.t.Helper()
	s := &session{t: r.t, place: place, c: r.connect(l, place, options...)}
	opened, err := s.c.Initialize(r.t.Context(), initialize)
	if err != nil {
		s.err = err
		return s
	}
	s.version = opened.ProtocolVersion
	return s
}

func (s *session) Failed() bool { return s.err != nil }
func (s *session) Diag() string { return fmt.Sprintf("at /mcp%s: %v", s.place, s.err) }

// Tools returns the listed tools by name.
func (s *session) Tools() map[string]mcp.Tool {
	tools := map[string]mcp.Tool{}
	if s.err != nil {
		return tools
	}
	list, err := s.c.ListTools(s.t.Context(), mcp.ListToolsRequest{})
	if err != nil {
		s.err = fmt.Errorf("tools/list: %w", err)
		return tools
	}
	for _, tool := range list.Tools {
		tools[tool.Name] = tool
	}
	return tools
}

// Call returns the text of the answer; an isError result makes the session
// fail.
func (s *session) Call(tool string, args map[string]any) string {
	out, isError := s.Try(tool, args)
	if isError && s.err == nil {
		s.err = fmt.Errorf("%s %v: %s", tool, args, out)
	}
	return out
}

// Try returns the text of the answer and whether it is an error, a protocol
// error included.
func (s *session) Try(tool string, args map[string]any) (out string, isError bool) {
	if s.err != nil {
		return "", true
	}
	result, err := s.c.CallTool(s.t.Context(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: tool, Arguments: args}})
	if err != nil {
		return err.Error(), true
	}
	var b strings.Builder
	for _, content := range result.Content {
		if text, ok := mcp.AsTextContent(content); ok {
			b.WriteString(text.Text)
		}
	}
	if structured, err := json.Marshal(result.StructuredContent); err == nil && result.StructuredContent != nil {
		b.Write(structured)
	}
	return b.String(), result.IsError
}

// send sends a bare request with the login's token.
func (r *runner) send(method, place, token string) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+"/mcp"+place, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
