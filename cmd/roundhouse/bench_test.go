package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/actors"
	"roundhouse/constraint"
	"roundhouse/sentry"
	"roundhouse/tools"
)

// BenchmarkToolsCallWhoami is one call over a loopback connection: router,
// token check in the store, actor, mcp-go, tool, and the sandbox's answer.
func BenchmarkToolsCallWhoami(b *testing.B) {
	r := start(b, b.TempDir(), nil, "--log-level", "warn")
	token := r.login(mara, "").token(b)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := callWhoami(b.Context(), r.url+"/mcp/acme-outdoors/storefront", token); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

var whoamiBody = []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{},"_meta":{
	"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)

func callWhoami(ctx context.Context, url, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(whoamiBody))
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "whoami",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(mara)) || bytes.Contains(body, []byte(`"isError":true`)) {
		return fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	return nil
}

// newBoundNode has the real catalog, and binds keys without asking Sentry. tune
// may be nil.
func newBoundNode(b *testing.B, tune func(*actors.Config)) *actors.Node {
	client, err := sentry.NewClient(sentry.Config{BaseURL: "http://127.0.0.1:1", Tokens: sentry.StaticToken{}})
	if err != nil {
		b.Fatal(err)
	}
	catalog := tools.Default()
	cfg := actors.Config{
		MaxContexts: 1 << 30,
		Logger:      slog.New(slog.DiscardHandler),
		NewServer: func(_ context.Context, key constraint.Key) (*server.MCPServer, error) {
			return catalog.NewServer(tools.Env{Key: key, Sentry: client, ProjectID: "1"}), nil
		},
	}
	if tune != nil {
		tune(&cfg)
	}
	node, err := actors.Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := node.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return node
}

func activate(b *testing.B, node *actors.Node, user int, place string) {
	_, release, err := node.Acquire(b.Context(), keyOf(b, user, place))
	if err != nil {
		b.Fatal(err)
	}
	release()
}

func keyOf(b *testing.B, user int, place string) constraint.Key {
	key, err := constraint.Parse(fmt.Sprintf("%d:%s", user, place))
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// BenchmarkActivation is a first request without Sentry's answer: place, spawn,
// bind the catalog, lease.
func BenchmarkActivation(b *testing.B) {
	for name, place := range places {
		b.Run(name, func(b *testing.B) {
			node := newBoundNode(b, nil)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				activate(b, node, i, place)
			}
		})
	}
}

var places = map[string]string{"user": ":", "org": "acme:", "project": "acme:web"}
