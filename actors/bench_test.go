package actors

import (
	"fmt"
	"testing"

	"roundhouse/constraint"
)

// Activation here is that of a server with one tool; cmd/roundhouse measures it
// with the real catalog.
func BenchmarkNode_Acquire(b *testing.B) {
	b.Run("cached", func(b *testing.B) {
		n := start(b, Config{})
		defer shutdown(b, n)
		key := newKey(b, "1:acme:web")
		b.ReportAllocs()
		for b.Loop() {
			_, release, err := n.Acquire(b.Context(), key)
			if err != nil {
				b.Fatal(err)
			}
			release()
		}
	})
	b.Run("from the actor", func(b *testing.B) { // what the cache saves
		n := start(b, Config{})
		defer shutdown(b, n)
		key := newKey(b, "1:acme:web")
		b.ReportAllocs()
		for b.Loop() {
			l, err := n.leaseFromActor(b.Context(), key)
			if err != nil {
				b.Fatal(err)
			}
			l.release()
		}
	})
	b.Run("cold", func(b *testing.B) {
		n := start(b, Config{MaxContexts: 1 << 30})
		defer shutdown(b, n)
		keys := make([]constraint.Key, 50_000)
		for i := range keys {
			keys[i] = newKey(b, fmt.Sprintf("1:org-%d:web", i))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			if i > 0 && i%len(keys) == 0 {
				b.StopTimer()
				shutdown(b, n)
				n = start(b, Config{MaxContexts: 1 << 30})
				b.StartTimer()
			}
			_, release, err := n.Acquire(b.Context(), keys[i%len(keys)])
			if err != nil {
				b.Fatal(err)
			}
			release()
		}
	})
}
