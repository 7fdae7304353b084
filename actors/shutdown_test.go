package actors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

func TestNode_Shutdown(t *testing.T) {
	t.Run("a call finishes, a stream ends, no goroutine stays", func(t *testing.T) {
		before := runtime.NumGoroutine()
		inCall, finish := make(chan struct{}), make(chan struct{})
		n := start(t, Config{NewServer: func(context.Context, constraint.Key) (*server.MCPServer, error) {
			s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
			s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				close(inCall)
				select {
				case <-finish:
					return mcp.NewToolResultText("finished"), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			})
			return s, nil
		}})
		key := newKey(t, "1:acme:")
		serve := func(r *http.Request) (w *begun, done chan string) {
			h, release, err := n.Acquire(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			w, done = &begun{ResponseRecorder: httptest.NewRecorder(), first: make(chan struct{})}, make(chan string, 1)
			go func() {
				defer release()
				h.ServeHTTP(w, r)
				done <- w.Body.String()
			}()
			return w, done
		}
		opened, initialized := serve(legacy(t, http.MethodPost, "", initializeBody))
		<-initialized
		listening, stream := serve(legacy(t, http.MethodGet, opened.Header().Get(server.HeaderKeySessionID), ""))
		_, call := serve(modern(t.Context(), "tools/call", "slow"))
		<-inCall
		<-listening.first

		down := make(chan error, 1)
		go func() { down <- n.Shutdown(context.Background()) }()
		<-stream // ends although nobody closed it
		var unavailable *constraint.UnavailableError
		if _, release, err := n.Acquire(t.Context(), key); !errors.As(err, &unavailable) {
			release()
			t.Errorf("a new request while shutting down: %v", err)
		}
		select {
		case err := <-down:
			t.Fatalf("Shutdown returned %v while a call was running", err)
		default:
		}
		close(finish)
		if got := <-call; !strings.Contains(got, "finished") {
			t.Errorf("the running call said %q", got)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		waitForGoroutines(t, before)
	})

	t.Run("requests that come at the same time", func(t *testing.T) {
		for range 50 {
			n := start(t, Config{})
			var callers sync.WaitGroup
			for i := range 20 {
				callers.Go(func() {
					var unavailable *constraint.UnavailableError
					if _, err := where(t.Context(), n, newKey(t, fmt.Sprintf("%d:acme:", i))); err != nil && !errors.As(err, &unavailable) {
						t.Error(err)
					}
				})
			}
			shutdown(t, n)
			callers.Wait()
			if s := n.Stats(); s.Actors != 0 {
				t.Fatalf("%+v after Shutdown", s)
			}
		}
	})

	t.Run("a call that never ends is canceled", func(t *testing.T) {
		inCall := make(chan struct{})
		n := start(t, Config{NewServer: func(context.Context, constraint.Key) (*server.MCPServer, error) {
			s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
			s.AddTool(mcp.NewTool("endless"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				close(inCall)
				<-ctx.Done()
				return nil, ctx.Err()
			})
			return s, nil
		}})
		h, release, err := n.Acquire(t.Context(), newKey(t, "1:acme:"))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer release()
			h.ServeHTTP(httptest.NewRecorder(), modern(t.Context(), "tools/call", "endless"))
		}()
		<-inCall
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := n.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v, want its context's error", err)
		}
		<-done
	})
}

// begun tells when the head of an answer has been sent.
type begun struct {
	*httptest.ResponseRecorder
	once  sync.Once
	first chan struct{}
}

func (w *begun) Flush() {
	w.ResponseRecorder.Flush()
	w.once.Do(func() { close(w.first) })
}

func waitForGoroutines(t *testing.T, want int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for runtime.NumGoroutine() > want {
		select {
		case <-deadline:
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
		default:
			runtime.Gosched()
		}
	}
}
