package actors

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// An activation that waits two seconds for Sentry, and takes one more of its own.
func TestConfig_Activated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var whole, waited time.Duration
		n := start(t, Config{
			Activated: func(w, of time.Duration) { whole, waited = w, of },
			NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
				time.Sleep(2 * time.Second)
				Waited(ctx, 2*time.Second)
				time.Sleep(time.Second)
				return newServer(ctx, key)
			},
		})
		defer shutdown(t, n)
		if _, err := where(t.Context(), n, newKey(t, "1:acme:web")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if whole != 3*time.Second || waited != 2*time.Second {
			t.Errorf("took %s, of which %s waiting; want 3s and 2s", whole, waited)
		}
	})
}

func TestNode_Refusals(t *testing.T) {
	n := start(t, Config{MaxContexts: 1, MaxInFlight: 1, MaxStreams: 1})
	key := newKey(t, "1:acme:web")
	h, release, err := n.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := n.Acquire(t.Context(), key); err == nil {
			t.Error("a second request at once was let in")
		}
	}
	if _, _, err := n.Acquire(t.Context(), newKey(t, "1:acme:api")); err == nil {
		t.Error("a second context was let in")
	}
	h.(*lease).open.Add(1)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/mcp", nil))
	h.(*lease).open.Add(-1)
	release()
	shutdown(t, n)
	if _, _, err := n.Acquire(t.Context(), key); err == nil {
		t.Error("a request was let in after the end")
	}
	want := map[string]uint64{"contexts": 1, "context_requests": 2, "context_streams": 1, "shutdown": 1,
		"context_waiting": 0, "user_opening": 0, "opening": 0, "handover": 0}
	if diff := cmp.Diff(want, n.Refusals()); diff != "" {
		t.Error(diff)
	}
	if s := n.Stats(); s.Refusals != 5 || s.Messages != 0 {
		t.Errorf("%+v, want 5 refusals and no message left", s)
	}
}
