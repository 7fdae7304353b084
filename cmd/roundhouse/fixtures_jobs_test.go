package main

import (
	"context"
	"errors"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/transport"
)

// jobs tells which fixtures become tasks.
var jobs = map[string]transport.TaskTool{
	"slow_compute":        {},
	"failing_job":         {Required: true},
	"protocol_error_job":  {},
	"confirm_delete":      {},
	"multi_input":         {},
	"test_tool_with_task": {Required: true, AsksFirst: true},
}

// addJobs adds what the scenarios of the tasks extension call: each is an
// ordinary tool, which takes its time.
func addJobs(s *server.MCPServer) {
	addTool(s, "greet", aString("name"), func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("Hello, " + req.GetString("name", "") + "!"), nil
	})
	addTool(s, "slow_compute", `{"type":"object","properties":{"seconds":{"type":"number","minimum":0,"maximum":60},"label":{"type":"string"}},"required":["seconds"]}`,
		func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if err := wait(ctx, time.Duration(req.GetFloat("seconds", 0)*float64(time.Second))); err != nil {
				return nil, err
			}
			return mcp.NewToolResultText("computed " + req.GetString("label", "")), nil
		})
	addTool(s, "failing_job", "", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if err := wait(ctx, time.Second); err != nil {
			return nil, err
		}
		return mcp.NewToolResultError("The job did not work out."), nil
	})
	addTool(s, "protocol_error_job", "", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, errors.New("the job broke")
	})
	addTool(s, "confirm_delete", aString("filename"),
		func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if !confirmed(req.Params.InputResponses, "confirm") {
				question := form("Delete it?", object{"confirm": object{"type": "boolean"}}, "confirm")
				return askClient("").Elicit("confirm", question).ToolResult(), nil
			}
			return mcp.NewToolResultText("deleted " + req.GetString("filename", "")), nil
		})
	addTool(s, "multi_input", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if !confirmed(req.Params.InputResponses, "first") || !confirmed(req.Params.InputResponses, "second") {
			return askClient("").
				Elicit("first", elicitation("Whose is it?", "name")).
				Elicit("second", elicitation("Whose shall it be?", "name")).ToolResult(), nil
		}
		return mcp.NewToolResultText("handed over"), nil
	})
	addTool(s, "test_tool_with_task", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		name := accepted(req.Params.InputResponses, "user_name", "name")
		if name == "" {
			return askClient("").Elicit("user_name", elicitation("What is your name?", "name")).ToolResult(), nil
		}
		return mcp.NewToolResultText("A task for " + name), nil
	})
}
