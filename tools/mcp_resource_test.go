package tools

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
)

const modernMeta = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// ask sends a request of either era to the user's server. An error answers with
// its code and no result.
func (u *user) ask(modern bool, method string, params args) (result json.RawMessage, code int, message string) {
	u.t.Helper()
	all := args{}
	for name, value := range params {
		all[name] = value
	}
	if modern {
		all["_meta"] = json.RawMessage(modernMeta)
	}
	request, err := json.Marshal(args{"jsonrpc": "2.0", "id": 1, "method": method, "params": all})
	if err != nil {
		u.t.Fatal(err)
	}
	switch answer := u.server.HandleMessage(u.ctx, request).(type) {
	case mcp.JSONRPCResponse:
		encoded, err := json.Marshal(answer.Result)
		if err != nil {
			u.t.Fatal(err)
		}
		return encoded, 0, ""
	case mcp.JSONRPCError:
		return nil, answer.Error.Code, answer.Error.Message
	}
	u.t.Fatalf("%s: no answer", method)
	return nil, 0, ""
}

func (u *user) mustAsk(method string, params args) json.RawMessage {
	u.t.Helper()
	result, code, message := u.ask(true, method, params)
	if code != 0 {
		u.t.Fatalf("%s(%v): %d %s", method, params, code, message)
	}
	return result
}

// mustRead reads an MCP resource that there is.
func (u *user) mustRead(uri string) string {
	u.t.Helper()
	var result struct {
		Contents []struct{ URI, MimeType, Text string }
		TTLMs    *int
		Scope    string `json:"cacheScope"`
	}
	if err := json.Unmarshal(u.mustAsk("resources/read", args{"uri": uri}), &result); err != nil {
		u.t.Fatal(err)
	}
	if len(result.Contents) != 1 || result.Contents[0].URI != uri || result.Contents[0].MimeType != "text/markdown" {
		u.t.Fatalf("contents = %+v", result.Contents)
	}
	if result.TTLMs == nil || *result.TTLMs > 60_000 || result.Scope != "private" {
		u.t.Errorf("%s: ttlMs and cacheScope are %v and %q, want a short time in private", uri, result.TTLMs, result.Scope)
	}
	return result.Contents[0].Text
}

func TestParseLocation(t *testing.T) {
	for uri, want := range map[string]location{
		"sentry://acme/issues":           {org: "acme"},
		"sentry://acme/web/issues":       {org: "acme", project: "web"},
		"sentry://acme/issues/WEB-7":     {org: "acme", issue: "WEB-7"},
		"sentry://acme/issues/4512":      {org: "acme", issue: "4512"},
		"sentry://acme/issues/issues":    {org: "acme", project: "issues"},
		"sentry://issues/issues/issues":  {org: "issues", project: "issues"},
		"sentry://issues/issues/WEB-7":   {org: "issues", issue: "WEB-7"},
		"sentry://issues/issues":         {org: "issues"},
		"sentry://a.b-c_D/issues/x.Y-12": {org: "a.b-c_D", issue: "x.Y-12"},
	} {
		got, ok := parseLocation(uri)
		if !ok || got != want {
			t.Errorf("parseLocation(%q) = %+v, %v, want %+v", uri, got, ok, want)
		}
		if got.uri() != uri {
			t.Errorf("%q is written %q", uri, got.uri())
		}
	}
	for _, uri := range misspelled("acme", "web", "WEB-7") {
		if at, ok := parseLocation(uri); ok {
			t.Errorf("parseLocation(%q) = %+v, want none", uri, at)
		}
	}
}

// misspelled are URIs that look as if they named an issue or a list, and do
// not.
func misspelled(org, project, issue string) []string {
	good := "sentry://" + org + "/issues/" + issue
	return []string{
		"", "sentry:", "sentry://", "sentry:///", "sentry://" + org, "sentry://" + org + "/", "sentry:///issues/" + issue,
		strings.ToUpper("sentry") + "://" + org + "/issues/" + issue, "Sentry" + good[6:], "https" + good[6:], " " + good, good + " ", good + "\n", good + "\x00",
		good + "/", good + "?", good + "?project=1", good + "#top", good + "/events/latest", "sentry://" + org + "//issues/" + issue, "sentry://" + org + "/issues//" + issue,
		"sentry://user@" + org + "/issues/" + issue, "sentry://" + org + ":443/issues/" + issue, "sentry:" + org + "/issues/" + issue, "sentry:/" + org + "/issues/" + issue,
		"sentry://" + org + "/Issues/" + issue, "sentry://" + org + "/ISSUES", "sentry://" + org + "/issue/" + issue,
		"sentry://" + org + "/issues/../issues/" + issue, "sentry://" + org + "/./issues/" + issue, "sentry://../" + org + "/issues/" + issue, "sentry://" + org + "/issues/..", "sentry://" + org + "/../issues", "sentry://./issues", "sentry://" + org + "/%2e%2e/issues",
		"sentry://" + org + "/issues/" + url.PathEscape(issue) + "%20", "sentry://" + percent(org) + "/issues/" + issue, "sentry://" + org + "/issues/" + percent(issue), "sentry://" + org + "/%69ssues/" + issue, "sentry://" + org + "/issues%2F" + issue,
		"sentry://" + org + "/" + project, "sentry://" + org + "/" + project + "/issues/", "sentry://" + org + "/" + project + "/issues/" + issue, "sentry://" + org + "," + project + "/issues",
		"sentry://" + org + "\u200b/issues/" + issue, "sentry://" + org + "/issues/\u202e" + issue, "sentry://" + fullWidth(org) + "/issues/" + issue, "sentry://" + org + "/issues/" + fullWidth(issue), "sentry://" + org + "\u2215issues\u2215" + issue,
		"sentry://-" + org + "/issues", "sentry://." + org + "/issues/" + issue, "sentry://*/issues", "sentry://{organization}/issues/" + issue, "sentry://" + org + "/{project}/issues", "sentry://" + org + "/issues/{id}", "sentry://" + org + "/*/issues",
		"sentry://" + org + "\\issues\\" + issue, "sentry://" + org + "/issues/" + issue + ";x", "sentry://" + strings.Repeat("a", 101) + "/issues", "sentry://" + org + "/issues/" + strings.Repeat("9", 129), good + strings.Repeat("/", 600),
		opened,
	}
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// fullWidth spells ASCII in other letters that look the same.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - 0x20 + 0xff00 }, s)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestResources_lists(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		org, project       string
		uris, templates    []string
		completes, without string
	}{
		{"", "", nil, []string{"sentry://{organization}/issues/{id}", "sentry://{organization}/issues", "sentry://{organization}/{project}/issues"}, "", ""},
		{outdoors, "", []string{"sentry://acme-outdoors/issues"}, []string{"sentry://acme-outdoors/issues/{id}", "sentry://acme-outdoors/{project}/issues"}, "", ""},
		{outdoors, "storefront", []string{"sentry://acme-outdoors/storefront/issues"}, []string{"sentry://acme-outdoors/issues/{id}"}, "", ""},
	} {
		u := w.as(mara, tt.org, tt.project)
		if diff := cmp.Diff(tt.uris, u.listed("resources/list", "resources", "uri")); diff != "" {
			t.Errorf("resources in %s (-want +got):\n%s", place(u.env.Key), diff)
		}
		if diff := cmp.Diff(sorted(tt.templates), sorted(u.listed("resources/templates/list", "resourceTemplates", "uriTemplate"))); diff != "" {
			t.Errorf("templates in %s (-want +got):\n%s", place(u.env.Key), diff)
		}
		u.ctx = constraint.WithCaller(t.Context(), constraint.Caller{User: u.env.Key.User()}) // no skill at all
		if got := append(u.listed("resources/list", "resources", "uri"), u.listed("resources/templates/list", "resourceTemplates", "uriTemplate")...); len(got) != 0 {
			t.Errorf("without a skill %s lists %v", place(u.env.Key), got)
		}
	}
}

// listed returns one field of each entry of a list, with the cache hints
// checked.
func (u *user) listed(method, list, field string) []string {
	u.t.Helper()
	var result map[string]any
	if err := json.Unmarshal(u.mustAsk(method, nil), &result); err != nil {
		u.t.Fatal(err)
	}
	if ttl, ok := result["ttlMs"].(float64); !ok || ttl != listTTL || result["cacheScope"] != "private" {
		u.t.Errorf("%s: hints are %v and %v", method, result["ttlMs"], result["cacheScope"])
	}
	entries, ok := result[list].([]any)
	if !ok {
		u.t.Fatalf("%s: %v", method, result)
	}
	var out []string
	for _, entry := range entries {
		out = append(out, entry.(map[string]any)[field].(string))
	}
	return out
}

// A server has one set of hooks: whoever gives it another takes these away.
func TestResources_withTasks(t *testing.T) {
	env := benchEnv(t, "acme", "web")
	env.Tasks = true
	u := &user{t: t, ctx: as(t.Context(), Inspect), env: env, server: Default().NewServer(env)}
	if got := u.listed("resources/list", "resources", "uri"); !slices.Equal(got, []string{"sentry://acme/web/issues"}) {
		t.Errorf("resources = %v", got)
	}
	if !strings.Contains(u.getPrompt("triage_issue", nil), "Triage") {
		t.Error("no prompt")
	}
	legacy, _, _ := u.ask(false, "initialize", args{"protocolVersion": "2025-11-25", "capabilities": args{}, "clientInfo": args{"name": "t", "version": "1"}})
	if discovered := u.mustAsk("server/discover", nil); strings.Contains(string(legacy), "extensions") || !strings.Contains(string(discovered), "extensions") {
		t.Errorf("extensions belong into discover alone:\n%s\n%s", legacy, discovered)
	}
}

func TestResources_read(t *testing.T) {
	w := newWorld(t)
	issue := w.issueIn(outdoors, "storefront")
	id := string(issue.ShortID)
	for _, tt := range []struct {
		org, project string
		uris         []string
	}{
		{"", "", []string{"sentry://acme-outdoors/issues", "sentry://acme-outdoors/storefront/issues", "sentry://globex-labs/issues"}},
		{outdoors, "", []string{"sentry://acme-outdoors/issues", "sentry://acme-outdoors/storefront/issues", "sentry://acme-outdoors/checkout-api/issues"}},
		{outdoors, "storefront", []string{"sentry://acme-outdoors/storefront/issues"}},
	} {
		u := w.as(mara, tt.org, tt.project)
		want := u.must(executeToolsName, args{"name": "get_issue_details", "arguments": args{"issueUrl": "http://sentry.test/organizations/acme-outdoors/issues/" + id + "/"}})
		for _, name := range []string{id, strings.ToLower(id), string(issue.ID)} {
			if got := u.mustRead("sentry://acme-outdoors/issues/" + name); got != want {
				t.Errorf("in %s the issue reads:\n%s\nwant what get_issue_details says:\n%s", place(u.env.Key), got, want)
			}
		}
		for _, uri := range tt.uris {
			list := u.mustRead(uri)
			wantAll(t, list, "# Unresolved issues of ", "http://sentry.test/organizations/")
			if strings.Contains(uri, "/storefront/") && (!strings.Contains(list, id) || strings.Contains(list, "CHECKOUT-API-")) {
				t.Errorf("%s in %s is not of storefront alone:\n%s", uri, place(u.env.Key), list)
			}
		}
	}
}

// A list does not change while the same issues stay open, however many events
// come.
func TestResources_listIsStable(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "storefront")
	before := u.mustRead("sentry://acme-outdoors/storefront/issues")
	issue := string(w.issueIn(outdoors, "storefront").ShortID)
	if !strings.Contains(before, issue) {
		t.Fatalf("%s is not listed:\n%s", issue, before)
	}
	if again := u.mustRead("sentry://acme-outdoors/storefront/issues"); again != before {
		t.Error("two reads differ")
	}
	if _, err := w.client(mara, allScopes...).UpdateIssue(t.Context(), outdoors, issue, sentry.IssueUpdate{Status: "resolved"}); err != nil {
		t.Fatal(err)
	}
	if after := u.mustRead("sentry://acme-outdoors/storefront/issues"); after == before || strings.Contains(after, issue+"]") {
		t.Errorf("%s is resolved and still listed:\n%s", issue, after)
	}
}

// What is foreign is refused like what does not exist: same code, and the same
// words but for the URI.
func TestResources_foreign(t *testing.T) {
	w := newWorld(t)
	other, sibling := w.issueIn(globex, "collector"), w.issueIn(outdoors, "checkout-api")
	own := w.issueIn(outdoors, "storefront")
	outside := []string{
		"sentry://globex-labs/issues", "sentry://globex-labs/collector/issues", "sentry://globex-labs/storefront/issues",
		"sentry://globex-labs/issues/" + string(other.ShortID), "sentry://globex-labs/issues/" + string(other.ID),
		"sentry://acme-outdoors/issues/" + string(other.ShortID), "sentry://acme-outdoors/issues/" + string(other.ID), "sentry://acme-outdoors/collector/issues",
		"sentry://globex-labs/issues/" + string(own.ID), "sentry://globex-labs/issues/" + string(own.ShortID),
		"sentry://ACME-OUTDOORS/issues", "sentry://Acme-Outdoors/issues/" + string(own.ShortID),
	}
	siblings := []string{
		"sentry://acme-outdoors/issues", "sentry://acme-outdoors/checkout-api/issues", "sentry://acme-outdoors/Storefront/issues",
		"sentry://acme-outdoors/" + string(own.Project.ID) + "/issues", "sentry://acme-outdoors/" + string(sibling.Project.ID) + "/issues",
		"sentry://acme-outdoors/issues/" + string(sibling.ShortID), "sentry://acme-outdoors/issues/" + string(sibling.ID), "sentry://acme-outdoors/issues/" + strings.ToLower(string(sibling.ShortID)),
	}
	spelled := append(misspelled(outdoors, "storefront", string(own.ShortID)), misspelled(globex, "collector", string(other.ShortID))...)
	for _, tt := range []struct {
		who, org, project string
		uris              []string
	}{
		{jon, "", "", append([]string{"sentry://nowhere/issues"}, outside[:9]...)}, // jon is in acme-outdoors alone
		{mara, outdoors, "", outside},
		{mara, outdoors, "storefront", append(append([]string(nil), outside...), siblings...)},
	} {
		u := w.as(tt.who, tt.org, tt.project)
		const unknown = "sentry://acme-outdoors/issues/STOREFRONT-ZZZZ"
		for _, modern := range []bool{true, false} {
			_, code, message := u.ask(modern, "resources/read", args{"uri": unknown})
			if want := map[bool]int{true: -32602, false: -32002}[modern]; code != want {
				t.Fatalf("what does not exist: code %d, want %d", code, want)
			}
			for _, uri := range append(append([]string(nil), tt.uris...), spelled...) {
				result, gotCode, got := u.ask(modern, "resources/read", args{"uri": uri, "arguments": args{opened: args{}, "uri": unknown}})
				if gotCode != code || strings.ReplaceAll(got, uri, "URI") != strings.ReplaceAll(message, unknown, "URI") {
					if uri == "" {
						continue // a missing parameter
					}
					t.Errorf("%s in %s: %d %q %s, want %d %q", uri, place(u.env.Key), gotCode, got, result, code, message)
				}
				if strings.Contains(string(result), sandbox.Mark(globex)) {
					t.Errorf("%s in %s shows %s", uri, place(u.env.Key), globex)
				}
			}
		}
	}
}

func TestResources_skill(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "")
	id := string(w.issueIn(outdoors, "storefront").ShortID)
	for _, caller := range []constraint.Caller{
		{User: u.env.Key.User()},
		{User: u.env.Key.User(), Skills: []string{"docs"}},
		{User: "1", Skills: []string{Inspect, Triage}}, // somebody else, sent to the wrong server
		{},
	} {
		u.ctx = constraint.WithCaller(t.Context(), caller)
		for _, uri := range []string{"sentry://acme-outdoors/issues", "sentry://acme-outdoors/issues/" + id} {
			if result, code, _ := u.ask(true, "resources/read", args{"uri": uri}); code != -32602 {
				t.Errorf("%+v reads %s: %d %s", caller, uri, code, result)
			}
		}
	}
}

// While Sentry is down the answer is not that there is no such thing.
func TestResources_unavailable(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "")
	down, err := sentry.NewClient(sentry.Config{BaseURL: "http://127.0.0.1:1", Tokens: sentry.StaticToken{}})
	if err != nil {
		t.Fatal(err)
	}
	u.env.Sentry = down
	u.server = Default().NewServer(u.env)
	_, code, message := u.ask(true, "resources/read", args{"uri": "sentry://acme-outdoors/issues"})
	if code != mcp.INTERNAL_ERROR || !strings.Contains(message, "Sentry is unavailable") {
		t.Errorf("%d %q", code, message)
	}
}
