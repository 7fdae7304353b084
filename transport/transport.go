package transport

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/jsonrpc"
	"roundhouse/watch"
)

// Versions are the revisions of MCP that every context speaks, newest first;
// not to be changed. 2024-11-05 is left out: it is another transport.
var Versions = []string{
	mcp.ProtocolVersion20260728,
	"2025-11-25",
	"2025-06-18",
	"2025-03-26",
}

// Config bounds one context. Zero values mean the defaults that the fields tell.
type Config struct {
	Key    constraint.Key // of the context; session ids are good for it alone
	Secret []byte         // authenticates session ids, the same on every node; random
	Users  *Users         // the node's; nil: the context's own

	MaxSessions int           // legacy sessions; 64. One more ends the least recently used
	SessionIdle time.Duration // a session ends after so long without a request or stream; 30 minutes
	KeepAlive   time.Duration // between comments on a quiet stream; 25 seconds
	Logger      *slog.Logger  // nil: nothing is logged

	Tasks TaskConfig
	Watch watch.Config

	// Requires returns what a client must have declared to call a tool; empty:
	// nothing. Nil: no tool requires anything.
	Requires func(tool string) Capabilities

	// Plain reports whether no argument of a tool travels in a header; its calls
	// cost less. Nil: of no tool this is known.
	Plain func(tool string) bool
}

// NewSecret makes one that no other process knows.
func NewSecret() []byte {
	secret := make([]byte, 32)
	rand.Read(secret)
	return secret
}

func (cfg Config) withDefaults() Config {
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = 64
	}
	if cfg.SessionIdle <= 0 {
		cfg.SessionIdle = 30 * time.Minute
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = keepAlive
	}
	if cfg.Secret == nil {
		cfg.Secret = NewSecret()
	}
	if cfg.Users == nil {
		cfg.Users = NewUsers(0)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Transport is an http.Handler for one context, safe for concurrent use.
type Transport struct {
	mcp          *server.MCPServer
	http         *server.StreamableHTTPServer
	requires     func(tool string) Capabilities
	plainTool    func(tool string) bool
	plainMethods map[string]bool
	logger       *slog.Logger // for what mcp-go logs
	sessions     sessions
	log          eventLog
	watcher      *watch.Watcher
	sources      sources
	tasks        *taskServer // nil: no tasks

	keepAlive time.Duration
	changing  atomic.Pointer[filter] // nil until it is asked for
}

// New makes the transport of s. It is closed when the context ends.
func New(s *server.MCPServer, cfg Config) *Transport {
	cfg = cfg.withDefaults()
	t := &Transport{mcp: s, requires: cfg.Requires, plainTool: cfg.Plain, plainMethods: plainMethods, keepAlive: cfg.KeepAlive}
	t.logger = slog.New(discreet{cfg.Logger.Handler()})
	t.sessions = sessions{key: cfg.Key, secret: cfg.Secret, limit: cfg.MaxSessions, idle: cfg.SessionIdle, users: cfg.Users, drop: t.drop}
	t.log.users = cfg.Users
	cfg.Watch.Logger = cfg.Logger
	if cfg.Watch.Take == nil {
		users, user := cfg.Users, cfg.Key.User() // and not all of cfg, for as long as the context lives
		cfg.Watch.Take = func() (func(), bool) { return users.watch(user) }
	}
	t.watcher = watch.New(t.read, cfg.Watch)
	t.sources.join = t.join
	t.http = server.NewStreamableHTTPServer(s,
		server.WithSessionIdManagerResolver(t),
		server.WithStreamableHTTPProtocolVersions(Versions...),
		// The router has checked Host and Origin. mcp-go's own check refuses a
		// public Host on a loopback socket, which is what a reverse proxy on
		// the same machine sends.
		server.WithDisableLocalhostProtection(true),
		server.WithStreamableHTTPLogger(t.logger),
		server.WithHTTPContextFunc(t.withExchange),
	)
	if cfg.Tasks.Runner != nil {
		t.tasks = newTaskServer(t, cfg.Tasks, cfg.Logger)
		t.sources.follow = t.tasks.follow
	}
	return t
}

// Server is what the transport serves, for a transport of another sort (stdio).
func (t *Transport) Server() *server.MCPServer { return t.mcp }

// Sweep ends what has been idle, and forgets what has been kept, for too long.
func (t *Transport) Sweep(now time.Time) {
	t.sessions.sweep(now)
	t.log.sweep(now)
}

// Close ends all sessions. A request that comes later finds none.
func (t *Transport) Close() { t.sessions.close() }

// ServeHTTP checks in the order in which a client should hear of what is wrong,
// and hands on what mcp-go may see.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, m, err := Read(r)
	if err != nil {
		refuseUnread(w, err)
		return
	}
	switch {
	case !admitMethod(w, r, m),
		!admitHeaders(w, r, m),
		!admitForm(w, m),
		!admitStream(w, r, m),
		!admitVersion(w, m),
		!t.admitCapabilities(w, m):
	case m.ignored():
		w.WriteHeader(http.StatusAccepted)
	case m.Modern:
		withoutLastEventID(r)
		if t.tasks != nil {
			t.tasks.ServeHTTP(w, r)
			return
		}
		t.serve(w, r, m)
	default:
		m.capVersion(r)
		t.serveSession(w, r, m)
	}
}

// serve lets mcp-go answer.
func (t *Transport) serve(w http.ResponseWriter, r *http.Request, m *Message) (failed bool) {
	a := &answer{ResponseWriter: w, m: m}
	defer a.finish()
	_, flushes := w.(http.Flusher)
	switch {
	case isListen(r):
		t.listen(a, r)
	case !flushes, !accepts(r, "text/event-stream"):
		t.exchange(unflushed{a}, r)
	case t.isPlain(r, m):
		t.answerPlain(a, r, m)
	default:
		t.exchange(a, r)
	}
	return a.failed
}

// unflushed lets mcp-go see that the answer cannot be a stream.
type unflushed struct{ http.ResponseWriter }

// serveSession answers in a legacy session. mcp-go validates the session of a
// POST, but would open a stream on a GET with somebody else's session id and let
// anybody's DELETE end it; here all methods are alike.
func (t *Transport) serveSession(w http.ResponseWriter, r *http.Request, m *Message) {
	s := t.session(w, r, m)
	if s == nil {
		return
	}
	defer s.release()
	if r.Method == http.MethodDelete {
		s.end()
		w.WriteHeader(http.StatusOK)
		return
	}
	ctx := context.WithValue(r.Context(), sessionInContext{}, s)
	if r.Method == http.MethodGet { // a call may finish; a stream ends with its session
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.ended, cancel)()
	}
	if id := r.Header.Get(mcp.HeaderLastEventID); id != "" && r.Method == http.MethodGet {
		t.resume(w, r.WithContext(ctx), m, s, id)
		return
	}
	if failed := t.serve(w, r.WithContext(ctx), m); failed && m.Method == methodInitialize {
		s.end()
	}
}

// session finds the session that a request is in, or makes one, or answers why
// there is none.
func (t *Transport) session(w http.ResponseWriter, r *http.Request, m *Message) *session {
	if m.Method == methodInitialize {
		s, err := t.sessions.begin()
		if err != nil {
			w.Header().Set("Retry-After", "10")
			jsonrpc.Error{Status: http.StatusServiceUnavailable, ID: m.answerable(), Message: err.Error() + ": end one of them, or try again later"}.Write(w)
		}
		return s
	}
	id := r.Header.Get(server.HeaderKeySessionID)
	if id == "" {
		refuse(w, m, jsonrpc.InvalidRequest, "Mcp-Session-Id is missing: send initialize first", nil)
		return nil
	}
	s := t.sessions.use(id)
	if s == nil {
		jsonrpc.Error{Status: http.StatusNotFound, ID: m.answerable(), Message: "unknown session: send initialize again"}.Write(w)
	}
	return s
}
