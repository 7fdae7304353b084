package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listedTool is a tool as tools/list tells it.
type listedTool struct {
	Name, Title, Description string
	InputSchema              struct{ Type string }
	OutputSchema             json.RawMessage
	Annotations              map[string]any
}

// lists are the methods whose answers a client may keep, and what they list.
var lists = map[string]string{
	"server/discover": "capabilities", "tools/list": "tools", "prompts/list": "prompts",
	"resources/list": "resources", "resources/templates/list": "resourceTemplates",
}

// TestListings wants every list of the real catalog to be the same each time, in
// both eras and for every sign-in with the same skills, and kept by nobody for
// somebody else.
func TestListings(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	first, second := r.login(mara, "", "inspect", "triage").token(t), r.login(mara, "", "inspect", "triage").token(t)
	for _, place := range []string{"", "/acme-outdoors", "/acme-outdoors/storefront"} {
		session := r.session(place, second)
		for method, member := range lists {
			var seen []string
			for i, p := range []probe{
				modern(method, "", "").at(place, first), modern(method, "", "").at(place, first),
				modern(method, "", "").at(place, second), legacy(session, method, "").at(place, second),
			} {
				isLegacy := i == 3
				if isLegacy && method == "server/discover" {
					continue
				}
				got := p.send(t, r.url)
				var hints struct {
					CacheScope string
					TTL        int `json:"ttlMs"`
				}
				var members map[string]json.RawMessage
				result := got.message(t).Result
				if json.Unmarshal(result, &hints) != nil || json.Unmarshal(result, &members) != nil || members[member] == nil {
					t.Fatalf("%s at /mcp%s: %d %.300s", method, place, got.status, got.body)
				}
				if !isLegacy && (hints.CacheScope != "private" || hints.TTL <= 0) {
					t.Errorf("%s at /mcp%s: cached for %q, for %d ms", method, place, hints.CacheScope, hints.TTL)
				}
				seen = append(seen, string(members[member]))
			}
			for _, other := range seen[1:] {
				if other != seen[0] {
					t.Errorf("%s at /mcp%s differs from one time to the next:\n%.600s\n%.600s", method, place, seen[0], other)
				}
			}
		}
		for _, tool := range listTools(t, r, place, first) {
			checkTool(t, place, tool)
		}
	}
}

func listTools(t *testing.T, r *runner, place, token string) []listedTool {
	t.Helper()
	var result struct{ Tools []listedTool }
	if err := json.Unmarshal(modern("tools/list", "", "").at(place, token).send(t, r.url).message(t).Result, &result); err != nil || len(result.Tools) == 0 {
		t.Fatalf("tools/list at /mcp%s: %v", place, err)
	}
	return result.Tools
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func checkTool(t *testing.T, place string, tool listedTool) {
	t.Helper()
	if !goodName.MatchString(tool.Name) || tool.Title == "" || tool.Description == "" || tool.InputSchema.Type != "object" {
		t.Errorf("at /mcp%s: %+v", place, tool)
	}
	for _, hint := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
		if _, set := tool.Annotations[hint].(bool); !set {
			t.Errorf("%s at /mcp%s: %s is not set: clients would take it for its default", tool.Name, place, hint)
		}
	}
	if tool.Annotations["readOnlyHint"] == true && tool.Annotations["destructiveHint"] == true {
		t.Errorf("%s reads only and destroys", tool.Name)
	}
	if tool.OutputSchema != nil {
		var schema struct{ Type string }
		if err := json.Unmarshal(tool.OutputSchema, &schema); err != nil || schema.Type != "object" {
			t.Errorf("%s answers with %s, which clients before 2026-07-28 do not take", tool.Name, tool.OutputSchema)
		}
	}
}

// TestStructuredOutput calls every tool that has an output schema: what it says
// to programs it says in words, too.
func TestStructuredOutput(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "", "inspect", "triage").token(t)
	arguments := map[string]string{ // by tool and place; for most none
		"search_sentry_tools at /mcp":                          `{"query":"issue"}`,
		"search_sentry_tools at /mcp/acme-outdoors":            `{"query":"issue"}`,
		"search_sentry_tools at /mcp/acme-outdoors/storefront": `{"query":"issue"}`,
		"find_projects at /mcp":                                `{"organizationSlug":"acme-outdoors"}`,
	}
	called := 0
	for _, place := range []string{"", "/acme-outdoors", "/acme-outdoors/storefront"} {
		session := r.session(place, token)
		for _, tool := range listTools(t, r, place, token) {
			if tool.OutputSchema == nil {
				continue
			}
			args, known := arguments[tool.Name+" at /mcp"+place]
			if !known {
				args = "{}"
			}
			for era, p := range map[string]probe{
				"modern": modernCall(tool.Name, args),
				"legacy": legacy(session, "tools/call", fmt.Sprintf(`"name":%q,"arguments":%s`, tool.Name, args)),
			} {
				called++
				got := p.at(place, token).send(t, r.url)
				var result struct {
					IsError           bool
					StructuredContent any
					Content           []struct{ Type, Text string }
				}
				if err := json.Unmarshal(got.message(t).Result, &result); err != nil || result.IsError || got.status != http.StatusOK {
					t.Errorf("%s at /mcp%s, %s: %d %.400s", tool.Name, place, era, got.status, got.body)
					continue
				}
				var text any
				if len(result.Content) == 0 || json.Unmarshal([]byte(result.Content[0].Text), &text) != nil || !reflect.DeepEqual(text, result.StructuredContent) || text == nil {
					t.Errorf("%s at /mcp%s, %s: the text is not the structured content: %.600s", tool.Name, place, era, got.body)
				}
			}
		}
	}
	if called < 6 {
		t.Errorf("%d calls", called)
	}
}

// TestGatewayHints wants those of the tools behind the gateway, too.
func TestGatewayHints(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "", "inspect", "triage").token(t)
	got := modernCall("search_sentry_tools", `{"query":"issue","limit":20}`).at("/acme-outdoors", token).send(t, r.url)
	var result struct {
		StructuredContent struct{ Results []listedTool }
	}
	if err := json.Unmarshal(got.message(t).Result, &result); err != nil || len(result.StructuredContent.Results) < 3 {
		t.Fatalf("%v: %.400s", err, got.body)
	}
	var names []string
	for _, tool := range result.StructuredContent.Results {
		tool.Title = tool.Name // there the name is enough
		checkTool(t, "/acme-outdoors", tool)
		names = append(names, tool.Name)
	}
	if !slices.Contains(names, "get_issue_details") || strings.Contains(strings.Join(names, " "), "execute_sentry_tool") {
		t.Errorf("found %v", names)
	}
}
