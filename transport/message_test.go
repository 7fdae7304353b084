package transport

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMessage_parse(t *testing.T) {
	for _, tt := range []struct {
		why, body string
		want      Message
	}{
		{"a call", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","arguments":{"name":"x","_meta":{}},"_meta":{
			"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}},
			"io.modelcontextprotocol/logLevel":"info","progressToken":0}}}`,
			Message{Form: Object, ID: json.RawMessage(`7`), Method: "tools/call", Name: "whoami", Version: "2026-07-28",
				Capabilities: json.RawMessage(`{"elicitation":{"form":{}}}`), LogLevel: "info", ProgressToken: json.RawMessage(`0`)}},
		{"space everywhere", " \r\n{ \"id\" : \"a b\" ,\t\"method\" : \"m\" , \"params\" : { } } ",
			Message{Form: Object, ID: json.RawMessage(`"a b"`), Method: "m"}},
		{"escapes", `{"\u006dethod":"a\u002fb","params":{"uri":"x\"},{","taskId":"ü"}}`, Message{Form: Object, Method: "a/b", URI: `x"},{`, TaskID: "ü"}},
		{"an answer", `{"jsonrpc":"2.0","id":1,"result":{"method":"no"}}`, Message{Form: Object, ID: json.RawMessage(`1`), Answers: true}},
		{"null is no id to answer", `{"id":null,"method":"m"}`, Message{Form: Object, ID: json.RawMessage(`null`), Method: "m"}},
		{"a retry", `{"method":"tools/call","params":{"requestState":"s"}}`, Message{Form: Object, Method: "tools/call", Input: true}},
		{"initialize", `{"method":"initialize","params":{"protocolVersion":"2024-11-05"}}`,
			Message{Form: Object, Method: "initialize", Initialize: json.RawMessage(`"2024-11-05"`)}},
		{"wrong types", `{"method":5,"params":{"name":{},"_meta":[1]}}`, Message{Form: Object}},
		{"params as an array", `{"method":"m","params":[{"name":"x"}]}`, Message{Form: Object, Method: "m"}},
		{"twice", `{"method":"a","params":{"name":"x","name":"y"}}`, Message{Form: Object, Method: "a", Name: "y", Twice: "name"}},
		{"in another case", `{"method":"a","Params":{"name":"x"}}`, Message{Form: Object, Method: "a", Twice: "params"}},
		{"with a letter that folds", "{\"method\":\"a\",\"params\":{\"tas\u212aId\":\"x\"}}", Message{Form: Object, Method: "a", Twice: "taskId"}},
		{"a batch", ` [{"id":1,"method":"ping"}]`, Message{Form: Batch}},
		{"a string", `"method"`, Message{Form: Broken}},
		{"half", `{"id":1,"method":"m"`, Message{Form: Broken}},
		{"two", `{"id":1}{"id":2}`, Message{Form: Broken}},
		{"nothing", " ", Message{Form: Broken}},
		{"deep", strings.Repeat("[", 20_000), Message{Form: Broken}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var got Message
			got.parse([]byte(tt.body))
			if string(got.Body) != tt.body {
				t.Errorf("body %q", got.Body)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Message{}, "Body")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRead(t *testing.T) {
	post := func(version, body string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(body))
		r.Header.Set("Mcp-Protocol-Version", version)
		return r
	}
	for _, tt := range []struct {
		why, version, body string
		modern             bool
	}{
		{"by both", "2026-07-28", `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, true},
		{"by the header", "2026-07-28", `{}`, true},
		{"by _meta", "", `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01"}}}`, true},
		{"an older one", "2025-11-25", `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}}`, false},
		{"none", "", `{}`, false},
	} {
		r, m, err := Read(post(tt.version, tt.body))
		if err != nil || m.Modern != tt.modern || m.Header != tt.version {
			t.Errorf("%s: %+v, %v, want modern %v", tt.why, m, err, tt.modern)
		}
		if _, again, _ := Read(r); again != m {
			t.Errorf("%s: read twice", tt.why)
		}
	}
	if _, _, err := Read(post("", strings.Repeat(" ", maxBody+1))); err != errTooLarge {
		t.Errorf("a large body: %v", err)
	}
	unknown := post("", strings.Repeat(" ", maxBody+1))
	unknown.ContentLength = -1
	if _, _, err := Read(unknown); err != errTooLarge {
		t.Errorf("a large body of unknown length: %v", err)
	}
}

// FuzzMessage holds what is read against encoding/json, which mcp-go uses.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{`{"id":1,"method":"m","params":{"name":"n","_meta":{"progressToken":"x"}}}`, `{"a":[1,{"b":"\\\""}],"id":-1.5e3,"method":"\ud800"}`, `[]`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var m Message
		m.parse(body)
		if m.Form != Object || m.Twice != "" {
			return
		}
		var want struct {
			ID     json.RawMessage `json:"id"`
			Method json.RawMessage `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%q is taken for an object: %v", body, err)
		}
		if string(want.ID) != string(m.ID) || text(want.Method) != m.Method {
			t.Errorf("%q: id %q method %q, want %q %q", body, m.ID, m.Method, want.ID, want.Method)
		}
		var params struct {
			Name json.RawMessage `json:"name"`
			Meta struct {
				Token json.RawMessage `json:"progressToken"`
			} `json:"_meta"`
		}
		if json.Unmarshal(want.Params, &params) == nil && text(params.Name) != m.Name {
			t.Errorf("%q: name %q, want %q", body, m.Name, params.Name)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search_issues","arguments":{"query":"is:unresolved","limit":25},"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"claude-code","version":"2.1.330"},
		"io.modelcontextprotocol/clientCapabilities":{"roots":{"listChanged":true},"elicitation":{"form":{},"url":{}}},"progressToken":3}}}`
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	b.ReportAllocs()
	for b.Loop() {
		r.ContentLength = int64(len(body))
		r.Body = struct {
			*strings.Reader
			noClose
		}{Reader: strings.NewReader(body)}
		if _, m, err := Read(r); err != nil || m.Name != "search_issues" {
			b.Fatal(m, err)
		}
	}
}

type noClose struct{}

func (noClose) Close() error { return nil }
