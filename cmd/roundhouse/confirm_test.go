package main

import (
	"context"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// person answers questions of a client as the test says.
type person struct {
	says  mcp.ElicitationResponseAction
	asked []string
}

func (p *person) Elicit(_ context.Context, request mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	p.asked = append(p.asked, request.Params.Message)
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: p.says, Content: map[string]any{}}}, nil
}

// TestConfirm: in both protocols the user is asked before an issue changes, and
// a no is a no.
func TestConfirm(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	l := r.login(mara, "/acme-outdoors", "inspect", "triage")
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(era, func(t *testing.T) {
			p := &person{says: mcp.ElicitationResponseActionDecline}
			s := r.at(l, "/acme-outdoors", client.WithProtocolVersion(era), client.WithElicitationHandler(p))
			issue := shortID(s.Call("search_issues", map[string]any{"query": "is:unresolved"}), "STOREFRONT")
			resolve := map[string]any{"issueId": issue, "status": "resolved"}

			out, isError := s.Try("update_issue", resolve)
			if !isError || !strings.Contains(out, "said no") || len(p.asked) != 1 || !strings.Contains(p.asked[0], "status: resolved") {
				t.Errorf("the user said no to %q: %s", p.asked, out)
			}
			if out := s.Call("execute_sentry_tool", map[string]any{"name": "get_issue_details", "arguments": map[string]any{"issueId": issue}}); !strings.Contains(out, "**Status**: unresolved") {
				t.Errorf("the issue changed against the user's will:\n%s", out)
			}
			p.says = mcp.ElicitationResponseActionAccept
			if out := s.Call("update_issue", resolve); !strings.Contains(out, "resolved") || len(p.asked) != 2 {
				t.Errorf("the user said yes to %q: %s", p.asked, out)
			}
			s.Call("update_issue", map[string]any{"issueId": issue, "status": "unresolved"})
			if s.Failed() {
				t.Error(s.Diag())
			}
		})
	}
}

// TestConfirm_always: who cannot ask the user cannot change anything, where the
// administrator says so.
func TestConfirm_always(t *testing.T) {
	r := start(t, t.TempDir(), map[string]string{"ROUNDHOUSE_CONFIRM": "always"})
	l := r.login(mara, "/acme-outdoors", "inspect", "triage")
	s := r.at(l, "/acme-outdoors")
	issue := shortID(s.Call("search_issues", map[string]any{"query": "is:unresolved"}), "STOREFRONT")
	out, isError := s.Try("update_issue", map[string]any{"issueId": issue, "status": "resolved"})
	if !isError || !strings.Contains(out, "cannot ask the user") {
		t.Errorf("a client that cannot ask: %s", out)
	}
	if s.Failed() {
		t.Error(s.Diag())
	}
}
