package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// server runs handler until the test ends.
func server(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = "t-"
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func token(context.Context) (string, error) { return "Bearer secret", nil }

// idOf reads the id of a request.
func idOf(t testing.TB, r *http.Request) (id json.RawMessage, body string) {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	var m struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Errorf("%v: %s", err, raw)
	}
	return m.ID, string(raw)
}

func TestClient_Call(t *testing.T) {
	var got *http.Request
	var body string
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		var id json.RawMessage
		got = r
		id, body = idOf(t, r)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}`, id)
	})
	c := newClient(t, Config{URL: url, Era: Modern, Prefix: "w1-", Authorize: token, Header: http.Header{"x-api-key": {"secret-key"}}})
	x, err := c.Call(t.Context(), "whoami", json.RawMessage(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"jsonrpc":"2.0","id":"w1-1","method":"tools/call","params":{"name":"whoami","arguments":{"a":1},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"roundhouse-load","version":"1"}}}}`
	if body != want || string(x.Request) != want {
		t.Errorf("sent %s\nwant %s", body, want)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer secret", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "whoami",
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "X-Api-Key": "secret-key", "Mcp-Session-Id": "",
	} {
		if got := got.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if x.ID != "w1-1" || x.Status != 200 || string(x.Answer.ID) != `"w1-1"` || string(x.Answer.Result) != `{"content":[]}` {
		t.Errorf("got %+v", x)
	}
	if all := fmt.Sprintf("%+v", x); strings.Contains(all, "secret") {
		t.Errorf("the exchange tells the token: %s", all)
	}
}

// Whatever a server answers is shown as it came.
func TestClient_answers(t *testing.T) {
	const result = `{"jsonrpc":"2.0","id":"t-1","result":{}}`
	events := "text/event-stream"
	tests := []struct {
		why, media, body  string
		status            int
		id                string // of the answer
		notes, extra, bad int
	}{
		{"a result", "application/json", result, 200, `"t-1"`, 0, 0, 0},
		{"the id of another", "application/json", strings.Replace(result, `"t-1"`, `"t-2"`, 1), 200, `"t-2"`, 0, 0, 0},
		{"an id of another type", "application/json", strings.Replace(result, `"t-1"`, `1`, 1), 200, `1`, 0, 0, 0},
		{"an error", "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}`, 404, `null`, 0, 0, 0},
		{"nothing", "", "", 202, "", 0, 0, 0},
		{"no JSON", "text/html", "<html>", 502, "", 0, 0, 1},
		{"neither result nor error", "application/json", `{"jsonrpc":"2.0","id":"t-1"}`, 200, "", 0, 0, 1},
		{"a stream", events, ": hi\n\nevent: message\ndata: {\"method\":\"notifications/progress\"}\n\nid: 4\ndata: " + result + "\n\n", 200, `"t-1"`, 1, 0, 0},
		{"a stream of another's line ends", events, "data: " + result + "\r\n\r\n", 200, `"t-1"`, 0, 0, 0},
		{"a message on two lines", events, "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":\"t-1\",\"result\":{}}\n\n", 200, `"t-1"`, 0, 0, 0},
		{"two answers", events, "data: " + result + "\n\ndata: " + result + "\n\n", 200, `"t-1"`, 0, 1, 0},
		{"an event that broke off", events, "data: " + result, 200, "", 0, 0, 0},
		{"no JSON in a stream", events, "data: x\n\n", 200, "", 0, 0, 1},
		{"a redirect", "", "", 307, "", 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			url := server(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.media)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			x, err := newClient(t, Config{URL: url, Era: Modern}).Do(t.Context(), "tools/list", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			bad := 0
			if x.Malformed != nil {
				bad = 1
			}
			got := []any{x.Status, string(x.Answer.ID), len(x.Notifications), len(x.Extra), bad, string(x.Body)}
			if diff := cmp.Diff([]any{tt.status, tt.id, tt.notes, tt.extra, tt.bad, tt.body}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestClient_tooLarge(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `"`+strings.Repeat("x", maxBody)+`"`)
	})
	x, err := newClient(t, Config{URL: url, Era: Modern}).Do(t.Context(), "tools/list", "", nil)
	if err != nil || x.Malformed != errTooLarge || len(x.Body) != maxBody {
		t.Errorf("%v, %d bytes, %v", err, len(x.Body), x.Malformed)
	}
}

// sessions is a legacy server; ended are the sessions that it knows no more.
type sessions struct {
	t     testing.TB
	begun atomic.Int64
	ended atomic.Int64 // all up to this one
	told  atomic.Int64
}

func (s *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n int64
	fmt.Sscanf(r.Header.Get("Mcp-Session-Id"), "s%d", &n)
	if r.Method == http.MethodDelete {
		s.ended.Store(n)
		return
	}
	id, body := idOf(s.t, r)
	switch {
	case strings.Contains(body, `"initialize"`):
		w.Header().Set("Mcp-Session-Id", fmt.Sprintf("s%d", s.begun.Add(1)))
		fmt.Fprintf(w, `{"id":%s,"result":{"protocolVersion":"2025-11-25"}}`, id)
	case n <= s.ended.Load():
		w.WriteHeader(http.StatusNotFound)
	case id == nil:
		s.told.Add(1)
		w.WriteHeader(http.StatusAccepted)
	default:
		fmt.Fprintf(w, `{"id":%s,"result":{}}`, id)
	}
}

func TestClient_session(t *testing.T) {
	s := &sessions{t: t}
	c := newClient(t, Config{URL: server(t, s.ServeHTTP), Era: Legacy, Authorize: token})
	if x, err := c.Open(t.Context()); err != nil || x.Status != 200 || c.Session() != "s1" || s.told.Load() != 1 {
		t.Fatalf("%v %+v: session %q, initialized told %d times", err, x, c.Session(), s.told.Load())
	}
	x, err := c.Call(t.Context(), "whoami", nil)
	if err != nil || x.Status != 200 || x.Reopened || x.Sent.Get("Mcp-Session-Id") != "s1" || x.Sent.Get("Mcp-Protocol-Version") != "2025-11-25" {
		t.Fatalf("%v %+v", err, x)
	}
	s.ended.Store(1)
	x, err = c.Call(t.Context(), "whoami", nil)
	if err != nil || x.Status != 200 || !x.Reopened || c.Session() != "s2" {
		t.Errorf("after its session had ended: %v %+v", err, x)
	}
	if x, err := c.Close(t.Context()); err != nil || x.Status != 200 || s.ended.Load() != 2 || c.Session() != "" {
		t.Errorf("close: %v %+v", err, x)
	}
	if x, err := c.Close(t.Context()); x != nil || err != nil {
		t.Errorf("close again: %v %v", x, err)
	}
	if _, err := c.Call(t.Context(), "whoami", nil); err != nil || c.Session() != "s3" {
		t.Errorf("a call without a session: %v, session %q", err, c.Session())
	}
}

// Of many calls that learn at once that their session has ended, one begins
// another.
func TestClient_sessionReopenedOnce(t *testing.T) {
	s := &sessions{t: t}
	c := newClient(t, Config{URL: server(t, s.ServeHTTP), Era: Legacy})
	if _, err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ended.Store(1)
	done := make(chan *Exchange)
	for range 20 {
		go func() {
			x, err := c.Call(t.Context(), "whoami", nil)
			if err != nil {
				t.Error(err)
			}
			done <- x
		}()
	}
	for range 20 {
		if x := <-done; x == nil || x.Status != 200 {
			t.Errorf("got %+v", x)
		}
	}
	if n := s.begun.Load(); n != 2 {
		t.Errorf("%d sessions were begun, want 2", n)
	}
}

// A server that refuses to begin a session is shown as what it says.
func TestClient_sessionRefused(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) })
	x, err := newClient(t, Config{URL: url, Era: Legacy}).Call(t.Context(), "whoami", nil)
	if err != nil || x.Status != http.StatusServiceUnavailable || x.Method != "initialize" {
		t.Errorf("%v %+v", err, x)
	}
}

func TestClient_Foreign(t *testing.T) {
	var got []string
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, fmt.Sprint(r.Method, " ", r.Header.Get("Authorization"), " ", r.Header.Get("Mcp-Session-Id"), " ", r.Header.Get("Last-Event-Id")))
		if r.Method == http.MethodGet { // a server that should not have
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: {\"method\":\"notifications/secret\"}\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	c := newClient(t, Config{URL: url, Era: Legacy, Authorize: token})
	for _, f := range []Foreign{
		{Session: "hers", Method: "tools/list"},
		{Session: "hers", Verb: http.MethodDelete},
		{Session: "hers", Verb: http.MethodGet, LastEventID: "9"},
	} {
		x, err := c.Foreign(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if leaked := f.Verb == http.MethodGet; leaked != (x.Status == 200) || leaked != (len(x.Notifications) == 1) {
			t.Errorf("%+v: %d %s", f, x.Status, x.Body)
		}
	}
	want := []string{"POST Bearer secret hers ", "DELETE Bearer secret hers ", "GET Bearer secret hers 9"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Session() != "" {
		t.Errorf("the client has taken session %q", c.Session())
	}
}

func TestNew_refuses(t *testing.T) {
	for _, cfg := range []Config{
		{URL: "", Era: Modern, Prefix: "a-"},
		{URL: "ftp://host/mcp", Era: Modern, Prefix: "a-"},
		{URL: "http://user:password@host/mcp", Era: Modern, Prefix: "a-"},
		{URL: "http://user:password@host:port/mcp", Era: Modern, Prefix: "a-"},
		{URL: "http://host/mcp", Era: "2024-11-05", Prefix: "a-"},
		{URL: "http://host/mcp", Era: Modern},
		{URL: "http://host/mcp", Era: Modern, Prefix: `"`},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		} else if strings.Contains(err.Error(), "password@") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
