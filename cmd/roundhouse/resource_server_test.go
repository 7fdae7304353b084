package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// openings are the ways in which a client may begin, in either era.
var openings = map[string]probe{
	"modern":     modern("server/discover", "", ""),
	"initialize": initializing("2025-11-25"),
	"GET":        {verb: http.MethodGet, header: map[string]string{"Mcp-Protocol-Version": "2024-11-05"}}, // as Codex and mcp-remote do
	"DELETE":     {verb: http.MethodDelete},
}

// TestResourceServer tests what MCP and RFC 9728 demand of a server that takes
// tokens, and what they advise. The conformance suite has nothing for it.
func TestResourceServer(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	logins := resourceLogins{
		all:     r.login(mara, "", "inspect", "triage").token(t),
		reads:   r.login(mara, "", "inspect").token(t),
		org:     r.login(mara, "/acme-outdoors").token(t),
		project: r.login(mara, "/acme-outdoors/storefront").token(t),
		expired: r.login(mara, "").token(t),
	}
	expireNewest(t, data)
	t.Run("challenge", func(t *testing.T) { testChallenge(t, r, logins) })
	t.Run("metadata", func(t *testing.T) { testMetadata(t, r) })
	t.Run("audience", func(t *testing.T) { testAudience(t, r, logins) })
	t.Run("origin", func(t *testing.T) { testOrigin(t, r, logins.all) })
	t.Run("answer", func(t *testing.T) { testAnswer(t, r, logins.all) })
	t.Run("scope", func(t *testing.T) { testScope(t, r, logins) })
}

// resourceLogins are access tokens of one user.
type resourceLogins struct {
	all, reads   string // at /mcp
	org, project string // at /mcp/acme-outdoors and /mcp/acme-outdoors/storefront
	expired      string
}

// expireNewest lets the access token that was made last be of the past.
func expireNewest(t *testing.T, data string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "roundhouse.db")) // package oauth has registered the driver
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE access_tokens SET expires_at = created_at WHERE rowid = (SELECT max(rowid) FROM access_tokens)"); err != nil {
		t.Fatal(err)
	}
}

var challengePart = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// challenged returns the parts of the Bearer challenge.
func challenged(t *testing.T, got reply) map[string]string {
	t.Helper()
	challenge, ok := strings.CutPrefix(got.header.Get("WWW-Authenticate"), "Bearer ")
	if !ok {
		t.Errorf("WWW-Authenticate is %q, want a Bearer challenge", got.header.Get("WWW-Authenticate"))
	}
	parts := map[string]string{}
	for _, m := range challengePart.FindAllStringSubmatch(challenge, -1) {
		parts[m[1]] = m[2]
	}
	return parts
}

// testChallenge wants 401, and the way to sign in, from every opening without a
// good token.
func testChallenge(t *testing.T, r *runner, logins resourceLogins) {
	for opening, p := range openings {
		for name, c := range map[string]struct {
			token, query string
			bad          bool // there was a token
		}{
			"no token":               {},
			"a made-up token":        {token: "made-up", bad: true},
			"an expired token":       {token: logins.expired, bad: true},
			"a token in the query":   {query: "?access_token=" + logins.all},
			"another server's token": {token: "rh_at_" + strings.Repeat("x", 43), bad: true},
		} {
			for _, place := range []string{"", "/acme-outdoors", "/acme-outdoors/storefront", "/no-such-org"} {
				got := p.at(place+c.query, c.token).send(t, r.url)
				if got.status != http.StatusUnauthorized {
					t.Errorf("%s with %s at /mcp%s: %d, want 401: %s", opening, name, place, got.status, got.body)
					continue
				}
				got.message(t)
				parts := challenged(t, got)
				if want := r.url + "/.well-known/oauth-protected-resource/mcp" + place; parts["resource_metadata"] != want {
					t.Errorf("%s with %s at /mcp%s: resource_metadata is %q, want %q", opening, name, place, parts["resource_metadata"], want)
				}
				wantError := ""
				if c.bad {
					wantError = "invalid_token"
				}
				if parts["error"] != wantError {
					t.Errorf("%s with %s: error is %q, want %q", opening, name, parts["error"], wantError)
				}
				if parts["scope"] == "" || strings.Contains(parts["scope"], "offline_access") {
					t.Errorf("%s with %s: scope is %q", opening, name, parts["scope"])
				}
			}
		}
	}
}

// document gets a public JSON document as a client does that sends its version
// wherever it goes.
func document(t *testing.T, url string) (header http.Header, values map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Mcp-Protocol-Version", "2024-11-05")
	req.Header.Set("Origin", "https://app.example.com")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s", url, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&values); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("%s: a page may not read it: Access-Control-Allow-Origin is %q", url, got)
	}
	return resp.Header, values
}

// strings of a JSON array.
func texts(value any) (all []string) {
	items, _ := value.([]any)
	for _, item := range items {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

func testMetadata(t *testing.T, r *runner) {
	for _, place := range []string{"", "/acme-outdoors", "/acme-outdoors/storefront", "/no-such-org/at-all"} {
		challenge := challenged(t, openings["modern"].at(place, "").send(t, r.url))["resource_metadata"]
		derived := r.url + "/.well-known/oauth-protected-resource/mcp" + place
		for _, url := range []string{challenge, derived} {
			_, got := document(t, url)
			if got["resource"] != r.url+"/mcp"+place {
				t.Errorf("%s: resource is %v, want %s/mcp%s", url, got["resource"], r.url, place)
			}
			if servers := texts(got["authorization_servers"]); !slices.Equal(servers, []string{r.url}) {
				t.Errorf("%s: authorization_servers are %v", url, servers)
			}
			if scopes := texts(got["scopes_supported"]); !slices.Contains(scopes, "inspect") || slices.Contains(scopes, "offline_access") {
				t.Errorf("%s: scopes_supported are %v", url, scopes)
			}
		}
	}
	// At the root, a client would take it for every resource of this host.
	if resp, err := http.Get(r.url + "/.well-known/oauth-protected-resource"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("metadata of the root, which is no resource: %v, %v", resp.StatusCode, err)
	}

	_, as := document(t, r.url+"/.well-known/oauth-authorization-server")
	if as["issuer"] != r.url {
		t.Errorf("issuer is %v, want %s", as["issuer"], r.url)
	}
	for name, want := range map[string]string{
		"code_challenge_methods_supported":      "S256",
		"token_endpoint_auth_methods_supported": "none",
		"grant_types_supported":                 "refresh_token",
		"response_types_supported":              "code",
	} {
		if got := texts(as[name]); !slices.Contains(got, want) {
			t.Errorf("%s are %v, want %s among them", name, got, want)
		}
	}
	if got := texts(as["code_challenge_methods_supported"]); slices.Contains(got, "plain") {
		t.Error("plain is no challenge")
	}
	if as["authorization_response_iss_parameter_supported"] != true || as["registration_endpoint"] == nil {
		t.Errorf("iss %v, registration at %v", as["authorization_response_iss_parameter_supported"], as["registration_endpoint"])
	}
}

// testAudience uses tokens where they are good, and beside, above and under
// that.
func testAudience(t *testing.T, r *runner, logins resourceLogins) {
	for _, c := range []struct {
		why, token, place string
		good              bool
	}{
		{"at its own URL", logins.org, "/acme-outdoors", true},
		{"below it", logins.org, "/acme-outdoors/storefront", true},
		{"everywhere, with the token for all", logins.all, "/globex-labs/collector", true},
		{"above it", logins.org, "", false},
		{"at a sibling", logins.org, "/globex-labs", false},
		{"below a sibling", logins.org, "/globex-labs/collector", false},
		{"at a name that begins alike", logins.org, "/acme-outdoors2", false},
		{"above its project", logins.project, "/acme-outdoors", false},
		{"at a project that begins alike", logins.project, "/acme-outdoors/storefront2", false},
		{"at a sibling project", logins.project, "/acme-outdoors/checkout-api", false},
	} {
		for opening, p := range openings {
			got := p.at(c.place, c.token).send(t, r.url)
			if (got.status != http.StatusUnauthorized) != c.good {
				t.Errorf("%s, %s (/mcp%s): %d %.200s", opening, c.why, c.place, got.status, got.body)
			}
			if !c.good && challenged(t, got)["error"] != "invalid_token" {
				t.Errorf("%s, %s: the challenge is %q", opening, c.why, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func testOrigin(t *testing.T, r *runner, token string) {
	for opening, p := range openings {
		for _, origin := range []string{"https://evil.example", "null", r.url + ".evil.example", strings.Replace(r.url, "http:", "https:", 1)} {
			for _, token := range []string{"", token} {
				if got := p.at("/acme-outdoors", token).with(map[string]string{"Origin": origin}).send(t, r.url); got.status != http.StatusForbidden {
					t.Errorf("%s from %s: %d, want 403", opening, origin, got.status)
				}
			}
		}
	}
	if got := openings["modern"].at("", token).with(map[string]string{"Origin": r.url}).send(t, r.url); got.status != http.StatusOK {
		t.Errorf("from our own origin: %d", got.status)
	}
}

func testAnswer(t *testing.T, r *runner, token string) {
	for _, p := range []probe{openings["modern"], modern("tools/list", "", ""), modernCall("whoami", "{}")} {
		got := p.at("/acme-outdoors", token).send(t, r.url)
		if got.status != http.StatusOK || got.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: %d, session %q", p.header["Mcp-Method"], got.status, got.header.Get("Mcp-Session-Id"))
		}
		var result struct {
			CacheScope, ResultType string
			TTL                    *int `json:"ttlMs"`
		}
		if err := json.Unmarshal(got.message(t).Result, &result); err != nil || result.ResultType != "complete" {
			t.Errorf("%s: %v, %s", p.header["Mcp-Method"], err, got.body)
		}
		if cached := p.header["Mcp-Name"] == ""; cached && (result.CacheScope != "private" || result.TTL == nil || *result.TTL <= 0) {
			t.Errorf("%s: cached for %q, %v ms", p.header["Mcp-Method"], result.CacheScope, result.TTL)
		}
	}
}

// testScope calls a tool that writes, without the skill.
func testScope(t *testing.T, r *runner, logins resourceLogins) {
	const place = "/acme-outdoors"
	arguments := `{"issueId":"STOREFRONT-1","status":"unresolved"}`
	call := modernCall("update_issue", arguments)
	inSession := func(token string) probe {
		return legacy(r.session(place, token), "tools/call", `"name":"update_issue","arguments":`+arguments).at(place, token)
	}
	behind := modernCall("execute_sentry_tool", `{"name":"update_issue","arguments":`+arguments+`}`)
	for why, p := range map[string]probe{
		"modern":                        call,
		"modern, naming a harmless one": call.with(map[string]string{"Mcp-Name": "whoami"}),
		"modern, naming another method": call.with(map[string]string{"Mcp-Method": "tools/list"}),
		"behind the gateway":            behind,
		"legacy":                        inSession(logins.reads),
	} {
		got := p.at(place, logins.reads).send(t, r.url)
		if got.status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403: %.300s", why, got.status, got.body)
			continue
		}
		parts := challenged(t, got)
		if parts["error"] != "insufficient_scope" || !slices.Contains(strings.Fields(parts["scope"]), "triage") ||
			parts["resource_metadata"] != r.url+"/.well-known/oauth-protected-resource/mcp"+place {
			t.Errorf("%s: the challenge is %v", why, parts)
		}
		got.message(t)
	}
	for why, p := range map[string]probe{"modern": call, "behind the gateway": behind, "legacy": inSession(logins.all)} {
		if got := p.at(place, logins.all).send(t, r.url); got.status != http.StatusOK {
			t.Errorf("%s, with the skill: %d %.300s", why, got.status, got.body)
		}
	}
	// Whoever reads the names in another way than the one who runs the tool
	// must not be able to tell them two different things.
	for why, body := range map[string]string{
		"two names":               strings.Replace(call.body, `"name":"update_issue"`, `"name":"update_issue","name":"whoami"`, 1),
		"two names, turned round": strings.Replace(call.body, `"name":"update_issue"`, `"name":"whoami","name":"update_issue"`, 1),
		"a name in capitals":      strings.Replace(call.body, `"name":"update_issue"`, `"name":"whoami","Name":"update_issue"`, 1),
		"two methods":             strings.Replace(call.body, `"method":"tools/call"`, `"method":"tools/list","Method":"tools/call"`, 1),
		"two params":              strings.Replace(call.body, `"params":`, `"params":{},"Params":`, 1),
	} {
		for _, headers := range []map[string]string{{}, {"Mcp-Name": "whoami"}, {"Mcp-Method": "tools/list", "Mcp-Name": ""}} {
			p := call.with(headers)
			p.body = body
			got := p.at(place, logins.reads).send(t, r.url)
			if got.status == http.StatusOK && !strings.Contains(got.body, `"isError":true`) && strings.Contains(got.body, "STOREFRONT-1") {
				t.Errorf("%s, %v: the issue was written to: %.400s", why, headers, got.body)
			}
		}
	}
}
