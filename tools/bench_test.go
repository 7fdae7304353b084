package tools

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/sentry"
)

func benchEnv(b testing.TB, org, project string) Env {
	client, err := sentry.NewClient(sentry.Config{BaseURL: "https://sentry.io", Tokens: sentry.StaticToken{}})
	if err != nil {
		b.Fatal(err)
	}
	return Env{Key: testKey(b, org, project), Sentry: client, ProjectID: "4501234567890123"}
}

func BenchmarkCatalog_NewServer(b *testing.B) {
	for _, shape := range []struct{ name, org, project string }{{"user", "", ""}, {"org", "acme-outdoors", ""}, {"project", "acme-outdoors", "storefront"}} {
		b.Run(shape.name, func(b *testing.B) {
			env := benchEnv(b, shape.org, shape.project)
			catalog := Default()
			b.ReportAllocs()
			for b.Loop() {
				catalog.NewServer(env)
			}
		})
	}
}

// What a context holds is what stays after building, not what building
// allocates.
func BenchmarkCatalog_heap(b *testing.B) {
	env := benchEnv(b, "acme-outdoors", "storefront")
	const count = 2000
	for b.Loop() {
		b.ReportMetric(float64(heapOf(env, count)), "heap-B/server")
	}
}

func heapOf(env Env, count int) uint64 {
	catalog := Default()
	servers := make([]*server.MCPServer, count)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range servers {
		servers[i] = catalog.NewServer(env)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(servers)
	return (after.HeapAlloc - before.HeapAlloc) / uint64(count)
}

// A regression here is multiplied by every idle context.
func TestCatalog_heap(t *testing.T) {
	const limit = 6<<10 + 256
	if got := heapOf(benchEnv(t, "acme-outdoors", "storefront"), 500); got > limit {
		t.Errorf("a server holds %d bytes, want at most %d", got, limit)
	}
}

func BenchmarkCatalog_invoke(b *testing.B) {
	env := Env{Key: testKey(b, "acme", ""), catalog: fixture()}
	ctx := as(b.Context(), Inspect)
	raw := fmt.Appendf(nil, `{"limit":%d,"words":["a"]}`, 5)
	b.ReportAllocs()
	for b.Loop() {
		if r := env.invoke(ctx, "echo", raw); r.IsError {
			b.Fatal(text(r))
		}
	}
}
