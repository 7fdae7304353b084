package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// probe is one HTTP request to an MCP URL as a test writes it out: clients that
// know how to behave never send most of them.
type probe struct {
	verb   string // empty: POST
	place  string // below /mcp
	token  string
	header map[string]string // beside those that every request has; "" removes one
	body   string
}

// reply is the answer to a probe. Of a stream that stays open there is no body.
type reply struct {
	status int
	header http.Header
	body   string
}

// send sends p and reads the answer.
func (p probe) send(t testing.TB, base string) reply {
	t.Helper()
	resp := p.open(t, base)
	defer resp.Body.Close()
	stays := resp.Header.Get("Content-Type") == "text/event-stream" && (p.verb == http.MethodGet || p.header["Mcp-Method"] == "subscriptions/listen")
	if stays {
		return reply{status: resp.StatusCode, header: resp.Header}
	}
	return readReply(t, resp)
}

func readReply(t testing.TB, resp *http.Response) reply {
	t.Helper()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(raw)}
}

// open sends p and leaves the body to the test.
func (p probe) open(t testing.TB, base string) *http.Response {
	t.Helper()
	resp, err := p.do(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// try is send on a goroutine that is not the test's: it says what went wrong.
func (p probe) try(ctx context.Context, base string) (got reply, failed string) {
	resp, err := p.do(ctx, base)
	if err != nil {
		return reply{}, err.Error()
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return reply{}, err.Error()
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(raw)}, ""
}

func (p probe) do(ctx context.Context, base string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(p.verb, http.MethodPost), base+"/mcp"+p.place, strings.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for name, value := range p.header {
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	return http.DefaultClient.Do(req)
}

// with returns p with further headers.
func (p probe) with(header map[string]string) probe {
	all := maps.Clone(p.header)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, header)
	p.header = all
	return p
}

func (p probe) at(place, token string) probe {
	p.place, p.token = place, token
	return p
}

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// modern is a request of 2026-07-28. params are those beside _meta.
func modern(method, name, params string) probe {
	if params != "" {
		params += ","
	}
	p := probe{
		header: map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method},
		body:   fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":{%s%s}}`, method, params, modernMeta),
	}
	if name != "" {
		p.header["Mcp-Name"] = name
	}
	return p
}

// modernCall is a tools/call of 2026-07-28.
func modernCall(tool, arguments string) probe {
	return modern("tools/call", tool, fmt.Sprintf(`"name":%q,"arguments":%s`, tool, arguments))
}

// legacy is a request of 2025-11-25 in a session; "" is none.
func legacy(session, method, params string) probe {
	return probe{
		header: map[string]string{"Mcp-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session},
		body:   fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":{%s}}`, method, params),
	}
}

func initializing(version string) probe {
	return probe{body: fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"probe","version":"1"}}}`, version)}
}

// session opens a legacy session and returns its id.
func (r *runner) session(place, token string) string {
	r.t.Helper()
	got := initializing("2025-11-25").at(place, token).send(r.t, r.url)
	id := got.header.Get("Mcp-Session-Id")
	if got.status != http.StatusOK || id == "" {
		r.t.Fatalf("initialize at /mcp%s: %d %s", place, got.status, got.body)
	}
	if got := (probe{body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, header: map[string]string{"Mcp-Session-Id": id}}).at(place, token).send(r.t, r.url); got.status != http.StatusAccepted {
		r.t.Fatalf("notifications/initialized: %d %s", got.status, got.body)
	}
	return id
}

// message is the JSON-RPC message of an answer, plain or the last of a stream.
func (got reply) message(t testing.TB) (m struct {
	ID     json.RawMessage
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
}) {
	t.Helper()
	raw := []byte(got.body)
	if strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") {
		for line := range bytes.Lines([]byte(got.body)) {
			if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && len(bytes.TrimSpace(data)) > 0 {
				raw = data
			}
		}
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Errorf("%d, and no JSON: %v\n%.300s", got.status, err, got.body)
	}
	return m
}

// alike fails the test if two answers can be told apart, but for what differs
// from one request to the next in any case.
func alike(t testing.TB, what string, got, want reply) {
	t.Helper()
	visible := func(r reply) map[string]any {
		header := r.header.Clone()
		for _, name := range []string{"Date", "X-Request-Id"} {
			header.Del(name)
		}
		return map[string]any{"status": r.status, "header": header, "body": r.body}
	}
	if diff := gocmp.Diff(visible(want), visible(got)); diff != "" {
		t.Errorf("%s can be told apart (-unknown +%s):\n%s", what, what, diff)
	}
}
