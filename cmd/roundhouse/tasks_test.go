package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// slowSeer stands in front of a Sentry whose Seer takes its time: until it is
// done, an analysis that was started is under way.
type slowSeer struct {
	*httptest.Server
	started, asked atomic.Int64
	done           atomic.Bool
}

func newSlowSeer(t *testing.T, env map[string]string) *slowSeer {
	t.Helper()
	upstream, err := url.Parse(env["ROUNDHOUSE_SENTRY_URL"])
	if err != nil {
		t.Fatal(err)
	}
	s := &slowSeer{}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := ""
		switch {
		case !strings.HasSuffix(r.URL.Path, "/autofix/") || s.done.Load():
		case r.Method == http.MethodPost:
			s.started.Add(1)
			answer = `{"run_id":1}`
		case s.started.Load() == 0:
			answer = `{"autofix":null}`
		default:
			s.asked.Add(1)
			answer = `{"autofix":{"run_id":1,"status":"processing","blocks":[]}}`
		}
		if answer == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	env["ROUNDHOUSE_SENTRY_URL"] = s.URL
	return s
}

// modern posts a request of 2026-07-28 by a client that knows tasks.
func (r *runner) modern(token, place, method, name, params string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/mcp"+place, strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28",
		"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}`, method, params)))
	if err != nil {
		r.t.Fatal(err)
	}
	for header, value := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name,
	} {
		if value != "" {
			req.Header.Set(header, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func (r *runner) tool(token, place, name, arguments string) string {
	r.t.Helper()
	status, body := r.modern(token, place, "tools/call", name, fmt.Sprintf(`"name":%q,"arguments":%s,`, name, arguments))
	if status != http.StatusOK {
		r.t.Fatalf("%s: %d %s", name, status, body)
	}
	return body
}

func (r *runner) task(token, place, id string) (status int, body string) {
	r.t.Helper()
	return r.modern(token, place, "tasks/get", id, fmt.Sprintf(`"taskId":%q,`, id))
}

// until polls a task, until its answer has all of parts.
func (r *runner) until(token, place, id string, parts ...string) string {
	r.t.Helper()
	poll, enough := time.NewTicker(50*time.Millisecond), time.After(time.Minute)
	defer poll.Stop()
	for {
		_, body := r.task(token, place, id)
		has := true
		for _, part := range parts {
			has = has && strings.Contains(body, part)
		}
		if has {
			return body
		}
		select {
		case <-poll.C:
		case <-enough:
			r.t.Fatalf("task is %s after a minute, want %q", body, parts)
		}
	}
}

var taskID = regexp.MustCompile(`"taskId":"([A-Z0-9]+)"`)

func (r *runner) analyze(token, place, issue string) (id string) {
	r.t.Helper()
	made := taskID.FindStringSubmatch(r.tool(token, place, "analyze_issue", fmt.Sprintf(`{"issueId":%q}`, issue)))
	if made == nil {
		r.t.Fatal("no task")
	}
	return made[1]
}

func (r *runner) storyIssue(token, place string) string {
	r.t.Helper()
	found := regexp.MustCompile(`CHECKOUT-API-\w+`).FindString(r.tool(token, place, "search_issues", `{"query":"level:fatal","period":"90d"}`))
	if found == "" {
		r.t.Fatal("no fatal issue")
	}
	return found
}

// TestTasks_killed kills the program while Seer is at work for a client. After
// a restart the client goes on asking, with the token it has, and gets the
// analysis, which was started once.
func TestTasks_killed(t *testing.T) {
	env := startSandbox(t)
	seer := newSlowSeer(t, env)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, data := free.Addr().String(), t.TempDir()
	free.Close()
	begin := func() *exec.Cmd {
		stderr := newWatch(t)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), build(t), "serve", "--addr", addr, "--data", data, "--log-level", "warn")
		cmd.Env = os.Environ()
		for name, value := range env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Stderr = stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		stderr.find(`(MCP client)`)
		return cmd
	}
	const place = "/acme-outdoors"
	running := begin()
	r := &runner{t: t, url: "http://" + addr}
	token := r.login(mara, "", "inspect", "analyze").token(t)
	id := r.analyze(token, place, r.storyIssue(token, place))
	r.until(token, place, id, `"status":"working"`, "Seer is looking at")

	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	begin()
	seer.done.Store(true)
	done := r.until(token, place, id, `"status":"completed"`)
	wantParts(t, done, "Sample analysis", `"structuredContent"`)
	if n := seer.started.Load(); n != 1 {
		t.Errorf("the analysis was started %d times", n)
	}
}

func wantParts(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
}

// TestTasks_people: a task is its user's, at its URL, with its tool's skill; for
// all others it is one that there never was. It ends with the sign-in that began
// it, and a restart in order lets the next process take it up at once.
func TestTasks_people(t *testing.T) {
	env := startSandbox(t)
	seer := newSlowSeer(t, env)
	data := t.TempDir()
	r := start(t, data, env)
	port := r.url[strings.LastIndex(r.url, ":")+1:]
	ann := r.login(mara, "", "inspect", "analyze").token(t)
	others := map[string][2]string{
		"another user":            {r.login(jon, "", "inspect", "analyze").token(t), "/acme-outdoors"},
		"herself at all":          {ann, ""},
		"herself at a project":    {ann, "/acme-outdoors/checkout-api"},
		"herself elsewhere":       {ann, "/globex-labs"},
		"a client without skills": {r.login(mara, "", "inspect").token(t), "/acme-outdoors"},
	}
	const place = "/acme-outdoors"
	id := r.analyze(ann, place, r.storyIssue(ann, place))
	status, unknown := r.task(ann, place, "NOBODYS")
	if status != http.StatusBadRequest {
		t.Errorf("unknown: %d %s", status, unknown)
	}
	for why, other := range others {
		for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
			if status, body := r.modern(other[0], other[1], method, id, fmt.Sprintf(`"taskId":%q,"inputResponses":{},`, id)); status != http.StatusBadRequest || body != unknown {
				t.Errorf("%s, %s: %d %s, want %s", why, method, status, body, unknown)
			}
		}
	}
	_, discovered := r.modern(ann, place, "server/discover", "", "")
	wantParts(t, discovered, `"extensions":{"io.modelcontextprotocol/tasks":{}}`)

	// What another client of hers has begun ends with its sign-in, and she sees why.
	ending := r.login(mara, "", "inspect", "analyze")
	theirs := r.analyze(ending.token(t), place, r.storyIssue(ann, place))
	r.until(ann, place, theirs, "Seer is looking at")
	resp, err := http.PostForm(r.url+"/oauth/revoke", url.Values{"client_id": {ending.config.ClientID}, "token": {ending.token(t)}})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	wantParts(t, r.until(ann, place, theirs, `"status":"completed"`), `"isError":true`, "Sign-in expired")

	r.until(ann, place, id, "Seer is looking at")
	r.stop()
	again := start(t, data, env, "--addr", "127.0.0.1:"+port)
	began := time.Now()
	asked := seer.asked.Load()
	again.until(ann, place, id, `"status":"working"`)
	for seer.asked.Load() == asked && time.Since(began) < 5*time.Second {
		again.task(ann, place, id)
	}
	if seer.asked.Load() == asked {
		t.Error("after a restart in order the task is not taken up at once")
	}
	seer.done.Store(true)
	wantParts(t, again.until(ann, place, id, `"status":"completed"`), "Sample analysis")
}

// TestTasks_without: clients before 2026-07-28 are told of no tasks, and whoever
// knows of none gets the answer itself.
func TestTasks_without(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	l := r.login(mara, "", "inspect", "analyze")
	c := r.connect(l, "/acme-outdoors", eras["2025-11-25"]...)
	told, err := c.Initialize(t.Context(), initialize)
	if err != nil {
		t.Fatal(err)
	}
	capabilities, err := json.Marshal(told.Capabilities)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(capabilities), "tasks") {
		t.Errorf("told of tasks: %s", capabilities)
	}
	for era, options := range eras { // a client of 2026-07-28 that declares nothing gets the answer, too
		s := r.at(l, "/acme-outdoors", options...)
		out := s.Call("analyze_issue", map[string]any{"issueId": r.storyIssue(l.token(t), "/acme-outdoors")})
		if s.Failed() {
			t.Error(era, s.Diag())
		}
		wantParts(t, out, "Sample analysis")
	}
}

// TestTasks_progress: a client without tasks that asks for progress hears how it
// goes while it waits for the answer.
func TestTasks_progress(t *testing.T) {
	env := startSandbox(t)
	seer := newSlowSeer(t, env)
	r := start(t, t.TempDir(), env)
	token := r.login(mara, "", "inspect", "analyze").token(t)
	const place = "/acme-outdoors"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/mcp"+place, strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{
		"name":"analyze_issue","arguments":{"issueId":%q},"_meta":{"progressToken":"p",
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, r.storyIssue(token, place))))
	if err != nil {
		t.Fatal(err)
	}
	for header, value := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "analyze_issue",
	} {
		req.Header.Set(header, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		told = append(told, lines.Text())
		if strings.Contains(lines.Text(), "Seer is looking at") {
			seer.done.Store(true)
		}
	}
	all := strings.Join(told, "\n")
	wantParts(t, all, "Seer begins to look at", `"progressToken":"p"`, "Sample analysis")
	if strings.Index(all, "Seer is looking at") > strings.Index(all, "Sample analysis") {
		t.Errorf("progress after the answer: %s", all)
	}
}
