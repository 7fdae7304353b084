package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/task"
	"roundhouse/task/tasktest"
)

// office is a node: one runner on a store, and a transport per context.
type office struct {
	t      *testing.T
	runner *task.Runner
	store  *tasktest.Memory

	mu    sync.Mutex
	gate  chan struct{} // "wait" ends when it is closed
	began []string      // the grants with which "wait" has begun
	desks map[constraint.Key]*Transport
}

func newOffice(t *testing.T, store *tasktest.Memory, limits task.Limits) *office {
	t.Helper()
	o := &office{t: t, store: store, gate: make(chan struct{}), desks: map[constraint.Key]*Transport{}}
	o.runner = task.NewRunner(task.Config{Store: store, Limits: limits})
	t.Cleanup(o.close)
	return o
}

func (o *office) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.runner.Shutdown(ctx)
}

// The tools of every context. All but "plain" can be tasks; "needs" must be.
var officeTools = map[string]TaskTool{
	"wait":  {Repeatable: true},
	"once":  {},
	"needs": {Required: true},
	"ask":   {},
	"first": {AsksFirst: true},
	"steps": {},
	"bad":   {},
}

func (o *office) server() *server.MCPServer {
	s := server.NewMCPServer("office", "1")
	add := func(name string, do func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error)) {
		s.AddTool(mcp.NewTool(name, mcp.WithString("region")), do)
	}
	wait := func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		caller, _ := constraint.CallerFrom(ctx)
		o.mu.Lock()
		o.began = append(o.began, caller.Grant)
		o.mu.Unlock()
		select {
		case <-o.gate:
			key, _ := constraint.From(ctx)
			return mcp.NewToolResultText("waited in " + key.Org()), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for _, name := range []string{"wait", "once", "needs", "plain"} {
		add(name, wait)
	}
	ask := func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		who := server.ElicitationResponse(req.Params.InputResponses, "who")
		if who == nil {
			return server.NewInputRequestBuilder("sealed").Elicit("who", mcp.ElicitationParams{Mode: mcp.ElicitationModeForm, Message: "Who?", RequestedSchema: map[string]any{"type": "object"}}).ToolResult(), nil
		}
		return mcp.NewToolResultText(fmt.Sprintf("%s: %v, %s", who.Action, who.Content, req.Params.RequestState)), nil
	}
	add("ask", ask)
	add("first", ask)
	add("steps", func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if err := s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": 1, "message": "half way"}); err != nil {
			return nil, err
		}
		return wait(ctx, req)
	})
	add("bad", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, errors.New("broken")
	})
	return s
}

// client is somebody with a token in a context.
type officeClient struct {
	o      *office
	key    constraint.Key
	caller constraint.Caller
	caps   string
}

func (o *office) client(user, org, project, grant string, skills ...string) *officeClient {
	o.t.Helper()
	key, err := constraint.New(user, org, project)
	if err != nil {
		o.t.Fatal(err)
	}
	return &officeClient{o, key, constraint.Caller{User: user, Grant: grant, Skills: skills}, `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`}
}

func (c *officeClient) desk() *Transport {
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	if c.o.desks[c.key] == nil {
		c.o.desks[c.key] = New(c.o.server(), Config{Key: c.key, Tasks: TaskConfig{Runner: c.o.runner, Tool: func(ctx context.Context, name string) (TaskTool, bool) {
			caller, _ := constraint.CallerFrom(ctx)
			tool, ok := officeTools[name]
			return tool, ok && caller.Has("work")
		}}})
	}
	return c.o.desks[c.key]
}

func (c *officeClient) request(method, params string) *http.Request {
	c.o.t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":{%s"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s}}}`, method, params, c.caps)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	r.Header.Set("Mcp-Method", method)
	var named struct{ Params struct{ Name, TaskID string } }
	if json.Unmarshal([]byte(body), &named) == nil && named.Params.Name+named.Params.TaskID != "" {
		r.Header.Set("Mcp-Name", named.Params.Name+named.Params.TaskID)
	}
	return r.WithContext(constraint.WithCaller(constraint.With(c.o.t.Context(), c.key), c.caller))
}

func (c *officeClient) send(r *http.Request) (status int, body string) {
	w := httptest.NewRecorder()
	c.desk().ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

type officeTask struct {
	ResultType, TaskID, Status, StatusMessage string
	CreatedAt, LastUpdatedAt                  time.Time
	TTLMs, PollIntervalMs                     int64
	InputRequests                             map[string]json.RawMessage
	Result, Error                             json.RawMessage
}

func (c *officeClient) result(method, params string) (got officeTask) {
	c.o.t.Helper()
	status, body := c.send(c.request(method, params))
	var answer struct{ Result *officeTask }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || answer.Result == nil {
		c.o.t.Fatalf("%s: %d %s", method, status, body)
	}
	return *answer.Result
}

func (c *officeClient) begin(tool string) string {
	c.o.t.Helper()
	made := c.result("tools/call", `"name":"`+tool+`","arguments":{},`)
	if made.ResultType != "task" || made.TaskID == "" {
		c.o.t.Fatalf("%s is no task: %+v", tool, made)
	}
	return made.TaskID
}

func (c *officeClient) get(id string) officeTask {
	c.o.t.Helper()
	return c.result("tasks/get", `"taskId":"`+id+`",`)
}

// until polls, as clients do.
func (c *officeClient) until(id, status string) officeTask {
	c.o.t.Helper()
	poll, enough := time.NewTicker(2*time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for {
		if got := c.get(id); got.Status == status {
			return got
		}
		select {
		case <-poll.C:
		case <-enough:
			c.o.t.Fatalf("task is %+v after ten seconds, want %s", c.get(id), status)
		}
	}
}

func wantIn(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
}

func TestTasks_lifecycle(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	made := ann.result("tools/call", `"name":"wait","arguments":{},`)
	if made.Status != "working" || made.TTLMs != 3_600_000 || made.PollIntervalMs != 3000 || made.CreatedAt.IsZero() || made.LastUpdatedAt.IsZero() || made.Result != nil {
		t.Errorf("made %+v", made)
	}
	if got := ann.get(made.TaskID); got.ResultType != "complete" || got.TaskID != made.TaskID || got.Status != "working" || got.Result != nil {
		t.Errorf("got %+v", got)
	}
	close(o.gate)
	done := ann.until(made.TaskID, "completed")
	wantIn(t, string(done.Result), `"text":"waited in acme"`, `"resultType":"complete"`)

	failed := ann.until(ann.begin("bad"), "failed")
	if failed.Result != nil {
		t.Error("a failed task has a result")
	}
	wantIn(t, string(failed.Error), `"code":-32603`)

	status, body := ann.send(ann.request("tasks/cancel", `"taskId":"`+made.TaskID+`",`))
	if status != 200 || body != `{"id":7,"jsonrpc":"2.0","result":{"resultType":"complete"}}` {
		t.Errorf("cancel of what has ended: %d %s", status, body)
	}
	if got := ann.get(made.TaskID).Status; got != "completed" {
		t.Error("a task left its end:", got)
	}
}

// TestTasks_credential: what is kept of a call is not what it was let in by.
func TestTasks_credential(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	r := ann.request("tools/call", `"name":"wait","arguments":{},`)
	for _, name := range []string{"Authorization", "Cookie", "X-Forwarded-For", "Mcp-Session-Id"} {
		r.Header.Set(name, "Bearer the-secret")
	}
	r.Header.Set("Mcp-Param-Kept", "kept")
	_, body := ann.send(r)
	var made struct{ Result officeTask }
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		t.Fatal(err)
	}
	kept, err := o.store.Task(t.Context(), task.Ref{Key: ann.key, ID: made.Result.TaskID}, time.Now())
	if err != nil {
		t.Fatal(err, body)
	}
	content, err := json.Marshal(kept.Content)
	if err != nil {
		t.Fatal(err)
	}
	wantIn(t, string(content), `"Mcp-Param-Kept":"kept"`, `"Mcp-Name":"wait"`)
	if strings.Contains(string(content), "the-secret") {
		t.Errorf("a credential is kept: %s", content)
	}
}

func TestTasks_cancel(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("wait")
	ann.result("tasks/cancel", `"taskId":"`+id+`",`)
	if got := ann.get(id); got.Status != "cancelled" || got.Result != nil || got.Error != nil {
		t.Errorf("canceled: %+v", got)
	}
	if err := o.runner.Shutdown(t.Context()); err != nil {
		t.Error("the call goes on:", err)
	}
}

// TestTasks_foreign: a task is one only for its user, at its URL, with the skill
// of its tool. To all others it looks like one that there never was.
func TestTasks_foreign(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "web", "g1", "work")
	id := ann.begin("wait")
	strangers := map[string]*officeClient{
		"another user":                o.client("1002", "acme", "web", "g2", "work"),
		"her at the organization":     o.client("1001", "acme", "", "g1", "work"),
		"her at everything":           o.client("1001", "", "", "g1", "work"),
		"her at another project":      o.client("1001", "acme", "api", "g1", "work"),
		"her at another organization": o.client("1001", "globex", "web", "g1", "work"),
		"her without the skill":       o.client("1001", "acme", "web", "g3", "read"),
	}
	_, unknown := ann.send(ann.request("tasks/get", `"taskId":"NOBODYS",`))
	wantIn(t, unknown, `"code":-32602`)
	for why, stranger := range strangers {
		for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
			for _, handle := range []string{id, "NOBODYS", strings.ToLower(id), id + "x", "%", "..", strings.Repeat("x", 10_000)} {
				status, body := stranger.send(stranger.request(method, `"taskId":"`+handle+`","inputResponses":{},`))
				if status != http.StatusBadRequest || body != unknown {
					t.Errorf("%s, %s %.30s: %d %s, want 400 %s", why, method, handle, status, body, unknown)
				}
			}
		}
	}
	if got := ann.get(id).Status; got != "working" {
		t.Error("a stranger changed the task:", got)
	}
	if got := o.client("1001", "acme", "web", "another client of hers", "work").get(id).Status; got != "working" {
		t.Error("her other client sees", got)
	}
}

// TestTasks_legacy: before 2026-07-28 there are none of these methods, whatever
// the id, and calls are only calls.
func TestTasks_legacy(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("wait")
	legacy := func(session, body string) (*httptest.ResponseRecorder, string) {
		r := ann.request("tools/call", "")
		for _, name := range []string{"Mcp-Method", "Mcp-Name", "Mcp-Protocol-Version"} {
			r.Header.Del(name)
		}
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
			r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		}
		in := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(r.Context())
		in.Header = r.Header
		w := httptest.NewRecorder()
		ann.desk().ServeHTTP(w, in)
		return w, strings.TrimSpace(w.Body.String())
	}
	w, _ := legacy("", `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	session := w.Header().Get("Mcp-Session-Id")
	for _, method := range []string{"tasks/get", "tasks/result", "tasks/cancel", "tasks/update", "tasks/list"} {
		ask := func(id string) string {
			w, body := legacy(session, `{"jsonrpc":"2.0","id":7,"method":"`+method+`","params":{"taskId":"`+id+`"}}`)
			return fmt.Sprint(w.Code, body)
		}
		mine, unknown := ask(id), ask("NOBODYS")
		if mine != unknown || !strings.Contains(mine, `"error"`) {
			t.Errorf("%s: mine %s, unknown %s", method, mine, unknown)
		}
	}
	close(o.gate)
	_, body := legacy(session, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wait","arguments":{},"task":{"ttl":1000}}}`)
	wantIn(t, body, "waited in acme")
}

func TestTasks_refusals(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("wait")
	undeclared := *ann
	undeclared.caps = `{}`
	odd := *ann
	odd.caps = `{"extensions":[7]}`
	about := `"taskId":"` + id + `",`
	type edit func(r *http.Request)
	set := func(name, value string) edit { return func(r *http.Request) { r.Header.Set(name, value) } }
	for _, tt := range []struct {
		reason         string
		client         *officeClient
		method, params string
		edit           edit
		status         int
		part           string
	}{
		{"the older version's list", ann, "tasks/list", "", nil, 404, `"code":-32601`},
		{"the older version's result", ann, "tasks/result", about, nil, 404, `"code":-32601`},
		{"also undeclared", &undeclared, "tasks/list", "", nil, 404, `"code":-32601`},
		{"a method of nobody's", ann, "tasks/frobnicate", about, nil, 404, `"code":-32601`},
		{"undeclared get", &undeclared, "tasks/get", about, nil, 400, `"code":-32021`},
		{"undeclared update", &undeclared, "tasks/update", about, nil, 400, `"io.modelcontextprotocol/tasks":{}`},
		{"undeclared cancel", &undeclared, "tasks/cancel", about, nil, 400, `"requiredCapabilities"`},
		{"declared oddly", &odd, "tasks/get", about, nil, 400, `"code":-32`},
		{"a tool that must be one", &undeclared, "tools/call", `"name":"needs","arguments":{},`, nil, 400, `"code":-32021`},
		{"no name in the header", ann, "tasks/get", about, func(r *http.Request) { r.Header.Del("Mcp-Name") }, 400, `"code":-32020`},
		{"another name in the header", ann, "tasks/get", about, set("Mcp-Name", "another"), 400, `"code":-32020`},
		{"a broken name in the header", ann, "tasks/get", about, set("Mcp-Name", "=?base64?%%?="), 400, `"code":-32020`},
		{"no id", ann, "tasks/get", "", set("Mcp-Name", ""), 400, `"code":-32020`},
		{"another method in the header", ann, "tasks/get", about, set("Mcp-Method", "tasks/cancel"), 400, `"code":-32020`},
		{"no method in the header", ann, "tasks/get", about, func(r *http.Request) { r.Header.Del("Mcp-Method") }, 400, `"code":-32020`},
		{"another version in the header", ann, "tasks/get", about, set("Mcp-Protocol-Version", "2027-01-01"), 400, `"code":-320`},
		{"a lying name on a call", ann, "tools/call", `"name":"wait","arguments":{},`, set("Mcp-Name", "plain"), 400, `"code":-32020`},
		{"a lying name the other way", ann, "tools/call", `"name":"plain","arguments":{},`, set("Mcp-Name", "wait"), 400, `"code":-32020`},
		{"no answers", ann, "tasks/update", about, nil, 400, `"code":-32602`},
		{"answers that are none", ann, "tasks/update", about + `"inputResponses":{"who":7},`, nil, 400, `"code":-32602`},
		{"a list of answers", ann, "tasks/update", about + `"inputResponses":[],`, nil, 400, `"code":-32602`},
	} {
		r := tt.client.request(tt.method, tt.params)
		if tt.edit != nil {
			tt.edit(r)
		}
		status, body := tt.client.send(r)
		if status != tt.status || !strings.Contains(body, tt.part) || !strings.HasPrefix(body, "{") {
			t.Errorf("%s: %d %s, want %d with %s", tt.reason, status, body, tt.status, tt.part)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.began) > 1 {
		t.Errorf("%d calls have begun, one was asked for", len(o.began))
	}
}

// TestTasks_notOne: what is answered at once, although tasks are declared or
// because they are not.
func TestTasks_notOne(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	close(o.gate)
	ann := o.client("1001", "acme", "", "g1", "work")
	undeclared, unskilled := *ann, *o.client("1001", "acme", "", "g2", "read")
	undeclared.caps = `{"elicitation":{}}`
	for reason, call := range map[string]struct {
		client *officeClient
		tool   string
		part   string
	}{
		"another tool":           {ann, "plain", "waited"},
		"a client without tasks": {&undeclared, "wait", "waited"},
		"a caller who may not":   {&unskilled, "wait", "waited"}, // the tool itself would refuse
		"questions come first":   {ann, "first", `"resultType":"input_required"`},
		"an unknown tool":        {ann, "none", `"error"`},
	} {
		_, body := call.client.send(call.client.request("tools/call", `"name":"`+call.tool+`","arguments":{},"task":{"ttl":5},`))
		wantIn(t, body, call.part)
		if strings.Contains(body, "taskId") {
			t.Errorf("%s: a task: %s", reason, body)
		}
	}
}

func TestTasks_questions(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	ann.caps = `{"elicitation":{"form":{}},"extensions":{"io.modelcontextprotocol/tasks":{}}}`
	id := ann.begin("ask")
	asked := ann.until(id, "input_required")
	wantIn(t, string(asked.InputRequests["who"]), `"method":"elicitation/create"`, "Who?")
	update := func(answers string) {
		t.Helper()
		if status, body := ann.send(ann.request("tasks/update", `"taskId":"`+id+`","inputResponses":`+answers+`,`)); status != 200 || !strings.HasSuffix(body, `"result":{"resultType":"complete"}}`) {
			t.Errorf("%d %s", status, body)
		}
	}
	update(`{"stale":{"action":"accept"}}`)
	if got := ann.get(id); got.Status != "input_required" || len(got.InputRequests) != 1 {
		t.Errorf("after a stale answer: %+v", got)
	}
	update(`{"who":{"action":"accept","content":{"name":"Ann"}}}`)
	wantIn(t, string(ann.until(id, "completed").Result), "accept: map[name:Ann], sealed")

	first := ann.result("tools/call", `"name":"first","arguments":{},"requestState":"sealed","inputResponses":{"who":{"action":"accept","content":{"name":"Bo"}}},`)
	if first.ResultType != "task" {
		t.Fatalf("no task after the answers: %+v", first)
	}
	wantIn(t, string(ann.until(first.TaskID, "completed").Result), "accept: map[name:Bo], sealed")
}

func TestTasks_progress(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("steps")
	for ann.get(id).StatusMessage != "half way" {
		if t.Context().Err() != nil || ann.get(id).Status != "working" {
			t.Fatal(ann.get(id))
		}
	}
	close(o.gate)
	wantIn(t, string(ann.until(id, "completed").Result), "waited")
}

// TestTasks_restart: after the end of a process the task goes on in another one
// when its client asks, in the name of who asks; one that may not be done twice
// has failed. Who may not use the tool changes nothing.
func TestTasks_restart(t *testing.T) {
	store := tasktest.NewMemory()
	before := newOffice(t, store, task.Limits{})
	ann := before.client("1001", "acme", "", "g1", "work")
	joins, once := ann.begin("wait"), ann.begin("once")
	before.close()

	after := newOffice(t, store, task.Limits{})
	close(after.gate)
	unskilled := after.client("1001", "acme", "", "g3", "read")
	if status, _ := unskilled.send(unskilled.request("tasks/get", `"taskId":"`+joins+`",`)); status != 400 {
		t.Error("seen without the skill")
	}
	again := after.client("1001", "acme", "", "g2", "work")
	wantIn(t, string(again.until(joins, "completed").Result), "waited in acme")
	wantIn(t, again.get(once).StatusMessage, "was stopped", "not known")
	if after.mu.Lock(); len(after.began) != 1 || after.began[0] != "g2" {
		t.Error("begun with", after.began)
	}
	after.mu.Unlock()
}

// TestTasks_passivation: a task does not keep its context in memory. When that
// has gone, and another one has come, the task is as it was, and can be ended.
func TestTasks_passivation(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	stays, ends := ann.begin("wait"), ann.begin("wait")
	o.mu.Lock()
	o.desks[ann.key].Close()
	delete(o.desks, ann.key)
	o.mu.Unlock()
	if got := ann.get(stays); got.Status != "working" {
		t.Errorf("%+v", got)
	}
	ann.result("tasks/cancel", `"taskId":"`+ends+`",`)
	close(o.gate)
	wantIn(t, string(ann.until(stays, "completed").Result), "waited in acme")
	if got := ann.get(ends); got.Status != "cancelled" {
		t.Errorf("%+v", got)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.began) > 2 {
		t.Errorf("%d calls for two tasks", len(o.began))
	}
}

func TestTasks_limits(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{UserWorking: 1})
	ann, bob := o.client("1001", "acme", "", "g1", "work"), o.client("1002", "acme", "", "g2", "work")
	id := ann.begin("wait")
	_, body := ann.send(ann.request("tools/call", `"name":"wait","arguments":{},`))
	wantIn(t, body, `"isError":true`, "Too many tasks", "1 tasks of this user are under way", `"resultType":"complete"`)
	bob.begin("wait")
	ann.result("tasks/cancel", `"taskId":"`+id+`",`)
	ann.begin("wait")
	_, body = ann.send(ann.request("tools/call", `"name":"wait","arguments":{"region":"`+strings.Repeat("x", task.MaxContent)+`"},`))
	wantIn(t, body, `"isError":true`, "too large")
}

func TestTasks_storeAway(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("wait")
	o.store.Fail(errors.New("the secret"))
	for method, params := range map[string]string{"tools/call": `"name":"wait","arguments":{},`, "tasks/get": `"taskId":"` + id + `",`} {
		status, body := ann.send(ann.request(method, params))
		if status != 503 || !strings.Contains(body, "try again") || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
	o.store.Fail(nil)
}

// TestTasks_listen: a stream tells of the tasks that its caller has, and of no
// others.
func TestTasks_listen(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann, bob := o.client("1001", "acme", "", "g1", "work"), o.client("1002", "acme", "", "g2", "work")
	mine, his := ann.begin("wait"), bob.begin("wait")
	w := serveWith(t, ann.desk(), func(ctx context.Context) context.Context {
		return constraint.WithCaller(constraint.With(ctx, ann.key), ann.caller)
	})
	listen := func(caps string) *stream {
		r := w.modern(t.Context(), 5, "subscriptions/listen", `"notifications":{"taskIds":["`+mine+`","`+his+`","unknown"]}`, "")
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{"notifications":{"taskIds":[%q,%q,"unknown"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":%s}}}`, mine, his, caps)
		again := w.request(t.Context(), http.MethodPost, body)
		again.Header = r.Header
		return w.open(again)
	}
	s := listen(ann.caps)
	if ack := s.want("acknowledged", `"taskIds":["`+mine+`"]`); strings.Contains(ack, his) {
		t.Error("another user's task is granted:", ack)
	}
	if ack := listen(`{}`).want("acknowledged"); strings.Contains(ack, mine) {
		t.Error("granted without the extension:", ack)
	}
	close(o.gate)
	bob.until(his, "completed")
	s.want(`"method":"notifications/tasks"`, mine, `"status":"completed"`, "waited in acme", `"io.modelcontextprotocol/subscriptionId":5`)

	late := listen(ann.caps) // comes when all is over, and is told that it is
	late.want("acknowledged", mine)
	late.want(`"status":"completed"`, mine)
}

// What is read late must not cover what was told meanwhile: a client would wait
// for the end of a task that has ended.
func TestTasks_followsForward(t *testing.T) {
	o := newOffice(t, tasktest.NewMemory(), task.Limits{})
	ann := o.client("1001", "acme", "", "g1", "work")
	id := ann.begin("wait")
	ref, ts := task.Ref{Key: ann.key, ID: id}, ann.desk().tasks
	tool, looks := ts.tool, 0
	ts.tool = func(ctx context.Context, name string) (TaskTool, bool) { // called after each look
		switch looks++; looks {
		case 1:
			now, err := o.store.Task(ctx, ref, time.Now())
			now.Message = "half"
			if err = errors.Join(err, o.store.Swap(ctx, now)); err != nil {
				t.Error(err)
			}
		case 2:
			if err := o.runner.Cancel(ctx, ref); err != nil {
				t.Error(err)
			}
		}
		return tool(ctx, name)
	}
	r, _, err := Read(ann.request("tasks/get", `"taskId":"`+id+`",`))
	if err != nil {
		t.Fatal(err)
	}
	var last string
	_, stop := ts.follow(r.Context(), []string{id}, func(_ string, params json.RawMessage) { last = string(params) })
	defer stop()
	wantIn(t, last, `"status":"cancelled"`)
}
