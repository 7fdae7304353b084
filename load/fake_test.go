package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"roundhouse/load/measure"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// fake is an MCP server over Sentry's sandbox of a scale, or what looks like
// one. Its answers are right until a test makes them wrong.
type fake struct {
	scale sandbox.Scale

	// answer, if set, may take its time, and change what is said: the result of
	// the request that came as number n.
	answer func(r *http.Request, n int, result string) (string, int)

	leaks bool // takes any session and task, whoever shows it
	ends  bool // lets anybody end any session, and denies it
	open  bool // lets anybody in everywhere
	wide  bool // takes any argument, whatever the URL names
	mixes bool // takes a session of whoever is at the same URL

	mu       sync.Mutex
	requests int
	begun    int
	sessions map[string]string // id → whose
	tasks    map[string]string
	methods  map[string]int
}

func newFake(users int) *fake {
	return &fake{scale: sandbox.Scale{Users: users, Orgs: users, Projects: 4 * users, Issues: 8 * users}, sessions: map[string]string{}, tasks: map[string]string{}, methods: map[string]int{}}
}

type message struct {
	ID     json.RawMessage
	Method string
	Params struct {
		Name      string
		Arguments struct{ OrganizationSlug, ProjectSlug, ResourceID string }
		TaskID    string
		URI       string
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests++
	n := f.requests
	f.mu.Unlock()
	who := r.Header.Get("Authorization") + " at " + r.URL.Path
	if !f.open && !f.sees(r) {
		http.Error(w, "no such organization", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		f.endOrListen(w, r, who)
		return
	}
	var m message
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &m) != nil {
		http.Error(w, "bad", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.methods[m.Method]++
	f.mu.Unlock()
	if session := r.Header.Get("Mcp-Session-Id"); session != "" && !f.good(session, who) {
		http.Error(w, "no such session", http.StatusNotFound)
		return
	}
	result, status := f.result(w, m, r, who), http.StatusOK
	if m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if f.answer != nil {
		result, status = f.answer(r, n, result)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if strings.HasPrefix(result, "{\"jsonrpc\"") {
		io.WriteString(w, result)
		return
	}
	kind := "result"
	if strings.HasPrefix(result, `{"code"`) {
		kind = "error"
	}
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%q:%s}`, m.ID, kind, result)
}

// sees tells whether the user may be where they ask.
func (f *fake) sees(r *http.Request) bool {
	org := f.place(r).org
	return org == "" || f.scale.Orgs == 0 || slices.Contains(scaled(f.scale).of(userOf(r), 1).slugs(), org)
}

func userOf(r *http.Request) (n int) {
	fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-of-%d", &n)
	return n
}

func (f *fake) good(session, who string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	owner, ok := f.sessions[session]
	_, at, _ := strings.Cut(who, " at ")
	return ok && (f.leaks || owner == who || f.mixes && strings.HasSuffix(owner, " at "+at))
}

func (f *fake) endOrListen(w http.ResponseWriter, r *http.Request, who string) {
	session := r.Header.Get("Mcp-Session-Id")
	good := f.good(session, who)
	f.mu.Lock()
	if r.Method == http.MethodDelete && (good || f.ends) {
		delete(f.sessions, session)
	}
	f.mu.Unlock()
	if !good {
		http.Error(w, "no such session", http.StatusNotFound)
	}
}

// place is where the URL is.
func (f *fake) place(r *http.Request) (p place) {
	p.org, p.project, _ = strings.Cut(strings.Trim(strings.TrimPrefix(r.URL.Path, "/mcp"), "/"), "/")
	return p
}

func (f *fake) result(w http.ResponseWriter, m message, r *http.Request, who string) string {
	at := f.place(r)
	switch m.Method {
	case "initialize":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.begun++
		id := fmt.Sprintf("session-%d", f.begun)
		f.sessions[id] = who
		w.Header().Set("Mcp-Session-Id", id)
		return `{"protocolVersion":"2025-11-25"}`
	case "tools/list":
		if f.scale.Users == 0 {
			return `{"tools":[{"name":"whoami"}]}`
		}
		org, find := `"organizationSlug":{}`, `{"name":"find_organizations"},`
		if at.org != "" {
			org, find = "", ""
		}
		return fmt.Sprintf(`{"tools":[%s{"name":"whoami"},{"name":"search_events","inputSchema":{"properties":{%s}}}]}`, find, org)
	case "tools/call":
		return f.call(m, at, r, who)
	case "tasks/get", "tasks/cancel":
		f.mu.Lock()
		defer f.mu.Unlock()
		if owner, ok := f.tasks[m.Params.TaskID]; ok && (f.leaks || owner == who) {
			return `{"resultType":"complete","status":"working"}`
		}
		return `{"code":-32602,"message":"no such task"}`
	case "resources/read":
		if strings.HasPrefix(m.Params.URI, "sentry://"+at.org+"/") {
			return `{"contents":[]}`
		}
		return `{"code":-32602,"message":"no such resource"}`
	}
	return "{}"
}

func (f *fake) call(m message, at place, r *http.Request, who string) string {
	user := userOf(r)
	switch m.Params.Name {
	case "whoami":
		return fmt.Sprintf(`{"content":[],"structuredContent":{"user":{"email":"user-%d@example.test"},"sessionConstraints":{"organizationSlug":%q,"projectSlug":%q}}}`, user, at.org, at.project)
	case "analyze_issue":
		f.mu.Lock()
		defer f.mu.Unlock()
		id := fmt.Sprintf("task-%d", len(f.tasks))
		f.tasks[id] = who
		return fmt.Sprintf(`{"resultType":"task","taskId":%q}`, id)
	case "find_organizations":
		return fmt.Sprintf(`{"structuredContent":{"organizations":[{"slug":"org-%d"}]}}`, user)
	case "find_projects":
		return fmt.Sprintf(`{"structuredContent":{"projects":[{"slug":"service-%d"},{"slug":"service-%d"}]}}`, user, user+f.scale.Orgs)
	case "get_sentry_resource":
		if own := strings.ToUpper(at.project) + "-"; f.leaks || at.project != "" && strings.HasPrefix(m.Params.Arguments.ResourceID, own) {
			return `{"content":[{"type":"text","text":"an issue"}]}`
		}
	case "search_events":
		named := m.Params.Arguments
		if !f.wide && (at.org != "" && named.OrganizationSlug != "" || at.project != "" && named.ProjectSlug != "") {
			break
		}
		org := at.org + m.Params.Arguments.OrganizationSlug
		return fmt.Sprintf(`{"content":[{"type":"text","text":"title TimeoutError, mark %s"}]}`, sandbox.Mark(org))
	}
	return `{"content":[{"type":"text","text":"unknown tool"}],"isError":true}`
}

type bearer string

func (b bearer) Authorization(context.Context) (string, error) { return "Bearer " + string(b), nil }

// signIn gives each user a token of their own.
func signIn(_ context.Context, n int) (Person, error) {
	return Person{Email: fmt.Sprintf("user-%d@example.test", n), Login: bearer(fmt.Sprintf("token-of-%d", n))}, nil
}

// wire calls a handler without a network, so that time can be the test's.
type wire struct{ http.Handler }

func (h wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func parse(t testing.TB, yaml string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// config is a run of the scenario against f. Its time is that of the bubble.
func (f *fake) config(t testing.TB, yaml string) Config {
	cfg := Config{Scenario: parse(t, yaml), URL: "http://fake.test/mcp", HTTP: &http.Client{Transport: wire{f}}, SignIn: signIn, Log: func(line string) { t.Log(line) }}
	if f.scale.Users > 0 {
		cfg.Scale = &f.scale
	}
	return cfg
}

func mustRun(t testing.TB, cfg Config) measure.Report {
	t.Helper()
	rep, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// virtually runs the test in a bubble, where waiting takes no time.
func virtually(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// wait lets time pass, as long as somebody wants the answer.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
