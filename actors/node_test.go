package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

func newKey(t testing.TB, s string) constraint.Key {
	t.Helper()
	key, err := constraint.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newServer has one tool, "where", that tells the key its call arrived with.
func newServer(context.Context, constraint.Key) (*server.MCPServer, error) {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.SetTools(whereTool)
	return s, nil
}

var whereTool = server.ServerTool{
	Tool: mcp.NewTool("where"),
	Handler: func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		key, _ := constraint.From(ctx)
		return mcp.NewToolResultText("at " + key.String()), nil
	},
}

func start(t testing.TB, cfg Config) *Node {
	t.Helper()
	if cfg.NewServer == nil {
		cfg.NewServer = newServer
	}
	n, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func shutdown(t testing.TB, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// modern is a request of the era without sessions.
func modern(ctx context.Context, method, name string) *http.Request {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"name":%q,"arguments":{},"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, method, name)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	r.Header.Set("Mcp-Method", method)
	if name != "" {
		r.Header.Set("Mcp-Name", name)
	}
	return r
}

// where calls the tool at key and returns what it said.
func where(ctx context.Context, n *Node, key constraint.Key) (string, error) {
	h, release, err := n.Acquire(ctx, key)
	if err != nil {
		return "", err
	}
	defer release()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, modern(ctx, "tools/call", "where"))
	return w.Body.String(), nil
}

func TestNode_Acquire(t *testing.T) {
	t.Run("each key its own server", func(t *testing.T) {
		n := start(t, Config{})
		defer shutdown(t, n)
		for _, s := range []string{"1::", "1:acme:", "1:acme:web", "1:globex:web", "2:acme:web"} {
			got, err := where(t.Context(), n, newKey(t, s))
			if err != nil || !strings.Contains(got, `"at `+s+`"`) {
				t.Errorf("at %s the tool said %s (%v)", s, got, err)
			}
		}
		if got := n.Stats().Contexts; got != 5 {
			t.Errorf("%d contexts, want 5", got)
		}
	})

	t.Run("200 first requests build one server", func(t *testing.T) {
		var builds atomic.Int32
		all := make(chan struct{})
		n := start(t, Config{NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
			builds.Add(1)
			<-all // until every request has been sent
			return newServer(ctx, key)
		}})
		defer shutdown(t, n)
		var begun, done sync.WaitGroup
		for range 200 {
			begun.Add(1)
			done.Go(func() {
				begun.Done()
				if got, err := where(t.Context(), n, newKey(t, "1:acme:web")); err != nil || !strings.Contains(got, "at 1:acme:web") {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		begun.Wait()
		close(all)
		done.Wait()
		if got := builds.Load(); got != 1 {
			t.Errorf("built %d times, want once", got)
		}
		if s := n.Stats(); s.Activations != 1 || s.Actors != 1 {
			t.Errorf("%+v, want one activation", s)
		}
	})

	t.Run("a caller that hangs up leaves the others their activation", func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		n := start(t, Config{NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
			close(asked)
			<-answer
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return newServer(ctx, key)
		}})
		defer shutdown(t, n)
		ctx, hangUp := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := where(ctx, n, newKey(t, "1:acme:"))
			first <- err
		}()
		<-asked
		hangUp()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that hung up got %v", err)
		}
		close(answer)
		if _, err := where(t.Context(), n, newKey(t, "1:acme:")); err != nil {
			t.Errorf("the next one got %v", err)
		}
	})
}

func TestNode_AcquireRefused(t *testing.T) {
	asCaller := func(ctx context.Context, grant string) context.Context {
		return constraint.WithCaller(ctx, constraint.Caller{User: "1", Grant: grant})
	}

	t.Run("ErrUnknown", func(t *testing.T) {
		n := start(t, Config{NewServer: func(context.Context, constraint.Key) (*server.MCPServer, error) {
			return nil, fmt.Errorf("ask Sentry: %w", constraint.ErrUnknown)
		}})
		defer shutdown(t, n)
		if _, err := where(t.Context(), n, newKey(t, "1:nobody:")); !errors.Is(err, constraint.ErrUnknown) {
			t.Errorf("%v, want ErrUnknown", err)
		}
		if s := n.Stats(); s.Contexts != 0 || s.Failures != 1 {
			t.Errorf("%+v: a failed activation stays in the directory", s)
		}
	})

	t.Run("a bad credential fails only its own callers", func(t *testing.T) {
		asked, answer := make(chan struct{}, 2), make(chan struct{})
		n := start(t, Config{NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
			if grantOf(ctx) == "revoked" {
				asked <- struct{}{}
				<-answer
				return nil, constraint.ErrUnauthorized
			}
			return newServer(ctx, key)
		}})
		defer shutdown(t, n)
		bad := make(chan error)
		go func() {
			_, err := where(asCaller(t.Context(), "revoked"), n, newKey(t, "1:acme:"))
			bad <- err
		}()
		<-asked
		good := make(chan error)
		go func() { // joins the activation that the bad credential began
			_, err := where(asCaller(t.Context(), "good"), n, newKey(t, "1:acme:"))
			good <- err
		}()
		close(answer)
		if err := <-bad; !errors.Is(err, constraint.ErrUnauthorized) {
			t.Errorf("the revoked grant got %v", err)
		}
		if err := <-good; err != nil {
			t.Errorf("the good grant got %v", err)
		}
	})

	t.Run("NewServer panics", func(t *testing.T) {
		var calls atomic.Int32
		n := start(t, Config{NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
			if calls.Add(1) == 1 {
				panic("the first time")
			}
			return newServer(ctx, key)
		}})
		defer shutdown(t, n)
		var unavailable *constraint.UnavailableError
		if _, err := where(t.Context(), n, newKey(t, "1:acme:")); !errors.As(err, &unavailable) {
			t.Errorf("%v, want an UnavailableError", err)
		}
		if _, err := where(t.Context(), n, newKey(t, "1:acme:")); err != nil {
			t.Errorf("after the panic: %v", err)
		}
	})

	t.Run("too many contexts", func(t *testing.T) {
		n := start(t, Config{MaxContexts: 2})
		defer shutdown(t, n)
		for _, s := range []string{"1:a:", "1:b:"} {
			if _, err := where(t.Context(), n, newKey(t, s)); err != nil {
				t.Fatal(err)
			}
		}
		var unavailable *constraint.UnavailableError
		if _, err := where(t.Context(), n, newKey(t, "1:c:")); !errors.As(err, &unavailable) || unavailable.RetryAfter <= 0 {
			t.Errorf("%v, want an UnavailableError with a time to retry", err)
		}
		if _, err := where(t.Context(), n, newKey(t, "1:a:")); err != nil {
			t.Errorf("a context in memory: %v", err)
		}
	})

	t.Run("one user opens many contexts that do not exist", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			answer := make(chan struct{})
			var asked atomic.Int32
			n := start(t, Config{MaxOpening: 4, Activation: 20 * time.Second, NewServer: func(ctx context.Context, key constraint.Key) (*server.MCPServer, error) {
				if key.User() != "greedy" {
					return newServer(ctx, key)
				}
				asked.Add(1)
				select {
				case <-answer:
					return nil, constraint.ErrUnknown
				case <-ctx.Done():
					return nil, &constraint.UnavailableError{Reason: "Sentry does not answer", Err: ctx.Err()}
				}
			}})
			var work sync.WaitGroup
			open := func(orgs int, want error) {
				for i := range orgs {
					work.Go(func() {
						_, err := where(t.Context(), n, newKey(t, fmt.Sprintf("greedy:org%d:", i)))
						var unavailable *constraint.UnavailableError
						if !errors.Is(err, want) && !(want == nil && errors.As(err, &unavailable)) {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				if got := asked.Swap(0); got != 4 {
					t.Errorf("Sentry is asked for %d of them at once, want 4", got)
				}
				if _, err := where(t.Context(), n, newKey(t, "modest:acme:")); err != nil {
					t.Errorf("another user meanwhile: %v", err)
				}
			}
			open(20, nil)
			work.Wait() // Sentry never answers: those who wait are refused

			asked.Store(0)
			open(20, constraint.ErrUnknown)
			close(answer)
			work.Wait() // one after the other, all have their answer
			if got := asked.Load(); got != 16 {
				t.Errorf("%d more were asked for, want 16", got)
			}
			if left := len(n.dir.opening.users); left != 0 {
				t.Errorf("%d users are still counted", left)
			}
			shutdown(t, n)
		})
	})

	t.Run("too many requests in one context", func(t *testing.T) {
		n := start(t, Config{MaxInFlight: 2})
		defer shutdown(t, n)
		var releases []func()
		for range 2 {
			_, release, err := n.Acquire(t.Context(), newKey(t, "1:a:"))
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		var unavailable *constraint.UnavailableError
		if _, _, err := n.Acquire(t.Context(), newKey(t, "1:a:")); !errors.As(err, &unavailable) {
			t.Errorf("%v, want an UnavailableError", err)
		}
		if _, err := where(t.Context(), n, newKey(t, "1:b:")); err != nil {
			t.Errorf("another context is refused too: %v", err)
		}
		for _, release := range releases {
			release()
		}
		if _, err := where(t.Context(), n, newKey(t, "1:a:")); err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}

func TestNode_Streams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, Config{MaxStreams: 2})
		key := newKey(t, "1:acme:")
		open := func(ctx context.Context, r *http.Request) (*httptest.ResponseRecorder, chan struct{}) {
			h, release, err := n.Acquire(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			w, done := httptest.NewRecorder(), make(chan struct{})
			go func() {
				defer close(done)
				defer release()
				h.ServeHTTP(w, r.WithContext(ctx))
			}()
			synctest.Wait()
			return w, done
		}
		opened, done := open(t.Context(), legacy(t, http.MethodPost, "", initializeBody))
		<-done
		listen := legacy(t, http.MethodGet, opened.Header().Get(server.HeaderKeySessionID), "")

		expiring := constraint.WithCaller(t.Context(), constraint.Caller{User: "1", Expires: time.Now().Add(time.Minute)})
		_, first := open(expiring, listen)
		lasting, hangUp := context.WithCancel(t.Context())
		_, second := open(lasting, listen)
		if third, done := open(t.Context(), listen); third.Code != http.StatusServiceUnavailable {
			t.Errorf("a third stream: %d", third.Code)
		} else {
			<-done
		}
		if got, err := where(t.Context(), n, key); err != nil || !strings.Contains(got, "at 1:acme:") {
			t.Errorf("a call beside as many streams as there may be: %q, %v", got, err)
		}
		time.Sleep(59 * time.Second)
		select {
		case <-first:
			t.Error("the stream ended before its token")
		default:
		}
		time.Sleep(2 * time.Second)
		<-first // ended with its token
		hangUp()
		<-second
		shutdown(t, n)
	})
}

func TestNode_PanicInReceive(t *testing.T) {
	n := start(t, Config{})
	defer shutdown(t, n)
	key := newKey(t, "1:acme:")
	h, release, err := n.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	e, _, _ := n.dir.place(key)
	n.system.Root.Send(e.pid, (*checkIdle)(nil)) // panics in checkIdle
	<-h.(*lease).streams.Done()                  // the supervisor has stopped the actor
	release()
	if got, err := where(t.Context(), n, key); err != nil || !strings.Contains(got, "at 1:acme:") {
		t.Errorf("after the panic: %q, %v", got, err)
	}
	if s := n.Stats(); s.Activations != 2 || s.Contexts != 1 {
		t.Errorf("%+v, want a second activation and one context", s)
	}
}

func TestNode_Passivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, Config{Idle: time.Minute})
		idle, held := newKey(t, "1:idle:"), newKey(t, "1:held:")
		if _, err := where(t.Context(), n, idle); err != nil {
			t.Fatal(err)
		}
		_, release, err := n.Acquire(t.Context(), held)
		if err != nil {
			t.Fatal(err)
		}

		time.Sleep(50 * time.Second)
		synctest.Wait()
		if s := n.Stats(); s.Contexts != 2 {
			t.Errorf("before the time: %+v", s)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := n.Stats(); s.Contexts != 1 || s.Passivations != 1 || s.Actors != 1 {
			t.Errorf("after the time: %+v, want only the one in use", s)
		}
		release()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := n.Stats(); s.Contexts != 0 || s.Actors != 0 {
			t.Errorf("after the release: %+v, want none", s)
		}
		if got, err := where(t.Context(), n, idle); err != nil || !strings.Contains(got, "at 1:idle:") {
			t.Errorf("a passivated context is activated anew: %q, %v", got, err)
		}
		shutdown(t, n)
	})
}

// TestNode_PassivateLosesNobody passivates as fast as it can under traffic, and
// goes on until that has met it often enough.
func TestNode_PassivateLosesNobody(t *testing.T) {
	n := start(t, Config{Idle: time.Hour})
	defer shutdown(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	var sweeps sync.WaitGroup
	sweeps.Go(func() {
		for ctx.Err() == nil {
			n.sweepOnce(time.Now().Add(2 * time.Hour)) // everything not in use is idle
			runtime.Gosched()
		}
	})
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := 0; j < 400 || n.Stats().Passivations < 20; j++ {
				s := fmt.Sprintf("1:org%d:", (i+j)%3)
				if got, err := where(ctx, n, newKey(t, s)); err != nil || !strings.Contains(got, "at "+s) {
					t.Errorf("call %d at %s: %q, %v", j, s, got, err)
				}
			}
		})
	}
	callers.Wait()
	cancel()
	sweeps.Wait()
}

// The registry finds what was in it when it had more buckets.
func TestNewSystem_registry(t *testing.T) {
	system := newSystem(slog.New(slog.DiscardHandler))
	defer system.Shutdown()
	registry := system.ProcessRegistry
	if n := len(registry.LocalPIDs.LocalPIDs); n != registryBuckets {
		t.Errorf("%d buckets, want %d", n, registryBuckets)
	}
	fresh := actor.NewActorSystem()
	defer fresh.Shutdown()
	for _, bucket := range fresh.ProcessRegistry.LocalPIDs.LocalPIDs {
		for id := range bucket.Items() {
			if _, ok := registry.GetLocal(id); !ok {
				t.Errorf("%q is not found", id)
			}
		}
	}
}

func TestNode_ReturnsMemoryAndGoroutines(t *testing.T) {
	const contexts = 10_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	n := start(t, Config{Idle: time.Hour})
	defer shutdown(t, n)
	cycle := func() {
		for i := range contexts {
			_, release, err := n.Acquire(t.Context(), newKey(t, fmt.Sprintf("1:org-%d:web", i)))
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
	}
	passivate := func() {
		n.sweepOnce(time.Now().Add(2 * time.Hour))
		deadline := time.After(30 * time.Second)
		for n.Stats().Actors > 0 {
			select {
			case <-deadline:
				t.Fatalf("after 30 s: %+v", n.Stats())
			default:
				runtime.Gosched()
			}
		}
	}
	// Maps keep the size they once had and reach it over some cycles; a leak
	// would add as much in every cycle.
	const cycles = 25
	for i := range cycles {
		heapBefore, goroutinesBefore := heap(), runtime.NumGoroutine()
		cycle()
		heapLive, goroutinesLive := heap(), runtime.NumGoroutine()
		passivate()
		live, left := (heapLive-heapBefore)/contexts, (heap()-heapBefore)/contexts
		if live < 1000 {
			t.Fatalf("%d B per active context: the measurement does not see them", live)
		}
		if more := goroutinesLive - goroutinesBefore; more > 20 {
			t.Fatalf("idle contexts hold %d goroutines", more)
		}
		if more := runtime.NumGoroutine() - goroutinesBefore; more > 5 {
			t.Fatalf("%d goroutines are left", more)
		}
		if left <= 32 {
			t.Logf("cycle %d: %d contexts of %d B, which leave %d B each", i+1, contexts, live, left)
			return
		}
	}
	t.Errorf("after %d cycles of %d contexts, every cycle still leaves memory behind", cycles, contexts)
}
