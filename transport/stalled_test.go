package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/task"
	"roundhouse/task/tasktest"
)

// hurried notes what is written without a deadline.
type hurried struct {
	*httptest.ResponseRecorder
	deadline time.Time
	late     bool
}

func (h *hurried) SetWriteDeadline(at time.Time) error {
	h.deadline = at
	return nil
}

func (h *hurried) Write(b []byte) (int, error) {
	h.late = h.late || h.deadline.IsZero()
	return h.ResponseRecorder.Write(b)
}

// A client that does not read must not hold a place for ever: no answer that is
// longer than net/http's buffer is written without a deadline.
func TestStalled(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	c := o.client("u", "acme", "web", "g", "work")
	long := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	long.AddTool(mcp.NewTool("talk"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("long"), nil
	})
	w := newWorld(t, long, Config{})
	onlyJSON := w.modern(t.Context(), 1, "tools/list", "", "")
	onlyJSON.Header.Set("Accept", "application/json")
	for why, try := range map[string]struct {
		tr *Transport
		r  *http.Request
	}{
		"a list":           {w.tr, w.modern(t.Context(), 1, "tools/list", "", "")},
		"a call":           {w.tr, w.modern(t.Context(), 1, "tools/call", `"name":"talk","arguments":{}`, "")},
		"a list as JSON":   {w.tr, onlyJSON},
		"a task's outcome": {c.desk(), c.request("tasks/get", `"taskId":"`+c.begin("wait")+`",`)},
	} {
		rec := &hurried{ResponseRecorder: httptest.NewRecorder()}
		try.tr.ServeHTTP(rec, try.r)
		if rec.late || rec.Body.Len() == 0 || time.Until(rec.deadline) > time.Minute {
			t.Errorf("%s was written with the deadline %v", why, rec.deadline)
		}
	}
}
