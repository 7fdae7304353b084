package sandbox

import (
	"context"
	"path/filepath"
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
			if _, err := sb.ingestEnvelope(context.Background(), p, env, ""); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
