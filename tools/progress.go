package tools

import (
	"context"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// progressPause is the least time between two reports of progress.
const progressPause = 250 * time.Millisecond

// reporter is where a call's progress goes. A call runs on one goroutine.
type reporter struct {
	token mcp.ProgressToken
	done  float64
	last  time.Time
}

type reporterInContext struct{}

// withProgress lets the tools report progress, if the client has asked for it.
func withProgress(ctx context.Context, req mcp.CallToolRequest) context.Context {
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return ctx
	}
	return context.WithValue(ctx, reporterInContext{}, &reporter{token: req.Params.Meta.ProgressToken, done: -1})
}

// progress tells the client how far a call is: done of total, or of who knows
// how much if total is zero. It says nothing that goes back, and not too often.
func progress(ctx context.Context, done, total float64, text markdown) {
	r, ok := ctx.Value(reporterInContext{}).(*reporter)
	if !ok || done <= r.done || time.Since(r.last) < progressPause && done != total {
		return
	}
	s := server.ServerFromContext(ctx)
	if s == nil {
		return
	}
	r.done, r.last = done, time.Now()
	params := map[string]any{"progressToken": r.token, "progress": done, "message": string(text)}
	if total > 0 {
		params["total"] = total
	}
	_ = s.SendNotificationToClient(ctx, "notifications/progress", params) // a client that has gone needs none
}
