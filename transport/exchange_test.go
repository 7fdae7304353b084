package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// told is how many notifications the tool "talk" sends: progress and log in
// turn, numbered.
const told = 6

func talker() *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false), server.WithLogging())
	s.AddTool(mcp.NewTool("talk"), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := range told / 2 {
			if req.Params.Meta != nil && req.Params.Meta.ProgressToken != nil {
				if err := s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": 2 * i}); err != nil {
					return nil, err
				}
			}
			if err := s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelError, "talk", 2*i+1)); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("done"), nil
	})
	return s
}

// calls is how many are made in each era: ROUNDHOUSE_CALLS, or few.
func calls(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("ROUNDHOUSE_CALLS"))
	if err != nil {
		n = 200
	}
	t.Logf("%d calls", n)
	return n
}

// No notification is lost, and all come in order and before the result, with
// several calls at once; in a session, beside a client that listens.
func TestExchange_LosesNothing(t *testing.T) {
	const params, atOnce = `"name":"talk","arguments":{}`, 8
	for era, open := range map[string]func(*testing.T, *world) func(id int) *http.Request{
		"modern": func(t *testing.T, w *world) func(int) *http.Request {
			return func(id int) *http.Request {
				return w.modern(t.Context(), id, "tools/call", params, fmt.Sprintf(`"progressToken":%d,"io.modelcontextprotocol/logLevel":"info"`, id))
			}
		},
		"legacy": func(t *testing.T, w *world) func(int) *http.Request {
			session := w.session()
			return func(id int) *http.Request {
				return w.legacy(t.Context(), http.MethodPost, session, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{%s,"_meta":{"progressToken":%d}}}`, id, params, id))
			}
		},
		"legacy, listening": func(t *testing.T, w *world) func(int) *http.Request {
			session := w.session()
			w.open(w.legacy(t.Context(), http.MethodGet, session, ""))
			return func(id int) *http.Request {
				return w.legacy(t.Context(), http.MethodPost, session, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{%s,"_meta":{"progressToken":%d}}}`, id, params, id))
			}
		},
	} {
		t.Run(era, func(t *testing.T) {
			w := newWorld(t, talker(), Config{})
			call := open(t, w)
			ids := make(chan int)
			var workers sync.WaitGroup
			for range atOnce {
				workers.Go(func() {
					for id := range ids {
						if err := checkTold(call(id), id); err != nil {
							t.Errorf("call %d: %v", id, err)
						}
					}
				})
			}
			for id := range calls(t) {
				ids <- id + 1
			}
			close(ids)
			workers.Wait()
		})
	}
}

func checkTold(r *http.Request, id int) error {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var messages []string
	for line := range strings.Lines(string(body)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			messages = append(messages, data)
		}
	}
	if len(messages) != told+1 {
		return fmt.Errorf("%d messages, want %d and the result: %s", len(messages), told, body)
	}
	for i, m := range messages[:told] {
		var n struct {
			Params struct {
				ProgressToken, Progress, Data *int
			}
		}
		if err := json.Unmarshal([]byte(m), &n); err != nil {
			return err
		}
		number := n.Params.Data
		if i%2 == 0 {
			if number = n.Params.Progress; n.Params.ProgressToken == nil || *n.Params.ProgressToken != id {
				return fmt.Errorf("progress of another call: %s", m)
			}
		}
		if number == nil || *number != i {
			return fmt.Errorf("message %d is %s", i, m)
		}
	}
	if last := messages[told]; !strings.Contains(last, fmt.Sprintf(`"id":%d`, id)) || !strings.Contains(last, "done") {
		return fmt.Errorf("last is %s", last)
	}
	return nil
}

// Who has not asked for log messages gets none: in a request since 2026-07-28,
// in a session before.
func TestExchange_LogLevel(t *testing.T) {
	w := newWorld(t, talker(), Config{})
	const params = `"name":"talk","arguments":{}`
	quiet, loud := w.session(), w.session()
	resp := w.do(w.legacy(t.Context(), http.MethodPost, quiet, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"critical"}}`))
	resp.Body.Close()
	inSession := func(session string) *http.Request {
		return w.legacy(t.Context(), http.MethodPost, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{`+params+`}}`)
	}
	for why, tt := range map[string]struct {
		r    *http.Request
		want int
	}{
		"not asked for":                       {w.modern(t.Context(), 2, "tools/call", params, ""), 0},
		"of a higher level":                   {w.modern(t.Context(), 2, "tools/call", params, `"io.modelcontextprotocol/logLevel":"critical"`), 0},
		"asked for":                           {w.modern(t.Context(), 2, "tools/call", params, `"io.modelcontextprotocol/logLevel":"error"`), told / 2},
		"a session of a higher level":         {inSession(quiet), 0},
		"a session beside it, not of a level": {inSession(loud), told / 2},
	} {
		resp := w.do(tt.r)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.Count(string(body), "notifications/message"); err != nil || got != tt.want || !strings.Contains(string(body), "done") {
			t.Errorf("%s: %d messages, want %d: %s %v", why, got, tt.want, body, err)
		}
	}
}
