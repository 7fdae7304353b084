package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// exchange is one request of mcp-go's and its answer. What a handler tells its
// client while it works goes from here onto the answer, in order and before the
// result. mcp-go's own way loses it: its forwarder may hold a notification in
// its hand when the answer is written, and in a session with two requests at
// once, or with a listening client, it brings one request's notifications on
// the other's stream.
//
// It is the http.ResponseWriter that mcp-go sees. Until the first notification
// it passes everything on; after it the answer is a stream of events, and the
// JSON that mcp-go writes in the end becomes the last of them.
type exchange struct {
	*events
	header  http.Header // mcp-go's; the real one may be in use by the pump
	ctx     context.Context
	status  int          // 0: mcp-go has not answered yet
	framing bool         // mcp-go answers in JSON on a stream that has begun
	framed  bytes.Buffer // that JSON

	notes notes
}

type exchangeInContext struct{}

// exchange lets mcp-go answer r. Without a way to flush there are no streams,
// and mcp-go sees that for itself.
func (t *Transport) exchange(w http.ResponseWriter, r *http.Request) {
	if _, ok := w.(http.Flusher); !ok {
		t.http.ServeHTTP(w, r)
		return
	}
	ctx, done := t.outlive(r)
	defer done()
	e := &exchange{events: newEvents(w, t.keepAlive), header: http.Header{}, ctx: ctx}
	defer e.finish()
	t.keep(e, r)
	if s := sessionFrom(r.Context()); s != nil && r.Method == http.MethodGet {
		defer t.tellsOf(s, e)()
	}
	t.http.ServeHTTP(e, r.WithContext(context.WithValue(ctx, exchangeInContext{}, e)))
}

// finish writes the result if it is still to be framed, and ends everything
// that the exchange has begun.
func (e *exchange) finish() {
	e.notes.stop()
	e.mu.Lock()
	if e.framing && e.framed.Len() > 0 && e.ctx.Err() == nil {
		_ = e.send("", bytes.TrimSpace(e.framed.Bytes()))
	}
	e.mu.Unlock()
	if e.track != nil {
		e.track.end()
	}
	e.end()
}

func (e *exchange) Header() http.Header { return e.header }

// WriteHeader is called by mcp-go once its handler has returned, or for an
// event of its own before that: a question to the user of a legacy client.
func (e *exchange) WriteHeader(status int) {
	e.notes.flush()
	e.mu.Lock()
	defer e.mu.Unlock()
	stream := e.header.Get("Content-Type") == "text/event-stream"
	switch e.status = status; {
	case e.begun:
		e.framing = !stream
	case stream:
		maps.Copy(e.w.Header(), e.header)
		e.begin()
	default:
		maps.Copy(e.w.Header(), e.header)
		e.w.WriteHeader(status)
	}
}

func (e *exchange) Write(b []byte) (int, error) {
	if e.status == 0 {
		e.WriteHeader(http.StatusOK)
	}
	e.notes.flush()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.framing:
		return e.framed.Write(b)
	case e.begun:
		return len(b), e.writeEvent(b)
	}
	return e.w.Write(b)
}

func (e *exchange) Flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status != 0 || e.begun {
		_ = e.flush()
	}
}

func (e *exchange) Unwrap() http.ResponseWriter { return e.w }

// tell puts a notification on the stream. Nobody is told anything after having
// gone: modern clients cancel by hanging up.
func (e *exchange) tell(n mcp.JSONRPCNotification) {
	message, err := json.Marshal(n)
	if err != nil || e.ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ended, e.status != 0 && !e.begun: // too late: the answer has been given
		return
	case !e.begun:
		e.begin()
	}
	_ = e.send("", message)
}

// room is how many notifications may wait for the client to read them. A
// handler that tells more waits.
const room = 32

// notes brings notifications from a handler to its exchange, in order. The
// channel and the goroutine that empties it come with the first notification.
type notes struct {
	mu      sync.Mutex // guards the rest
	stopped bool
	ch      chan mcp.JSONRPCNotification
	slots   chan struct{}      // one in it for each that is promised a place in ch
	asked   chan chan struct{} // to be closed when ch is empty
	done    chan struct{}      // closed when the pump has ended
}

// channel returns a channel that has room for one more. mcp-go asks for it
// before each notification and drops what does not fit.
func (n *notes) channel(ctx context.Context, tell func(mcp.JSONRPCNotification)) chan<- mcp.JSONRPCNotification {
	n.mu.Lock()
	if n.stopped { // told after the answer: nobody hears it
		n.mu.Unlock()
		return make(chan mcp.JSONRPCNotification, 1)
	}
	if n.ch == nil {
		n.ch, n.slots = make(chan mcp.JSONRPCNotification, room), make(chan struct{}, room)
		n.asked, n.done = make(chan chan struct{}), make(chan struct{})
		go n.pump(tell) // ends with stop
	}
	ch, slots, done := n.ch, n.slots, n.done
	n.mu.Unlock()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
	case <-done:
	}
	return ch
}

func (n *notes) pump(tell func(mcp.JSONRPCNotification)) {
	defer close(n.done)
	take := func(note mcp.JSONRPCNotification) {
		select {
		case <-n.slots:
		default: // came without a promise
		}
		tell(note)
	}
	for {
		select {
		case note := <-n.ch:
			take(note)
		case empty, more := <-n.asked:
			for len(n.ch) > 0 {
				take(<-n.ch)
			}
			if !more {
				return
			}
			close(empty)
		}
	}
}

// flush returns when all that was told before has been written.
func (n *notes) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil || n.stopped {
		return
	}
	empty := make(chan struct{})
	n.asked <- empty
	<-empty
}

// stop flushes and ends the pump.
func (n *notes) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil && !n.stopped {
		close(n.asked)
		<-n.done
	}
	n.stopped = true
}

// httpSession is all that mcp-go's session can do.
type httpSession interface {
	server.SessionWithLogging
	server.SessionWithTools
	server.SessionWithResources
	server.SessionWithResourceTemplates
	server.SessionWithClientInfo
	server.SessionWithElicitation
	server.SessionWithSampling
	server.SessionWithRoots
	server.SessionWithSubscriptionFilter
}

// requestSession is mcp-go's session as one request's handler sees it.
type requestSession struct {
	httpSession
	t        *Transport
	exchange *exchange
	id       string
}

func (s *requestSession) NotificationChannel() chan<- mcp.JSONRPCNotification {
	return s.exchange.notes.channel(s.exchange.ctx, s.exchange.tell)
}

func (s *requestSession) SessionID() string { return s.id }

var requests atomic.Uint64

// requestID is a session id for mcp-go alone; no client learns it.
func requestID() string { return "request " + strconv.FormatUint(requests.Add(1), 10) }

// withExchange is mcp-go's HTTPContextFunc: it puts a session of the request's
// own into its context.
func (t *Transport) withExchange(ctx context.Context, _ *http.Request) context.Context {
	e, ok := ctx.Value(exchangeInContext{}).(*exchange)
	if !ok {
		return ctx
	}
	s, ok := server.ClientSessionFromContext(ctx).(httpSession)
	if !ok {
		return ctx
	}
	of := t.requestSession(s, e)
	return t.mcp.WithContext(ctx, &of)
}

// requestSession is s as the handler of one request sees it. Without sessions
// each request gets an id, because mcp-go cancels by session and request id, and
// all requests of all clients without a session would have the same.
func (t *Transport) requestSession(s httpSession, e *exchange) requestSession {
	id := s.SessionID()
	if id == "" {
		id = requestID()
	}
	return requestSession{s, t, e, id}
}
