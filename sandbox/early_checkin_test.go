package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCheckIn_AnyOrder: in whatever order, and however often, the beginning and
// the end of a run arrive, it is one run that has ended.
func TestCheckIn_AnyOrder(t *testing.T) {
	said := map[string]func(r *runner){
		"begin":     func(r *runner) { r.checkIn(runA, "in_progress", ","+hourly) },
		"end":       func(r *runner) { r.checkIn(runA, "error", `,"duration":1.5`) },
		"end again": func(r *runner) { r.checkIn(runA, "ok", `,"duration":9`) },
	}
	for _, order := range []string{
		"begin, end", "end, begin", "end, begin, begin", "end, begin, end again", "end, end again, begin", "begin, end, begin", "begin, begin, end", "end, end, begin, begin, end",
	} {
		t.Run(order, func(t *testing.T) {
			r := start(t, Options{Empty: true}).as(jon, reading...)
			for name := range strings.SplitSeq(order, ", ") {
				said[name](r)
			}
			if diff := cmp.Diff([]string{"12:00 production error 1500"}, r.runs("")); diff != "" {
				t.Errorf("check-ins (-want +got):\n%s", diff)
			}
			if n := r.rows("early_checkin"); n != 0 {
				t.Errorf("%d ends are still waiting", n)
			}
		})
	}
}

func TestCheckIn_EarlyEnds(t *testing.T) {
	tests := []struct {
		reason, end string
		wait        time.Duration
		want        string
	}{
		{"another run's", `{"check_in_id":"` + runB + `","monitor_slug":"nightly","status":"ok"}`, 0, "in_progress -"},
		{"another monitor's", `{"check_in_id":"` + runA + `","monitor_slug":"weekly","status":"ok"}`, 0, "in_progress -"},
		{"without an id", `{"monitor_slug":"nightly","status":"ok"}`, 0, "in_progress -"},
		{"not an end", `{"check_in_id":"` + runA + `","monitor_slug":"nightly","status":"in_progress"}`, 0, "in_progress -"},
		{"long ago", `{"check_in_id":"` + runA + `","monitor_slug":"nightly","status":"ok"}`, 2 * time.Hour, "in_progress -"},
		{"a strange status", `{"check_in_id":"` + runA + `","monitor_slug":"nightly","status":"sunny"}`, 0, "unknown 0"},
		{"its own", `{"check_in_id":"` + strings.ToUpper(runA) + `","monitor_slug":"Nightly","status":"ok","duration":0}`, time.Second, "ok 0"},
	}
	for _, tt := range tests {
		r := start(t, Options{Empty: true}).as(jon, reading...)
		r.ingest("check_in", tt.end)
		r.clock.pass(tt.wait)
		r.checkIn(runA, "in_progress", ","+hourly)
		if got := r.runs(""); len(got) != 1 || got[0][len("12:00 production "):] != tt.want {
			t.Errorf("%s: %q, want %s", tt.reason, got, tt.want)
		}
	}
}

// TestCheckIn_EarlyBounds: what nobody ever begins does not fill the database.
func TestCheckIn_EarlyBounds(t *testing.T) {
	r := start(t, Options{Empty: true})
	var items []string
	for i := range maxEarly + 20 {
		items = append(items, "check_in", fmt.Sprintf(`{"check_in_id":"%032x","monitor_slug":"nightly","status":"ok"}`, i+1))
	}
	r.ingest(items...)
	if n := r.rows("early_checkin"); n != maxEarly {
		t.Errorf("%d ends wait, want %d", n, maxEarly)
	}
	r.clock.pass(earlyLife*time.Second + time.Minute)
	r.ingest(slices.Concat(items[:2])...)
	if n := r.rows("early_checkin"); n != 1 {
		t.Errorf("%d ends wait after an hour, want the new one", n)
	}
}
