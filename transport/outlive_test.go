package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// slow has a tool that works for ten seconds and tells how it ended.
func slow(ended chan<- error) *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if req.Params.Meta != nil && req.Params.Meta.ProgressToken != nil {
			if err := s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": 1}); err != nil {
				return nil, err
			}
		}
		lasts := 10 * time.Second
		if req.GetString("for", "") == "ever" {
			lasts = time.Hour
		}
		select {
		case <-ctx.Done():
			ended <- context.Cause(ctx)
		case <-time.After(lasts):
			ended <- nil
		}
		return mcp.NewToolResultText("done"), nil
	})
	return s
}

// counter counts what is written to it, for who may not look at it yet.
type counter struct {
	*httptest.ResponseRecorder
	written atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	return c.ResponseRecorder.Write(b)
}

func TestOutlive(t *testing.T) {
	errEnding := errors.New("the context ends")
	for why, tt := range map[string]struct {
		modern, ever bool
		cause        error // how the request's context ends, after a second
		want         error
		after        time.Duration
	}{
		"modern, the client hangs up":       {modern: true, cause: context.Canceled, want: context.Canceled, after: time.Second},
		"legacy, the client hangs up":       {cause: context.Canceled, want: nil, after: 10 * time.Second},
		"legacy, and does not come back":    {ever: true, cause: context.Canceled, want: errGone, after: time.Second + grace},
		"legacy, the context ends":          {cause: errEnding, want: errEnding, after: time.Second},
		"modern, the context ends":          {modern: true, cause: errEnding, want: errEnding, after: time.Second},
		"legacy, nobody hangs up or has to": {want: nil, after: 10 * time.Second},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				tr := New(slow(ended), Config{})
				session := begin(t, tr)
				arguments := `{}`
				if tt.ever {
					arguments = `{"for":"ever"}`
				}
				meta := `"progressToken":1`
				if tt.modern {
					meta += "," + modernMeta
				}
				ctx, end := context.WithCancelCause(t.Context())
				r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(fmt.Sprintf(
					`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow","arguments":%s,"_meta":{%s}}}`, arguments, meta)))
				head(r, tt.modern, session)
				w, done := &counter{ResponseRecorder: httptest.NewRecorder()}, make(chan struct{})
				begun := time.Now()
				go func() { tr.ServeHTTP(w, r); close(done) }()
				time.Sleep(time.Second)
				synctest.Wait()
				sent := w.written.Load()
				if tt.cause != nil {
					end(tt.cause)
				}
				got := <-ended
				if took := time.Since(begun); !errors.Is(got, tt.want) || took != tt.after {
					t.Errorf("the call ended with %v after %s, want %v after %s", got, took, tt.want, tt.after)
				}
				<-done
				if tt.modern && w.written.Load() != sent {
					t.Errorf("sent after the client had gone: %q", w.Body.String()[sent:])
				}
				end(nil)
				tr.Close()
			})
		})
	}
}

// A legacy client cancels by saying so, in its own session alone.
func TestOutlive_cancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		tr := New(slow(ended), Config{})
		mine, another := begin(t, tr), begin(t, tr)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow","arguments":{}}}`))
			head(r, false, mine)
			tr.ServeHTTP(httptest.NewRecorder(), r)
		}()
		cancel := func(session string, modern bool) {
			body := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`
			if modern {
				body = strings.TrimSuffix(body, "}}") + `,"_meta":{` + modernMeta + `}}}`
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
			head(r, modern, session)
			r.Header.Set("Mcp-Method", "notifications/cancelled")
			w := httptest.NewRecorder()
			tr.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Errorf("cancel: %d %s", w.Code, w.Body)
			}
		}
		synctest.Wait()
		cancel(another, false)
		cancel("", true)
		time.Sleep(time.Second)
		select {
		case err := <-ended:
			t.Fatalf("somebody else's word ended the call: %v", err)
		default:
		}
		cancel(mine, false)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
		<-done
		tr.Close()
	})
}

// begin starts a legacy session.
func begin(t *testing.T, tr *Transport) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
	head(r, false, "")
	w := httptest.NewRecorder()
	tr.ServeHTTP(w, r)
	id := w.Header().Get(server.HeaderKeySessionID)
	if id == "" {
		t.Fatalf("initialize: %d %s", w.Code, w.Body)
	}
	return id
}

// head gives a call of the tool slow, or whatever else, the headers it needs.
func head(r *http.Request, modern bool, session string) {
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if modern {
		r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		r.Header.Set("Mcp-Method", "tools/call")
		r.Header.Set("Mcp-Name", "slow")
	} else if session != "" {
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		r.Header.Set(server.HeaderKeySessionID, session)
	}
}
