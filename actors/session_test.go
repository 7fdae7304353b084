package actors

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/transport"
)

// legacy is a request of the era with sessions.
func legacy(t *testing.T, method, session, body string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		r.Header.Set(server.HeaderKeySessionID, session)
	}
	return r
}

const (
	initializeBody = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	listBody       = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
)

func TestSessions(t *testing.T) {
	n := start(t, Config{Transport: transport.Config{MaxSessions: 3}})
	defer shutdown(t, n)
	send := func(at string, r *http.Request) *httptest.ResponseRecorder {
		t.Helper()
		h, release, err := n.Acquire(t.Context(), newKey(t, at))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	initialize := func(at string) string {
		t.Helper()
		w := send(at, legacy(t, http.MethodPost, "", initializeBody))
		id := w.Header().Get(server.HeaderKeySessionID)
		if w.Code != http.StatusOK || id == "" {
			t.Fatalf("initialize at %s: %d, session %q", at, w.Code, id)
		}
		return id
	}

	ann := initialize("ann:acme:web")
	for _, tt := range []struct {
		why, at, method, session, body string
		want                           int
	}{
		{"her own", "ann:acme:web", http.MethodPost, ann, listBody, 200},
		{"another user", "bob:acme:web", http.MethodPost, ann, listBody, 404},
		{"another user listens", "bob:acme:web", http.MethodGet, ann, "", 404},
		{"another user ends it", "bob:acme:web", http.MethodDelete, ann, "", 404},
		{"another project of hers", "ann:acme:api", http.MethodPost, ann, listBody, 404},
		{"another project listens", "ann:acme:api", http.MethodGet, ann, "", 404},
		{"the organization above", "ann:acme:", http.MethodDelete, ann, "", 404},
		{"made up", "ann:acme:web", http.MethodGet, "mcp-session-00000000-0000-4000-8000-000000000000", "", 404},
		{"none", "ann:acme:web", http.MethodGet, "", "", 400},
		{"none to end", "ann:acme:web", http.MethodDelete, "", "", 400},
		{"still her own", "ann:acme:web", http.MethodPost, ann, listBody, 200},
		{"she ends it", "ann:acme:web", http.MethodDelete, ann, "", 200},
		{"ended", "ann:acme:web", http.MethodPost, ann, listBody, 404},
	} {
		if w := send(tt.at, legacy(t, tt.method, tt.session, tt.body)); w.Code != tt.want {
			t.Errorf("%s: %s at %s = %d %s, want %d", tt.why, tt.method, tt.at, w.Code, w.Body, tt.want)
		}
	}

	t.Run("the least recently used ends over the limit", func(t *testing.T) {
		oldest, second, third := initialize("ann:x:"), initialize("ann:x:"), initialize("ann:x:")
		send("ann:x:", legacy(t, http.MethodPost, oldest, listBody)) // now second is the oldest
		initialize("ann:x:")
		for id, want := range map[string]int{oldest: 200, second: 404, third: 200} {
			if w := send("ann:x:", legacy(t, http.MethodPost, id, listBody)); w.Code != want {
				t.Errorf("session %q of the first three: %d, want %d", id, w.Code, want)
			}
		}
	})
}
