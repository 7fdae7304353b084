package actors_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/actors"
	"roundhouse/constraint"
	"roundhouse/router"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// FuzzHTTP sends whatever one signed-in caller can: any method, path, headers
// and bytes. Nothing of it may panic, be answered with a 5xx, be refused on an
// MCP URL in another form than JSON-RPC, or leave goroutines or memory behind.
func FuzzHTTP(f *testing.F) {
	seedHTTP(f)
	e := newEntry(f)
	f.Fuzz(func(t *testing.T, head string, body []byte) {
		e.request(t, head, body)
		if e.requests++; e.requests%2000 == 0 {
			e.settle(t)
		}
	})
}

func seedHTTP(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "cmd", "roundhouse", "testdata", "openings", "*.txt"))
	if err != nil || len(files) == 0 {
		f.Fatalf("%v: %d files", err, len(files))
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for request := range strings.SplitSeq(string(raw), "\n>> ") {
			request, _, _ = strings.Cut(strings.ReplaceAll(request, "{mcp}", "/mcp/acme/web"), "\n<< ")
			head, body, _ := strings.Cut(request, "\n\n")
			f.Add(strings.Replace(head, "\n", " HTTP/1.1\n", 1), []byte(body))
		}
	}
	const call = "POST /mcp/acme/web HTTP/1.1\nAccept: application/json, text/event-stream\nMcp-Session-Id: {session}"
	f.Add(call, []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{},"_meta":{"progressToken":"a"}}}`))
	f.Add(call, []byte(`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"sentry://acme/issues/1"}}`))
	f.Add(call, []byte(`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":"b"}}}`))
	f.Add(call, []byte(`{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}`))
	f.Add(call, []byte(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`))
	f.Add("GET /mcp/acme HTTP/1.1\nLast-Event-ID: 1\nMcp-Session-Id: {session}", []byte{})
	f.Add("DELETE /mcp HTTP/1.1\nMcp-Session-Id: {session}", []byte{})
	f.Add("PUT /mcp/%2e%2e HTTP/1.1\nOrigin: null\nHost: x", []byte("\xff"))
}

// entry is the front door with everything behind it but Sentry.
type entry struct {
	node       *actors.Node
	handler    http.Handler
	session    string // of /mcp/acme/web
	requests   int
	goroutines int
	heap       int64 // after the first settle
}

func newEntry(f *testing.F) *entry {
	e := &entry{}
	e.open(f)
	e.close(f) // what is made once, such as the catalog, is there now
	e.goroutines = runtime.NumGoroutine()
	e.open(f)
	f.Cleanup(func() { e.close(f) })
	return e
}

// nothingThere is a Sentry that knows nothing.
type nothingThere struct{}

func (nothingThere) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"detail":"The requested resource does not exist"}`))}, nil
}

func (e *entry) open(t testing.TB) {
	client, err := sentry.NewClient(sentry.Config{BaseURL: "http://sentry.invalid", Tokens: sentry.StaticToken{}, HTTPClient: &http.Client{Transport: nothingThere{}}})
	if err != nil {
		t.Fatal(err)
	}
	e.node, err = actors.Start(actors.Config{
		NewServer: func(_ context.Context, key constraint.Key) (*server.MCPServer, error) {
			return tools.Default().NewServer(tools.Env{Key: key, Sentry: client, ProjectID: "1"}), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var skills []string
	for _, s := range tools.Skills {
		skills = append(skills, s.ID)
	}
	e.handler = router.New(router.Config{
		PublicURL: "http://mcp.example.com",
		Directory: e.node,
		Verify: func(context.Context, string) (constraint.Caller, error) {
			return constraint.Caller{User: "1", Grant: "g", Resource: "http://mcp.example.com/mcp", Skills: skills, Expires: time.Now().Add(time.Hour)}, nil
		},
		StepUp: tools.Default().StepUp,
	})
	e.session = e.request(t, "POST /mcp/acme/web HTTP/1.1\nContent-Type: application/json",
		[]byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)).Get("Mcp-Session-Id")
}

func (e *entry) close(t testing.TB) {
	if err := e.node.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// request sends one request as net/http would hand it over, and hangs up on an
// answer that does not end. It returns the answer's header.
func (e *entry) request(t testing.TB, head string, body []byte) http.Header {
	head = strings.ReplaceAll(strings.ReplaceAll(strings.TrimRight(head, "\r\n"), "\r\n", "\n"), "\n", "\r\n")
	raw := strings.ReplaceAll(head, "{session}", e.session) + "\r\nAuthorization: Bearer token\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(raw), bytes.NewReader(body))))
	if err != nil {
		return nil // net/http answers
	}
	if r.Host == "" {
		r.Host = "mcp.example.com"
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	defer time.AfterFunc(20*time.Millisecond, hangUp).Stop()
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r.WithContext(ctx))
	if w.Code >= 500 {
		t.Fatalf("%q %q is answered with %d %s", head, body, w.Code, w.Body)
	}
	if w.Code >= 400 && strings.HasPrefix(r.URL.Path, "/mcp") && (w.Header().Get("Content-Type") != "application/json" || !isRefusal(w.Body.Bytes())) {
		t.Fatalf("%q %q is refused with %d %s %q", head, body, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Header()
}

func isRefusal(body []byte) bool {
	var m struct {
		JSONRPC string
		Error   struct{ Message string }
	}
	return json.Unmarshal(body, &m) == nil && m.JSONRPC == "2.0" && m.Error.Message != ""
}

// settle ends everything and wants back what it took, then opens anew. What the
// fuzzer itself keeps is there the first time already.
func (e *entry) settle(t *testing.T) {
	e.close(t)
	e.node, e.handler = nil, nil
	if e.heap == 0 {
		e.heap = heap()
	}
	left := func() (int, int64) { return runtime.NumGoroutine() - e.goroutines, heap() - e.heap }
	goroutines, kept := left()
	for end := time.Now().Add(4 * time.Second); (goroutines > 10 || kept > 16<<20) && time.Now().Before(end); goroutines, kept = left() {
		<-time.After(50 * time.Millisecond) // for goroutines that have been told to end
	}
	e.open(t)
	if goroutines > 10 || kept > 16<<20 {
		stacks := make([]byte, 1<<14)
		t.Fatalf("after %d requests %d goroutines and %d bytes are left:\n%s", e.requests, goroutines, kept, stacks[:runtime.Stack(stacks, true)])
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
