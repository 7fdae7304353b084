package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/actors"
	"roundhouse/constraint"
	"roundhouse/transport"
)

// The MCP conformance suite asks a server for tools, prompts and resources of
// certain names, which do what its scenarios tell. They stand in for the catalog
// of every context here, behind the real router, sign-in, actors and transport;
// the program that is shipped has none of them.

// fixtures puts them into the contexts.
func fixtures(contexts *actors.Config) {
	contexts.NewServer = func(context.Context, constraint.Key) (*server.MCPServer, error) {
		return newFixtures(), nil
	}
	contexts.Transport.Plain = nil // of the catalog
	contexts.Transport.Requires = func(tool string) transport.Capabilities {
		if tool == "test_missing_capability" {
			return transport.Capabilities{"sampling": {}}
		}
		return nil
	}
	contexts.Transport.Tasks.Tool = func(_ context.Context, name string) (transport.TaskTool, bool) {
		tool, ok := jobs[name]
		return tool, ok
	}
}

func newFixtures() *server.MCPServer {
	s := server.NewMCPServer("fixtures", "1",
		server.WithToolCapabilities(true),
		server.WithResourceCapabilities(true, true),
		server.WithPromptCapabilities(true),
		server.WithCompletions(),
		server.WithLogging(),
		server.WithCacheHints(1000, mcp.CacheScopePrivate),
		server.WithInputSchemaValidation(),
		server.WithExtensions(map[string]any{transport.TasksExtension: struct{}{}}),
	)
	addContent(s)
	addNotifying(s)
	addAsking(s)
	addSchemas(s)
	addTriggers(s)
	addJobs(s)
	addResources(s)
	addPrompts(s)
	return s
}

// toolFunc is what a fixture does.
type toolFunc = server.ToolHandlerFunc

// addTool adds a tool; without a schema it takes no arguments.
func addTool(s *server.MCPServer, name, schema string, do toolFunc) {
	if schema == "" {
		schema = `{"type":"object","additionalProperties":false}`
	}
	s.AddTool(mcp.Tool{
		Name: name, Description: "A fixture of the conformance suite.", RawInputSchema: json.RawMessage(schema),
		Annotations: mcp.ToolAnnotation{ReadOnlyHint: new(true), DestructiveHint: new(false), IdempotentHint: new(true), OpenWorldHint: new(false)},
	}, do)
}

func answer(content ...mcp.Content) toolFunc {
	return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: content}, nil
	}
}

func addContent(s *server.MCPServer) {
	picture := mcp.NewImageContent(fixturePicture(), "image/png")
	addTool(s, "test_simple_text", "", answer(mcp.NewTextContent("Nothing but words.")))
	addTool(s, "test_image_content", "", answer(picture))
	addTool(s, "test_audio_content", "", answer(mcp.NewAudioContent(fixtureSound(), "audio/wav")))
	addTool(s, "test_embedded_resource", "", answer(embedded("test://embedded-resource", "text/plain", "A text that comes along.")))
	addTool(s, "test_multiple_content_types", "", answer(
		mcp.NewTextContent("Words, a picture and a document:"), picture,
		embedded("test://mixed-content-resource", "application/json", `{"kind":"mixed","parts":3}`)))
	addTool(s, "test_error_handling", "", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("This fixture fails whenever it is called."), nil
	})
}

func embedded(uri, mimeType, text string) mcp.EmbeddedResource {
	return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: mimeType, Text: text})
}

// fixturePicture is four pixels, as PNG.
func fixturePicture() string {
	img := image.NewRGBA(image.Rect(0, 0, 2, 2))
	img.Set(1, 1, color.RGBA{R: 0x36, G: 0x2d, B: 0x59, A: 0xff})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// fixtureSound is eight samples of silence, as WAV.
func fixtureSound() string {
	var b bytes.Buffer
	b.WriteString("RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x08\x00\x00\x00")
	b.Write(bytes.Repeat([]byte{0x80}, 8))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// between is the time between two notifications of one call, as the suite wants
// it.
const between = 50 * time.Millisecond

func addNotifying(s *server.MCPServer) {
	logs := func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i, text := range []string{"begun", "half way", "almost done"} {
			if err := pause(ctx, i); err != nil {
				return nil, err
			}
			if err := s.SendLogMessageToClient(ctx, mcp.NewLoggingMessageNotification(mcp.LoggingLevelInfo, "fixtures", text)); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("logged"), nil
	}
	addTool(s, "test_tool_with_logging", "", logs)
	addTool(s, "test_logging_tool", "", logs)
	addTool(s, "test_tool_with_progress", "", func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i, done := range []int{0, 50, 100} {
			if err := pause(ctx, i); err != nil {
				return nil, err
			}
			if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
				continue
			}
			err := s.SendNotificationToClient(ctx, string(mcp.MethodNotificationProgress), map[string]any{
				"progressToken": req.Params.Meta.ProgressToken, "progress": done, "total": 100,
			})
			if err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("done"), nil
	})
}

// pause waits before every notification but the first.
func pause(ctx context.Context, i int) error {
	if i == 0 {
		return nil
	}
	return wait(ctx, between)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addSchemas adds tools whose schemas must arrive as they are.
func addSchemas(s *server.MCPServer) {
	addTool(s, "json_schema_2020_12_tool", `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object",
		"$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
		"properties": {
			"name": {"type": "string"},
			"address": {"$ref": "#/$defs/address"},
			"contactMethod": {"type": "string", "enum": ["phone", "email"]},
			"phone": {"type": "string"},
			"email": {"type": "string"}
		},
		"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
		"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
		"then": {"required": ["phone"]},
		"else": {"required": ["email"]},
		"additionalProperties": false
	}`, answer(mcp.NewTextContent("noted")))
	addTool(s, "test_custom_header", `{
		"type": "object",
		"properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
		"required": ["region"],
		"additionalProperties": false
	}`, func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("asked in " + req.GetString("region", "no region")), nil
	})
}

// addTriggers adds tools that change the lists, as no server of ours does.
func addTriggers(s *server.MCPServer) {
	addTool(s, "test_trigger_tool_change", "", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		addTool(s, "passing_by", "", answer())
		s.DeleteTools("passing_by")
		return mcp.NewToolResultText("changed"), nil
	})
	addTool(s, "test_trigger_prompt_change", "", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		s.AddPrompt(newPrompt("passing_by"), prompt(mcp.NewTextContent("")))
		s.DeletePrompts("passing_by")
		return mcp.NewToolResultText("changed"), nil
	})
}

var templateURI = regexp.MustCompile(`^test://template/([^/]+)/data$`)

func addResources(s *server.MCPServer) {
	read := func(contents mcp.ResourceContents) server.ResourceHandlerFunc {
		return func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{contents}, nil
		}
	}
	add := func(uri, mimeType string, contents mcp.ResourceContents) {
		s.AddResource(mcp.NewResource(uri, uri, mcp.WithMIMEType(mimeType)), read(contents))
	}
	add("test://static-text", "text/plain", mcp.TextResourceContents{URI: "test://static-text", MIMEType: "text/plain", Text: "It never changes."})
	add("test://static-binary", "image/png", mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: fixturePicture()})
	add("test://watched-resource", "text/plain", mcp.TextResourceContents{URI: "test://watched-resource", MIMEType: "text/plain", Text: "Somebody watches."})
	s.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "template", mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			found := templateURI.FindStringSubmatch(req.Params.URI)
			if found == nil {
				return nil, errors.New("not of this template")
			}
			text := fmt.Sprintf(`{"id":%q,"data":"what belongs to %s"}`, found[1], found[1])
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: "application/json", Text: text}}, nil
		})
}

func newPrompt(name string, arguments ...string) mcp.Prompt {
	p := mcp.Prompt{Name: name, Description: "A fixture of the conformance suite."}
	for _, argument := range arguments {
		p.Arguments = append(p.Arguments, mcp.PromptArgument{Name: argument, Required: true})
	}
	return p
}

func prompt(content ...mcp.Content) server.PromptHandlerFunc {
	return func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return userSays(content...), nil
	}
}

func userSays(content ...mcp.Content) *mcp.GetPromptResult {
	result := &mcp.GetPromptResult{}
	for _, c := range content {
		result.Messages = append(result.Messages, mcp.NewPromptMessage(mcp.RoleUser, c))
	}
	return result
}

func addPrompts(s *server.MCPServer) {
	s.AddPrompt(newPrompt("test_simple_prompt"), prompt(mcp.NewTextContent("Say hello.")))
	s.AddPrompt(newPrompt("test_prompt_with_image"), prompt(mcp.NewImageContent(fixturePicture(), "image/png"), mcp.NewTextContent("What is on it?")))
	s.AddPrompt(newPrompt("test_prompt_with_arguments", "arg1", "arg2"),
		func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return userSays(mcp.NewTextContent(fmt.Sprintf("Compare %q with %q.", req.Params.Arguments["arg1"], req.Params.Arguments["arg2"]))), nil
		})
	s.AddPrompt(newPrompt("test_prompt_with_embedded_resource", "resourceUri"),
		func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return userSays(embedded(req.Params.Arguments["resourceUri"], "text/plain", "What the resource says."), mcp.NewTextContent("Sum it up.")), nil
		})
	s.AddPrompt(newPrompt("test_input_required_result_prompt"), func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		given := accepted(req.Params.InputResponses, "user_context", "context")
		if given == "" {
			return askClient("").Elicit("user_context", elicitation("What is it about?", "context")).PromptResult(), nil
		}
		return userSays(mcp.NewTextContent("Consider that " + given)), nil
	})
}
