package sandbox

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestOwnProcess(t *testing.T) {
	for _, tt := range []struct {
		name, gogc, limit string
		wantPercent       int
		wantLimit         int64
	}{
		{"Nothing is said", "", "", garbage, heapLimit},
		{"The collector is told", "100", "", 100, heapLimit},
		{"The limit is told", "", "1GiB", garbage, math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GOGC", tt.gogc)
			t.Setenv("GOMEMLIMIT", tt.limit)
			before := collecting()
			restore := OwnProcess()
			if got := collecting(); got.percent != tt.wantPercent || got.limit != tt.wantLimit {
				t.Errorf("%+v, want %d and %d", got, tt.wantPercent, tt.wantLimit)
			}
			restore()
			if got := collecting(); got != before {
				t.Errorf("then %+v, before %+v", got, before)
			}
		})
	}
}

type collector struct {
	percent int
	limit   int64
}

func collecting() collector {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return collector{percent, debug.SetMemoryLimit(-1)}
}
