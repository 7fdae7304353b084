package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/actors"
	"roundhouse/constraint"
	"roundhouse/router"
	"roundhouse/transport"
	watching "roundhouse/watch"
)

// openStreams is how many there are: ROUNDHOUSE_STREAMS, or few.
var openStreams = func() int {
	n, err := strconv.Atoi(os.Getenv("ROUNDHOUSE_STREAMS"))
	if err != nil {
		return 500
	}
	return n
}()

const perUser = 50 // streams, all in one context

// BenchmarkListen opens listen streams over loopback, through router,
// token check, lease and transport, and changes the MCP resource that all of them
// watch. The clients are a process of their own: what is counted is the server's
// alone, and neither needs more than one file for each.
//
//	B/stream           heap and stacks in use
//	rss-B/stream       what the process grew by, as the system sees it
//	goroutines/stream
//	cpu-us/told        for each client that was told of the change; the server's
//	ms/broadcast       from the first client's being told to the last's: each
//	                   context looks once a second, at a time of its own
func BenchmarkListen(b *testing.B) {
	for b.Loop() {
		w := newListenWorld(b)
		before := w.measure()
		clients := w.connect()
		clients.want("listening")
		open := w.measure()
		if n := w.streams.Open(); n != openStreams {
			b.Fatalf("%d streams are open", n)
		}
		b.ReportMetric(float64(open.memory-before.memory)/float64(openStreams), "B/stream")
		b.ReportMetric(float64(open.resident-before.resident)/float64(openStreams), "rss-B/stream")
		b.ReportMetric(float64(open.goroutines-before.goroutines)/float64(openStreams), "goroutines/stream")

		quiet := usedCPU(b)
		w.version.Add(1)
		var ms float64
		if _, err := fmt.Sscanf(clients.want("told"), "told %f", &ms); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64((usedCPU(b)-quiet).Microseconds())/float64(openStreams), "cpu-us/told")
		b.ReportMetric(ms, "ms/broadcast")

		clients.hangUp()
		for deadline := time.Now().Add(time.Minute); w.streams.Open() > 0 || runtime.NumGoroutine() > before.goroutines+perUser; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatalf("%d streams, %d goroutines are left of %d", w.streams.Open(), runtime.NumGoroutine(), before.goroutines)
			}
		}
		b.ReportMetric(float64(w.measure().memory-before.memory)/float64(openStreams), "B/closed-stream")
		w.close()
	}
}

type listenWorld struct {
	b       *testing.B
	node    *actors.Node
	srv     *httptest.Server
	streams router.Streams
	version atomic.Int64 // of the resource
}

func newListenWorld(b *testing.B) *listenWorld {
	w := &listenWorld{b: b}
	var err error
	w.node, err = actors.Start(actors.Config{
		Logger:    slog.New(slog.DiscardHandler),
		Transport: transport.Config{Watch: watching.Config{MinInterval: time.Second, MaxInterval: time.Second}},
		NewServer: func(context.Context, constraint.Key) (*server.MCPServer, error) {
			s := server.NewMCPServer("test", "1", server.WithResourceCapabilities(true, false))
			s.AddResource(mcp.NewResource("x://seen", "seen"), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
				return []mcp.ResourceContents{mcp.TextResourceContents{URI: "x://seen", Text: fmt.Sprint(w.version.Load())}}, nil
			})
			return s, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	w.srv = httptest.NewUnstartedServer(nil)
	url := "http://" + w.srv.Listener.Addr().String()
	w.srv.Config.Handler = router.New(router.Config{
		PublicURL: url, Directory: w.node, Streams: &w.streams, Logger: slog.New(slog.DiscardHandler),
		Verify: func(_ context.Context, token string) (constraint.Caller, error) {
			return constraint.Caller{User: token, Grant: "grant of " + token, Resource: url + "/mcp", Expires: time.Now().Add(time.Hour)}, nil
		},
	})
	w.srv.Start()
	for user := range openStreams / perUser {
		activate(b, w.node, user, "acme:web")
	}
	return w
}

func (w *listenWorld) close() {
	w.srv.Close()
	if err := w.node.Shutdown(context.Background()); err != nil {
		w.b.Error(err)
	}
}

type measured struct {
	memory, resident int64
	goroutines       int
}

func (w *listenWorld) measure() measured {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		w.b.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(statm), &size, &pages); err != nil {
		w.b.Fatal(err)
	}
	return measured{int64(m.HeapAlloc + m.StackInuse), pages * int64(os.Getpagesize()), runtime.NumGoroutine()}
}

// listeners is the process of the clients.
type listeners struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Scanner
}

func (w *listenWorld) connect() *listeners {
	cmd := exec.Command(os.Args[0], "-test.run=^TestListeners$", "-test.v")
	cmd.Env = append(os.Environ(), "ROUNDHOUSE_LISTEN_TO="+strings.TrimPrefix(w.srv.URL, "http://"))
	in, err := cmd.StdinPipe()
	if err != nil {
		w.b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.b.Fatal(err)
	}
	return &listeners{w.b, cmd, in, bufio.NewScanner(out)}
}

func (l *listeners) want(word string) string {
	l.b.Helper()
	for l.out.Scan() {
		if strings.HasPrefix(l.out.Text(), word) {
			return l.out.Text()
		}
	}
	l.b.Fatalf("the clients ended before %q", word)
	return ""
}

func (l *listeners) hangUp() {
	l.in.Close()
	if err := l.cmd.Wait(); err != nil {
		l.b.Error(err)
	}
}

// TestListeners is the clients of BenchmarkListen, and nothing by itself.
func TestListeners(t *testing.T) {
	to := os.Getenv("ROUNDHOUSE_LISTEN_TO")
	if to == "" {
		return
	}
	var acknowledged, told, over sync.WaitGroup
	var first, last atomic.Int64
	slots := make(chan struct{}, 64) // connecting at the same time
	hungUp := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark hangs up
		close(hungUp)
	}()
	for i := range openStreams {
		acknowledged.Add(1)
		told.Add(1)
		over.Go(func() {
			slots <- struct{}{}
			conn, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 512)
			if err := listenOn(conn, in, i/perUser); err != nil {
				t.Error(err)
				return
			}
			<-slots
			acknowledged.Done()
			if err := readUntil(in, "notifications/resources/updated"); err != nil {
				t.Error(err)
				return
			}
			now := time.Now().UnixNano()
			first.CompareAndSwap(0, now)
			last.Store(now)
			told.Done()
			<-hungUp
		})
	}
	acknowledged.Wait()
	fmt.Println("\nlistening")
	told.Wait()
	fmt.Printf("\ntold %.1f\n", float64(last.Load()-first.Load())/1e6)
	over.Wait()
}

func listenOn(conn net.Conn, in *bufio.Reader, user int) error {
	body := `{"jsonrpc":"2.0","id":"listen:0","method":"subscriptions/listen","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},` +
		`"notifications":{"resourceSubscriptions":["x://seen"]}}}`
	_, err := fmt.Fprintf(conn, "POST /mcp/acme/web HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %d\r\nContent-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nContent-Length: %d\r\n\r\n%s",
		conn.RemoteAddr(), user, len(body), body)
	if err != nil {
		return err
	}
	return readUntil(in, "notifications/subscriptions/acknowledged")
}

func readUntil(in *bufio.Reader, word string) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%q before %s", line, word)
		}
		if strings.Contains(line, word) {
			return nil
		}
	}
}
