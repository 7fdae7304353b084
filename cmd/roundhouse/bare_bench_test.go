package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	_ "net/http/pprof" // of the servers' processes
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/load/measure"
	"roundhouse/sandbox"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// BenchmarkAgainstBare makes calls of a tool, in turns, to this program and to
// a bare mcp-go server with the very same tool behind it, a constant Sentry
// token, and nothing else. Each server is a process of its own, so that its CPU
// time and its allocations are its own; the clients and the sandbox that both
// ask are this process. Per call, of the median turn:
//
//	throughput       calls a second of ours to the other's; lowest and highest
//	                 of the turns beside it
//	p99              of ours to the other's
//	cpu              of ours to the other's; us/ours and us/bare are the CPU times
//	allocs/…, B/…    what the server's process allocates
//
// ROUNDHOUSE_TURNS says how many turns each has, ROUNDHOUSE_CALLS of how many
// calls, and ROUNDHOUSE_PROFILES=DIR writes a profile of the CPU and of what is
// allocated for each server into that folder.
func BenchmarkAgainstBare(b *testing.B) {
	w := newBareWorld(b)
	for _, tool := range []struct{ name, arguments string }{
		{"search_sentry_tools", `{"query":"whoami","limit":1}`}, // asks Sentry nothing
		{"whoami", `{}`},
		{"search_issues", `{"query":"is:unresolved"}`},
	} {
		for _, era := range []string{"2026-07-28", "2025-11-25"} {
			b.Run(tool.name+"/"+era, func(b *testing.B) {
				call := toolCall{tool.name, tool.arguments, era}
				for b.Loop() {
					w.compare(b, call)
				}
			})
		}
	}
}

// fromEnv is a number that whoever measures may set.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

const (
	comparedPlace = "/acme-outdoors/storefront"
	comparedConns = 8
)

type bareWorld struct{ ours, bare *contender }

// contender is one of the servers, in a process of its own.
type contender struct {
	name, url, token string
	aside            string // URL of what tells about the process
	pid              int
}

func newBareWorld(b *testing.B) *bareWorld {
	dir := b.TempDir()
	plant(b, dir)
	sb, err := sandbox.New(b.Context(), sandbox.Options{Path: filepath.Join(dir, sandboxFile)})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(sb)
	b.Cleanup(func() {
		srv.Close()
		if err := sb.Close(); err != nil {
			b.Error(err)
		}
	})
	w := &bareWorld{}
	addr := freeAddr(b)
	app, err := sb.EnsureApp(b.Context(), "roundhouse", "http://"+addr+"/oauth/callback")
	if err != nil {
		b.Fatal(err)
	}
	w.ours = beginContender(b, "ours", "--addr", addr, "--data", dir, "--sentry-url", srv.URL,
		"--sentry-client-id", app.ClientID, "--sentry-client-secret", app.ClientSecret)
	w.ours.token = (&runner{t: b, url: w.ours.url}).login(mara, "").token(b)
	upstream, err := sb.CreateToken(b.Context(), mara, []string{"org:read", "project:read", "event:read", "team:read", "member:read"})
	if err != nil {
		b.Fatal(err)
	}
	w.bare = beginContender(b, "bare", srv.URL, upstream)
	return w
}

func freeAddr(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// beginContender runs TestContender in a process of its own.
func beginContender(b *testing.B, name string, args ...string) *contender {
	raw, err := json.Marshal(args)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestContender$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), "ROUNDHOUSE_CONTENDER="+name, "ROUNDHOUSE_CONTENDER_ARGS="+string(raw))
	stderr := newWatch(b)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		stderr.close()
	}()
	b.Cleanup(func() {
		in.Close()
		if err := <-ended; err != nil {
			b.Errorf("%s: %v", name, err)
		}
	})
	url := strings.TrimSuffix(stderr.find(`MCP client\s+(\S+)`), "/mcp")
	return &contender{name: name, url: url, aside: stderr.find(`aside (\S+)`), pid: cmd.Process.Pid}
}

// TestContender is one of the servers of BenchmarkAgainstBare, and nothing by
// itself. It ends when its standard input does.
func TestContender(t *testing.T) {
	name := os.Getenv("ROUNDHOUSE_CONTENDER")
	if name == "" {
		return
	}
	var args []string
	if err := json.Unmarshal([]byte(os.Getenv("ROUNDHOUSE_CONTENDER_ARGS")), &args); err != nil {
		t.Fatal(err)
	}
	http.HandleFunc("/allocated", func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintln(w, m.Mallocs, m.TotalAlloc)
	})
	aside := httptest.NewServer(nil)
	defer aside.Close()
	fmt.Fprintln(os.Stderr, "aside", aside.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if name == "bare" {
		serveBare(ctx, t, args[0], args[1])
		return
	}
	if err := run(ctx, args, func(string) string { return "" }, strings.NewReader(""), io.Discard, os.Stderr); err != nil {
		t.Error(err)
	}
}

// serveBare is what one would write without any of this: the handlers of the
// catalog's tools on an mcp-go server without sessions, on a ServeMux.
func serveBare(ctx context.Context, t *testing.T, sentryURL, token string) {
	client, err := sentry.NewClient(sentry.Config{BaseURL: sentryURL, Tokens: sentry.StaticToken{T: sentry.NewToken(token)}})
	if err != nil {
		t.Fatal(err)
	}
	user, err := client.Whoami(ctx)
	if err != nil {
		t.Fatal(err)
	}
	key, err := constraint.Parse(string(user.ID) + ":acme-outdoors:storefront")
	if err != nil {
		t.Fatal(err)
	}
	caller := constraint.Caller{User: key.User()}
	for _, s := range tools.Skills {
		caller.Skills = append(caller.Skills, s.ID)
	}
	within := func(ctx context.Context, _ *http.Request) context.Context {
		return constraint.With(constraint.WithCaller(ctx, caller), key)
	}
	env, err := tools.Bind(within(ctx, nil), client, key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp"+comparedPlace, server.NewStreamableHTTPServer(bareServer(within(ctx, nil), t, env),
		server.WithStateLess(true), server.WithHTTPContextFunc(within)))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(os.Stderr, "MCP client http://%s/mcp\n", ln.Addr())
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// bareServer has the tools of the catalog without the catalog's hooks.
func bareServer(ctx context.Context, t *testing.T, env tools.Env) *server.MCPServer {
	catalog := tools.Default()
	ours := catalog.NewServer(env)
	s := server.NewMCPServer("bare", "1", server.WithToolCapabilities(false))
	for tool := range catalog.All() {
		// It is registered when it is first called.
		ours.HandleMessage(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool.Name+`","arguments":{"none":0}}}`))
		if registered := ours.GetTool(tool.Name); registered != nil {
			s.AddTools(*registered)
		}
	}
	return s
}

// toolCall is what is asked of both.
type toolCall struct{ tool, arguments, era string }

func (c toolCall) modern() bool { return mcp.IsModernProtocol(c.era) }

// turn is what one server did in one of its turns.
type turn struct {
	perSecond, p99, cpu, allocs, bytes float64
}

func (w *bareWorld) compare(b *testing.B, call toolCall) {
	turns, calls := fromEnv("ROUNDHOUSE_TURNS", 5), fromEnv("ROUNDHOUSE_CALLS", 4000)
	conns := map[*contender][]*rawConn{}
	for _, c := range []*contender{w.ours, w.bare} {
		conns[c] = c.connect(b, call)
		c.play(b, conns[c], calls/4) // to be warm
	}
	var ours, bare []turn
	for i := range turns {
		first, second := w.ours, w.bare
		if i%2 == 1 {
			first, second = second, first
		}
		got := map[*contender]turn{}
		got[first] = first.play(b, conns[first], calls)
		got[second] = second.play(b, conns[second], calls)
		ours, bare = append(ours, got[w.ours]), append(bare, got[w.bare])
	}
	reportTurns(b, ours, bare)
	if dir := os.Getenv("ROUNDHOUSE_PROFILES"); dir != "" {
		for _, c := range []*contender{w.ours, w.bare} {
			c.profile(b, filepath.Join(dir, c.name+"."+call.tool+"."+call.era), conns[c])
		}
	}
	for _, all := range conns {
		for _, conn := range all {
			conn.Close()
		}
	}
}

func reportTurns(b *testing.B, ours, bare []turn) {
	of := func(all []turn, value func(turn) float64) []float64 {
		var values []float64
		for _, t := range all {
			values = append(values, value(t))
		}
		return values
	}
	ratios := func(value func(turn) float64) []float64 {
		mine, theirs := of(ours, value), of(bare, value)
		for i := range mine {
			mine[i] /= theirs[i]
		}
		slices.Sort(mine)
		return mine
	}
	median := func(values []float64) float64 {
		slices.Sort(values)
		return values[len(values)/2]
	}
	throughput := ratios(func(t turn) float64 { return t.perSecond })
	b.ReportMetric(median(throughput), "throughput")
	b.ReportMetric(throughput[0], "lowest")
	b.ReportMetric(throughput[len(throughput)-1], "highest")
	b.ReportMetric(median(ratios(func(t turn) float64 { return t.p99 })), "p99")
	b.ReportMetric(median(ratios(func(t turn) float64 { return t.cpu })), "cpu")
	for name, all := range map[string][]turn{"ours": ours, "bare": bare} {
		b.ReportMetric(median(of(all, func(t turn) float64 { return t.cpu })), "us/"+name)
		b.ReportMetric(median(of(all, func(t turn) float64 { return t.allocs })), "allocs/"+name)
		b.ReportMetric(median(of(all, func(t turn) float64 { return t.bytes })), "B/"+name)
		b.ReportMetric(median(of(all, func(t turn) float64 { return t.perSecond })), "per-s/"+name)
	}
	b.ReportMetric(0, "ns/op")
}

// play makes calls on all connections at once.
func (c *contender) play(b *testing.B, conns []*rawConn, calls int) turn {
	var latency measure.Histogram
	var mu sync.Mutex // guards latency
	var left atomic.Int64
	left.Store(int64(calls))
	cpu, allocs, size := c.cpu(b), 0.0, 0.0
	before := c.allocated(b)
	begin := time.Now()
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			var own measure.Histogram
			for left.Add(-1) >= 0 {
				at := time.Now()
				if err := conn.call(); err != nil {
					b.Errorf("%s: %v", c.name, err)
					return
				}
				own.Add(time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			latency.Merge(own)
		})
	}
	wg.Wait()
	took := time.Since(begin)
	cpu = c.cpu(b) - cpu
	after := c.allocated(b)
	n := float64(calls)
	allocs, size = (after[0]-before[0])/n, (after[1]-before[1])/n
	return turn{n / took.Seconds(), float64(latency.Quantile(0.99)), cpu / n, allocs, size}
}

// profile writes what the process does while it is called.
func (c *contender) profile(b *testing.B, path string, conns []*rawConn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.fetch(b, "/debug/pprof/profile?seconds=4", path+".cpu")
	}()
	for running := true; running; {
		c.play(b, conns, 1000)
		select {
		case <-done:
			running = false
		default:
		}
	}
	c.fetch(b, "/debug/pprof/allocs", path+".allocs")
}

func (c *contender) fetch(b *testing.B, from, to string) {
	resp, err := http.Get(c.aside + from)
	if err != nil {
		b.Error(err)
		return
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(to, raw, 0o600)
	}
	if err != nil {
		b.Error(err)
	}
}

// allocated returns how many objects and bytes the process has allocated.
func (c *contender) allocated(b *testing.B) (n [2]float64) {
	resp, err := http.Get(c.aside + "/allocated")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := fmt.Fscan(resp.Body, &n[0], &n[1]); err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu returns the CPU time that the process has used, in microseconds.
func (c *contender) cpu(b *testing.B) (us float64) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.pid))
	if err != nil || len(threads) == 0 {
		b.Fatal("no CPU times: ", err)
	}
	for _, path := range threads {
		raw, err := os.ReadFile(path)
		var ns float64
		if err == nil {
			_, err = fmt.Sscan(string(raw), &ns)
		}
		if err != nil {
			b.Fatal(err)
		}
		us += ns / 1e3
	}
	return us
}
