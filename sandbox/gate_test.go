package sandbox

import (
	"context"
	"testing"
	"time"
)

// TestGates: one fills the gate of one, and leaves nothing behind.
func TestGates(t *testing.T) {
	g := newGates(2)
	enter := func(who string) (leave func(), err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return g.enter(ctx, who)
	}
	first, err := enter("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = enter("a"); err != nil {
		t.Fatal(err)
	}
	if _, err = enter("a"); err == nil {
		t.Error("a third was let in")
	}
	if other, err := enter("b"); err != nil {
		t.Errorf("another has to wait: %v", err)
	} else {
		other()
	}
	if first(); len(g.of) != 1 {
		t.Errorf("gates of %d are kept, want those of one", len(g.of))
	}
	if _, err = enter("a"); err != nil {
		t.Errorf("after one left: %v", err)
	}
}
