package actors

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

func TestNode_ServeStdio(t *testing.T) {
	n := start(t, Config{})
	defer shutdown(t, n)
	key := newKey(t, "1:acme:web")
	const call = `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"where","arguments":{}}}` + "\n"

	t.Run("an input that ends early gets its answers", func(t *testing.T) {
		var in, out strings.Builder
		for id := range 20 {
			fmt.Fprintf(&in, call, id)
		}
		if err := n.ServeStdio(t.Context(), key, strings.NewReader(in.String()), &out); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if got := strings.Count(out.String(), "at 1:acme:web"); got != 20 {
			t.Errorf("%d answers to 20 calls:\n%s", got, out.String())
		}
	})

	t.Run("an input that stays open", func(t *testing.T) {
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		served := make(chan error, 1)
		go func() { served <- n.ServeStdio(t.Context(), key, inR, outW) }()
		go fmt.Fprintf(inW, call, 1)
		buf := make([]byte, 4096)
		read, err := outR.Read(buf)
		if err != nil || !strings.Contains(string(buf[:read]), "at 1:acme:web") {
			t.Errorf("%q, %v", buf[:read], err)
		}
		inW.Close()
		if err := <-served; err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("ServeStdio: %v", err)
		}
	})
	if l := n.dir.cached(key); l.state.Load() != 0 {
		t.Error("the lease is not released")
	}
}

// A client on stdio is told of changes like any other.
func TestNode_ServeStdio_subscribe(t *testing.T) {
	cfg := Config{NewServer: func(context.Context, constraint.Key) (*server.MCPServer, error) {
		s := server.NewMCPServer("test", "1", server.WithResourceCapabilities(true, false))
		var reads atomic.Int64
		s.AddResource(mcp.Resource{URI: "x://a", Name: "a"}, func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: "x://a", Text: fmt.Sprint(reads.Add(1))}}, nil
		})
		return s, nil
	}}
	cfg.Transport.Watch.MinInterval = time.Millisecond
	n := start(t, cfg)
	defer shutdown(t, n)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- n.ServeStdio(t.Context(), newKey(t, "1:acme:web"), inR, outW) }()
	lines := bufio.NewScanner(outR)
	for _, step := range []struct{ send, want string }{
		{`{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"x://unknown"}}`, `"code":-32002`},
		{`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"x://a"}}`, `"id":2,"result":{}`},
		{"", `"method":"notifications/resources/updated","params":{"uri":"x://a"}`},
		{`{"jsonrpc":"2.0","id":3,"method":"resources/unsubscribe","params":{"uri":"x://a"}}`, `"id":3,"result":{}`},
	} {
		if step.send != "" {
			go fmt.Fprintln(inW, step.send)
		}
		for lines.Scan() && !strings.Contains(lines.Text(), step.want) {
		}
		if !strings.Contains(lines.Text(), step.want) {
			t.Fatalf("%q never came", step.want)
		}
	}
	go io.Copy(io.Discard, outR)
	inW.Close()
	if err := <-served; err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("ServeStdio: %v", err)
	}
}
