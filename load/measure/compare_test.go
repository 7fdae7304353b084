package measure_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

// against is a comparison with these ratios of throughput, and p99 of 2 to 1.
func against(theirs string, ratios ...float64) measure.Comparison {
	c := measure.Comparison{Ours: "roundhouse", Theirs: theirs, What: "one context"}
	for i, r := range ratios {
		base := float64(100 * (i + 1)) // rounds differ, and only their ratios count
		c.Rounds = append(c.Rounds, measure.Round{
			Ours:   measure.Side{Throughput: r * base, P99: 2 * base},
			Theirs: measure.Side{Throughput: base, P99: base},
		})
	}
	return c
}

func TestComparison_Ratios(t *testing.T) {
	c := against("bare", 3, 1, 2, 8)
	c.Rounds = append(c.Rounds, measure.Round{Ours: c.Rounds[0].Ours}) // they did not answer
	got := c.Ratios()
	want := measure.Ratios{
		Throughput: measure.Spread{Min: 1, Median: 2.5, Max: 8},
		P99:        measure.Spread{Min: 2, Median: 2, Max: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
}

// A round in which ours answered nothing is one in which it lost, and has no
// latency.
func TestComparison_OursIsDown(t *testing.T) {
	c := against("bare", 3, 3)
	c.Rounds[1].Ours = measure.Side{}
	got := c.Ratios()
	if got.Throughput != (measure.Spread{Min: 0, Median: 1.5, Max: 3}) || got.P99 != (measure.Spread{Min: 2, Median: 2, Max: 2}) {
		t.Errorf("ratios %+v", got)
	}
}

func TestFloor_Check(t *testing.T) {
	bare, slow := against("bare", 0.9, 0.8, 0.7), against("per-request", 4, 5, 6)
	for _, tc := range []struct {
		floor string
		of    []measure.Comparison
		want  []string
	}{
		{"throughput>=0.8", []measure.Comparison{bare, slow}, nil},
		{"throughput>=1", []measure.Comparison{bare, slow}, []string{"throughput>=1 is not met: roundhouse to bare, one context: 0.8"}},
		{"per-request:throughput>=1", []measure.Comparison{bare, slow}, nil},
		{"bare:p99<=2", []measure.Comparison{bare}, nil},
		{"p99<=1.5", []measure.Comparison{bare}, []string{"p99<=1.5 is not met: roundhouse to bare, one context: 2"}},
		{"cpu<=5", []measure.Comparison{bare}, []string{"cpu<=5 is not met: roundhouse to bare, one context: 0"}}, // not measured
		{"reconfigure:throughput>=1", []measure.Comparison{bare}, []string{"reconfigure:throughput>=1 is not met: nothing was compared"}},
		{"throughput>=1", nil, []string{"throughput>=1 is not met: nothing was compared"}},
	} {
		floor, err := measure.ParseFloor(tc.floor)
		if err != nil || floor.String() != tc.floor {
			t.Errorf("ParseFloor(%q) = %v, %v", tc.floor, floor, err)
		}
		if diff := cmp.Diff(tc.want, floor.Check(tc.of)); diff != "" {
			t.Errorf("Check of %s (-want +got):\n%s", tc.floor, diff)
		}
	}
}

func TestParseFloor_Refuses(t *testing.T) {
	for _, text := range []string{"", "throughput", "throughput=10", "throughput>10", "speed>=10", ">=10", "throughput>=", "throughput>=ten", "throughput>=NaN", "throughput>=-1", "p99<=1e99", "bare:>=1"} {
		if floor, err := measure.ParseFloor(text); err == nil {
			t.Errorf("ParseFloor(%q) = %v", text, floor)
		}
	}
	if floor, err := measure.ParseFloor(" bare:throughput >= 0.6 "); err != nil || floor.String() != "bare:throughput>=0.6" {
		t.Errorf("with spaces: %v, %v", floor, err)
	}
}
