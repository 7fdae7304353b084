package tools

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
	"roundhouse/sentry"
)

type echoIn struct {
	OrganizationSlug string   `json:"organizationSlug" doc:"The organization."`
	ProjectSlugOrID  string   `json:"projectSlugOrId,omitempty"`
	Sort             string   `json:"sort,omitempty" enum:"date|freq" default:"date"`
	Limit            int      `json:"limit,omitempty" min:"1" max:"100" default:"10"`
	Words            []string `json:"words,omitempty" max:"2"`
}

type echoOut struct {
	Got echoIn `json:"got"`
}

// fixture is a small catalog: echo returns what its handler was given, the
// others misbehave.
func fixture() *Catalog {
	read := hints(true, false, true, true)
	fail := func(name string, f func()) Tool {
		return Define(Definition{Name: name, Title: name, Description: name, Skills: []string{Triage}, Listed: true, Annotations: read},
			func(context.Context, Env, struct{}) (markdown, error) {
				f()
				return "", errors.New("secret-cause")
			})
	}
	return NewCatalog(
		Define(Definition{Name: "echo", Title: "Echo", Description: "Repeat.", Skills: []string{Inspect}, Listed: true, Annotations: read},
			func(_ context.Context, _ Env, in echoIn) (echoOut, error) { return echoOut{in}, nil }),
		Define(Definition{Name: "find_organizations", Title: "x", Description: "x", Skills: []string{Inspect}, Listed: true, Annotations: read, HiddenFrom: ShapeOrg},
			func(context.Context, Env, struct{}) (markdown, error) { return "all", nil }),
		Define(Definition{Name: "quiet", Title: "Quiet", Description: "Only through the gateway.", Skills: []string{Triage}, Annotations: hints(false, true, true, false)},
			func(_ context.Context, _ Env, in echoIn) (markdown, error) {
				return "quiet in " + word(in.OrganizationSlug), nil
			}),
		fail("panics", func() { panic("secret-panic") }),
		fail("fails", func() {}),
		searchTools(), executeTool(),
	)
}

func testKey(t testing.TB, org, project string) constraint.Key {
	t.Helper()
	key, err := constraint.New("1001", org, project)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func as(ctx context.Context, skills ...string) context.Context {
	return constraint.WithCaller(ctx, constraint.Caller{User: "1001", Skills: skills})
}

func text(r *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range r.Content {
		if t, ok := c.(mcp.TextContent); ok {
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

func TestCatalog_invoke_arguments(t *testing.T) {
	tests := []struct {
		name, org, project string
		args               string
		want               string // the handler's input as JSON, or a part of the error
		isError            bool
	}{
		{"defaults are filled in", "", "", `{"organizationSlug":"acme"}`, `{"organizationSlug":"acme","sort":"date","limit":10}`, false},
		{"strings are trimmed, nulls dropped", "", "", `{"organizationSlug":" acme ","sort":null}`, `{"organizationSlug":"acme","sort":"date","limit":10}`, false},
		{"a pinned value is put in", "acme", "", `{}`, `{"organizationSlug":"acme","sort":"date","limit":10}`, false},
		{"no arguments at all", "acme", "web", ``, `{"organizationSlug":"acme","projectSlugOrId":"web","sort":"date","limit":10}`, false},
		{"repeating a pinned value is fine", "acme", "web", `{"organizationSlug":"acme","projectSlugOrId":"web"}`, `{"organizationSlug":"acme","projectSlugOrId":"web","sort":"date","limit":10}`, false},
		{"so is the project's number", "acme", "web", `{"projectSlugOrId":"77"}`, `{"organizationSlug":"acme","projectSlugOrId":"web","sort":"date","limit":10}`, false},
		{"another organization is refused", "acme", "", `{"organizationSlug":"globex"}`, "organizationSlug cannot be changed here", true},
		{"another project is refused", "acme", "web", `{"projectSlugOrId":"api"}`, "confined to project web of organization acme", true},
		{"a pinned value of another type is refused", "acme", "", `{"organizationSlug":["acme"]}`, "cannot be changed here", true},
		{"required", "", "", `{}`, "organizationSlug is required", true},
		{"an empty string is a value", "", "", `{"organizationSlug":"acme","sort":""}`, "sort cannot be ", true},
		{"enum", "", "", `{"organizationSlug":"acme","sort":"size"}`, "sort cannot be `size`; supported: date, freq", true},
		{"minimum", "acme", "", `{"limit":0}`, "limit must be at least 1", true},
		{"maximum", "acme", "", `{"limit":101}`, "limit must be at most 100", true},
		{"type", "acme", "", `{"limit":"ten"}`, "limit must be of type integer, not string", true},
		{"an integer as a float", "acme", "", `{"limit":10.0}`, `{"organizationSlug":"acme","sort":"date","limit":10}`, false},
		{"an integer in scientific notation", "acme", "", `{"limit":1e1}`, `{"organizationSlug":"acme","sort":"date","limit":10}`, false},
		{"an integer as a string", "acme", "", `{"limit":" 5 "}`, `{"organizationSlug":"acme","sort":"date","limit":5}`, false},
		{"a fraction", "acme", "", `{"limit":1.5}`, "limit must be ", true},
		{"a huge integer", "acme", "", `{"limit":1e400}`, "limit must be ", true},
		{"a number above what is exact", "acme", "", `{"limit":1e300}`, "limit must be at most 100", true},
		{"an integer of a thousand digits", "acme", "", `{"limit":1` + strings.Repeat("0", 1000) + `}`, "limit must be at most 100", true},
		{"an exponent beyond all bounds", "acme", "", `{"limit":1e999999999}`, "limit must be ", true},
		{"a number for a string", "", "", `{"organizationSlug":1e999999999}`, "organizationSlug must be of type string", true},
		{"a hexadecimal string", "acme", "", `{"limit":"0x5"}`, "limit must be ", true},
		{"not a number", "acme", "", `{"limit":"NaN"}`, "limit must be ", true},
		{"list length", "acme", "", `{"words":["a","b","c"]}`, "words must have at most 2 entries, not 3.", true},
		{"unknown, near", "", "", `{"organization_slug":"acme"}`, "Did you mean organizationSlug?", true},
		{"unknown, a prefix", "", "", `{"organization":"acme"}`, "Did you mean organizationSlug?", true},
		{"unknown, far", "acme", "", `{"zzz":1}`, "Known parameters: projectSlugOrId, sort, limit, words.", true},
		{"not an object", "acme", "", `[1]`, "arguments must be a JSON object", true},
		{"too long", "", "", `{"organizationSlug":"` + strings.Repeat("a", maxArgumentText+1) + `"}`, "organizationSlug is too long", true},
	}
	c := fixture()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := Env{Key: testKey(t, tt.org, tt.project), ProjectID: "77", catalog: c}
			r := env.invoke(as(t.Context(), Inspect), "echo", json.RawMessage(tt.args))
			if r.IsError != tt.isError {
				t.Fatalf("IsError = %v: %s", r.IsError, text(r))
			}
			if tt.isError {
				if got := text(r); !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "**Input error**") {
					t.Errorf("text = %q, want an input error with %q", got, tt.want)
				}
				return
			}
			if want := `{"got":` + tt.want + `}`; text(r) != want {
				t.Errorf("text = %s, want %s", text(r), want)
			}
			if got, _ := json.Marshal(r.StructuredContent); string(got) != text(r) {
				t.Errorf("structured content %s differs from the text %s", got, text(r))
			}
		})
	}
}

func TestCatalog_invoke_failures(t *testing.T) {
	var log strings.Builder
	c := fixture()
	env := Env{Key: testKey(t, "acme", ""), catalog: c, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for name, cause := range map[string]string{"panics": "secret-panic", "fails": "secret-cause"} {
		r := env.invoke(as(t.Context(), Triage), name, nil)
		if !r.IsError || !strings.HasPrefix(text(r), "**Internal error**") || strings.Contains(text(r), "secret") {
			t.Errorf("%s: %q, want an internal error without its cause", name, text(r))
		}
		if !strings.Contains(log.String(), cause) {
			t.Errorf("%s: the cause is not in the log", name)
		}
	}
	if strings.Contains(log.String(), "1001") {
		t.Error("the log names the user")
	}
}

func TestCatalog_skills(t *testing.T) {
	c := fixture()
	env := Env{Key: testKey(t, "", "")}
	s := c.NewServer(env)
	list := func(ctx context.Context) []string {
		var names []string
		for _, tool := range listTools(t, ctx, s) {
			names = append(names, tool.Name)
		}
		return names
	}
	tests := []struct {
		name string
		ctx  context.Context
		want []string
	}{
		{"nobody", t.Context(), nil},
		{"no skill", as(t.Context()), nil},
		{"an unknown skill", as(t.Context(), "admin"), nil},
		{"another user", constraint.WithCaller(t.Context(), constraint.Caller{User: "1002", Skills: []string{Inspect, Triage}}), nil},
		{"inspect", as(t.Context(), Inspect), []string{"echo", "execute_sentry_tool", "find_organizations", "search_sentry_tools"}},
		{"triage", as(t.Context(), Triage), []string{"execute_sentry_tool", "fails", "panics", "search_sentry_tools"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, list(tt.ctx)); diff != "" {
				t.Errorf("tools/list (-want +got):\n%s", diff)
			}
			for _, name := range []string{"echo", "fails", "quiet", "search_sentry_tools"} {
				r := callTool(tt.ctx, s, name, map[string]any{"organizationSlug": "acme", "query": "echo"})
				listed := slices.Contains(tt.want, name)
				refused := r == nil || strings.Contains(text(r), "needs the skill") || strings.Contains(text(r), "no tool ")
				if refused == listed {
					t.Errorf("%s is listed: %v, refused: %v", name, listed, refused)
				}
			}
		})
	}
}

// A refused call says what is missing, but only to the key's own user.
func TestCatalog_missingSkill(t *testing.T) {
	s := fixture().NewServer(Env{Key: testKey(t, "", "")})
	stranger := constraint.WithCaller(t.Context(), constraint.Caller{User: "1002", Skills: []string{Inspect}})
	for _, tt := range []struct {
		reason string
		ctx    context.Context
		tool   string
		want   string
	}{
		{"one skill", as(t.Context(), Inspect), "fails", "fails needs the skill `Triage issues`"},
		{"no skill at all", as(t.Context()), "search_sentry_tools", "`Look into issues and events` or `Triage issues`"},
		{"another user", stranger, "echo", "no tool `echo` is available here"},
		{"nobody", t.Context(), "echo", "no tool `echo` is available here"},
	} {
		r := callTool(tt.ctx, s, tt.tool, nil)
		if r == nil || !r.IsError || !strings.Contains(text(r), tt.want) {
			t.Errorf("%s: %v, want %q", tt.reason, r, tt.want)
		}
	}
	if r := callTool(as(t.Context(), Inspect), s, "quiet", nil); r != nil {
		t.Errorf("a tool that is not listed can be called directly: %s", text(r))
	}
}

func TestCatalog_gateway(t *testing.T) {
	c := fixture()
	org := c.NewServer(Env{Key: testKey(t, "acme", "")})
	execute := func(ctx context.Context, name string, args map[string]any) string {
		r := callTool(ctx, org, executeToolsName, map[string]any{"name": name, "arguments": args})
		if r == nil {
			return "refused"
		}
		return text(r)
	}
	tests := []struct {
		reason string
		skill  string
		name   string
		args   map[string]any
		want   string
	}{
		{"a gateway-only tool runs, with the pinned value", Triage, "quiet", nil, "quiet in acme"},
		{"not without its skill", Inspect, "quiet", nil, "quiet needs the skill `Triage issues`, which this sign-in does not include. To use it, the user has to sign in again and tick that skill."},
		{"the same narrowing", Inspect, "find_organizations", nil, "no tool `find_organizations` is available here"},
		{"the same pins", Triage, "quiet", map[string]any{"organizationSlug": "globex"}, "organizationSlug cannot be changed here"},
		{"the same unknown names", Triage, "quiet", map[string]any{"limt": 3}, "Did you mean limit?"},
		{"the same validation", Triage, "quiet", map[string]any{"limit": 1000}, "limit must be at most 100"},
		{"the same recover", Triage, "panics", nil, "**Internal error**"},
		{"never itself", Inspect, executeToolsName, nil, "must not be a gateway tool"},
		{"a name that is nearly one", Triage, "quite", nil, "Did you mean quiet?"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			if got := execute(as(t.Context(), tt.skill), tt.name, tt.args); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	search := callTool(as(t.Context(), Inspect), org, searchToolsName, map[string]any{"query": "quiet echo find organizations gateway"})
	var out searchToolsOut
	if err := json.Unmarshal([]byte(text(search)), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Results) != 1 || out.Results[0].Name != "echo" || strings.Contains(string(out.Results[0].InputSchema), "organizationSlug") {
		t.Errorf("search for inspect in an organization = %+v, want echo alone, narrowed", out.Results)
	}
}

func TestCatalog_NewServer(t *testing.T) {
	for want, key := range map[string]constraint.Key{
		"everything the signed-in user can see":        testKey(t, "", ""),
		"confined to organization acme":                testKey(t, "acme", ""),
		"confined to project web of organization acme": testKey(t, "acme", "web"),
	} {
		s := fixture().NewServer(Env{Key: key})
		r, ok := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"initialize",
			"params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)).(mcp.JSONRPCResponse)
		if !ok {
			t.Fatal("initialize failed")
		}
		result := r.Result.(mcp.InitializeResult)
		if !strings.Contains(result.Instructions, want) {
			t.Errorf("instructions = %q, want %q", result.Instructions, want)
		}
		got, err := json.Marshal(result.Capabilities)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"prompts":{},"resources":{"subscribe":true},"tools":{},"completions":{}}`; string(got) != want {
			t.Errorf("capabilities = %s, want %s: no list ever changes", got, want)
		}
	}
}

// Servers of different keys share everything but the key.
func TestCatalog_concurrent(t *testing.T) {
	c := fixture()
	var wg sync.WaitGroup
	for _, org := range []string{"acme", "globex", "initech", "umbrella"} {
		s := c.NewServer(Env{Key: testKey(t, org, "")})
		for range 4 {
			wg.Go(func() {
				for range 25 {
					r := callTool(as(t.Context(), Inspect), s, "echo", nil)
					if r == nil || !strings.Contains(text(r), `"organizationSlug":"`+org+`"`) {
						t.Errorf("the server of %s answers %v", org, r)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestNewCatalog_panics(t *testing.T) {
	good := Definition{Name: "a", Title: "A", Description: "A.", Skills: []string{Inspect}, Annotations: hints(true, false, true, true)}
	handler := func(context.Context, Env, struct{}) (markdown, error) { return "", nil }
	tests := []struct {
		reason string
		make   func()
	}{
		{"two of one name", func() { NewCatalog(Define(good, handler), Define(good, handler)) }},
		{"no hints", func() { d := good; d.Annotations = mcp.ToolAnnotation{}; Define(d, handler) }},
		{"no skill", func() { d := good; d.Skills = nil; Define(d, handler) }},
		{"no description", func() { d := good; d.Description = ""; Define(d, handler) }},
		{"a type without a schema", func() {
			Define(good, func(context.Context, Env, struct {
				C chan int `json:"c"`
			}) (markdown, error) {
				return "", nil
			})
		}},
		{"an answer that is not markdown", func() {
			Define(good, func(context.Context, Env, struct{}) (string, error) { return "", nil })
		}},
		{"a field without a name", func() { Define(good, func(context.Context, Env, struct{ C int }) (markdown, error) { return "", nil }) }},
		{"a pattern without words", func() {
			Define(good, func(context.Context, Env, struct {
				C string `json:"c" pattern:"^a$"`
			}) (markdown, error) {
				return "", nil
			})
		}},
		{"a pattern that does not compile", func() {
			NewCatalog(Define(good, func(context.Context, Env, struct {
				C string `json:"c" form:"an x" pattern:"("`
			}) (markdown, error) {
				return "", nil
			}))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			tt.make()
		})
	}
}

func TestFailure(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&sentry.Error{Op: "x", StatusCode: 401}, "**Sign-in expired**"},
		{&sentry.Error{Op: "x", StatusCode: 403, Detail: "You may not"}, "event:write"},
		{&sentry.Error{Op: "x", StatusCode: 404}, "**Not found**"},
		{&sentry.Error{Op: "x", StatusCode: 429, RetryAfter: 7e9}, "in 7s"},
		{&sentry.Error{Op: "x", StatusCode: 503, Detail: "down"}, "HTTP 503, `down`."},
		{&sentry.Error{Op: "x", StatusCode: 400, Detail: "bad query"}, "HTTP 400): `bad query`."},
		{&sentry.PathError{Element: "..", Reason: "is a relative path"}, "`..` is not a valid slug or id"},
		{errors.New("secret"), "**Internal error**"},
	}
	for _, tt := range tests {
		r := failure(t.Context(), Env{Key: testKey(t, "acme", "")}, "x", []string{Triage}, tt.err)
		if got := text(r); !r.IsError || !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
			t.Errorf("failure(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

// listTools and callTool go through mcp-go, as a client would.
func listTools(t *testing.T, ctx context.Context, s messageHandler) []mcp.Tool {
	t.Helper()
	r, ok := s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)).(mcp.JSONRPCResponse)
	if !ok {
		t.Fatal("tools/list failed")
	}
	return r.Result.(mcp.ListToolsResult).Tools
}

type messageHandler interface {
	HandleMessage(ctx context.Context, message json.RawMessage) mcp.JSONRPCMessage
}

// callTool returns nil when the server refuses to know the tool.
func callTool(ctx context.Context, s messageHandler, name string, args map[string]any) *mcp.CallToolResult {
	message, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call",
		"params": map[string]any{"name": name, "arguments": args},
	})
	if err != nil {
		panic(err)
	}
	r, ok := s.HandleMessage(ctx, message).(mcp.JSONRPCResponse)
	if !ok {
		return nil
	}
	return r.Result.(*mcp.CallToolResult)
}

func TestNearest(t *testing.T) {
	known := []string{"os", "environment", "release", "span.op", "organizationSlug", "limit"}
	for name, want := range map[string]string{
		"enviroment":        "environment",
		"limt":              "limit",
		"lmit":              "limit",
		"organization_slug": "organizationSlug",
		"organization":      "organizationSlug",
		"span_op":           "span.op",
		"rel":               "release",
		"foo":               "",
		"oss":               "os",
		"x":                 "",
		"":                  "",
		"zzzzzzzz":          "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestAnew compares what is made for one shape alone with the shared catalog.
func TestAnew(t *testing.T) {
	for _, shape := range Shapes {
		anew := Anew(shape)
		for tool := range Default().All() {
			want, there := Default().Definition(tool.Name, shape)
			got, ok := anew.Definition(tool.Name, shape)
			if diff := cmp.Diff(want, got); diff != "" || ok != there {
				t.Errorf("%s in %v: %v, want %v (-want +got)\n%s", tool.Name, shape, ok, there, diff)
			}
		}
	}
}

// TestCatalog_ServerTools calls a tool of each shape through mcp-go's own
// registration.
func TestCatalog_ServerTools(t *testing.T) {
	for place, want := range map[string]string{"": "", "acme": "acme"} {
		env := Env{Key: testKey(t, place, "")}
		names := map[string]bool{}
		for _, tool := range fixture().ServerTools(env) {
			names[tool.Tool.Name] = true
			if tool.Tool.Name != "echo" {
				continue
			}
			ctx := constraint.WithCaller(t.Context(), constraint.Caller{User: "1001", Skills: []string{Inspect}})
			var req mcp.CallToolRequest
			req.Params.Name = "echo"
			req.Params.Arguments = map[string]any{}
			if place == "" {
				req.Params.Arguments = map[string]any{"organizationSlug": "other"}
				want = "other"
			}
			got, err := tool.Handler(constraint.With(ctx, env.Key), req)
			if err != nil || got.IsError || !strings.Contains(mcp.GetTextFromContent(got.Content[0]), `"organizationSlug":"`+want+`"`) {
				t.Errorf("echo at %q = %+v, %v", place, got, err)
			}
		}
		if names["quiet"] || names["find_organizations"] != (place == "") {
			t.Errorf("at %q: %v", place, names)
		}
	}
}
