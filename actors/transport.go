package actors

import (
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// versions that every context speaks. 2024-11-05 is left out: it is another
// transport.
var versions = []string{
	mcp.ProtocolVersion20260728,
	"2025-11-25",
	"2025-06-18",
	"2025-03-26",
}

// transport is mcp-go's HTTP transport over one activation's server, behind the
// checks of sessions that mcp-go leaves out. It is where mcp-go's options end:
// nothing outside can reach the server through it.
type transport struct {
	mcp      *server.MCPServer
	http     *server.StreamableHTTPServer
	sessions *sessions
}

func newTransport(s *server.MCPServer, cfg Config) *transport {
	t := &transport{mcp: s}
	t.sessions = newSessions(cfg.MaxSessions, t.drop)
	t.http = server.NewStreamableHTTPServer(s,
		server.WithSessionIdManager(t.sessions),
		server.WithStreamableHTTPProtocolVersions(versions...),
		// The router has checked Host and Origin. mcp-go's own check refuses a
		// public Host on a loopback socket, which is what a reverse proxy on
		// the same machine sends.
		server.WithDisableLocalhostProtection(true),
		server.WithStreamableHTTPLogger(cfg.Logger),
	)
	return t
}

// ServeHTTP lets a GET or DELETE pass only with a session of this activation.
// mcp-go validates the session of a POST, but would open a stream on a GET with
// somebody else's session id and let anybody's DELETE end it.
func (t *transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	legacy := r.Header.Get("Mcp-Protocol-Version") < mcp.ProtocolVersion20260728
	if legacy && (r.Method == http.MethodGet || r.Method == http.MethodDelete) {
		id := r.Header.Get(server.HeaderKeySessionID)
		if id == "" {
			writeError(w, http.StatusBadRequest, "Mcp-Session-Id is missing: send initialize first")
			return
		}
		if _, err := t.sessions.Validate(id); err != nil {
			writeError(w, http.StatusNotFound, "unknown session: send initialize again")
			return
		}
	}
	t.http.ServeHTTP(w, r)
}

// drop makes mcp-go forget what it keeps of a session that has been ended.
func (t *transport) drop(id string) {
	r, err := http.NewRequest(http.MethodDelete, "/", nil)
	if err != nil {
		return // never: the arguments are constant
	}
	r.Header.Set(server.HeaderKeySessionID, id)
	t.http.ServeHTTP(discard{}, r)
}

// writeError answers with a JSON-RPC error without id, the form of an answer to
// something that was not a request.
func writeError(w http.ResponseWriter, status int, message string) {
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
