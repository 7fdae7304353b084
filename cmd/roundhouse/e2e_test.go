package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// contexts are the places that mara can see, and the projects whose issues show
// there.
var contexts = map[string][]string{
	"":                            {"STOREFRONT", "CHECKOUT-API", "COLLECTOR", "TELEMETRY-UI"},
	"/acme-outdoors":              {"STOREFRONT", "CHECKOUT-API"},
	"/globex-labs":                {"COLLECTOR", "TELEMETRY-UI"},
	"/acme-outdoors/storefront":   {"STOREFRONT"},
	"/acme-outdoors/checkout-api": {"CHECKOUT-API"},
	"/globex-labs/collector":      {"COLLECTOR"},
	"/globex-labs/telemetry-ui":   {"TELEMETRY-UI"},
}

const (
	mara  = "mara@example.test"  // both organizations
	jon   = "jon@example.test"   // acme-outdoors only
	priya = "priya@example.test" // globex-labs only
)

// eras are how a client can open: mcp-go's prefers the modern one by itself.
var eras = map[string][]client.ClientOption{
	"2026-07-28": nil,
	"2025-11-25": {client.WithProtocolVersion("2025-11-25")},
}

// TestEmbedded is the main job against the embedded sandbox.
func TestEmbedded(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	l := r.login(mara, "", "inspect", "triage")
	checkEveryContext(t, r, l)
	checkPinned(t, r, l)
	checkPeople(t, r)
	checkNarrowLogin(t, r)
	checkSkills(t, r)
}

// startSandbox runs the sandbox as a process of its own, with Roundhouse
// registered in it, and returns the environment to start Roundhouse with.
func startSandbox(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	data := t.TempDir()
	url := startProcess(t, `URL\s+(\S+)`, append([]string{"sandbox", "serve", "--addr", "127.0.0.1:0", "--data", data}, flags...)...)
	var app strings.Builder
	if err := run(t.Context(), []string{"sandbox", "app", "--data", data}, func(string) string { return "" }, nil, &app, io.Discard); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ROUNDHOUSE_SENTRY_URL": url}
	for line := range strings.Lines(app.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		env[name] = value
	}
	return env
}

// TestSentryURL is the same with the sandbox as a process of its own.
func TestSentryURL(t *testing.T) {
	r := start(t, t.TempDir(), startSandbox(t))
	l := r.login(mara, "", "inspect", "triage")
	checkEveryContext(t, r, l)
	checkPinned(t, r, l)
	checkPeople(t, r)
}

// TestSentryEndsTheSignIn lets Sentry refuse a token that Roundhouse still holds
// for good: the client is asked to sign in again, and nobody else is.
func TestSentryEndsTheSignIn(t *testing.T) {
	env := startSandbox(t)
	upstream, err := url.Parse(env["ROUNDHOUSE_SENTRY_URL"])
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Value // an Authorization header
	refused.Store("none")
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			refused.CompareAndSwap("next", r.Header.Get("Authorization"))
			if r.Header.Get("Authorization") == refused.Load() {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprintln(w, `{"detail":"Invalid token"}`)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	env["ROUNDHOUSE_SENTRY_URL"] = front.URL
	r := start(t, t.TempDir(), env)
	ended, other := r.login(mara, ""), r.login(mara, "")
	s := r.at(ended, "/acme-outdoors")
	s.Call("whoami", nil)
	if s.Failed() {
		t.Fatal(s.Diag())
	}

	refused.Store("next") // the next token that is used
	if out, isError := s.Try("search_issues", nil); !isError || !strings.Contains(strings.ToLower(out), "sign in") {
		t.Errorf("with a token that Sentry refuses, the model reads %q", out)
	}
	if got := r.send(http.MethodGet, "/acme-outdoors", ended.token(t)); got != http.StatusUnauthorized {
		t.Errorf("the next request: %d, want 401", got)
	}
	if again := r.at(other, "/acme-outdoors"); again.Call("whoami", nil) == "" || again.Failed() {
		t.Errorf("the other sign-in: %s", again.Diag())
	}
	if again := r.at(r.login(mara, ""), "/acme-outdoors"); again.Call("whoami", nil) == "" || again.Failed() {
		t.Errorf("after signing in again: %s", again.Diag())
	}
}

// TestRestart signs in once and uses the login before and after a restart.
func TestRestart(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	port := r.url[strings.LastIndex(r.url, ":")+1:]
	l := r.login(mara, "")
	checkEveryContext(t, r, l)
	before := l.token(t)
	r.stop()

	// The same address, because that is what the client has been given.
	again := start(t, data, nil, "--addr", "127.0.0.1:"+port)
	if again.url != r.url {
		t.Fatalf("restarted at %s, want %s", again.url, r.url)
	}
	forms := l.forms
	checkEveryContext(t, again, l)
	if l.token(t) != before || l.forms != forms {
		t.Error("the client had to sign in again")
	}
	// What a client does when its hour is over.
	c := again.connect(l, "")
	_, err := c.Initialize(t.Context(), initialize)
	if err != nil {
		t.Fatal(err)
	}
	token, err := l.config.TokenStore.GetToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := refresh(t, again, l, token.RefreshToken)
	if err != nil || refreshed == before {
		t.Errorf("refresh after the restart: %v", err)
	}
	checkEveryContext(t, again, l)
}

// refresh spends the refresh token, as the client's library does it.
func refresh(t *testing.T, r *runner, l *account, refreshToken string) (string, error) {
	trans := r.connect(l, "").GetTransport()
	handler := trans.(interface {
		GetOAuthHandler() *transport.OAuthHandler
	}).GetOAuthHandler()
	token, err := handler.RefreshToken(t.Context(), refreshToken)
	if err != nil {
		return "", err
	}
	return token.AccessToken, l.config.TokenStore.SaveToken(t.Context(), token)
}

// checkEveryContext works in all of mara's contexts at once, in both eras:
// every answer is of the context that was asked.
func checkEveryContext(t *testing.T, r *runner, l *account) {
	t.Helper()
	var work sync.WaitGroup
	for place, projects := range contexts {
		for era, options := range eras {
			work.Go(func() {
				s := r.at(l, place, options...)
				if s.version != era {
					t.Errorf("at /mcp%s: the client speaks %q, want %s", place, s.version, era)
				}
				for range 3 {
					checkContext(t, s, place, projects)
				}
				if s.Failed() {
					t.Errorf("%s, %s", era, s.Diag())
				}
			})
		}
	}
	work.Wait()
}

func checkContext(t *testing.T, s *session, place string, projects []string) {
	parts := strings.Split(place, "/")[1:]
	org, project := "", ""
	if len(parts) > 0 {
		org = parts[0]
	}
	if len(parts) > 1 {
		project = parts[1]
	}

	tools := s.Tools()
	for name, want := range map[string]bool{
		"whoami": true, "search_issues": true, "search_events": true, "get_sentry_resource": true,
		"search_sentry_tools": true, "execute_sentry_tool": true,
		"find_organizations": org == "", "find_projects": project == "",
	} {
		if _, listed := tools[name]; listed != want {
			t.Errorf("at /mcp%s: %s is listed: %v, want %v", place, name, listed, want)
		}
	}
	for parameter, want := range map[string]bool{"organizationSlug": org == "", "projectSlugOrId": project == ""} {
		if got := parameters(tools["search_issues"])[parameter]; got != want {
			t.Errorf("at /mcp%s: search_issues takes %s: %v, want %v", place, parameter, got, want)
		}
	}

	who := s.Call("whoami", nil)
	if !strings.Contains(who, mara) || org != "" && !strings.Contains(who, org) {
		t.Errorf("at /mcp%s: whoami says %s", place, who)
	}
	orgs := []string{org}
	if org == "" {
		orgs = []string{"acme-outdoors", "globex-labs"}
	}
	var found strings.Builder
	for _, o := range orgs {
		args := map[string]any{"query": "", "limit": 50}
		if org == "" {
			args["organizationSlug"] = o
		}
		found.WriteString(s.Call("search_issues", args))
	}
	checkProjects(t, place, found.String(), projects)
}

func parameters(tool mcp.Tool) map[string]bool {
	names := map[string]bool{}
	for name := range tool.InputSchema.Properties {
		names[name] = true
	}
	return names
}

// checkProjects looks for the short ids of every project, wanted or not.
func checkProjects(t *testing.T, place, answer string, want []string) {
	t.Helper()
	for _, project := range contexts[""] {
		if got := strings.Contains(answer, project+"-"); got != slices.Contains(want, project) {
			t.Errorf("at /mcp%s: issues of %s are in the answer: %v\n%.600s", place, project, got, answer)
		}
	}
}

// checkPinned tries to talk a pinned context into the other organization, and
// into the sibling project, through every argument of every tool.
func checkPinned(t *testing.T, r *runner, l *account) {
	t.Helper()
	everything := r.at(l, "")
	foreign := map[string]string{} // project to an id of an issue of it
	for org, project := range map[string]string{"globex-labs": "COLLECTOR", "acme-outdoors": "CHECKOUT-API"} {
		out := everything.Call("search_issues", map[string]any{"organizationSlug": org, "query": "project:" + strings.ToLower(project)})
		id := shortID(out, project)
		if id == "" {
			t.Fatalf("no issue of %s to try with: %s %s", project, out, everything.Diag())
		}
		foreign[project] = id
	}
	for place, forbidden := range map[string]map[string]string{
		"/acme-outdoors":            {"COLLECTOR": "globex-labs"},
		"/acme-outdoors/storefront": {"COLLECTOR": "globex-labs", "CHECKOUT-API": "acme-outdoors"},
	} {
		s := r.at(l, place)
		attempts := 0
		for name, tool := range allTools(s) {
			names := parameters(tool)
			for _, pinned := range []string{"organizationSlug", "projectSlug", "projectSlugOrId", "regionUrl"} {
				names[pinned] = true
			}
			for parameter := range names {
				for project, org := range forbidden {
					for _, value := range values(r, org, project, foreign[project]) {
						attempts++
						args := map[string]any{parameter: value}
						if name == "search_issues" && parameter != "query" {
							args["query"] = ""
						}
						out, _ := s.Try("execute_sentry_tool", map[string]any{"name": name, "arguments": args})
						direct, _ := s.Try(name, args)
						for _, answer := range []string{out, direct} {
							if leaks(answer, project, foreign[project], value) {
								t.Errorf("at /mcp%s: %s %v answers with %s:\n%.400s", place, name, args, project, answer)
							}
						}
					}
				}
			}
		}
		if s.Failed() || attempts < 100 {
			t.Errorf("%d attempts: %s", attempts, s.Diag())
		}
	}
}

// allTools are the listed ones and those behind the gateway.
func allTools(s *session) map[string]mcp.Tool {
	tools := s.Tools()
	tools["get_issue_details"] = mcp.Tool{InputSchema: mcp.ToolInputSchema{Properties: map[string]any{"issueId": nil, "issueUrl": nil, "eventId": nil}}}
	return tools
}

func values(r *runner, org, project, issue string) []string {
	slug := strings.ToLower(project)
	return []string{
		org, slug, issue, org + "/" + slug, "../../" + org, "project:" + slug, "issue:" + issue,
		r.url + "/sandbox/organizations/" + org + "/issues/" + issue + "/",
	}
}

// leaks reports whether an answer tells more than what was asked with.
func leaks(answer, project, issue, asked string) bool {
	rest := strings.ReplaceAll(answer, asked, "")
	rest = strings.ReplaceAll(rest, issue, "")
	return strings.Contains(rest, project+"-") || strings.Contains(answer, "# Issue "+issue)
}

func shortID(answer, project string) string {
	i := strings.Index(answer, project+"-")
	if i < 0 {
		return ""
	}
	end := i + len(project) + 1
	for end < len(answer) && strings.ContainsRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", rune(answer[end])) {
		end++
	}
	return answer[i:end]
}

// checkPeople lets others in where they belong and nowhere else, with one
// answer for what is forbidden and what does not exist.
func checkPeople(t *testing.T, r *runner) {
	t.Helper()
	for email, places := range map[string]map[string]int{
		jon:   {"": 200, "/acme-outdoors": 200, "/acme-outdoors/storefront": 200, "/globex-labs": 404, "/globex-labs/collector": 404, "/no-such-org": 404, "/acme-outdoors/collector": 404},
		priya: {"": 200, "/globex-labs/collector": 200, "/acme-outdoors": 404, "/acme-outdoors/storefront": 404, "/Globex-Labs": 404, "/..": 400},
	} {
		token := r.login(email, "").token(t)
		for place, want := range places {
			got := r.send(http.MethodGet, place, token)
			if want == 200 { // a GET without a session, let in and told so
				want = 400
			}
			if got != want {
				t.Errorf("%s at /mcp%s: %d, want %d", email, place, got, want)
			}
		}
	}
}

// checkNarrowLogin signs in at one organization: the token is good below it.
func checkNarrowLogin(t *testing.T, r *runner) {
	t.Helper()
	token := r.login(mara, "/acme-outdoors").token(t)
	for place, want := range map[string]int{
		"/acme-outdoors": 400, "/acme-outdoors/storefront": 400, // let in: a GET without a session
		"": 401, "/globex-labs": 401, "/globex-labs/collector": 401,
	} {
		if got := r.send(http.MethodGet, place, token); got != want {
			t.Errorf("a token for /mcp/acme-outdoors at /mcp%s: %d, want %d", place, got, want)
		}
	}
}

// checkSkills compares two logins of one user, who share their actors: the one
// that may only look neither sees nor reaches the tool that writes.
func checkSkills(t *testing.T, r *runner) {
	t.Helper()
	looks, writes := r.at(r.login(mara, "", "inspect"), "/acme-outdoors"), r.at(r.login(mara, "", "inspect", "triage"), "/acme-outdoors")
	if _, listed := looks.Tools()["update_issue"]; listed {
		t.Error("update_issue is listed without its skill")
	}
	if _, listed := writes.Tools()["update_issue"]; !listed {
		t.Error("update_issue is not listed with its skill")
	}
	issue := shortID(writes.Call("search_issues", map[string]any{"query": "is:unresolved"}), "STOREFRONT")
	args := map[string]any{"issueId": issue, "status": "resolved"}
	if out, isError := looks.Try("update_issue", args); !isError {
		t.Errorf("without the skill: %s", out)
	}
	if out, isError := looks.Try("execute_sentry_tool", map[string]any{"name": "update_issue", "arguments": args}); !isError {
		t.Errorf("without the skill, through the gateway: %s", out)
	}
	status := func(s *session) string {
		out := s.Call("execute_sentry_tool", map[string]any{"name": "get_issue_details", "arguments": map[string]any{"issueId": issue}})
		return fmt.Sprint(strings.Contains(out, "**Status**: resolved"))
	}
	if got := status(looks); got != "false" {
		t.Error("the issue was resolved without the skill")
	}
	writes.Call("update_issue", args)
	if got := status(writes); got != "true" {
		t.Errorf("the issue is not resolved after update_issue on %q", issue)
	}
	writes.Call("update_issue", map[string]any{"issueId": issue, "status": "unresolved"})
	for _, s := range []*session{looks, writes} {
		if s.Failed() {
			t.Error(s.Diag())
		}
	}
}
