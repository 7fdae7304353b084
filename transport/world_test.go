package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// world is a transport behind a real HTTP server.
type world struct {
	t   testing.TB
	tr  *Transport
	url string
}

func newWorld(t testing.TB, s *server.MCPServer, cfg Config) *world {
	t.Helper()
	return serveWith(t, New(s, cfg), func(ctx context.Context) context.Context { return ctx })
}

// serveWith serves each request with the context that with makes of its own.
func serveWith(t testing.TB, tr *Transport, with func(context.Context) context.Context) *world {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.ServeHTTP(w, r.WithContext(with(r.Context())))
	}))
	t.Cleanup(srv.Close)
	return &world{t, tr, srv.URL}
}

const modernMeta = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}`

// modern is a request without a session; meta is added to its _meta.
func (w *world) modern(ctx context.Context, id int, method, params, meta string) *http.Request {
	w.t.Helper()
	if params != "" {
		params += ","
	}
	if meta != "" {
		meta = "," + meta
	}
	r := w.request(ctx, http.MethodPost, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s"_meta":{%s%s}}}`, id, method, params, modernMeta, meta))
	r.Header.Set("Mcp-Protocol-Version", mcp.ProtocolVersion20260728)
	r.Header.Set("Mcp-Method", method)
	var named struct{ Params struct{ Name, URI string } }
	_ = json.Unmarshal([]byte(`{"params":{`+strings.TrimSuffix(params, ",")+`}}`), &named)
	if name := named.Params.Name + named.Params.URI; name != "" {
		r.Header.Set("Mcp-Name", name)
	}
	return r
}

// legacy is a request in a session, or without one if it is empty.
func (w *world) legacy(ctx context.Context, httpMethod, session, body string) *http.Request {
	w.t.Helper()
	r := w.request(ctx, httpMethod, body)
	if session != "" {
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		r.Header.Set(server.HeaderKeySessionID, session)
	}
	return r
}

func (w *world) request(ctx context.Context, httpMethod, body string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, httpMethod, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	return r
}

func (w *world) session() string {
	w.t.Helper()
	resp := w.do(w.legacy(w.t.Context(), http.MethodPost, "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{
		"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		w.t.Fatalf("initialize: %s", resp.Status)
	}
	return resp.Header.Get(server.HeaderKeySessionID)
}

func (w *world) do(r *http.Request) *http.Response {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

// stream is an answer being read.
type stream struct {
	t    testing.TB
	resp *http.Response
	in   *bufio.Reader
}

func (w *world) open(r *http.Request) *stream {
	w.t.Helper()
	resp := w.do(r)
	s := &stream{w.t, resp, bufio.NewReader(resp.Body)}
	w.t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("%s %s %s, want a stream", resp.Status, got, body)
	}
	return s
}

// next returns the next message, or "" when the stream has ended. Comments are
// told as they are.
func (s *stream) next() string {
	s.t.Helper()
	type line struct {
		text string
		err  error
	}
	for {
		read := make(chan line, 1)
		go func() {
			text, err := s.in.ReadString('\n')
			read <- line{strings.TrimRight(text, "\n"), err}
		}()
		select {
		case l := <-read:
			switch {
			case l.err != nil:
				return ""
			case strings.HasPrefix(l.text, ":"):
				return l.text
			case strings.HasPrefix(l.text, "data: "):
				return strings.TrimPrefix(l.text, "data: ")
			}
		case <-time.After(10 * time.Second):
			s.t.Fatal("nothing came for ten seconds")
		}
	}
}

// want reads one message, which must contain all of parts.
func (s *stream) want(parts ...string) string {
	s.t.Helper()
	got := s.next()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			s.t.Fatalf("got %q, want %q in it", got, part)
		}
	}
	return got
}

// all reads to the end.
func (s *stream) all() (messages []string) {
	s.t.Helper()
	for m := s.next(); m != ""; m = s.next() {
		messages = append(messages, m)
	}
	return messages
}
