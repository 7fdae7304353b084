package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// addAsking adds tools that ask the client before they answer: by results that
// want input, which mcp-go turns into requests of its own for legacy clients.
func addAsking(s *server.MCPServer) {
	addTool(s, "test_sampling", aString("prompt"), func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return sample(req, req.GetString("prompt", ""))
	})
	addTool(s, "test_input_required_result_sampling", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return sample(req, "What is the capital of France?")
	})
	// The transport refuses it to clients that have not declared sampling.
	addTool(s, "test_missing_capability", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return sample(req, "Are you there?")
	})
	addTool(s, "test_elicitation", aString("message"), func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return elicit(req, elicitation(req.GetString("message", ""), "username", "email"))
	})
	addTool(s, "test_elicitation_sep1034_defaults", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return elicit(req, form("Is this you?", defaults))
	})
	addTool(s, "test_elicitation_sep1330_enums", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return elicit(req, form("Choose.", choices))
	})
	addModernAsking(s)
	addStateful(s)
}

func sample(req mcp.CallToolRequest, question string) (*mcp.CallToolResult, error) {
	said := server.SamplingResponse(req.Params.InputResponses, "question")
	if said == nil {
		return askClient("").Sample("question", sampling(question)).ToolResult(), nil
	}
	return mcp.NewToolResultText("The model says: " + modelText(said)), nil
}

func elicit(req mcp.CallToolRequest, params mcp.ElicitationParams) (*mcp.CallToolResult, error) {
	given := server.ElicitationResponse(req.Params.InputResponses, "form")
	if given == nil {
		return askClient("").Elicit("form", params).ToolResult(), nil
	}
	return mcp.NewToolResultText(fmt.Sprintf("The user chose to %s, with %v.", given.Action, given.Content)), nil
}

// aString is the schema of one argument.
func aString(name string) string {
	return fmt.Sprintf(`{"type":"object","properties":{%q:{"type":"string"}},"required":[%q],"additionalProperties":false}`, name, name)
}

// object is a JSON object.
type object = map[string]any

var (
	defaults = object{
		"name":     object{"type": "string", "default": "John Doe"},
		"age":      object{"type": "integer", "default": 30},
		"score":    object{"type": "number", "default": 95.5},
		"status":   object{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
		"verified": object{"type": "boolean", "default": true},
	}
	choices = object{
		"untitledSingle": object{"type": "string", "enum": []string{"option1", "option2", "option3"}},
		"titledSingle":   object{"type": "string", "oneOf": titled},
		"legacyEnum":     object{"type": "string", "enum": []string{"opt1", "opt2", "opt3"}, "enumNames": []string{"The first", "The second", "The third"}},
		"untitledMulti":  object{"type": "array", "items": object{"type": "string", "enum": []string{"option1", "option2", "option3"}}},
		"titledMulti":    object{"type": "array", "items": object{"anyOf": titled}},
	}
	titled = []any{object{"const": "value1", "title": "Once"}, object{"const": "value2", "title": "Twice"}, object{"const": "value3", "title": "Thrice"}}
)

func form(message string, properties object, required ...string) mcp.ElicitationParams {
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return mcp.ElicitationParams{Message: message, RequestedSchema: schema}
}

// elicitation asks for strings.
func elicitation(message string, fields ...string) mcp.ElicitationParams {
	properties := object{}
	for _, name := range fields {
		properties[name] = object{"type": "string"}
	}
	return form(message, properties, fields...)
}

func sampling(question string) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{
		Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(question)}},
		MaxTokens: 100,
	}
}

func modelText(result *mcp.CreateMessageResult) string {
	if text, ok := mcp.AsTextContent(result.Content); ok {
		return text.Text
	}
	if content, ok := result.Content.(object); ok {
		return fmt.Sprint(content["text"])
	}
	return "nothing in words"
}

func askClient(state string) *server.InputRequestBuilder { return server.NewInputRequestBuilder(state) }

// accepted is what the user wrote into a field of an elicitation, or "".
func accepted(responses mcp.InputResponses, id, field string) string {
	given := server.ElicitationResponse(responses, id)
	if given == nil || given.Action != mcp.ElicitationResponseActionAccept {
		return ""
	}
	content, _ := given.Content.(object)
	text, _ := content[field].(string)
	return text
}

// confirmed tells whether the user has accepted at all.
func confirmed(responses mcp.InputResponses, id string) bool {
	given := server.ElicitationResponse(responses, id)
	return given != nil && given.Action == mcp.ElicitationResponseActionAccept
}

func addModernAsking(s *server.MCPServer) {
	hello := func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		name := accepted(req.Params.InputResponses, "user_name", "name")
		if name == "" {
			return askClient("").Elicit("user_name", elicitation("What is your name?", "name")).ToolResult(), nil
		}
		return mcp.NewToolResultText("Hello, " + name + "!"), nil
	}
	addTool(s, "test_input_required_result_elicitation", "", hello)
	addTool(s, "test_streaming_elicitation", "", hello)
	addTool(s, "test_input_required_result_list_roots", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		roots := server.RootsResponse(req.Params.InputResponses, "client_roots")
		if roots == nil {
			return askClient("").Roots("client_roots").ToolResult(), nil
		}
		return mcp.NewToolResultText("You work in " + rootNames(roots)), nil
	})
	addTool(s, "test_input_required_result_capabilities", "", askForWhatIsDeclared)
}

func rootNames(roots *mcp.ListRootsResult) string {
	var names []string
	for _, root := range roots.Roots {
		names = append(names, root.URI)
	}
	return strings.Join(names, ", ")
}

func askForWhatIsDeclared(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	if len(req.Params.InputResponses) > 0 {
		return mcp.NewToolResultText("Thank you."), nil
	}
	b := askClient("")
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientCapabilities != nil {
		if info.ClientCapabilities.Sampling != nil {
			b.Sample("thought", sampling("Think of something."))
		}
		if info.ClientCapabilities.Elicitation != nil {
			b.Elicit("wish", elicitation("What do you wish?", "wish"))
		}
	}
	return b.ToolResult(), nil
}

// addStateful adds tools that know by what they are told to send back how far
// they had come.
func addStateful(s *server.MCPServer) {
	key := []byte(rand.Text())
	addTool(s, "test_input_required_result_request_state", "", confirmWithState(key))
	addTool(s, "test_input_required_result_tampered_state", "", confirmWithState(key))
	addTool(s, "test_input_required_result_multiple_inputs", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		given := req.Params.InputResponses
		name, said, roots := accepted(given, "user_name", "name"), server.SamplingResponse(given, "greeting"), server.RootsResponse(given, "client_roots")
		if name == "" || said == nil || roots == nil {
			return askClient(seal(key, "asked")).
				Elicit("user_name", elicitation("What is your name?", "name")).
				Sample("greeting", sampling("Greet somebody.")).
				Roots("client_roots").ToolResult(), nil
		}
		if unseal(key, req.Params.RequestState) != "asked" {
			return nil, errState
		}
		return mcp.NewToolResultText(name + ": " + modelText(said) + " " + rootNames(roots)), nil
	})
	addTool(s, "test_input_required_result_multi_round", "", func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		state := unseal(key, req.Params.RequestState)
		if name, ok := strings.CutPrefix(state, "name "); ok {
			if wish := accepted(req.Params.InputResponses, "step2", "color"); wish != "" {
				return mcp.NewToolResultText(name + " likes " + wish + "."), nil
			}
		}
		if name := accepted(req.Params.InputResponses, "step1", "name"); name != "" {
			if state != "begun" {
				return nil, errState
			}
			return askClient(seal(key, "name "+name)).Elicit("step2", elicitation("Which color do you like?", "color")).ToolResult(), nil
		}
		return askClient(seal(key, "begun")).Elicit("step1", elicitation("What is your name?", "name")).ToolResult(), nil
	})
}

var errState = errors.New("requestState is not what this server gave out")

func confirmWithState(key []byte) toolFunc {
	return func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if !confirmed(req.Params.InputResponses, "confirm") {
			question := form("Please confirm.", object{"ok": object{"type": "boolean"}}, "ok")
			return askClient(seal(key, "unconfirmed")).Elicit("confirm", question).ToolResult(), nil
		}
		if unseal(key, req.Params.RequestState) != "unconfirmed" {
			return nil, errState
		}
		return mcp.NewToolResultText("state-ok"), nil
	}
}

// seal signs what a client is to send back. The fixtures' states tell nothing
// that is worth binding to more than the server.
func seal(key []byte, state string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(state))
	return state + "." + hex.EncodeToString(m.Sum(nil))
}

// unseal is what was sealed, or "".
func unseal(key []byte, sealed string) string {
	state, _, _ := strings.Cut(sealed, ".")
	if sealed == "" || !hmac.Equal([]byte(seal(key, state)), []byte(sealed)) {
		return ""
	}
	return state
}
