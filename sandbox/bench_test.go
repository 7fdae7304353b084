package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roundhouse/sandbox/payload"
)

func openBench(b *testing.B, o Options) *Sandbox {
	b.Helper()
	sb, err := New(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sb.Close() })
	return sb
}

func benchProject(b *testing.B, sb *Sandbox) (p project) {
	b.Helper()
	if err := sb.read().QueryRow("SELECT " + projectColumns + " FROM project p ORDER BY id LIMIT 1").Scan(p.fields()...); err != nil {
		b.Fatal(err)
	}
	return p
}

// cpuTime is what this process has used so far. On a machine with neighbors it
// tells more than the time that has passed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEnvelopes is the way of an envelope from its bytes into a file, eight
// senders at a time.
func BenchmarkEnvelopes(b *testing.B) {
	sb := openBench(b, Options{Path: filepath.Join(b.TempDir(), "sandbox.db"), Empty: true})
	p := benchProject(b, sb)
	var number atomic.Int64
	before := cpuTime(b)
	b.SetParallelism(4)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(number.Add(1))
			env, err := payload.ParseEnvelope([]byte(sent(n, time.Now())))
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := sb.ingestEnvelope(context.Background(), p, env, "", nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	var pages, size int64
	if err := sb.read().QueryRow("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(pages*size)/(1<<20)*10_000/float64(b.N), "MB/10000")
}

// BenchmarkStart is from nothing to ready, with the seed; BenchmarkStartAgain
// what a later start takes.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		startAndStop(b, filepath.Join(dir, strconv.Itoa(i)))
	}
}

func BenchmarkStartAgain(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sandbox.db")
	startAndStop(b, path)
	for b.Loop() {
		startAndStop(b, path)
	}
}

func startAndStop(b *testing.B, path string) {
	sb, err := New(b.Context(), Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	if err := sb.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSustained sends over HTTP to a sandbox in a process of its own, with
// a database in a file. With -benchtime 60s it answers what two cores can take
// for a minute, the sender's own work included.
func BenchmarkSustained(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sandbox.db")
	p := startProcess(b, path)
	const senders = 16
	molds := newMolds(100, time.Now())
	var number, peak atomic.Int64
	took := make([][]time.Duration, senders)
	mine, its := cpuTime(b), p.cpuTime(b)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			s, err := dial(p.Base, molds)
			if err != nil {
				b.Error(err)
				return
			}
			defer s.conn.Close()
			for n := int(number.Add(1)); n <= b.N; n = int(number.Add(1)) {
				begun := time.Now()
				if err := s.send(p.sender(n), n); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(begun))
				if n%500 == 0 {
					peak.Store(max(peak.Load(), p.resident(b)))
				}
				if n%20_000 == 0 {
					fmt.Fprintf(os.Stderr, "%d envelopes, %.0f/s, %d MB resident\n", n, float64(n)/b.Elapsed().Seconds(), peak.Load()>>20)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	sorted := slices.Sorted(slices.Values(slices.Concat(took...)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
	b.ReportMetric(quantile(sorted, 0.5), "p50-ms")
	b.ReportMetric(quantile(sorted, 0.99), "p99-ms")
	b.ReportMetric(float64(max(peak.Load(), p.resident(b)))/(1<<20), "peak-MB")
	b.ReportMetric(float64((cpuTime(b)-mine).Microseconds())/float64(b.N), "sender-cpu-µs/op")
	b.ReportMetric(float64((p.cpuTime(b)-its).Microseconds())/float64(b.N), "cpu-µs/op")
}

// sender is where the numbered envelope goes.
func (p *process) sender(n int) string { return p.Senders[n/3%len(p.Senders)] }

// cpuTime is what the process has used so far, as Linux counts it.
func (p *process) cpuTime(b *testing.B) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	var user, system int64
	if fields := strings.Fields(after); len(fields) > 12 {
		user, _ = strconv.ParseInt(fields[11], 10, 64)
		system, _ = strconv.ParseInt(fields[12], 10, 64)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

func quantile(sorted []time.Duration, q float64) float64 {
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}

// resident is how much memory the process has, as Linux counts it.
func (p *process) resident(b *testing.B) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	field, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kb, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb << 10
}
