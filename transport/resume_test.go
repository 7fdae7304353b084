package transport

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// connection is a client's, which reads events with their ids.
type connection struct {
	t      *testing.T
	hangUp context.CancelFunc
	in     *bufio.Reader
}

func connect(t *testing.T, w *world, method, session, lastEvent, body string) *connection {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := w.legacy(ctx, method, session, body)
	if lastEvent != "" {
		r.Header.Set("Last-Event-ID", lastEvent)
	}
	return &connection{t, cancel, w.open(r).in}
}

// next returns an event; "" at the end of the stream.
func (c *connection) next() (id, data string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return "", ""
		}
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "id: "); ok {
			id = rest
		} else if rest, ok := strings.CutPrefix(line, "data: "); ok {
			return id, rest
		}
	}
}

// want reads one event, which must have an id, and part in its message.
func (c *connection) want(part string) (id string) {
	c.t.Helper()
	id, data := c.next()
	if id == "" || !strings.Contains(data, part) {
		c.t.Fatalf("event %q: %s, want one with %q", id, data, part)
	}
	return id
}

func (w *world) notify(session string, n int) {
	w.t.Helper()
	if err := w.tr.mcp.SendNotificationToSpecificClient(session, "notifications/test", map[string]any{"n": n}); err != nil {
		w.t.Fatal(err)
	}
}

func note(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/test","params":{"n":%d}}`, n)
}

func TestResume_Listening(t *testing.T) {
	w := newWorld(t, talker(), Config{})
	session := w.session()
	first := connect(t, w, http.MethodGet, session, "", "")
	var ids []string
	for n := range 4 {
		w.notify(session, n)
		ids = append(ids, first.want(note(n)))
	}
	first.hangUp()
	waitFor(t, func() bool { return w.tr.log.isOver(session, ids[0]) })
	w.notify(session, 4) // while nobody listens

	again := connect(t, w, http.MethodGet, session, ids[1], "")
	for n := 2; n < 5; n++ {
		id := again.want(note(n))
		if n < 4 && id != ids[n] {
			t.Errorf("event %d comes as %q, was %q", n, id, ids[n])
		}
	}
	w.notify(session, 5)
	again.want(note(5))
}

// A call goes on without its client, which fetches the answer.
func TestResume_Call(t *testing.T) {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	goOn := make(chan struct{})
	s.AddTool(mcp.NewTool("wait"), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for n := range 3 {
			if err := s.SendNotificationToClient(ctx, "notifications/test", map[string]any{"n": n}); err != nil {
				return nil, err
			}
			<-goOn
		}
		return mcp.NewToolResultText("done"), nil
	})
	w := newWorld(t, s, Config{})
	session := w.session()
	call := connect(t, w, http.MethodPost, session, "", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wait","arguments":{}}}`)
	last := call.want(note(0))
	call.hangUp()

	again := connect(t, w, http.MethodGet, session, last, "")
	goOn <- struct{}{}
	last = again.want(note(1))
	again.hangUp()
	goOn <- struct{}{}
	goOn <- struct{}{}

	again = connect(t, w, http.MethodGet, session, last, "")
	again.want(note(2))
	last = again.want(`"text":"done"`)
	if id, data := again.next(); data != "" {
		t.Errorf("event %q after the answer: %s", id, data)
	}
	after := connect(t, w, http.MethodGet, session, last, "")
	if id, data := after.next(); data != "" {
		t.Errorf("event %q after all: %s", id, data)
	}
}

func TestResume_Refused(t *testing.T) {
	w := newWorld(t, talker(), Config{})
	session, other := w.session(), w.session()
	id := func(of string) string {
		c := connect(t, w, http.MethodGet, of, "", "")
		w.notify(of, 0)
		id := c.want(note(0))
		c.hangUp()
		return id
	}
	mine, foreign := id(session), id(other)
	_, unknown := w.status(http.MethodGet, session, "garbage")
	if !strings.Contains(unknown, "Last-Event-ID") {
		t.Fatalf("garbage is refused with %s", unknown)
	}
	for why, last := range map[string]string{"another session's": foreign, "a number": "1", "with another end": mine + "A"} {
		if status, body := w.status(http.MethodGet, session, last); status != http.StatusBadRequest || body != unknown {
			t.Errorf("%s: %d %s, want 400 %s", why, status, body, unknown)
		}
	}
	if status, _ := w.status(http.MethodGet, session, mine); status != http.StatusOK {
		t.Errorf("her own: %d", status)
	}
	w.tr.log.purge(session)
	if status, body := w.status(http.MethodGet, session, mine); status != http.StatusBadRequest || body != unknown {
		t.Errorf("forgotten: %d %s, want 400 %s", status, body, unknown)
	}
	w.status(http.MethodDelete, session, "")
	if status, _ := w.status(http.MethodGet, session, mine); status != http.StatusNotFound {
		t.Errorf("of a session that has ended: %d, want 404", status)
	}
}

// isOver reports whether the stream of an event has lost its connection.
func (l *eventLog) isOver(session, id string) bool {
	s, _, ok := l.after(session, id)
	l.mu.Lock()
	defer l.mu.Unlock()
	return ok && s.over
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited ten seconds")
		}
	}
}
