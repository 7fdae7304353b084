package pace_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"roundhouse/load/pace"
)

// A server that holds the bound up to a limit is found out, to 5 %.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Float64Range(1, 1000).Draw(t, "from")
		to := from * rapid.Float64Range(1, 10_000).Draw(t, "to")
		limit := rapid.Float64Range(from/10, 2*to).Draw(t, "limit")
		search := pace.NewSearch(from, to, 100*time.Millisecond, 0.01)
		steps := 0
		for rate, ok := search.Next(); ok; rate, ok = search.Next() {
			if steps++; steps > 40 {
				t.Fatalf("%d steps: %+v", steps, search.Limit())
			}
			if rate > to {
				t.Fatalf("tries %v/s, beyond %v/s", rate, to)
			}
			switch {
			case rate <= limit:
				search.Found(99*time.Millisecond, 0.01)
			case rapid.Bool().Draw(t, "bad"):
				search.Found(time.Millisecond, 0.02)
			default:
				search.Found(time.Second, 0)
			}
		}
		want := min(limit, to)
		if got := search.Limit().Rate; got > want || got < want*0.95 && want > from/16 {
			t.Fatalf("found %v/s, want %v/s to 5 %%", got, want)
		}
	})
}

func TestSearch_RetriesOnce(t *testing.T) {
	search := pace.NewSearch(100, 100, time.Second, 0)
	search.Found(2*time.Second, 0)
	if rate, ok := search.Next(); rate != 100 || !ok {
		t.Errorf("after one failure tries %v/s, %v; want 100/s again", rate, ok)
	}
	search.Found(time.Second, 0)
	if rate, ok := search.Next(); ok {
		t.Errorf("tries %v/s though the highest rate held", rate)
	}
	if got := search.Limit(); got.Rate != 100 || len(got.Steps) != 2 || got.Steps[0].Held || !got.Steps[1].Held || got.Bound != "p99 at most 1s, at most 0 % bad" {
		t.Errorf("Limit = %+v", got)
	}
}

func TestSearch_RetriesEachRate(t *testing.T) {
	search := pace.NewSearch(100, 1000, time.Second, 0)
	for _, p99 := range []time.Duration{2 * time.Second, time.Second, 2 * time.Second} {
		search.Found(p99, 0)
	}
	if rate, ok := search.Next(); rate != 200 || !ok {
		t.Errorf("100/s held at the second try, 200/s failed at the first: tries %v/s, %v; want 200/s again", rate, ok)
	}
}
