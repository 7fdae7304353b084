package transport

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
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
	MaxSessions int          // legacy sessions; 64. One more ends the least recently used
	Logger      *slog.Logger // nil: nothing is logged

	KeepAlive time.Duration // between comments on a quiet stream; 25 seconds
}

func (cfg Config) withDefaults() Config {
	if cfg.MaxSessions <= 0 {
		cfg.MaxSessions = 64
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = keepAlive
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Transport is an http.Handler for one context, safe for concurrent use.
type Transport struct {
	mcp      *server.MCPServer
	http     *server.StreamableHTTPServer
	sessions *sessions
	sources  sources

	keepAlive time.Duration
	changing  atomic.Pointer[filter] // nil until it is asked for
}

// New makes the transport of s.
func New(s *server.MCPServer, cfg Config) *Transport {
	cfg = cfg.withDefaults()
	t := &Transport{mcp: s, keepAlive: cfg.KeepAlive}
	t.sessions = newSessions(cfg.MaxSessions, t.drop)
	t.http = server.NewStreamableHTTPServer(s,
		server.WithSessionIdManager(t.sessions),
		server.WithStreamableHTTPProtocolVersions(Versions...),
		// The router has checked Host and Origin. mcp-go's own check refuses a
		// public Host on a loopback socket, which is what a reverse proxy on
		// the same machine sends.
		server.WithDisableLocalhostProtection(true),
		server.WithStreamableHTTPLogger(cfg.Logger),
		server.WithHTTPContextFunc(t.withExchange),
	)
	return t
}

// Server is what the transport serves, for a transport of another sort (stdio).
func (t *Transport) Server() *server.MCPServer { return t.mcp }

// ServeHTTP lets a GET or DELETE pass only with a session of this activation.
// mcp-go validates the session of a POST, but would open a stream on a GET with
// somebody else's session id and let anybody's DELETE end it.
func (t *Transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	legacy := r.Header.Get("Mcp-Protocol-Version") < mcp.ProtocolVersion20260728
	if legacy && (r.Method == http.MethodGet || r.Method == http.MethodDelete) {
		id := r.Header.Get(server.HeaderKeySessionID)
		if id == "" {
			WriteError(w, http.StatusBadRequest, "Mcp-Session-Id is missing: send initialize first")
			return
		}
		if _, err := t.sessions.Validate(id); err != nil {
			WriteError(w, http.StatusNotFound, "unknown session: send initialize again")
			return
		}
	}
	if isListen(r) {
		t.listen(w, r)
		return
	}
	t.exchange(w, r)
}

// drop makes mcp-go forget what it keeps of a session that has been ended.
func (t *Transport) drop(id string) {
	r, err := http.NewRequest(http.MethodDelete, "/", nil)
	if err != nil {
		return // never: the arguments are constant
	}
	r.Header.Set(server.HeaderKeySessionID, id)
	t.http.ServeHTTP(discard{}, r)
}

// WriteError answers with a JSON-RPC error without id, the form of an answer to
// something that was not a request.
func WriteError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"jsonrpc": "2.0", "id": nil,
		"error": map[string]any{"code": mcp.INVALID_REQUEST, "message": message},
	})
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
