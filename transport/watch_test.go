package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/watch"
)

// paper is a server whose MCP resources change when a test says so.
type paper struct {
	*world
	mu     sync.Mutex // guards the rest
	pages  map[string]int
	broken map[string]bool
	reads  int
}

func newPaper(t *testing.T, uris ...string) *paper {
	t.Helper()
	p := &paper{pages: map[string]int{}, broken: map[string]bool{}}
	s := server.NewMCPServer("paper", "1", server.WithResourceCapabilities(true, false))
	for _, uri := range uris {
		s.AddResource(mcp.Resource{URI: uri, Name: uri}, p.read)
	}
	p.world = newWorld(t, s, Config{Watch: watch.Config{MinInterval: 20 * time.Millisecond, MaxInterval: 20 * time.Millisecond}})
	return p
}

func (p *paper) read(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	uri := req.Params.URI
	if p.broken[uri] {
		return nil, errors.New("Sentry is down")
	}
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, Text: fmt.Sprint("page ", p.pages[uri])}}, ctx.Err()
}

// print changes a resource, once it has been read as it was.
func (p *paper) print(uri string) {
	p.t.Helper()
	p.looked(2)
	p.mu.Lock()
	p.pages[uri]++
	p.mu.Unlock()
}

// looked waits for so many reads.
func (p *paper) looked(times int) {
	p.t.Helper()
	p.mu.Lock()
	until := p.reads + times
	p.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		reads := p.reads
		p.mu.Unlock()
		switch {
		case reads >= until:
			return
		case time.Now().After(deadline):
			p.t.Fatal("nobody looks")
		}
	}
}

// quiet waits until nobody looks any more.
func (p *paper) quiet() {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		p.mu.Lock()
		before := p.reads
		p.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		p.mu.Lock()
		after := p.reads
		p.mu.Unlock()
		switch {
		case after == before:
			return
		case time.Now().After(deadline):
			p.t.Fatal("somebody still looks")
		}
	}
}

func (p *paper) listen(ctx context.Context, id int, uris ...string) *stream {
	p.t.Helper()
	return p.open(p.modern(ctx, id, listenMethod, `"notifications":{"resourceSubscriptions":["`+strings.Join(uris, `","`)+`"]}`, ""))
}

func TestWatch_listen(t *testing.T) {
	p := newPaper(t, "x://a", "x://b")
	ctx, hangUp := context.WithCancel(t.Context())
	alice := p.listen(ctx, 7, "x://a", "x://unknown", "x://a")
	alice.want("subscriptions/acknowledged", `"resourceSubscriptions":["x://a"]`)
	bob := p.listen(ctx, 8, "x://a", "x://b")
	bob.want("subscriptions/acknowledged", `"resourceSubscriptions":["x://a","x://b"]`)

	p.print("x://a")
	alice.want(`"method":"notifications/resources/updated"`, `"uri":"x://a"`, `"io.modelcontextprotocol/subscriptionId":7`)
	bob.want(`"method":"notifications/resources/updated"`, `"uri":"x://a"`, `"io.modelcontextprotocol/subscriptionId":8`)
	p.print("x://b")
	bob.want(`"uri":"x://b"`)
	p.print("x://a")
	alice.want(`"uri":"x://a"`) // and nothing in between: told once, and not of b
	bob.want(`"uri":"x://a"`)
	hangUp()
	p.quiet()
}

// subscribe sends resources/subscribe or unsubscribe and returns the answer.
func (p *paper) subscribe(session, method, uri string) string {
	p.t.Helper()
	resp := p.do(p.legacy(p.t.Context(), http.MethodPost, session, `{"jsonrpc":"2.0","id":3,"method":"resources/`+method+`","params":{"uri":"`+uri+`"}}`))
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

func (p *paper) mustSubscribe(session, method, uri string) {
	p.t.Helper()
	if got := p.subscribe(session, method, uri); !strings.Contains(got, `"result":{}`) {
		p.t.Fatalf("%s %s: %s", method, uri, got)
	}
}

func TestWatch_sessions(t *testing.T) {
	p := newPaper(t, "x://a", "x://b", "x://c")
	alice, bob := p.session(), p.session()
	p.mustSubscribe(alice, "subscribe", "x://a")
	p.mustSubscribe(alice, "subscribe", "x://a")
	p.quiet() // without a stream there is nobody to tell
	ctx, hangUp := context.WithCancel(t.Context())
	first := p.open(p.legacy(ctx, http.MethodGet, alice, ""))
	p.mustSubscribe(alice, "subscribe", "x://b")
	second := p.open(p.legacy(ctx, http.MethodGet, bob, ""))
	p.mustSubscribe(bob, "subscribe", "x://a")

	p.print("x://a")
	first.want(`"method":"notifications/resources/updated"`, `"uri":"x://a"`)
	second.want(`"method":"notifications/resources/updated"`, `"uri":"x://a"`)
	p.print("x://b")
	first.want(`"uri":"x://b"`)
	p.mustSubscribe(alice, "unsubscribe", "x://a")
	p.mustSubscribe(alice, "unsubscribe", "x://never")
	p.print("x://a")
	second.want(`"uri":"x://a"`)
	p.print("x://b")
	first.want(`"uri":"x://b"`) // and not a

	again := p.open(p.legacy(ctx, http.MethodGet, alice, ""))
	p.print("x://b")
	again.want(`"uri":"x://b"`)
	hangUp()
	p.quiet()
	resumed := p.open(p.legacy(t.Context(), http.MethodGet, alice, ""))
	p.print("x://b")
	resumed.want(`"uri":"x://b"`)
	resp := p.do(p.legacy(t.Context(), http.MethodDelete, alice, ""))
	resp.Body.Close()
	if rest := resumed.all(); len(rest) != 0 {
		t.Errorf("after the end of the session came %q", rest)
	}
	p.quiet()
}

// What is unknown is refused as resources/read refuses it, and nothing of it is
// watched.
func TestWatch_refused(t *testing.T) {
	p := newPaper(t, "x://a", "x://broken")
	p.broken["x://broken"] = true
	session := p.session()
	for _, uri := range []string{"x://unknown", "x://broken", "x://A"} {
		if got := p.subscribe(session, "subscribe", uri); !strings.Contains(got, `"code":-32002`) {
			t.Errorf("%s: %s", uri, got)
		}
	}
	got := p.listen(t.Context(), 7, "x://unknown", "x://broken").want("subscriptions/acknowledged")
	if strings.Contains(got, "x://") {
		t.Errorf("granted: %s", got)
	}
	p.open(p.legacy(t.Context(), http.MethodGet, session, ""))
	p.quiet()
}

// The answer says which one does not exist, in the words of the specification.
func TestUnknownResource(t *testing.T) {
	p := newPaper(t, "x://a", "x://broken")
	p.broken["x://broken"] = true
	session := p.session()
	for _, tt := range []struct{ uri, modern, legacy string }{
		{"x://no \"such\"", `"error":{"code":-32602,"message":"resource not found","data":{"uri":"x://no \"such\""}}`, `"error":{"code":-32002,"message":"resource not found","data":{"uri":"x://no \"such\""}}`},
		{"x://a", `"text":"page 0"`, `"text":"page 0"`},
		{"x://broken", `"error":{"code":-32603,"message":"Sentry is down"}`, `"error":{"code":-32603,"message":"Sentry is down"}`},
	} {
		params := fmt.Sprintf(`"uri":%q`, tt.uri)
		for _, ask := range []struct {
			want string
			r    *http.Request
		}{
			{tt.modern, p.modern(t.Context(), 3, "resources/read", params, "")},
			{tt.legacy, p.legacy(t.Context(), http.MethodPost, session, `{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{`+params+`}}`)},
		} {
			resp := p.do(ask.r)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(body); !strings.Contains(got, ask.want) || !strings.Contains(got, `"id":3`) {
				t.Errorf("%s: %s %s, want %s", tt.uri, resp.Status, got, ask.want)
			}
		}
	}
}

func TestWatch_tooMany(t *testing.T) {
	var uris []string
	for i := range maxWatched + 3 {
		uris = append(uris, fmt.Sprint("x://", i))
	}
	p := newPaper(t, uris...)
	session := p.session()
	for _, uri := range uris[:maxWatched] {
		p.mustSubscribe(session, "subscribe", uri)
	}
	if got := p.subscribe(session, "subscribe", uris[maxWatched]); !strings.Contains(got, "too many resources are watched") {
		t.Errorf("one more: %s", got)
	}
	p.mustSubscribe(session, "unsubscribe", uris[0])
	p.mustSubscribe(session, "subscribe", uris[maxWatched])
	ctx, hangUp := context.WithCancel(t.Context())
	got := p.listen(ctx, 7, uris...).want("subscriptions/acknowledged")
	if n := strings.Count(got, "x://"); n != maxWatched {
		t.Errorf("one stream is granted %d resources, want %d", n, maxWatched)
	}
	hangUp()
	p.quiet()
}
