package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// shelf has a resource x://seen, which may be watched, and lists that change.
func shelf() *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(true), server.WithResourceCapabilities(true, false))
	s.AddResource(mcp.NewResource("x://seen", "seen"), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: "x://seen", Text: "here"}}, nil
	})
	return s
}

// source is what a test tells of.
type source struct {
	mu       sync.Mutex
	watchers map[*fakeSubscriber]bool
	tell     func(id string, params json.RawMessage) // of the last who followed
}

type fakeSubscriber struct {
	t       *Transport
	of      *source
	changed func(uri string)
	uris    []string
}

func (f *fakeSubscriber) Watch(uri string) error {
	if uri == "x://full" {
		return errors.New("too many")
	}
	if _, err := f.t.read(context.Background(), uri); err != nil {
		return err
	}
	f.uris = append(f.uris, uri)
	return nil
}

func (f *fakeSubscriber) Leave() {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	delete(f.of.watchers, f)
}

func (s *source) attach(t *Transport) *source {
	s.watchers = map[*fakeSubscriber]bool{}
	t.sources.join = func(_ context.Context, changed func(string)) subscriber {
		s.mu.Lock()
		defer s.mu.Unlock()
		f := &fakeSubscriber{t: t, of: s, changed: changed}
		s.watchers[f] = true
		return f
	}
	t.sources.follow = func(_ context.Context, ids []string, tell func(string, json.RawMessage)) (known []string, stop func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell = tell
		return slices.DeleteFunc(ids, func(id string) bool { return id != "mine" }), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.tell = nil
		}
	}
	return s
}

func (s *source) change(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.watchers {
		if slices.Contains(f.uris, uri) {
			f.changed(uri)
		}
	}
}

// left waits until nobody watches or follows any more.
func (s *source) left(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		gone := len(s.watchers) == 0 && s.tell == nil
		s.mu.Unlock()
		if gone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("somebody still watches")
		}
	}
}

const listenMethod = "subscriptions/listen"

func TestListen(t *testing.T) {
	s := shelf()
	w := newWorld(t, s, Config{})
	of := new(source).attach(w.tr)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	in := w.open(w.modern(ctx, 7, listenMethod,
		`"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,
		"resourceSubscriptions":["x://seen","x://seen","x://full","x://another"],"taskIds":["mine","another's"]}`, ""))
	const tag = `"_meta":{"io.modelcontextprotocol/subscriptionId":7}`

	in.want("notifications/subscriptions/acknowledged", tag,
		`"notifications":{"toolsListChanged":true,"resourceSubscriptions":["x://seen"],"taskIds":["mine"]}`)
	of.change("x://seen")
	in.want("notifications/resources/updated", `"uri":"x://seen"`, tag)
	of.tell("mine", json.RawMessage(`{"taskId":"mine","status":"completed"}`))
	in.want("notifications/tasks", `"status":"completed"`, tag)
	s.AddPrompt(mcp.NewPrompt("p"), nil) // not asked for: prompts never change here
	s.AddTool(mcp.NewTool("t"), nil)
	in.want("notifications/tools/list_changed", tag)
	hangUp()
	of.left(t)
}

func TestListen_Answers(t *testing.T) {
	w := newWorld(t, shelf(), Config{})
	new(source).attach(w.tr)
	const listen = `{"jsonrpc":"2.0","id":"a","method":"subscriptions/listen","params":{"_meta":{` + modernMeta + `},"notifications":`
	t.Run("asks for nothing that there is", func(t *testing.T) {
		for _, notifications := range []string{`{}`, `{"promptsListChanged":true}`, `{"resourceSubscriptions":["x://another"],"taskIds":["another's"]}`} {
			got := w.open(w.modern(t.Context(), 7, listenMethod, `"notifications":`+notifications, "")).all()
			if len(got) != 2 || !strings.Contains(got[0], `"notifications":{}`) ||
				!strings.Contains(got[1], `"id":7`) || !strings.Contains(got[1], `"resultType":"complete"`) || !strings.Contains(got[1], `"io.modelcontextprotocol/subscriptionId":7`) {
				t.Errorf("%s: %q", notifications, got)
			}
		}
	})
	for why, tt := range map[string]struct {
		body   string
		header [2]string
		want   int
	}{
		"no filter":             {strings.TrimSuffix(listen, `,"notifications":`) + `}}`, [2]string{}, 400},
		"a filter of a kind":    {listen + `"all"}}`, [2]string{}, 400},
		"resources of a kind":   {listen + `{"resourceSubscriptions":"x://seen"}}}`, [2]string{}, 400},
		"another method inside": {strings.Replace(listen, listenMethod, "tools/list", 1) + `{}}}`, [2]string{}, 400},
		"another version":       {listen + `{}}}`, [2]string{"Mcp-Protocol-Version", "2099-01-01"}, 400},
		"a header that lies":    {listen + `{}}}`, [2]string{"Mcp-Method", "tools/list"}, 400},
		"no id":                 {strings.Replace(listen, `"id":"a",`, "", 1) + `{}}}`, [2]string{}, 202},
		"no JSON":               {`{`, [2]string{}, 400},
	} {
		t.Run(why, func(t *testing.T) {
			r := w.request(t.Context(), http.MethodPost, tt.body)
			r.Header.Set("Mcp-Protocol-Version", mcp.ProtocolVersion20260728)
			r.Header.Set("Mcp-Method", listenMethod)
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			resp := w.do(r)
			defer resp.Body.Close()
			if resp.StatusCode != tt.want || tt.want != 202 && resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s, want %d and JSON", resp.Status, resp.Header.Get("Content-Type"), tt.want)
			}
		})
	}
}

// A stream that this side ends says so; one whose client has gone does not.
func TestListen_Ends(t *testing.T) {
	errEnded := errors.New("the context ends")
	for why, cause := range map[string]error{"the end of the context": errEnded, "the end of the token": context.DeadlineExceeded} {
		t.Run(why, func(t *testing.T) {
			ended := make(chan struct{})
			tr := New(shelf(), Config{})
			w := serveWith(t, tr, func(ctx context.Context) context.Context {
				ctx, cancel := context.WithCancelCause(ctx)
				go func() { <-ended; cancel(cause) }()
				return ctx
			})
			of := new(source).attach(tr)
			in := w.open(w.modern(t.Context(), 7, listenMethod, `"notifications":{"resourceSubscriptions":["x://seen"]}`, ""))
			in.want("acknowledged")
			of.change("x://seen") // may be told of after the end has begun, and is
			close(ended)
			in.want("notifications/resources/updated")
			in.want(`"id":7`, `"resultType":"complete"`, `"io.modelcontextprotocol/subscriptionId":7`)
			if more := in.all(); len(more) != 0 {
				t.Errorf("after the end: %q", more)
			}
			of.left(t)
		})
	}
}

func TestKeepAlive(t *testing.T) {
	w := newWorld(t, shelf(), Config{KeepAlive: 10 * time.Millisecond})
	new(source).attach(w.tr)
	listen := w.open(w.modern(t.Context(), 7, listenMethod, `"notifications":{"resourceSubscriptions":["x://seen"]}`, ""))
	listen.want("acknowledged")
	get := w.open(w.legacy(t.Context(), http.MethodGet, w.session(), ""))
	for name, s := range map[string]*stream{"listen": listen, "GET": get} {
		for range 2 {
			if got := s.next(); got != ": keep-alive" {
				t.Errorf("%s: %q, want a comment", name, got)
			}
		}
		if got := s.resp.Header.Get("X-Accel-Buffering"); got != "no" {
			t.Errorf("%s: X-Accel-Buffering: %q", name, got)
		}
		if got := s.resp.Header.Get("Cache-Control"); got != "no-cache, no-transform" {
			t.Errorf("%s: Cache-Control: %q", name, got)
		}
	}
}
