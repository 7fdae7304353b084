package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Confirm says when a person is asked before a destructive tool changes
// something.
type Confirm int

// The zero Confirm is ConfirmAble.
const (
	ConfirmAble   Confirm = iota // where the client can ask its user
	ConfirmAlways                // and elsewhere the tool is refused
	ConfirmNever                 // never: the client's own approval is enough
)

// confirmID names our one question among a client's answers.
const confirmID = "confirm"

// confirm asks the user to approve a call of a destructive tool: with what it
// returns, which is the call's answer for now, or nil where the call may go on.
// In 2026-07-28 the client comes again with the answer; for an older one mcp-go
// asks while the call waits.
func (e Env) confirm(ctx context.Context, n *narrowed, arguments []byte) (ask *mcp.CallToolResult, err error) {
	switch {
	case e.Confirm == ConfirmNever, *n.Annotations.ReadOnlyHint, !*n.Annotations.DestructiveHint, isGateway(n.Name):
		return nil, nil
	case e.States == nil || !canAnswer(ctx):
		if e.Confirm == ConfirmAlways {
			return nil, notConfirmed{word(n.Name) + " changes Sentry, which this server allows only when the user confirms it, and this client cannot ask the user. " +
				"Use a client that supports MCP elicitation, or let the user do it in Sentry."}
		}
		return nil, nil
	}
	answers, this := answersFrom(ctx), call{e.Key, n.Name, arguments}
	if answers.RequestState != "" {
		if err := e.States.open(answers.RequestState, this); err != nil {
			return nil, &inputError{"requestState", "is not of this call, or is too old", "Repeat the call without it."}
		}
		if answer := server.ElicitationResponse(answers.InputResponses, confirmID); answer != nil {
			return nil, verdict(answer.Action)
		}
	}
	return server.NewInputRequestBuilder(e.States.seal(this)).Elicit(confirmID, mcp.ElicitationParams{
		Mode:    mcp.ElicitationModeForm,
		Message: question(n, e, arguments),
		// Accepting is the answer; there is nothing to fill in.
		RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
	}).ToolResult(), nil
}

// notConfirmed says why a call was not carried out.
type notConfirmed struct{ reason markdown }

func (e notConfirmed) Error() string { return string(e.reason) }

func verdict(action mcp.ElicitationResponseAction) error {
	switch action {
	case mcp.ElicitationResponseActionAccept:
		return nil
	case mcp.ElicitationResponseActionDecline:
		return notConfirmed{"The user was asked and said no: nothing was changed. Do not repeat the call unless the user asks for it."}
	}
	return notConfirmed{"The user was asked and did not answer: nothing was changed. Ask the user before repeating the call."}
}

// canAnswer reports whether the client says that it can show a form to its
// user: on this request, or in older protocols when its session began.
func canAnswer(ctx context.Context) bool {
	var able *mcp.ElicitationCapability
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if info.ClientCapabilities != nil {
			able = info.ClientCapabilities.Elicitation
		}
	} else if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		able = session.GetClientCapabilities().Elicitation
	}
	return able != nil && (able.Form != nil || able.URL == nil) // none named means forms
}

// maxAsked bounds each value in a question, in bytes.
const maxAsked = 300

// question is for a person: what would be done, where, and with which values, but
// those that the context fixes. A model chose the values, so each is kept on its own line and cut.
func question(n *narrowed, env Env, arguments []byte) string {
	var values map[string]json.RawMessage
	_ = json.Unmarshal(arguments, &values) // narrowed.arguments made them
	var b strings.Builder
	fmt.Fprintf(&b, "%s, in %s?\n", n.Title, plainPlace(env))
	for _, p := range n.parameters.properties {
		if value, ok := values[p.name]; ok {
			fmt.Fprintf(&b, "\n%s: %s", p.name, cut(plainValue(value), maxAsked))
		}
	}
	return b.String()
}

func plainPlace(env Env) string {
	switch ShapeOf(env.Key) {
	case ShapeProject:
		return env.Key.Org() + "/" + env.Key.Project()
	case ShapeOrg:
		return env.Key.Org()
	}
	return "Sentry"
}

func plainValue(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	return printable(text)
}

type answersInContext struct{}

// withAnswers carries what a client sent in answer to a question of ours.
func withAnswers(ctx context.Context, answers mcp.MultiRoundTripParams) context.Context {
	if answers.RequestState == "" {
		return ctx // an answer to nothing
	}
	return context.WithValue(ctx, answersInContext{}, answers)
}

func answersFrom(ctx context.Context) mcp.MultiRoundTripParams {
	answers, _ := ctx.Value(answersInContext{}).(mcp.MultiRoundTripParams)
	return answers
}
