package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A read that panics is one that failed: nobody else's contexts end with it.
func TestWatcher_outlivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, told := 0, 0
		w := New(func(context.Context, string) ([]byte, error) {
			switch reads++; reads {
			case 1:
				return []byte("1"), nil
			case 2:
				panic("a bug")
			}
			return []byte("2"), nil
		}, Config{})
		s := w.Join(t.Context(), func(string) { told++ })
		if err := s.Watch("x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if told != 1 {
			t.Errorf("told %d times of one change, in %d reads", told, reads)
		}
		s.Leave()
	})
}
