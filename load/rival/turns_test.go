package rival

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"roundhouse/constraint"
)

func keyNamed(t *testing.T, org string) constraint.Key {
	key, err := constraint.New("1", org, "")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestTurns_AreFair lets a caller in who waits for another context before those
// who come later for the present one, and together with those who wait for the
// same.
func TestTurns_AreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		turns := &turns{change: func(_ context.Context, key constraint.Key) error {
			changes = append(changes, key.Org())
			return nil
		}}
		a, b := keyNamed(t, "a"), keyNamed(t, "b")
		in := make(chan string, 10)
		enter := func(key constraint.Key) {
			go func() {
				if err := turns.enter(t.Context(), key); err != nil {
					t.Error(err)
				}
				in <- key.Org()
			}()
			synctest.Wait()
		}
		entered := func() (orgs []string) {
			for len(in) > 0 {
				orgs = append(orgs, <-in)
			}
			return orgs
		}
		check := func(why string, want ...string) {
			t.Helper()
			if got := entered(); !slices.Equal(got, want) {
				t.Errorf("%s: %v are in, want %v", why, got, want)
			}
		}
		enter(a)
		enter(a)
		check("one context", "a", "a")
		enter(b)
		enter(a)
		enter(b)
		check("another waits, and who comes after it")
		turns.leave()
		synctest.Wait()
		check("one is still in")
		turns.leave()
		synctest.Wait()
		check("all have left", "b", "b")
		turns.leave()
		turns.leave()
		synctest.Wait()
		check("back again", "a")
		turns.leave()
		enter(a)
		check("nothing to change", "a")
		turns.leave()
		if want := []string{"a", "b", "a"}; !slices.Equal(changes, want) {
			t.Errorf("changes %v, want %v", changes, want)
		}
	})
}

// TestTurns_Abandon gives up in each state in which one can wait.
func TestTurns_Abandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		turns := &turns{change: func(_ context.Context, key constraint.Key) error {
			if key.Org() == "slow" {
				<-goOn
			}
			return nil
		}}
		a := keyNamed(t, "a")
		if err := turns.enter(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 3)
		go func() { ended <- turns.enter(ctx, keyNamed(t, "b")) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || len(turns.waiting) != 0 {
			t.Errorf("before its turn: %v, %d wait", err, len(turns.waiting))
		}
		turns.leave()

		ctx, cancel = context.WithCancel(t.Context())
		go func() { ended <- turns.enter(ctx, keyNamed(t, "slow")) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(goOn)
		if err := <-ended; !errors.Is(err, context.Canceled) || turns.running != 0 {
			t.Errorf("in its turn: %v, %d are in", err, turns.running)
		}
		if err := turns.enter(t.Context(), a); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestTurns_FailedChange leaves what is shared as it was.
func TestTurns_FailedChange(t *testing.T) {
	broken := errors.New("broken")
	a, b := keyNamed(t, "a"), keyNamed(t, "b")
	changes := 0
	turns := &turns{change: func(_ context.Context, key constraint.Key) error {
		changes++
		if key == b {
			return broken
		}
		return nil
	}}
	for i, tt := range []struct {
		key     constraint.Key
		err     error
		changes int
	}{{a, nil, 1}, {b, broken, 2}, {a, nil, 2}, {b, broken, 3}} {
		err := turns.enter(t.Context(), tt.key)
		if !errors.Is(err, tt.err) || changes != tt.changes {
			t.Errorf("%d: %v after %d changes, want %v after %d", i, err, changes, tt.err, tt.changes)
		}
		if err == nil {
			turns.leave()
		}
	}
}
