package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/jsonrpc"
)

// maxWatched bounds the resources, and the tasks, of one stream. What is more is
// left out of what the client is granted.
const maxWatched = 16

// subscriber watches MCP resources until it leaves.
type subscriber interface {
	// Watch fails for what the caller may not read, and when it is too much.
	Watch(uri string) error
	Leave()
}

// sources are what the streams of a context tell about. A nil one has nothing
// to tell. What they call must not block, and does not.
type sources struct {
	// join returns a subscriber that watches nothing yet and calls changed, from
	// any goroutine, whenever a resource that it watches has changed. What it
	// watches is read with ctx.
	join func(ctx context.Context, changed func(uri string)) subscriber

	// follow calls tell with the params of each notifications/tasks about the
	// tasks, until stop is called. known are those of ids that the caller in ctx
	// has.
	follow func(ctx context.Context, ids []string, tell func(id string, params json.RawMessage)) (known []string, stop func())
}

// filter is what a client asks of subscriptions/listen, and what it is granted.
type filter struct {
	ToolsListChanged      bool     `json:"toolsListChanged,omitempty"`
	PromptsListChanged    bool     `json:"promptsListChanged,omitempty"`
	ResourcesListChanged  bool     `json:"resourcesListChanged,omitempty"`
	ResourceSubscriptions []string `json:"resourceSubscriptions,omitempty"`
	TaskIDs               []string `json:"taskIds,omitempty"`
}

func (f filter) empty() bool {
	return !f.lists() && len(f.ResourceSubscriptions) == 0 && len(f.TaskIDs) == 0
}

func (f filter) lists() bool {
	return f.ToolsListChanged || f.PromptsListChanged || f.ResourcesListChanged
}

// IsStream tells the requests that stay open until somebody ends them. A
// request whose header does not tell what its body does is refused.
func IsStream(r *http.Request) bool {
	return r.Method == http.MethodGet || isListen(r)
}

func isListen(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.EqualFold(r.Header.Get("Mcp-Method"), string(mcp.MethodSubscriptionsListen))
}

// listen serves subscriptions/listen. mcp-go would let everybody watch
// everything, knows no tasks, tells no watcher, ends without a word, and holds
// a goroutine and the queues of a session for each stream. It still judges the
// request: it is given one that asks for nothing, and its answer to that is
// either the refusal or what ends the stream.
func (t *Transport) listen(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		jsonrpc.Refuse(w, http.StatusBadRequest, "the body could not be read")
		return
	}
	request := listenRequest(body)
	if request == nil { // not one, or so malformed that mcp-go should say how
		r.Body = io.NopCloser(bytes.NewReader(body))
		t.exchange(w, r)
		return
	}
	verdict := &verdict{header: http.Header{}}
	ask := r.Clone(r.Context())
	ask.Body = io.NopCloser(bytes.NewReader(request.forNothing()))
	t.http.ServeHTTP(verdict, ask)
	if !verdict.accepted() {
		verdict.send(w)
		return
	}
	var want filter
	if err := json.Unmarshal(request.Params["notifications"], &want); err != nil {
		jsonrpc.Error{Status: http.StatusBadRequest, ID: request.ID, Code: jsonrpc.InvalidParams, Message: "notifications is missing or malformed"}.Write(w)
		return
	}
	newListener(t, w, request.ID, verdict.body.Bytes()).serve(r.Context(), want)
}

type listenMessage struct {
	JSONRPC json.RawMessage            `json:"jsonrpc,omitempty"`
	ID      json.RawMessage            `json:"id,omitempty"`
	Method  string                     `json:"method"`
	Params  map[string]json.RawMessage `json:"params"`
}

func listenRequest(body []byte) *listenMessage {
	var m listenMessage
	if json.Unmarshal(body, &m) != nil || m.Method != string(mcp.MethodSubscriptionsListen) || m.Params == nil {
		return nil
	}
	return &m
}

// forNothing is the same request with a filter that asks for nothing.
func (m listenMessage) forNothing() []byte {
	params := map[string]json.RawMessage{}
	for name, value := range m.Params {
		params[name] = value
	}
	params["notifications"] = json.RawMessage(`{}`)
	m.Params = params
	b, err := json.Marshal(m)
	if err != nil {
		return nil // never: all of it came from JSON
	}
	return b
}

// verdict is mcp-go's answer to a request that asks for nothing. It cannot
// flush, so the answer is one JSON object.
type verdict struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return v.body.Write(b) }

func (v *verdict) accepted() bool {
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	return v.status == http.StatusOK && json.Unmarshal(v.body.Bytes(), &answer) == nil && len(answer.Result) > 0
}

// send passes a refusal on. There is none if the client had gone before mcp-go
// came to one.
func (v *verdict) send(w http.ResponseWriter) {
	if v.status == 0 {
		return
	}
	w.Header().Set("Content-Type", v.header.Get("Content-Type"))
	w.WriteHeader(v.status)
	_, _ = w.Write(v.body.Bytes())
}

// listener is one open stream. What it has yet to say is bounded by what it
// listens to: a resource that changes twice before the client reads is told of
// once.
type listener struct {
	*events
	t       *Transport
	id      json.RawMessage // of the request; every message carries it
	goodbye []byte          // the result
	wake    chan struct{}   // room for one

	pending struct {
		sync.Mutex
		uris  []string
		tasks map[string]json.RawMessage // the newest of each
	}
}

func newListener(t *Transport, w http.ResponseWriter, id json.RawMessage, goodbye []byte) *listener {
	return &listener{
		events: newEvents(w, t.keepAlive), t: t, id: slices.Clone(id),
		goodbye: slices.Clone(bytes.TrimSpace(goodbye)), wake: make(chan struct{}, 1),
	}
}

// serve runs until the client hangs up, which is the only end without a
// goodbye, or somebody ends ctx. A stream that would never say anything ends at
// once: it would cost both sides a connection, and the clients that are known
// take the end for what it is and do not ask again.
func (l *listener) serve(ctx context.Context, want filter) {
	defer l.end()
	granted, stop := l.subscribe(ctx, want)
	defer stop()
	lists, unlist := l.joinLists(ctx, &granted)
	defer unlist()
	if l.say("notifications/subscriptions/acknowledged", map[string]any{"notifications": granted}) != nil {
		return
	}
	for open := !granted.empty(); open; {
		var err error
		select {
		case <-ctx.Done():
			open = false
		case n := <-lists:
			err = l.say(n.Method, nil)
		case <-l.wake:
			err = l.sayPending()
		}
		if err != nil {
			return
		}
	}
	if context.Cause(ctx) == context.Canceled { // which is net/http's word for a client that has gone
		return
	}
	if l.sayPending() == nil {
		l.mu.Lock()
		_ = l.send("", l.goodbye)
		l.mu.Unlock()
	}
}

// subscribe asks for each resource and task whether the caller may watch it,
// and leaves out what is unknown and what is forbidden alike.
func (l *listener) subscribe(ctx context.Context, want filter) (granted filter, stop func()) {
	granted.ToolsListChanged, granted.PromptsListChanged, granted.ResourcesListChanged =
		want.ToolsListChanged, want.PromptsListChanged, want.ResourcesListChanged
	leave, unfollow := func() {}, func() {}
	if uris := l.atMost(want.ResourceSubscriptions); len(uris) > 0 && l.t.sources.join != nil {
		s := l.t.sources.join(ctx, l.changed)
		leave = s.Leave
		for _, uri := range uris {
			if s.Watch(uri) == nil {
				granted.ResourceSubscriptions = append(granted.ResourceSubscriptions, uri)
			}
		}
	}
	if ids := l.atMost(want.TaskIDs); len(ids) > 0 && l.t.sources.follow != nil {
		granted.TaskIDs, unfollow = l.t.sources.follow(ctx, ids, l.task)
	}
	return granted, func() { leave(); unfollow() }
}

// atMost are the first of names, each once.
func (l *listener) atMost(names []string) []string {
	var some []string
	for _, name := range names {
		if len(some) == maxWatched {
			break
		}
		if !slices.Contains(some, name) {
			some = append(some, name)
		}
	}
	return some
}

func (l *listener) changed(uri string) {
	l.pending.Lock()
	if !slices.Contains(l.pending.uris, uri) {
		l.pending.uris = append(l.pending.uris, uri)
	}
	l.pending.Unlock()
	l.stir()
}

func (l *listener) task(id string, params json.RawMessage) {
	l.pending.Lock()
	if l.pending.tasks == nil {
		l.pending.tasks = map[string]json.RawMessage{}
	}
	l.pending.tasks[id] = params
	l.pending.Unlock()
	l.stir()
}

func (l *listener) stir() {
	select {
	case l.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

func (l *listener) sayPending() error {
	l.pending.Lock()
	uris, tasks := l.pending.uris, l.pending.tasks
	l.pending.uris, l.pending.tasks = nil, nil
	l.pending.Unlock()
	for _, uri := range uris {
		if err := l.say("notifications/resources/updated", map[string]any{"uri": uri}); err != nil {
			return err
		}
	}
	for _, raw := range tasks {
		var params map[string]any
		if json.Unmarshal(raw, &params) != nil {
			continue
		}
		if err := l.say("notifications/tasks", params); err != nil {
			return err
		}
	}
	return nil
}

// say sends a notification, tagged with the subscription.
func (l *listener) say(method string, params map[string]any) error {
	if params == nil {
		params = map[string]any{}
	}
	params["_meta"] = map[string]any{mcp.MetaKeySubscriptionID: l.id}
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begin()
	}
	return l.send("", message)
}

// listSession is how mcp-go reaches a listener when a list has changed. Most
// servers' never do, and then there is none.
type listSession struct {
	id     string
	filter mcp.SubscriptionFilter
	ch     chan mcp.JSONRPCNotification
}

func (s *listSession) Initialize()                                         {}
func (s *listSession) Initialized() bool                                   { return true }
func (s *listSession) SessionID() string                                   { return s.id }
func (s *listSession) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.ch }
func (s *listSession) SetSubscriptionFilter(mcp.SubscriptionFilter)        {}

func (s *listSession) SubscriptionFilter() (mcp.SubscriptionFilter, bool) { return s.filter, true }

// joinLists leaves in the filter the lists that may change here, and lets
// mcp-go tell when they do.
func (l *listener) joinLists(ctx context.Context, granted *filter) (changes <-chan mcp.JSONRPCNotification, leave func()) {
	if granted.lists() {
		can := l.t.changingLists()
		granted.ToolsListChanged = granted.ToolsListChanged && can.ToolsListChanged
		granted.PromptsListChanged = granted.PromptsListChanged && can.PromptsListChanged
		granted.ResourcesListChanged = granted.ResourcesListChanged && can.ResourcesListChanged
	}
	if !granted.lists() {
		return nil, func() {}
	}
	s := &listSession{id: requestID(), ch: make(chan mcp.JSONRPCNotification, room), filter: mcp.SubscriptionFilter{
		ToolsListChanged: granted.ToolsListChanged, PromptsListChanged: granted.PromptsListChanged, ResourcesListChanged: granted.ResourcesListChanged,
	}}
	if err := l.t.mcp.RegisterSession(ctx, s); err != nil { // never: the id is new
		*granted = filter{ResourceSubscriptions: granted.ResourceSubscriptions, TaskIDs: granted.TaskIDs}
		return nil, func() {}
	}
	return s.ch, func() { l.t.mcp.UnregisterSession(ctx, s.id) }
}

// changingLists are those that the server says may change.
func (t *Transport) changingLists() filter {
	if f := t.changing.Load(); f != nil {
		return *f
	}
	var d struct {
		Result struct {
			Capabilities struct {
				Tools, Prompts, Resources struct {
					ListChanged bool `json:"listChanged"`
				}
			} `json:"capabilities"`
		} `json:"result"`
	}
	answer, err := json.Marshal(t.mcp.HandleMessage(server.WithSupportedProtocolVersions(context.Background(), Versions), discover))
	if err == nil {
		err = json.Unmarshal(answer, &d)
	}
	if err != nil {
		return filter{}
	}
	can := d.Result.Capabilities
	f := filter{ToolsListChanged: can.Tools.ListChanged, PromptsListChanged: can.Prompts.ListChanged, ResourcesListChanged: can.Resources.ListChanged}
	t.changing.Store(&f)
	return f
}

var discover = json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{
	"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
