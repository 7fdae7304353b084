package tools

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
)

func TestCatalog_StepUp(t *testing.T) {
	catalog := fixture()
	call := func(name string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":{}}}`
	}
	more := []string{Inspect, Triage}
	for _, tt := range []struct {
		why    string
		skills []string
		org    string
		body   string
		want   []string
	}{
		{"what the skills allow", []string{Inspect}, "", call("echo"), nil},
		{"what they do not", []string{Inspect}, "", call("quiet"), more},
		{"that goes for the narrower URL, too", []string{Inspect}, "acme", call("quiet"), more},
		{"all skills", more, "", call("quiet"), nil},
		{"no such tool", []string{Inspect}, "", call("nothing"), nil},
		{"a tool that is not in this context", []string{Triage}, "acme", call("find_organizations"), nil},
		{"one that is in the other", []string{Triage}, "", call("find_organizations"), []string{Triage, Inspect}},
		{"through the gateway", []string{Inspect}, "", `{"method":"tools/call","params":{"name":"execute_sentry_tool","arguments":{"name":"quiet","arguments":{}}}}`, more},
		{"a name with escapes", []string{Inspect}, "", `{"method":"tools/call","params":{"name":"qui\u0065t"}}`, more},
		{"another's name in the arguments", []string{Inspect}, "", `{"method":"tools/call","params":{"name":"echo","arguments":{"text":"quiet"}}}`, nil},
		{"the gateway itself", []string{Inspect}, "", call("execute_sentry_tool"), nil},
		{"keys in any case, as the server reads them", []string{Inspect}, "", `{"METHOD":"tools/call","Params":{"Name":"quiet"}}`, more},
		{"the last of two names, as the server reads them", []string{Inspect}, "", `{"method":"tools/call","params":{"name":"echo","name":"quiet"}}`, more},
		{"no call", []string{Inspect}, "", `{"method":"tools/list","params":{"name":"quiet"}}`, nil},
		{"no JSON", []string{Inspect}, "", `{"method":`, nil},
		{"arguments of another sort", []string{Inspect}, "", `{"method":"tools/call","params":{"name":"execute_sentry_tool","arguments":"quiet"}}`, nil},
	} {
		caller := constraint.Caller{User: "1001", Skills: tt.skills}
		if diff := cmp.Diff(tt.want, catalog.StepUp(testKey(t, tt.org, ""), caller, []byte(tt.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
	}
}

// Where the administrator hides tools, one that the skills do not allow is
// answered like one that does not exist, directly and through the gateway.
func TestEnv_HideTools(t *testing.T) {
	s := fixture().NewServer(Env{Key: testKey(t, "", ""), HideTools: true})
	ctx := as(t.Context(), Inspect)
	if r := callTool(ctx, s, "fails", nil); r != nil {
		t.Errorf("a hidden tool answers as one: %s", text(r))
	}
	execute := func(name string) string {
		return text(callTool(ctx, s, executeToolsName, map[string]any{"name": name}))
	}
	if got, want := execute("quiet"), strings.ReplaceAll(execute("unseen"), "unseen", "quiet"); got != want {
		t.Errorf("a hidden tool: %q; one that does not exist: %q", got, want)
	}
}
