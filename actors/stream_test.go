package actors

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// listening is a request for a stream that tells when tools change, as those of
// changing may.
func listening(t *testing.T) *http.Request {
	body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	r.Header.Set("Mcp-Method", "subscriptions/listen")
	return r
}

func changing(context.Context, constraint.Key) (*server.MCPServer, error) {
	return server.NewMCPServer("test", "1", server.WithToolCapabilities(true)), nil
}

// An open stream keeps its context, and ends with a goodbye: with the node, and
// with its token.
func TestNode_ListenStreams(t *testing.T) {
	const goodbye = `"resultType":"complete"`
	for why, tt := range map[string]struct {
		expires time.Duration // of the token; zero: never
		end     func(t *testing.T, n *Node)
	}{
		"shutdown":             {0, func(t *testing.T, n *Node) { shutdown(t, n) }},
		"the end of the token": {time.Hour, func(t *testing.T, n *Node) { time.Sleep(31 * time.Minute); synctest.Wait() }},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, Config{Idle: time.Minute, NewServer: changing})
				key := newKey(t, "1:acme:")
				r := listening(t)
				if tt.expires > 0 {
					r = r.WithContext(constraint.WithCaller(r.Context(), constraint.Caller{User: "1", Expires: time.Now().Add(tt.expires)}))
				}
				h, release, err := n.Acquire(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				w, done := httptest.NewRecorder(), make(chan struct{})
				go func() {
					defer close(done)
					defer release()
					h.ServeHTTP(w, r)
				}()
				time.Sleep(30 * time.Minute) // thirty times what passivates an idle context
				synctest.Wait()
				if s := n.Stats(); s.Contexts != 1 || s.Passivations != 0 {
					t.Errorf("%+v: the context left its stream", s)
				}
				select {
				case <-done:
					t.Fatal("the stream ended by itself")
				default:
				}
				tt.end(t, n)
				<-done
				if !strings.Contains(w.Body.String(), goodbye) {
					t.Errorf("no goodbye: %s", w.Body)
				}
				if tt.expires > 0 {
					time.Sleep(3 * time.Minute)
					synctest.Wait()
					if s := n.Stats(); s.Contexts != 0 {
						t.Errorf("%+v: the context stayed without a stream", s)
					}
					shutdown(t, n)
				}
			})
		})
	}
}
