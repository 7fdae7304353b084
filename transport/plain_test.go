package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// offering has some of everything that a plain call may be about.
func offering() *server.MCPServer {
	s := talker()
	server.WithResourceCapabilities(true, false)(s)
	server.WithPromptCapabilities(false)(s)
	s.AddTool(mcp.NewTool("who"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo)
		if !ok {
			return nil, errors.New("no session")
		}
		_, own := ctx.Deadline()
		return mcp.NewToolResultText(fmt.Sprint(session.GetClientInfo(), session.GetClientCapabilities().Elicitation != nil, session.Initialized(),
			strings.HasPrefix(session.SessionID(), "request "), server.RequestProtocolVersion(ctx), server.SupportedProtocolVersionsFromContext(ctx), own)), nil
	})
	s.AddTool(mcp.NewTool("fail"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, errors.New("<failed> & so on")
	})
	s.AddTool(mcp.NewTool("wrong"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("no"), nil
	})
	s.AddTool(mcp.NewTool("unwritable"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: func() {}}, nil
	})
	s.AddResource(mcp.Resource{URI: "test:one", Name: "one"}, func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: "test:one", Text: "<1>"}}, nil
	})
	s.AddResource(mcp.Resource{URI: "test:none", Name: "none"}, func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		return nil, server.ErrResourceNotFound
	})
	s.AddPrompt(mcp.NewPrompt("hello"), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return mcp.NewGetPromptResult("", []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent("hi"))}), nil
	})
	return s
}

// plainCases are requests of each method, in both eras, right and nearly so.
func plainCases(session string) (all []edge) {
	for _, tt := range []struct{ method, named, params string }{
		{"ping", "", ``}, {"server/discover", "", ``}, {"tools/list", "", ``}, {"prompts/list", "", ``},
		{"resources/list", "", ``}, {"resources/templates/list", "", ``}, {"completion/complete", "", ``}, {"logging/setLevel", "", `"level":"error"`},
		{"tools/list", "", `"cursor":"bad"`}, {"tools/list", "", `"cursor":1`}, {"Tools/List", "", ``},
		{"tools/call", "who", `"name":"who"`}, {"tools/call", "who", `"name":"who","arguments":null`}, {"tools/call", "who", `"name":"who","arguments":[1]`},
		{"tools/call", "fail", `"name":"fail"`}, {"tools/call", "wrong", `"name":"wrong"`}, {"tools/call", "unwritable", `"name":"unwritable"`},
		{"tools/call", "talk", `"name":"talk","arguments":{}`}, {"tools/call", "nobody", `"name":"nobody"`}, {"tools/call", "", ``},
		{"tools/call", "=?base64?d2hv?=", `"name":"who"`}, {"tools/call", "=?base64?d2?=", `"name":"who"`}, {"tools/call", "who", `"name":"w\u0068o"`},
		{"tools/call", "who", `"name":"fail"`}, {"tools/call", "1", `"name":1`}, {"tools/call", "who", `"name":"who","inputResponses":{},"requestState":"x"`},
		{"tools/call", "who", `"name":"who","task":{"ttl":1}`},
		{"prompts/get", "hello", `"name":"hello"`}, {"prompts/get", "nobody", `"name":"nobody"`}, {"prompts/get", "hello", `"name":"hello","arguments":{"a":1}`},
		{"resources/read", "test:one", `"uri":"test:one"`}, {"resources/read", "test:none", `"uri":"test:none"`}, {"resources/read", "test:two", `"uri":"test:two"`},
		{"resources/read", "test:one", `"uri":""`},
	} {
		for _, meta := range []string{
			``, `"progressToken":1`, `"progressToken":{"a":1}`, `"io.modelcontextprotocol/logLevel":"debug"`, `"io.modelcontextprotocol/logLevel":1`, `"x":1e999`, `"x":` + strings.Repeat("9", 400), `"x":1e2`,
			`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}`, `"io.modelcontextprotocol/clientInfo":1`, `"io.modelcontextprotocol/clientCapabilities":null`,
			`"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}`, `"io.modelcontextprotocol/protocolVersion":"2025-11-25"`, `"io.modelcontextprotocol/protocolVersion":1`,
		} {
			headers := map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": tt.method, "Mcp-Name": tt.named}
			for _, form := range []string{
				`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s"_meta":{%s}}}`, `{"jsonrpc":"2.0","id":"<\u0061>","method":%q,"params":{%s"_meta":{%s}},"more":1}`,
				`{"jsonrpc":"1.0","id":1,"method":%q,"params":{%s"_meta":{%s}}}`, `{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s"_meta":{%s}},"result":null}`,
				`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s"_meta":{%s}},"result":{}}`, `{"jsonrpc":"2.0","method":%q,"params":{%s"_meta":{%s}}}`,
				`{"id":1,"method":%q,"params":{%s"_meta":{%s}}}`, `{"jsonrpc":2,"id":-0,"method":%q,"params":{%s"_meta":{%s}}}`,
			} {
				params, more := tt.params, meta
				if params != "" {
					params += ","
				}
				if meta != "" {
					more = "," + meta
				}
				why := tt.method + " " + params + meta + " " + form
				all = append(all,
					edge{why: "modern " + why, method: "POST", headers: headers, body: fmt.Sprintf(form, tt.method, params, modernMeta+more)},
					edge{why: "legacy " + why, method: "POST", headers: map[string]string{"Mcp-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session}, body: fmt.Sprintf(form, tt.method, params, meta)})
			}
		}
	}
	for _, params := range []string{`[]`, `"x"`, `null`, `{"_meta":null}`, `{"_meta":[]}`} {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":` + params + `}`
		all = append(all,
			edge{why: "modern " + params, method: "POST", headers: map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}, body: body},
			edge{why: "legacy " + params, method: "POST", headers: map[string]string{"Mcp-Session-Id": session}, body: body})
	}
	return all
}

// answered is all that a client sees, but for what is random.
func (e edge) answered(t *testing.T, w *world, session string) string {
	resp := e.send(t, w)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Header.Del("Date")
	if resp.Header.Get(server.HeaderKeySessionID) != "" {
		resp.Header.Set(server.HeaderKeySessionID, "one")
	}
	var header strings.Builder
	if err := resp.Header.Write(&header); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(body), session, "session")
	return resp.Status + "\n" + header.String() + regexp.MustCompile(`(?m)^id: .*$`).ReplaceAllString(text, "id")
}

// A plain call is answered, byte for byte, as one that goes through mcp-go's
// HTTP server.
func TestPlain_Same(t *testing.T) {
	requires := func(tool string) Capabilities {
		if tool == "ask" {
			return Capabilities{"elicitation": {"form": {}}}
		}
		return nil
	}
	open := func() (*world, *int) {
		plain := new(int)
		return newWorld(t, offering(), Config{Requires: requires, Plain: func(string) bool { *plain++; return true }}), plain
	}
	plain, asked := open()
	through, _ := open()
	through.tr.plainMethods = nil
	plainSession, throughSession := plain.session(), through.session()
	cases := append(edgeCases(plainSession), plainCases(plainSession)...)
	others := append(edgeCases(throughSession), plainCases(throughSession)...)
	for i, tt := range cases {
		got, want := tt.answered(t, plain, plainSession), others[i].answered(t, through, throughSession)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", tt.why, diff)
		}
	}
	if *asked == 0 {
		t.Error("no call was plain")
	}
}

// What may have more to say than its result is no plain call, nor is what may be
// refused.
func TestPlain_which(t *testing.T) {
	for why, tt := range map[string]struct {
		plain  func(string) bool
		method string
		params string
		want   bool
	}{
		"a tool with a header": {func(name string) bool { return name != "who" }, "tools/call", `"name":"who"`, false},
		"a tool without":       {func(name string) bool { return name == "who" }, "tools/call", `"name":"who"`, true},
		"a tool nobody knows":  {nil, "tools/call", `"name":"who"`, false},
		"a list":               {nil, "tools/list", ``, true},
		"a prompt":             {nil, "prompts/get", `"name":"hello"`, true},
		"a subscription":       {nil, "resources/subscribe", `"uri":"test:one"`, false},
		"an unknown method":    {nil, "no/such", ``, false},
	} {
		t.Run(why, func(t *testing.T) {
			w := newWorld(t, offering(), Config{Plain: tt.plain})
			r, m, err := Read(w.modern(t.Context(), 1, tt.method, tt.params, ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := w.tr.isPlain(r, m); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			for _, meta := range []string{`"progressToken":1`, `"io.modelcontextprotocol/logLevel":"info"`} {
				r, m, err := Read(w.modern(t.Context(), 1, tt.method, tt.params, meta))
				if err != nil {
					t.Fatal(err)
				}
				if w.tr.isPlain(r, m) {
					t.Errorf("with %s it is a plain call", meta)
				}
			}
		})
	}
}
