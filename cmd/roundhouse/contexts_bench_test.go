package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roundhouse/actors"
	"roundhouse/load/measure"
)

// BenchmarkIdleContext makes ROUNDHOUSE_CONTEXTS of each shape, or 10 000:
//
//	B/context         heap in use by an idle one, actor and server together
//	rss-B/context     what the process grew by, as the system sees it
//	resident-MB       all of it
//	us/call           of one of them at random: each answers
func BenchmarkIdleContext(b *testing.B) {
	contexts := fromEnv("ROUNDHOUSE_CONTEXTS", 10_000)
	for name, place := range places {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				node := newBoundNode(b, nil)
				debug.FreeOSMemory() // of the shape before
				before, resident := heap(), residentMemory(b)
				for i := range contexts {
					activate(b, node, i, place)
				}
				b.ReportMetric(float64(heap()-before)/float64(contexts), "B/context")
				b.ReportMetric(float64(residentMemory(b)-resident)/float64(contexts), "rss-B/context")
				b.ReportMetric(float64(residentMemory(b))/1e6, "resident-MB")
				if node.Stats().Contexts != contexts {
					b.Fatalf("%+v", node.Stats())
				}
				callSome(b, node, contexts, place)
			}
		})
	}
}

// callSome asks a thousand contexts for something that costs no memory of
// theirs afterwards.
func callSome(b *testing.B, node *actors.Node, contexts int, place string) {
	const calls = 1000
	begin := time.Now()
	for range calls {
		discover(b, node, rand.IntN(contexts), place)
	}
	b.ReportMetric(float64(time.Since(begin).Microseconds())/calls, "us/call")
}

const discoverBody = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

func discover(b *testing.B, node *actors.Node, user int, place string) {
	key := keyOf(b, user, place)
	handler, release, err := node.Acquire(b.Context(), key)
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/mcp", strings.NewReader(discoverBody))
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover",
	} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"result"`) {
		b.Fatalf("user %d: %d %s", user, w.Code, w.Body)
	}
}

// BenchmarkPassivation abandons ROUNDHOUSE_CONTEXTS contexts, or 10 000, and
// reports what is left of each when all have passivated.
func BenchmarkPassivation(b *testing.B) {
	contexts := fromEnv("ROUNDHOUSE_CONTEXTS", 10_000)
	for b.Loop() {
		node := newBoundNode(b, func(cfg *actors.Config) { cfg.Idle = 10 * time.Second })
		before, goroutines := heap(), runtime.NumGoroutine()
		for i := range contexts {
			activate(b, node, i, "acme:web")
		}
		began := time.Now()
		for node.Stats().Actors > 0 {
			if time.Since(began) > 10*time.Minute {
				b.Fatalf("%+v", node.Stats())
			}
			time.Sleep(10 * time.Millisecond)
		}
		b.ReportMetric(float64(heap()-before)/float64(contexts), "B/passivated")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		debug.FreeOSMemory() // which the runtime does by and by
		b.ReportMetric(float64(residentMemory(b))/1e6, "resident-MB")
		if got := node.Stats(); got.Passivations != uint64(contexts) {
			b.Fatalf("%+v", got)
		}
	}
}

// BenchmarkActivationLatency makes ROUNDHOUSE_CONTEXTS first requests of as many
// contexts, or 100 000, without Sentry's answer, and reports how long they took.
// Where one is made after the other, cpu-… is the CPU time that all of the
// process used meanwhile, which other work on the machine does not change.
func BenchmarkActivationLatency(b *testing.B) {
	contexts := fromEnv("ROUNDHOUSE_CONTEXTS", 100_000)
	for _, callers := range []int{1, 8} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			for b.Loop() {
				took, cpu := activateAll(b, newBoundNode(b, nil), contexts, callers)
				tellQuantiles(b, "", took)
				if callers == 1 {
					tellQuantiles(b, "cpu-", cpu)
				}
			}
		})
	}
}

func tellQuantiles(b *testing.B, prefix string, h measure.Histogram) {
	for quantile, name := range map[float64]string{0.5: "p50", 0.99: "p99", 0.999: "p99.9", 1: "max"} {
		b.ReportMetric(float64(h.Quantile(quantile).Nanoseconds())/1e3, prefix+name+"-us")
	}
}

func activateAll(b *testing.B, node *actors.Node, contexts, callers int) (took, cpu measure.Histogram) {
	var mu sync.Mutex // guards the histograms
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			var ownTook, ownCPU measure.Histogram
			for i := caller; i < contexts; i += callers {
				begin, used := time.Now(), usedCPU(b)
				activate(b, node, i, "acme:web")
				ownTook.Add(time.Since(begin))
				ownCPU.Add(usedCPU(b) - used)
			}
			mu.Lock()
			defer mu.Unlock()
			took.Merge(ownTook)
			cpu.Merge(ownCPU)
		})
	}
	wg.Wait()
	return took, cpu
}

// usedCPU is what this process has used of it.
func usedCPU(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// residentMemory is what this process has of the machine's.
func residentMemory(b *testing.B) int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
