package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// ear is a session that hears what its client is told.
type ear chan mcp.JSONRPCNotification

func (e ear) Initialize()                                         {}
func (e ear) Initialized() bool                                   { return true }
func (e ear) SessionID() string                                   { return "ear" }
func (e ear) NotificationChannel() chan<- mcp.JSONRPCNotification { return e }

func (e ear) heard(t *testing.T) (all []string) {
	t.Helper()
	for {
		select {
		case n := <-e:
			f := n.Params.AdditionalFields
			if n.Method != "notifications/progress" || f["progressToken"] != "p1" {
				t.Errorf("told %s %v", n.Method, f)
			}
			all = append(all, fmt.Sprintf("%v of %v: %v", f["progress"], f["total"], f["message"]))
		default:
			return all
		}
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(ear, 16)
		s := server.NewMCPServer("test", "1")
		s.AddTool(mcp.NewTool("work"), func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			ctx = withProgress(ctx, req)
			progress(ctx, 1, 4, "a")
			progress(ctx, 2, 4, "too soon")
			time.Sleep(progressPause)
			progress(ctx, 1, 4, "back")
			progress(ctx, 3, 4, "b")
			progress(ctx, 4, 4, "the end")
			return mcp.NewToolResultText("done"), nil
		})
		ctx := s.WithContext(t.Context(), heard)
		call := func(meta string) {
			s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","_meta":{`+meta+`}}}`))
		}
		call("")
		if got := heard.heard(t); got != nil {
			t.Errorf("without a token: %q", got)
		}
		call(`"progressToken":"p1"`)
		const want = "1 of 4: a, 3 of 4: b, 4 of 4: the end"
		if got := strings.Join(heard.heard(t), ", "); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// Tools that ask Sentry more than once say so.
func TestProgress_tools(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "")
	story := string(w.storyIssue().ShortID)
	heard := make(ear, 16)
	ctx := u.server.WithContext(u.ctx, heard)
	for name, arguments := range map[string]string{
		"search_events":       `{"dataset":"errors"}`,
		"execute_sentry_tool": `{"name":"get_issue_details","arguments":{"issueId":"` + story + `"}}`,
	} {
		answer := u.server.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+name+`","arguments":`+arguments+`,"_meta":{"progressToken":"p1"}}}`))
		if got := heard.heard(t); len(got) == 0 {
			t.Errorf("%s told nothing on its way to %v", name, answer)
		}
	}
}
