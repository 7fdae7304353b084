package router

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"roundhouse/constraint"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// directory answers with the key and the body, or with the error that the
// organization's name asks for.
type directory struct{}

func (directory) Acquire(ctx context.Context, key constraint.Key) (http.Handler, func(), error) {
	switch key.Org() {
	case "unknown":
		return nil, nil, fmt.Errorf("activate: %w", constraint.ErrUnknown)
	case "signed-out":
		return nil, nil, fmt.Errorf("activate: %w", constraint.ErrUnauthorized)
	case "ACME":
		right, err := constraint.New(key.User(), "acme", key.Project())
		return nil, nil, errors.Join(&constraint.MovedError{Key: right}, err)
	case "full":
		return nil, nil, &constraint.UnavailableError{Reason: "this server holds as many contexts as it may", RetryAfter: 1500 * time.Millisecond}
	case "broken":
		return nil, nil, errors.New("dial tcp 10.0.0.1: secret detail")
	case "panics":
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret detail") }), func() {}, nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := constraint.CallerFrom(r.Context())
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s as %s with %v, body %q %v\n", r.Method, key, caller.Grant, caller.Skills, body, err)
	}), func() {}, nil
}

func verify(_ context.Context, token string) (constraint.Caller, error) {
	ann := constraint.Caller{User: "ann", Grant: "g1", Resource: "https://mcp.example.com/mcp", Skills: []string{"inspect"}}
	switch token {
	case "ann-everything":
	case "ann-acme":
		ann.Resource += "/acme"
	case "ann-acme-web":
		ann.Resource += "/acme/web"
	case "ann-nowhere":
		ann.Resource = ""
	case "store-down":
		return constraint.Caller{}, errors.New("sqlite: secret detail")
	default:
		return constraint.Caller{}, fmt.Errorf("look up: %w", constraint.ErrUnauthorized)
	}
	return ann, nil
}

func verifySentry(_ context.Context, token string) (constraint.Caller, error) {
	switch token {
	case "ann-of-sentry":
		return constraint.Caller{User: "ann", Grant: "s1", Resource: "https://mcp.example.com/mcp", Skills: []string{"inspect"}}, nil
	case "one-of-many":
		return constraint.Caller{}, &constraint.UnavailableError{Reason: "too many to check", RetryAfter: time.Minute, Err: errors.New("secret detail")}
	}
	return constraint.Caller{}, constraint.ErrUnauthorized
}

func newTestRouter(log io.Writer) http.Handler {
	return New(Config{
		PublicURL:    "https://mcp.example.com",
		Directory:    directory{},
		Verify:       verify,
		VerifySentry: verifySentry,
		StepUp: func(_ constraint.Key, caller constraint.Caller, body []byte) []string {
			if !bytes.Contains(body, []byte("update")) {
				return nil
			}
			return append(slices.Clone(caller.Skills), "triage")
		},
		Scopes:        []string{"inspect", "triage"},
		DefaultScopes: []string{"inspect"},
		Origins:       []string{"https://inspector.example.com"},
		MaxBody:       64,
		About:         About{Version: "1.2.3", Protocols: []string{"2026-07-28", "2025-11-25"}, Tools: json.RawMessage(`[{"name":"whoami"}]`), GlamaClaim: "glama_claim_of_a_test"},
		Public: map[string]http.Handler{
			"/oauth/token": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "a token") }),
			"/sandbox/":    http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "the sandbox at", r.URL.EscapedPath()) }),
		},
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// shown are the headers that a recorded answer holds, where they are set.
var shown = []string{"Content-Type", "Www-Authenticate", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Retry-After", "Allow", "Location", "Cache-Control", "Etag"}

// TestExchanges plays testdata/*.txtar: requests and the answers to them, in
// pairs, each below a sentence that says what it is about.
func TestExchanges(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range archive.Files {
				about, isAnswer := strings.CutSuffix(archive.Files[i].Name, ": answer")
				if !isAnswer {
					continue
				}
				if i == 0 || archive.Files[i-1].Name != about {
					t.Fatalf("%q has no request before it", archive.Files[i].Name)
				}
				got := exchange(t, archive.Files[i-1].Data)
				if *update {
					archive.Files[i].Data = []byte(got)
				}
				if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
					t.Errorf("%s: the answer differs (-want +got):\n%s", about, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func exchange(t *testing.T, request []byte) string {
	t.Helper()
	head, body, _ := bytes.Cut(request, []byte("\n\n"))
	body = bytes.TrimSuffix(body, []byte("\n"))
	raw := strings.ReplaceAll(string(head), "\n", "\r\n") + "\r\nHost: mcp.example.com\r\n"
	if len(body) > 0 {
		raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimSuffix(raw, "\r\n") + "\r\n\r\n" + string(body))))
	if err != nil {
		t.Fatalf("%v in\n%s", err, request)
	}
	w := httptest.NewRecorder()
	newTestRouter(io.Discard).ServeHTTP(w, r.WithContext(t.Context()))
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", w.Code)
	for _, name := range shown {
		if value := w.Header().Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if w.Header().Get("X-Request-Id") == "" {
		b.WriteString("(no X-Request-Id)\n")
	}
	out := w.Body.String()
	if id := w.Header().Get("X-Request-Id"); id != "" {
		out = strings.ReplaceAll(out, id, "{request}")
	}
	fmt.Fprintf(&b, "\n%s", out)
	if !strings.HasSuffix(out, "\n") && out != "" {
		b.WriteString("\n")
	}
	return b.String()
}

// TestCovers is the table behind the 401 of a token for another URL.
func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		granted, resource string
		want              bool
	}{
		{"https://h/mcp", "https://h/mcp", true},
		{"https://h/mcp", "https://h/mcp/acme/web", true},
		{"https://h/mcp/acme", "https://h/mcp/acme/web", true},
		{"https://h/mcp/acme/web", "https://h/mcp/acme/web2", false},
		{"https://h/mcp/acme", "https://h/mcp/acme2", false},
		{"https://h/mcp/acme", "https://h/mcp", false},
		{"https://h/mcp/acme/web", "https://h/mcp/acme", false},
		{"https://h/mcp/globex", "https://h/mcp/acme", false},
		{"https://other/mcp", "https://h/mcp", false},
		{"", "https://h/mcp", false},
	} {
		if got := covers(tt.granted, tt.resource); got != tt.want {
			t.Errorf("covers(%q, %q) = %v, want %v", tt.granted, tt.resource, got, tt.want)
		}
	}
}

// TestLog looks for what must never be in a log: tokens, codes, the parts of a
// key, and the details of a panic in an answer.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	h := newTestRouter(&log)
	for _, path := range []string{"/mcp/acme/web?access_token=ann-everything", "/oauth/token?code=s3cret-code"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer ann-everything")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	key, err := constraint.New("ann", "acme", "web")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), key.Identity()) {
		t.Errorf("the log does not name the context:\n%s", log.String())
	}
	for _, secret := range []string{"ann-everything", "s3cret-code", "acme"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, log.String())
		}
	}
}

func TestReady(t *testing.T) {
	failing := New(Config{PublicURL: "https://h", Directory: directory{}, Verify: verify,
		Ready: func(context.Context) error { return errors.New("the store is gone") }})
	w := httptest.NewRecorder()
	failing.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "store") {
		t.Errorf("%d %q, want 503 without the reason", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	failing.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusOK {
		t.Errorf("healthz of a process that runs: %d", w.Code)
	}
}

// TestChunkedBody sends a body whose length is not told.
func TestChunkedBody(t *testing.T) {
	for _, tt := range []struct {
		size, want int
	}{{64, 200}, {65, 413}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", io.NopCloser(strings.NewReader(strings.Repeat("x", tt.size))))
		r.ContentLength = -1
		r.Header.Set("Authorization", "Bearer ann-everything")
		w := httptest.NewRecorder()
		newTestRouter(io.Discard).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%d bytes without a Content-Length: %d, want %d", tt.size, w.Code, tt.want)
		}
	}
}

// TestSlowBody holds back half of a body on every sort of route: each must be
// answered and its connection given up when the time is over.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &http.Server{Handler: newTestRouter(io.Discard)}
		for request, want := range map[string]string{
			"POST /mcp HTTP/1.1\r\nAuthorization: Bearer ann-everything": "408",
			"POST /mcp HTTP/1.1":         "401",
			"POST /oauth/token HTTP/1.1": "200",
			"POST /nowhere HTTP/1.1":     "404",
			"DELETE /mcp HTTP/1.1":       "401",
		} {
			client, conn := net.Pipe()
			served := make(chan struct{})
			go func() {
				defer close(served)
				_ = server.Serve(&oneConn{conn: conn})
			}()
			go fmt.Fprintf(client, "%s\r\nHost: h\r\nContent-Length: 60\r\n\r\n{", request)
			begin := time.Now()
			answer, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil || !strings.HasPrefix(answer.Status, want) {
				t.Errorf("%q: %v, %v, want %s", request, answer, err, want)
			}
			if took := time.Since(begin); took > bodyTime+time.Second {
				t.Errorf("%q: answered after %s", request, took)
			}
			client.Close()
			<-served
		}
		server.Close()
	})
}

// oneConn is a listener with one connection.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestBodies holds as many bodies as one user may, and one more.
func TestBodies(t *testing.T) {
	b := Bodies{MaxBytes: 100, MaxPerUser: 2}
	for _, tt := range []struct {
		user string
		size int64
		want bool
		why  string
	}{
		{"ann", 10, true, "the first"},
		{"ann", 10, true, "the second"},
		{"ann", 10, false, "more than one user may"},
		{"bob", 81, false, "more than there is room for"},
		{"bob", 80, true, "all that is left"},
		{"eve", 1, false, "no room"},
	} {
		if got := b.begin(tt.user, tt.size); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.why, got, tt.want)
		}
	}
	if held, refused := b.Held(); held != 100 || refused != 3 {
		t.Errorf("%d bytes held, %d refused, want 100 and 3", held, refused)
	}
	b.end("ann", 10)
	b.end("ann", 10)
	b.end("bob", 80)
	if b.bytes != 0 || len(b.perUser) != 0 {
		t.Errorf("%d bytes and %d users are left", b.bytes, len(b.perUser))
	}
}

// TestStreams checks that what stands between a handler and the connection can
// still be flushed, which mcp-go asks by a type assertion.
func TestStreams(t *testing.T) {
	streams := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, ok := w.(http.Flusher)
		if !ok {
			t.Error("not an http.Flusher")
			return
		}
		f.Flush()
	})
	h := New(Config{PublicURL: "https://h", Directory: directory{}, Verify: verify, Public: map[string]http.Handler{"/stream": streams}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/stream", nil))
	if !w.Flushed {
		t.Error("the flush did not reach the connection")
	}
}

func FuzzServe(f *testing.F) {
	f.Add("acme", "web", "Bearer ann-everything")
	f.Add("..", "%2f", "Bearer ann-acme")
	f.Add("acme\"", "", "bearer")
	f.Fuzz(func(t *testing.T, org, project, authorization string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawPath = "/mcp/"+org+"/"+project, ""
		r.Header["Authorization"] = []string{authorization}
		w := httptest.NewRecorder()
		newTestRouter(io.Discard).ServeHTTP(w, r)
		if !slices.Contains([]int{200, 400, 401, 404, 500, 503}, w.Code) {
			t.Errorf("%q %q: %d", org, project, w.Code)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); strings.ContainsAny(challenge, "\r\n") || strings.Count(challenge, `"`)%2 != 0 {
			t.Errorf("broken challenge %q", challenge)
		}
		if w.Code == 200 && constraint.Check(org, project) != nil {
			t.Errorf("served %q %q", org, project)
		}
	})
}
