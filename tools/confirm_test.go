package tools

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
)

// wrecking is a catalog with a tool that changes something, and one that does
// not. Changes come into done.
func wrecking(done *[]string) *Catalog {
	type wreckIn struct {
		OrganizationSlug string `json:"organizationSlug" doc:"Where."`
		What             string `json:"what" doc:"What."`
	}
	wreck := func(name string, a mcp.ToolAnnotation) Tool {
		return Define(Definition{Name: name, Title: "Wreck a thing", Description: "Wreck.", Skills: []string{Triage}, Listed: name == "wreck", Annotations: a},
			func(_ context.Context, _ Env, in wreckIn) (markdown, error) {
				*done = append(*done, in.OrganizationSlug+"/"+in.What)
				return "done", nil
			})
	}
	return NewCatalog(wreck("wreck", hints(false, true, false, true)), wreck("quiet_wreck", hints(false, true, false, true)),
		wreck("look", hints(true, false, true, true)), searchTools(), executeTool())
}

// asker calls tools in 2026-07-28, as a client that can ask its user or not.
type asker struct {
	testing.TB
	*Catalog
	able   string // client capabilities
	states *RequestStates
	mode   Confirm
}

// call returns the tool's text, or the question and the state to come again with.
func (a *asker) call(user, org, tool string, args map[string]any, answer, state string) (text, asked, newState string) {
	a.Helper()
	key, err := constraint.New(user, org, "")
	if err != nil {
		a.Fatal(err)
	}
	params := map[string]any{"name": tool, "arguments": args, "_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": json.RawMessage(a.able)}}
	if answer != "" {
		params["inputResponses"] = map[string]any{"confirm": map[string]any{"action": answer, "content": map[string]any{}}}
	}
	if state != "" {
		params["requestState"] = state
	}
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
	if err != nil {
		a.Fatal(err)
	}
	ctx := constraint.WithCaller(a.Context(), constraint.Caller{User: user, Skills: []string{Triage}})
	s := a.NewServer(Env{Key: key, States: a.states, Confirm: a.mode})
	response := s.HandleMessage(ctx, message)
	r, ok := response.(mcp.JSONRPCResponse)
	if !ok {
		a.Fatalf("%s: %+v", tool, response)
	}
	result := r.Result.(*mcp.CallToolResult)
	if result.NeedsInput() {
		return "", result.InputRequests[confirmID].Elicitation.Message, result.RequestState
	}
	return textOf(result), "", ""
}

func textOf(r *mcp.CallToolResult) string {
	if len(r.Content) == 0 {
		return ""
	}
	return text(r)
}

func newStates(t testing.TB, now *time.Time) *RequestStates {
	t.Helper()
	states, err := NewRequestStates(nil)
	if err != nil {
		t.Fatal(err)
	}
	states.now = func() time.Time { return *now }
	return states
}

const forms, neither = `{"elicitation":{"form":{}}}`, `{}`

// TestConfirm: nothing is changed before the user has said yes to exactly that.
func TestConfirm(t *testing.T) {
	var done []string
	now := time.Unix(1_000_000, 0)
	a := &asker{TB: t, Catalog: wrecking(&done), able: forms, states: newStates(t, &now)}
	thing := map[string]any{"what": "x\ny"}

	_, asked, state := a.call("1001", "acme", "wreck", thing, "", "")
	if want := "Wreck a thing, in acme?\n\nwhat: x y"; !strings.HasPrefix(asked, want) || state == "" || len(done) > 0 {
		t.Fatalf("asked %q with state %q, done %v; want %q and nothing done", asked, state, done, want)
	}
	for _, tt := range []struct {
		why, user, org, tool string
		args                 map[string]any
		answer, state        string
		wantAsked            bool
		want                 string
	}{
		{"no answer", "1001", "acme", "wreck", thing, "", state, true, ""},
		{"an answer to nothing", "1001", "acme", "wreck", thing, "accept", "", true, ""},
		{"no", "1001", "acme", "wreck", thing, "decline", state, false, "said no"},
		{"neither yes nor no", "1001", "acme", "wreck", thing, "cancel", state, false, "did not answer"},
		{"an action that there is not", "1001", "acme", "wreck", thing, "yes", state, false, "did not answer"},
		{"for another thing", "1001", "acme", "wreck", map[string]any{"what": "z"}, "accept", state, false, "requestState is not of this call"},
		{"in another organization", "1001", "globex", "wreck", thing, "accept", state, false, "requestState is not of this call"},
		{"by another user", "1002", "acme", "wreck", thing, "accept", state, false, "requestState is not of this call"},
		{"with another tool", "1001", "acme", executeToolsName, map[string]any{"name": "quiet_wreck", "arguments": thing}, "accept", state, false, "requestState is not of this call"},
		{"made up", "1001", "acme", "wreck", thing, "accept", "AAAA", false, "requestState is not of this call"},
		{"no state at all", "1001", "acme", "wreck", thing, "accept", "%", false, "requestState is not of this call"},
		{"changed", "1001", "acme", "wreck", thing, "accept", strings.ToUpper(state), false, "requestState is not of this call"},
	} {
		got, again, _ := a.call(tt.user, tt.org, tt.tool, tt.args, tt.answer, tt.state)
		if (again != "") != tt.wantAsked || !strings.Contains(got, tt.want) || len(done) > 0 {
			t.Errorf("%s: %q, asked %q, done %v", tt.why, got, again, done)
		}
	}
	if got, _, _ := a.call("1001", "acme", "wreck", thing, "accept", state); got != "done" || len(done) != 1 {
		t.Errorf("yes: %q, done %v", got, done)
	}
	now = now.Add(stateLife + time.Second)
	if got, _, _ := a.call("1001", "acme", "wreck", thing, "accept", state); !strings.Contains(got, "too old") || len(done) != 1 {
		t.Errorf("a yes of long ago: %q, done %v", got, done)
	}
}

func TestConfirm_gateway(t *testing.T) {
	var done []string
	now := time.Unix(1_000_000, 0)
	a := &asker{TB: t, Catalog: wrecking(&done), able: forms, states: newStates(t, &now)}
	args := map[string]any{"name": "quiet_wreck", "arguments": map[string]any{"what": "x"}}
	_, asked, state := a.call("1001", "acme", executeToolsName, args, "", "")
	if !strings.Contains(asked, "what: x") || len(done) > 0 {
		t.Fatalf("asked %q, done %v", asked, done)
	}
	if got, _, _ := a.call("1001", "acme", executeToolsName, args, "accept", state); got != "done" || len(done) != 1 {
		t.Errorf("yes: %q, done %v", got, done)
	}
}

// TestConfirm_modes: who is asked, and who is refused.
func TestConfirm_modes(t *testing.T) {
	for _, tt := range []struct {
		why, able, tool string
		mode            Confirm
		want            string // "": asked
	}{
		{"able", forms, "wreck", ConfirmAble, ""},
		{"able, and names no sort", `{"elicitation":{}}`, "wreck", ConfirmAble, ""},
		{"able to open pages only", `{"elicitation":{"url":{}}}`, "wreck", ConfirmAble, "done"},
		{"not able", neither, "wreck", ConfirmAble, "done"},
		{"able, always", forms, "wreck", ConfirmAlways, ""},
		{"not able, always", neither, "wreck", ConfirmAlways, "this client cannot ask the user"},
		{"not able, always, through the gateway", neither, executeToolsName, ConfirmAlways, "this client cannot ask the user"},
		{"able, never", forms, "wreck", ConfirmNever, "done"},
		{"changes nothing", forms, "look", ConfirmAlways, "done"},
	} {
		var done []string
		now := time.Unix(1_000_000, 0)
		a := &asker{TB: t, Catalog: wrecking(&done), able: tt.able, states: newStates(t, &now), mode: tt.mode}
		args := map[string]any{"what": "x"}
		switch tt.tool {
		case executeToolsName:
			args = map[string]any{"name": "quiet_wreck", "arguments": args}
		case "look":
			tt.tool, args = executeToolsName, map[string]any{"name": "look", "arguments": args}
		}
		got, asked, _ := a.call("1001", "acme", tt.tool, args, "", "")
		if (asked != "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, asked %q", tt.why, got, asked)
		}
		if (got == "done") != (len(done) == 1) {
			t.Errorf("%s: %q, and done %v", tt.why, got, done)
		}
	}
}
