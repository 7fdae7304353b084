package tools

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

type searchToolsIn struct {
	Query string `json:"query" min:"1" max:"200" doc:"What you want to do, or part of a tool's name."`
	Limit int    `json:"limit,omitempty" min:"1" max:"20" default:"8" doc:"How many tools to return."`
}

type searchToolsOut struct {
	Query   string      `json:"query"`
	Results []foundTool `json:"results"`
}

type foundTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"inputSchema"`
	Annotations toolHints       `json:"annotations"`
}

// toolHints has no title: the name is enough here.
type toolHints struct {
	ReadOnly    bool `json:"readOnlyHint"`
	Destructive bool `json:"destructiveHint"`
	Idempotent  bool `json:"idempotentHint"`
	OpenWorld   bool `json:"openWorldHint"`
}

const (
	searchToolsName  = "search_sentry_tools"
	executeToolsName = "execute_sentry_tool"
)

func searchTools() Tool {
	return Define(Definition{
		Name:        searchToolsName,
		Title:       "Search Sentry tools",
		Description: "Find further Sentry tools by what they do, best match first, each with its input schema. Run one with execute_sentry_tool.",
		Skills:      everySkill,
		Listed:      true,
		Annotations: hints(true, false, true, false),
	}, func(ctx context.Context, env Env, in searchToolsIn) (searchToolsOut, error) {
		out := searchToolsOut{Query: in.Query, Results: []foundTool{}}
		for _, n := range env.tools().index().search(in.Query) {
			if len(out.Results) == in.Limit {
				break
			}
			if env.allows(ctx, n.Skills) && !isGateway(n.Name) {
				out.Results = append(out.Results, found(n))
			}
		}
		return out, nil
	})
}

func found(n *narrowed) foundTool {
	a := n.Annotations
	return foundTool{
		Name:        n.Name,
		Description: n.Description,
		InputSchema: n.definition.RawInputSchema,
		Annotations: toolHints{*a.ReadOnlyHint, *a.DestructiveHint, *a.IdempotentHint, *a.OpenWorldHint},
	}
}

type executeToolIn struct {
	Name      string          `json:"name" min:"1" max:"128" doc:"A tool that search_sentry_tools returned."`
	Arguments json.RawMessage `json:"arguments,omitempty" doc:"The tool's own arguments."`
}

func executeTool() Tool {
	return Define(Definition{
		Name:        executeToolsName,
		Title:       "Run a Sentry tool",
		Description: "Run a tool that search_sentry_tools found, with the arguments its input schema asks for. The result is the tool's own.",
		Skills:      everySkill,
		Listed:      true,
		Annotations: hints(false, true, false, true),
	}, func(ctx context.Context, env Env, in executeToolIn) (*mcp.CallToolResult, error) {
		if isGateway(in.Name) {
			return nil, &inputError{"name", "must not be a gateway tool", "Call " + word(in.Name) + " directly."}
		}
		return env.invoke(ctx, in.Name, in.Arguments), nil
	})
}

func isGateway(name string) bool { return name == searchToolsName || name == executeToolsName }
