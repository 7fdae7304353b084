package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/jsonrpc"
	"roundhouse/task"
)

// TasksExtension is what a server declares that serves tasks.
const TasksExtension = "io.modelcontextprotocol/tasks"

// TaskConfig lets calls of tools become tasks.
type TaskConfig struct {
	Runner *task.Runner // nil: no tasks

	// Tool tells how calls of a tool become tasks; ok is false for a tool whose
	// calls do not, and for one that the caller in ctx may not use. A Runner
	// needs one.
	Tool func(ctx context.Context, name string) (tool TaskTool, ok bool)
}

// TaskTool tells how the calls of a tool become tasks.
type TaskTool struct {
	Required   bool // clients that know no tasks are refused
	AsksFirst  bool // its questions are answered before there is a task
	Repeatable bool // begun anew it does no harm: after a restart its tasks go on
}

// taskServer serves the tasks extension, which mcp-go does not have. A call becomes
// a task by being made again, from the record of it that the store keeps, on a
// goroutine that outlives the request; so a task is what any client would have
// been answered, and needs this transport only while it runs.
//
// Whatever a request has wrong that mcp-go checks as well is left to mcp-go.
type taskServer struct {
	runner *task.Runner
	tool   func(ctx context.Context, name string) (TaskTool, bool)
	mcp    *server.MCPServer
	call   http.HandlerFunc // what a call without a task is given to
	log    *slog.Logger
}

// ServeHTTP answers what is about tasks, and passes on everything else.
func (ts *taskServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, m, err := Read(r)
	if err != nil || !speaksTasks(r, m) {
		ts.call(w, r)
		return
	}
	switch m.Method {
	case "tools/call":
		ts.create(w, r, m)
	case "tasks/get", "tasks/update", "tasks/cancel":
		ts.about(w, r, m)
	default: // tasks/list, tasks/result and whatever else other versions have
		jsonrpc.Error{Status: http.StatusNotFound, ID: m.ID, Code: jsonrpc.MethodNotFound, Message: "there is no method " + m.Method}.Write(w)
	}
}

func newTaskServer(t *Transport, cfg TaskConfig, logger *slog.Logger) *taskServer {
	return &taskServer{runner: cfg.Runner, tool: cfg.Tool, mcp: t.mcp, log: logger, call: func(w http.ResponseWriter, r *http.Request) {
		r, m, err := Read(r)
		if err != nil {
			refuseUnread(w, err)
			return
		}
		t.serve(w, r, m)
	}}
}

// speaksTasks tells what may be about tasks and is right by its headers.
func speaksTasks(r *http.Request, m *Message) bool {
	const version = mcp.ProtocolVersion20260728
	return m.Form == Object && m.Twice == "" && m.Header == version && m.Version == version &&
		m.Request() && isID(m.ID) && m.Capabilities != nil && r.Header.Get(mcp.HeaderMethod) == m.Method &&
		(m.Method == string(mcp.MethodToolsCall) || strings.HasPrefix(m.Method, "tasks/"))
}

// taskParams are the params that only tasks look at.
type taskParams struct {
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
}

func paramsOf(m *Message) (raw json.RawMessage, params taskParams, err error) {
	var message struct {
		Params json.RawMessage `json:"params"`
	}
	if err = json.Unmarshal(m.Body, &message); err == nil {
		err = json.Unmarshal(message.Params, &params)
	}
	return message.Params, params, err
}

// create answers a call with a task, where that may be.
func (ts *taskServer) create(w http.ResponseWriter, r *http.Request, m *Message) {
	tool, ok := ts.tool(r.Context(), m.Name)
	if !ok {
		ts.call(w, r)
		return
	}
	raw, params, err := paramsOf(m)
	if err != nil || !ts.headersMatch(r, m, raw) {
		ts.call(w, r)
		return
	}
	declared := m.Declares(neededForTasks)
	switch {
	case !declared && tool.Required:
		RefuseCapability(w, m, neededForTasks)
		return
	case !declared, tool.AsksFirst && len(params.InputResponses) == 0:
		ts.call(w, r)
		return
	}
	key, _ := constraint.From(r.Context())
	t, err := ts.runner.Create(r.Context(), key, task.Content{Tool: m.Name, Header: recordedHeader(r.Header), Call: raw}, ts.work(tool))
	var limit *task.LimitError
	switch {
	case errors.As(err, &limit):
		answerTask(w, m, toolError("**Too many tasks**\n\n"+sentence(limit.Reason)))
	case errors.Is(err, task.ErrTooLarge):
		answerTask(w, m, toolError("**Input error**\n\nThe arguments are too large for a task. Send less."))
	case err != nil:
		ts.broken(w, r, m, err)
	default:
		answerTask(w, m, ts.wire(t, "task"))
	}
}

var neededForTasks = Capabilities{"extensions": {TasksExtension: {}}}

// headersMatch holds the headers against the body, as mcp-go will again when
// the call is made: by then the client has been given a task.
func (ts *taskServer) headersMatch(r *http.Request, m *Message, params json.RawMessage) bool {
	if mcp.ValidateStandardHeaders(r.Header.Get, m.Version, mcp.MCPMethod(m.Method), params) != nil {
		return false
	}
	st := ts.mcp.GetTool(m.Name)
	if st == nil {
		return true
	}
	lookup := func(name string) (string, bool) {
		values := r.Header.Values(name)
		return strings.Join(values, ","), len(values) > 0
	}
	return mcp.ValidateParamHeadersLookup(lookup, &st.Tool, params) == nil
}

// about serves the methods that name a task.
func (ts *taskServer) about(w http.ResponseWriter, r *http.Request, m *Message) {
	if !m.Declares(neededForTasks) {
		RefuseCapability(w, m, neededForTasks)
		return
	}
	if name, ok := mcp.DecodeHeaderValue(r.Header.Get(mcp.HeaderName)); !ok || name != m.TaskID || name == "" {
		refuse(w, m, jsonrpc.HeaderMismatch, mcp.HeaderName+" does not match params.taskId", nil)
		return
	}
	ctx := r.Context()
	t, err := ts.find(ctx, m.TaskID)
	if err == nil {
		switch m.Method {
		case "tasks/update":
			_, params, malformed := paramsOf(m)
			if malformed != nil || !areObjects(params.InputResponses) {
				refuse(w, m, jsonrpc.InvalidParams, "inputResponses must be an object of objects", nil)
				return
			}
			err = ts.runner.Answer(ctx, t.Ref, params.InputResponses, ts.revive(ctx))
		case "tasks/cancel":
			err = ts.runner.Cancel(ctx, t.Ref)
		}
	}
	switch {
	case errors.Is(err, task.ErrNotFound):
		refuse(w, m, jsonrpc.InvalidParams, "no such task", nil)
	case errors.Is(err, task.ErrTooLarge):
		refuse(w, m, jsonrpc.InvalidParams, "the answers are too large", nil)
	case err != nil:
		ts.broken(w, r, m, err)
	case m.Method == "tasks/get":
		answerTask(w, m, ts.wire(t, "complete"))
	default:
		answerTask(w, m, map[string]string{"resultType": "complete"})
	}
}

// find returns a task of this context whose tool the caller may use. To
// everybody else there is no such task.
func (ts *taskServer) find(ctx context.Context, id string) (task.Task, error) {
	key, ok := constraint.From(ctx)
	if !ok {
		return task.Task{}, task.ErrNotFound
	}
	t, err := ts.runner.Task(ctx, task.Ref{Key: key, ID: id}, ts.revive(ctx))
	if err != nil {
		return task.Task{}, err
	}
	// A task that can no longer be opened does not tell its tool.
	if _, may := ts.tool(ctx, t.Tool); !may && t.Tool != "" {
		return task.Task{}, task.ErrNotFound
	}
	return t, nil
}

// revive makes the work of a task that nobody works on. It is done in the name
// of whoever asks, if they may use the tool: their credential is one that works.
func (ts *taskServer) revive(ctx context.Context) task.Revive {
	return func(t task.Task) (task.Work, bool) {
		tool, may := ts.tool(ctx, t.Tool)
		return ts.work(tool), may
	}
}

func (ts *taskServer) work(tool TaskTool) task.Work {
	return task.Work{Do: ts.do, Repeatable: tool.Repeatable}
}

// do makes the call of a task.
func (ts *taskServer) do(ctx context.Context, t task.Task, say func(string)) task.Outcome {
	body, err := callBody(t.Content)
	if err != nil {
		ts.log.ErrorContext(ctx, "task without a call", "tool", t.Tool, "error", err)
		return task.Outcome{}
	}
	ctx = context.WithValue(ctx, messageInContext{}, nil) // what was read is another message
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return task.Outcome{} // never: the arguments are constant
	}
	for name, value := range t.Header {
		r.Header.Set(name, value)
	}
	rec := newRecording(say)
	ts.call(rec, r)
	return rec.outcome()
}

// follow tells a stream of the changes of tasks, for a client that declares the
// extension.
func (ts *taskServer) follow(ctx context.Context, ids []string, tell func(id string, params json.RawMessage)) (known []string, stop func()) {
	var stops []func()
	if m, ok := MessageFrom(ctx); !ok || !m.Declares(neededForTasks) {
		ids = nil
	}
	for _, id := range ids {
		t, err := ts.find(ctx, id)
		if err != nil {
			continue
		}
		known = append(known, id)
		changed := forward(func(t task.Task) {
			if params, err := json.Marshal(ts.wire(t, "")); err == nil {
				tell(t.ID, params)
			}
		})
		stops = append(stops, ts.runner.Watch(t.ID, changed))
		// What has changed before it was watched would never be told.
		if now, err := ts.find(ctx, id); err == nil && (now.Version != t.Version || now.Status.Ended()) {
			changed(now)
		}
	}
	return known, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// forward leaves out what is older than what has been told of a task: changes
// are told from several goroutines, and may overtake each other.
func forward(tell func(task.Task)) func(task.Task) {
	var mu sync.Mutex
	newest := int64(-1)
	return func(t task.Task) {
		mu.Lock()
		defer mu.Unlock()
		if t.Version > newest {
			newest = t.Version
			tell(t)
		}
	}
}

func (ts *taskServer) broken(w http.ResponseWriter, r *http.Request, m *Message, err error) {
	ts.log.ErrorContext(r.Context(), "task not served", "method", m.Method, "error", err)
	w.Header().Set("Retry-After", "1")
	jsonrpc.Error{Status: http.StatusServiceUnavailable, ID: m.ID, Message: "tasks cannot be kept or read at the moment; try again"}.Write(w)
}

// wireTask is a task as clients see it.
type wireTask struct {
	ResultType     string                     `json:"resultType,omitempty"`
	TaskID         string                     `json:"taskId"`
	Status         task.Status                `json:"status"`
	StatusMessage  string                     `json:"statusMessage,omitempty"`
	CreatedAt      string                     `json:"createdAt"`
	LastUpdatedAt  string                     `json:"lastUpdatedAt"`
	TTLMs          int64                      `json:"ttlMs"`
	PollIntervalMs int64                      `json:"pollIntervalMs"`
	InputRequests  map[string]json.RawMessage `json:"inputRequests,omitempty"`
	Result         json.RawMessage            `json:"result,omitempty"`
	Error          json.RawMessage            `json:"error,omitempty"`
}

func (ts *taskServer) wire(t task.Task, resultType string) wireTask {
	const form = "2006-01-02T15:04:05.000Z"
	wire := wireTask{
		ResultType: resultType, TaskID: t.ID, Status: t.Status, StatusMessage: t.Message,
		CreatedAt: t.Created.UTC().Format(form), LastUpdatedAt: t.Updated.UTC().Format(form),
		TTLMs: t.TTL().Milliseconds(), PollIntervalMs: ts.runner.Poll().Milliseconds(),
		Result: t.Result, Error: t.Error,
	}
	for key, ask := range t.Asks {
		if wire.InputRequests == nil {
			wire.InputRequests = map[string]json.RawMessage{}
		}
		wire.InputRequests[key] = ask.Request
	}
	return wire
}

func answerTask(w http.ResponseWriter, m *Message, result any) {
	w.Header().Set("Content-Type", "application/json")
	hurry(w)
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result}) // the client may have gone
}

// recordedHeader is what a later call needs of this one's headers: never what
// it was authorized by.
func recordedHeader(h http.Header) map[string]string {
	kept := map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
	for name := range h {
		if strings.HasPrefix(name, "Mcp-") && name != server.HeaderKeySessionID {
			kept[name] = h.Get(name)
		}
	}
	return kept
}

// callBody is the call of a task, with the answers that the client has given.
// It asks for progress, which becomes the task's message, and for no log, which
// nobody would read.
func callBody(c task.Content) ([]byte, error) {
	var params, meta map[string]json.RawMessage
	if err := json.Unmarshal(c.Call, &params); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(params["_meta"], &meta); err != nil {
		return nil, err
	}
	meta["progressToken"] = json.RawMessage(`"task"`)
	delete(meta, mcp.MetaKeyLogLevel)
	var err error
	if params["_meta"], err = json.Marshal(meta); err != nil {
		return nil, err
	}
	delete(params, "task") // the wish for a task of an older version
	if c.Rounds > 0 {
		if params["inputResponses"], err = json.Marshal(c.Answers); err != nil {
			return nil, err
		}
		if params["requestState"], err = json.Marshal(c.State); err != nil {
			return nil, err
		}
		if c.State == "" {
			delete(params, "requestState")
		}
	}
	return json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "task", "method": mcp.MethodToolsCall, "params": params})
}

// areObjects reports whether answers are all that an answer can be.
func areObjects(answers map[string]json.RawMessage) bool {
	return answers != nil && !slices.ContainsFunc(slices.Collect(maps.Values(answers)), func(answer json.RawMessage) bool {
		return !bytes.HasPrefix(bytes.TrimSpace(answer), []byte("{"))
	})
}

func toolError(text string) any {
	return map[string]any{"resultType": "complete", "isError": true, "content": []any{map[string]string{"type": "text", "text": text}}}
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
