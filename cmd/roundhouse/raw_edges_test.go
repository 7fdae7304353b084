package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestRawEdges sends what no library sends. "in a session" stands for the id of
// one.
func TestRawEdges(t *testing.T) {
	const place, inSession = "/acme-outdoors", "in a session"
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "").token(t)
	id := r.session(place, token)

	list := modern("tools/list", "", "")
	body := func(p probe, body string) probe { p.body = body; return p }
	for why, c := range map[string]struct {
		p      probe
		status int
		code   int // of JSON-RPC; 0: a result, or none
	}{
		"modern":                         {list, 200, 0},
		"modern, no version header":      {list.with(map[string]string{"Mcp-Protocol-Version": ""}), 400, -32020},
		"modern, no Mcp-Method":          {list.with(map[string]string{"Mcp-Method": ""}), 400, -32020},
		"modern, another Mcp-Method":     {list.with(map[string]string{"Mcp-Method": "prompts/list"}), 400, -32020},
		"modern, no Mcp-Name":            {modernCall("whoami", "{}").with(map[string]string{"Mcp-Name": ""}), 400, -32020},
		"modern, another Mcp-Name":       {modernCall("whoami", "{}").with(map[string]string{"Mcp-Name": "find_projects"}), 400, -32020},
		"modern, versions that differ":   {list.with(map[string]string{"Mcp-Protocol-Version": "2025-11-25"}), 400, -32020},
		"modern, a version to come":      {future(list), 400, -32022},
		"modern, no _meta":               {body(list, `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}`), 400, -32602},
		"modern, Last-Event-ID":          {list.with(map[string]string{"Last-Event-ID": "1"}), 200, 0},
		"modern, somebody's session":     {list.with(map[string]string{"Mcp-Session-Id": "made-up"}), 200, 0},
		"modern, id null":                {body(list, strings.Replace(list.body, `"id":7`, `"id":null`, 1)), 400, -32600},
		"modern, id an object":           {body(list, strings.Replace(list.body, `"id":7`, `"id":{}`, 1)), 400, -32600},
		"modern, an unknown method":      {modern("tools/burn", "", ""), 404, -32601},
		"modern, ping":                   {modern("ping", "", ""), 404, -32601},
		"modern, initialize":             {modern("initialize", "", ""), 404, -32601},
		"modern, a notification":         {body(list.with(map[string]string{"Mcp-Method": ""}), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,`+modernMeta+`}}`), 202, 0},
		"modern, a batch":                {body(list, "["+list.body+"]"), 400, -32600},
		"modern, an empty batch":         {body(list, "[]"), 400, -32600},
		"modern, half a body":            {body(list, list.body[:len(list.body)-3]), 400, -32700},
		"modern, nothing":                {body(list, ""), 400, -32700},
		"modern, a number":               {body(list, "7"), 400, -32700},
		"modern, text/plain":             {list.with(map[string]string{"Content-Type": "text/plain"}), 415, 0},
		"modern, no content type":        {list.with(map[string]string{"Content-Type": ""}), 415, 0},
		"modern, Accept JSON alone":      {list.with(map[string]string{"Accept": "application/json"}), 200, 0},
		"modern, GET":                    {probe{verb: http.MethodGet, header: map[string]string{"Mcp-Protocol-Version": "2026-07-28"}}, 405, 0},
		"modern, GET with a session":     {probe{verb: http.MethodGet, header: map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Session-Id": inSession}}, 405, 0},
		"modern, DELETE with a session":  {probe{verb: http.MethodDelete, header: map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Session-Id": inSession}}, 405, 0},
		"modern, listen to nothing":      {modern("subscriptions/listen", "", `"notifications":{}`), 200, 0},
		"PUT":                            {probe{verb: http.MethodPut, body: list.body}, 405, 0},
		"PATCH":                          {probe{verb: http.MethodPatch, body: list.body}, 405, 0},
		"HEAD":                           {probe{verb: http.MethodHead}, 405, 0},
		"another Host":                   {list.with(map[string]string{"Host": "evil.example"}), 421, 0},
		"initialize":                     {initializing("2025-11-25"), 200, 0},
		"initialize at 2026-07-28":       {initializing("2026-07-28"), 200, 0},
		"initialize at 2024-11-05":       {initializing("2024-11-05"), 200, 0},
		"initialize at nothing":          {initializing("tomorrow"), 200, 0},
		"legacy":                         {legacy(inSession, "tools/list", ""), 200, 0},
		"legacy, ping":                   {legacy(inSession, "ping", ""), 200, 0},
		"legacy, no version header":      {legacy(inSession, "tools/list", "").with(map[string]string{"Mcp-Protocol-Version": ""}), 200, 0},
		"legacy, a version never served": {legacy(inSession, "tools/list", "").with(map[string]string{"Mcp-Protocol-Version": "2024-11-05"}), 400, -32022},
		"legacy, no session":             {legacy("", "tools/list", ""), 400, 0},
		"legacy, _meta of it, no session": {body(legacy("", "", ""), `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","io.modelcontextprotocol/clientCapabilities":{}}}}`),
			400, 0},
		"legacy, a forged session":  {legacy(strings.Repeat("A", len(id)), "tools/list", ""), 404, 0},
		"legacy, id null":           {body(legacy(inSession, "", ""), `{"jsonrpc":"2.0","id":null,"method":"tools/list"}`), 400, -32600},
		"legacy, a notification":    {body(legacy(inSession, "", ""), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`), 202, 0},
		"legacy, a batch":           {body(legacy(inSession, "", ""), `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`), 400, -32600},
		"legacy, half a body":       {body(legacy(inSession, "", ""), `{"jsonrpc":"2.0","id":1,`), 400, -32700},
		"legacy, text/plain":        {legacy(inSession, "tools/list", "").with(map[string]string{"Content-Type": "text/plain"}), 415, 0},
		"legacy, Accept JSON alone": {legacy(inSession, "tools/list", "").with(map[string]string{"Accept": "application/json"}), 200, 0},
		"legacy, an unknown method": {legacy(inSession, "tools/burn", ""), 200, -32601},
		"GET without a session":     {probe{verb: http.MethodGet}, 400, 0},
		"DELETE without a session":  {probe{verb: http.MethodDelete}, 400, 0},
	} {
		t.Run(why, func(t *testing.T) {
			p := c.p
			if p.header["Mcp-Session-Id"] == inSession {
				p = p.with(map[string]string{"Mcp-Session-Id": id})
			}
			got := p.at(place, token).send(t, r.url)
			if got.status != c.status {
				t.Errorf("%d, want %d: %s %.300s", got.status, c.status, got.header.Get("Content-Type"), got.body)
			}
			checkForm(t, p, got, c.code)
		})
	}
}

// future asks for a version that nobody has written yet.
func future(p probe) probe {
	p = p.with(map[string]string{"Mcp-Protocol-Version": "2099-01-01"})
	p.body = strings.Replace(p.body, "2026-07-28", "2099-01-01", 1)
	return p
}

// checkForm wants every answer to be one that a client can read: a refusal of
// any sort is a JSON-RPC error, or clients of both eras take us for a server of
// the older one.
func checkForm(t *testing.T, p probe, got reply, code int) {
	t.Helper()
	switch {
	case got.status == http.StatusAccepted:
		if got.body != "" {
			t.Errorf("202 with a body: %.200s", got.body)
		}
		return
	case p.verb == http.MethodHead, got.status == http.StatusOK && got.body == "": // a stream
		return
	}
	m := got.message(t)
	if (m.Error != nil) != (got.status != http.StatusOK || code != 0) {
		t.Errorf("%d with %.300s", got.status, got.body)
		return
	}
	if m.Error != nil && (code != 0 && m.Error.Code != code || m.Error.Message == "") {
		t.Errorf("code %d %q, want %d", m.Error.Code, m.Error.Message, code)
	}
	if got.status != http.StatusOK && got.header.Get("Content-Type") != "application/json" {
		t.Errorf("a refusal as %q", got.header.Get("Content-Type"))
	}
	switch {
	case code == -32022:
		var data struct {
			Supported []string
			Requested string
		}
		if err := json.Unmarshal(m.Error.Data, &data); err != nil || !slices.Contains(data.Supported, "2025-11-25") || slices.Contains(data.Supported, "2024-11-05") || data.Requested == "" {
			t.Errorf("data is %s", m.Error.Data)
		}
	case got.status == http.StatusMethodNotAllowed && p.header["Mcp-Protocol-Version"] == "2026-07-28":
		if got.header.Get("Allow") != http.MethodPost {
			t.Errorf("Allow is %q", got.header.Get("Allow"))
		}
	case strings.Contains(p.body, `"initialize"`) && got.status == http.StatusOK:
		var result struct{ ProtocolVersion string }
		if err := json.Unmarshal(m.Result, &result); err != nil || result.ProtocolVersion != "2025-11-25" {
			t.Errorf("offered %q, want the newest version that has initialize", result.ProtocolVersion)
		}
	}
}
