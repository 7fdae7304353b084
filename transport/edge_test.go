package transport

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/jsonrpc"
)

// edges is a server of which one tool needs what few clients have.
func edges(t *testing.T) *world {
	return newWorld(t, talker(), Config{Requires: func(tool string) Capabilities {
		if tool == "ask" {
			return Capabilities{"elicitation": {"form": {}}}
		}
		return nil
	}})
}

const (
	metaOf    = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	modernAsk = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + metaOf + `}}`
	legacyAsk = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
)

// edge is a request, and what the answer is.
type edge struct {
	why, method string
	headers     map[string]string
	body        string
	status      int
	code        int    // of the error; 0: none
	in          string // the body
}

// edgeCases are requests that no good client sends, and some that are good.
func edgeCases(session string) []edge {
	modern := map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
	legacy := map[string]string{"Mcp-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session}
	with := func(headers map[string]string, more ...string) map[string]string {
		all := map[string]string{}
		for name, value := range headers {
			all[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	asking := func(version string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + version + `","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	}
	call := func(name, capabilities string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":{},` + strings.Replace(metaOf, "{}", capabilities, 1) + `}}`
	}
	ask := with(modern, "Mcp-Method", "tools/call", "Mcp-Name", "ask")

	return []edge{
		{"modern", "POST", modern, modernAsk, 200, 0, `"resultType":"complete"`},
		{"no version header", "POST", with(modern, "Mcp-Protocol-Version", ""), modernAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"no Mcp-Method", "POST", with(modern, "Mcp-Method", ""), modernAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"another Mcp-Method", "POST", with(modern, "Mcp-Method", "tools/call"), modernAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"another version in _meta", "POST", with(modern, "Mcp-Protocol-Version", "2027-01-01"), modernAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"no _meta", "POST", modern, legacyAsk, 400, jsonrpc.InvalidParams, ""},
		{"with Last-Event-ID, which is ignored", "POST", with(modern, "Last-Event-ID", "1"), modernAsk, 200, 0, ""},
		{"with a session, which is ignored", "POST", with(modern, "Mcp-Session-Id", session), modernAsk, 200, 0, ""},
		{"with no good session, which is ignored", "POST", with(modern, "Mcp-Session-Id", "x"), modernAsk, 200, 0, ""},
		{"a version of the future", "POST", with(modern, "Mcp-Protocol-Version", "2027-01-01"), strings.ReplaceAll(modernAsk, "2026-07-28", "2027-01-01"),
			400, jsonrpc.UnsupportedVersion, `"requested":"2027-01-01"`},
		{"it tells what is served", "POST", with(modern, "Mcp-Protocol-Version", "2027-01-01"), strings.ReplaceAll(modernAsk, "2026-07-28", "2027-01-01"),
			400, jsonrpc.UnsupportedVersion, `"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"]`},
		{"no such method", "POST", with(modern, "Mcp-Method", "no/such"), strings.Replace(modernAsk, "tools/list", "no/such", 1), 404, jsonrpc.MethodNotFound, ""},
		{"a removed method", "POST", with(modern, "Mcp-Method", "ping"), strings.Replace(modernAsk, "tools/list", "ping", 1), 404, jsonrpc.MethodNotFound, ""},
		{"modern initialize", "POST", with(modern, "Mcp-Method", "initialize"), strings.Replace(modernAsk, "tools/list", "initialize", 1), 404, jsonrpc.MethodNotFound, ""},
		{"two versions", "POST", with(modern, "Mcp-Protocol-Version", "2026-07-28|2025-11-25"), modernAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"modern GET", "GET", modern, "", 405, 405, ""},
		{"modern DELETE", "DELETE", modern, "", 405, 405, ""},
		{"a notification", "POST", modern, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,` + metaOf + `}}`, 202, 0, ""},
		{"a notification without _meta", "POST", with(modern, "Mcp-Method", ""), `{"jsonrpc":"2.0","method":"notifications/cancelled"}`, 202, 0, ""},
		{"an answer, which nobody waits for", "POST", modern, `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, 400, jsonrpc.InvalidRequest, ""},
		{"id null", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":null`, 1), 400, jsonrpc.InvalidRequest, `"id":null`},
		{"id an object", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":{}`, 1), 400, jsonrpc.InvalidRequest, `"id":null`},
		{"id a fraction", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":1.5`, 1), 400, jsonrpc.InvalidRequest, ""},
		{"id that a float would change", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":9007199254740993`, 1), 400, jsonrpc.InvalidRequest, ""},
		{"id text", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":"a"`, 1), 200, 0, `"id":"a"`},
		{"id text without end", "POST", modern, strings.Replace(modernAsk, `"id":1`, `"id":"`+strings.Repeat("a", 300)+`"`, 1), 400, jsonrpc.InvalidRequest, `"id":null`},
		{"a progress token without end", "POST", modern, strings.Replace(modernAsk, `"_meta":{`, `"_meta":{"progressToken":"`+strings.Repeat("a", 300)+`",`, 1), 400, jsonrpc.InvalidRequest, "progressToken"},
		{"a member twice", "POST", modern, strings.Replace(modernAsk, `"params"`, `"Method":"tools/call","params"`, 1), 400, jsonrpc.InvalidRequest, "method"},
		{"a batch", "POST", modern, "[" + modernAsk + "]", 400, jsonrpc.InvalidRequest, "batch"},
		{"null", "POST", modern, "null", 400, jsonrpc.ParseError, ""},
		{"nothing", "POST", modern, "", 400, jsonrpc.ParseError, ""},
		{"half", "POST", modern, `{"jsonrpc":`, 400, jsonrpc.ParseError, ""},
		{"text/plain", "POST", with(modern, "Content-Type", "text/plain"), modernAsk, 415, 415, ""},
		{"with a charset", "POST", with(modern, "Content-Type", "application/json; charset=utf-8"), modernAsk, 200, 0, ""},
		{"Accept: application/json", "POST", with(modern, "Accept", "application/json"), modernAsk, 200, 0, ""},
		{"Accept: text/html", "POST", with(modern, "Accept", "text/html"), modernAsk, 406, 406, ""},
		{"Accept: */*", "POST", with(modern, "Accept", "*/*"), modernAsk, 200, 0, ""},
		{"listen without events", "POST", with(modern, "Accept", "application/json", "Mcp-Method", "subscriptions/listen"),
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},` + metaOf + `}}`, 406, 406, ""},
		{"listen with an empty filter", "POST", with(modern, "Mcp-Method", "subscriptions/listen"),
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},` + metaOf + `}}`, 200, 0, "notifications/subscriptions/acknowledged"},
		{"listen with much that nobody reads", "POST", with(modern, "Mcp-Method", "subscriptions/listen"),
			`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"much":"` + strings.Repeat("a", 40<<10) + `","notifications":{"toolsListChanged":true},` + metaOf + `}}`, 413, 413, `"id":1`},
		{"a capability that is missing", "POST", ask, call("ask", "{}"), 400, jsonrpc.MissingCapability, `"data":{"requiredCapabilities":{"elicitation":{"form":{}}}}`},
		{"another mode of it", "POST", ask, call("ask", `{"elicitation":{"url":{}}}`), 400, jsonrpc.MissingCapability, ""},
		{"null for it", "POST", ask, call("ask", `{"elicitation":null}`), 400, jsonrpc.MissingCapability, ""},
		{"the capability", "POST", ask, call("ask", `{"elicitation":{"form":{}}}`), 400, jsonrpc.InvalidParams, "ask"},
		{"the capability as it was written before", "POST", ask, call("ask", `{"elicitation":{}}`), 400, jsonrpc.InvalidParams, "ask"},
		{"no capabilities at all", "POST", ask, strings.Replace(call("ask", "{}"), `,"io.modelcontextprotocol/clientCapabilities":{}`, "", 1), 400, jsonrpc.InvalidParams, "clientCapabilities"},
		{"a header that lies about the tool", "POST", with(ask, "Mcp-Name", "talk"), call("ask", "{}"), 400, jsonrpc.MissingCapability, ""},

		{"legacy", "POST", legacy, legacyAsk, 200, 0, `"tools"`},
		{"legacy without a version", "POST", with(legacy, "Mcp-Protocol-Version", ""), legacyAsk, 200, 0, `"tools"`},
		{"legacy under the header of a stream", "POST", with(legacy, "Mcp-Method", "Subscriptions/Listen"), legacyAsk, 400, jsonrpc.HeaderMismatch, "Mcp-Method"},
		{"legacy of a version not served", "POST", with(legacy, "Mcp-Protocol-Version", "2024-11-05"), legacyAsk, 400, jsonrpc.UnsupportedVersion, `"requested":"2024-11-05"`},
		{"legacy of no version", "POST", with(legacy, "Mcp-Protocol-Version", "1999"), legacyAsk, 400, jsonrpc.UnsupportedVersion, ""},
		{"a legacy version in _meta, without a session", "POST", nil, strings.ReplaceAll(modernAsk, "2026-07-28", "2025-11-25"), 400, jsonrpc.InvalidRequest, "initialize"},
		{"legacy without a session", "POST", nil, legacyAsk, 400, jsonrpc.InvalidRequest, "initialize"},
		{"legacy GET without a session", "GET", nil, "", 400, jsonrpc.InvalidRequest, "initialize"},
		{"a GET to see what is there, of 2024-11-05", "GET", map[string]string{"Mcp-Protocol-Version": "2024-11-05", "Accept": "*/*"}, "", 400, jsonrpc.UnsupportedVersion, ""},
		{"a GET that takes no events", "GET", with(legacy, "Accept", "text/html"), "", 406, 406, ""},
		{"legacy DELETE without a session", "DELETE", nil, "", 400, jsonrpc.InvalidRequest, ""},
		{"an invented session", "POST", with(legacy, "Mcp-Session-Id", "mcp-session-00000000-0000-4000-8000-000000000000"), legacyAsk, 404, 404, "initialize"},
		{"two sessions", "POST", with(legacy, "Mcp-Session-Id", session+"|"+session), legacyAsk, 400, jsonrpc.HeaderMismatch, ""},
		{"legacy notification", "POST", legacy, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 202, 0, ""},
		{"legacy notification without a session", "POST", nil, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 400, jsonrpc.InvalidRequest, ""},
		{"legacy id null", "POST", legacy, strings.Replace(legacyAsk, `"id":1`, `"id":null`, 1), 400, jsonrpc.InvalidRequest, ""},
		{"a legacy batch", "POST", legacy, "[" + legacyAsk + "]", 400, jsonrpc.InvalidRequest, "batch"},
		{"an answer to no question", "POST", legacy, `{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, 400, jsonrpc.InvalidRequest, ""},
		{"an answer to a question that has text for an id", "POST", legacy, `{"jsonrpc":"2.0","id":"x","result":{"a":1}}`, 400, jsonrpc.InvalidRequest, ""},
		{"initialize", "POST", nil, asking("2025-06-18"), 200, 0, `"protocolVersion":"2025-06-18"`},
		{"initialize for a modern one", "POST", nil, asking("2026-07-28"), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize for HTTP+SSE", "POST", nil, asking("2024-11-05"), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize for no version", "POST", nil, asking("1999"), 200, 0, `"protocolVersion":"2025-11-25"`},
		{"initialize without an id", "POST", nil, strings.Replace(asking("2025-11-25"), `"id":1,`, "", 1), 400, jsonrpc.InvalidRequest, ""},

		{"PUT", "PUT", legacy, legacyAsk, 405, 405, ""},
		{"PATCH", "PATCH", modern, modernAsk, 405, 405, ""},
		{"OPTIONS", "OPTIONS", nil, "", 405, 405, ""},
		{"a method of its own", "ET", nil, "", 405, 405, ""},
	}
}

// send sends it; "|" separates the values of a header that is there twice.
func (e edge) send(t *testing.T, w *world) *http.Response {
	t.Helper()
	r := w.request(t.Context(), e.method, e.body)
	for name, value := range e.headers {
		r.Header.Del(name)
		for one := range strings.SplitSeq(value, "|") {
			if one != "" {
				r.Header.Add(name, one)
			}
		}
	}
	return w.do(r)
}

// TestEdges sends what no good client does. Every refusal is JSON-RPC: a bare
// 400 would make a client take the server for one of before 2026-07-28.
func TestEdges(t *testing.T) {
	w := edges(t)
	for _, tt := range edgeCases(w.session()) {
		t.Run(tt.why, func(t *testing.T) {
			resp := tt.send(t, w)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.in) {
				t.Fatalf("%s %s, want %d and %q", resp.Status, body, tt.status, tt.in)
			}
			if modern := strings.HasPrefix(tt.why, "modern") || tt.headers["Mcp-Method"] != ""; modern && resp.Header.Get(server.HeaderKeySessionID) != "" {
				t.Error("a session in the modern era")
			}
			if resp.StatusCode == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			var got struct {
				JSONRPC string
				Error   struct {
					Code    int
					Message string
				}
			}
			if tt.code == 0 {
				return
			}
			if err := json.Unmarshal(body, &got); err != nil || got.JSONRPC != "2.0" || got.Error.Message == "" || resp.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s %s: %v, want JSON-RPC", resp.Header.Get("Content-Type"), body, err)
			}
			if got.Error.Code != tt.code {
				t.Errorf("code %d, want %d: %s", got.Error.Code, tt.code, body)
			}
		})
	}
}

// A client that has gone before its request was looked at is answered with
// nothing, and not with a panic.
func TestEdges_Gone(t *testing.T) {
	tr := New(talker(), Config{})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for method, body := range map[string]string{
		"tools/list":           modernAsk,
		"subscriptions/listen": `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{},` + metaOf + `}}`,
		"initialize":           `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
	} {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if method != "initialize" {
			r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
			r.Header.Set("Mcp-Method", method)
		}
		w := httptest.NewRecorder()
		tr.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}
