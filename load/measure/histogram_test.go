package measure_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

var distributions = []struct {
	name string
	draw func(*rand.Rand) float64 // around 1
}{
	{"uniform", func(r *rand.Rand) float64 { return r.Float64() * 2 }},
	{"exponential", (*rand.Rand).ExpFloat64},
	{"log-normal", func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }},
	{"two peaks", func(r *rand.Rand) float64 {
		if r.IntN(50) == 0 {
			return 100 + r.Float64()
		}
		return 1 + 0.1*r.Float64()
	}},
	{"constant", func(*rand.Rand) float64 { return 1 }},
}

// scales are of what is around 1 in a distribution.
var scales = []time.Duration{time.Microsecond, 37 * time.Microsecond, time.Millisecond, 120 * time.Millisecond, time.Second, 20 * time.Second}

var quantiles = []float64{0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1}

// exact is the duration that the share q of sorted ones did not exceed.
func exact(sorted []time.Duration, q float64) time.Duration {
	rank := int(math.Round(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func TestHistogram_Quantile(t *testing.T) {
	for _, dist := range distributions {
		for _, scale := range scales {
			t.Run(dist.name+" "+scale.String(), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(1, uint64(scale)))
				var h measure.Histogram
				durations := make([]time.Duration, 20_001)
				for i := range durations {
					durations[i] = min(time.Duration(dist.draw(rnd)*float64(scale)), measure.Longest)
					h.Add(durations[i])
				}
				slices.Sort(durations)
				for _, q := range quantiles {
					within(t, h.Quantile(q), exact(durations, q), "quantile %v", q)
				}
				within(t, h.Min(), durations[0], "min")
				within(t, h.Max(), durations[len(durations)-1], "max")
				for _, p := range h.Curve() {
					within(t, p.Value, exact(durations, p.Quantile), "curve at %v", p.Quantile)
				}
			})
		}
	}
}

// within fails unless got is want to 1 %, or to a nanosecond.
func within(t *testing.T, got, want time.Duration, what string, args ...any) {
	t.Helper()
	if off := (got - want).Abs(); off > want/100 && off > 1 {
		t.Errorf(what+" = %v, want %v to 1 %%", append(args, got, want)...)
	}
}

func TestHistogram_Range(t *testing.T) {
	var h measure.Histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, 9 * time.Minute, 10 * time.Minute, time.Hour, math.MaxInt64} {
		h.Add(d)
	}
	if h.Count() != 7 || h.Min() != 0 || h.Max() != 10*time.Minute {
		t.Errorf("count %d, min %v, max %v; want 7, 0, 10m", h.Count(), h.Min(), h.Max())
	}
}

func TestHistogram_Zero(t *testing.T) {
	var h measure.Histogram
	h.Merge(measure.Histogram{})
	if h.Count() != 0 || h.Quantile(0.5) != 0 || h.Max() != 0 || h.Curve() != nil || h.Clone().Count() != 0 {
		t.Errorf("the zero value is not empty: %+v", h)
	}
}

func TestHistogram_Curve(t *testing.T) {
	var h measure.Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	curve := h.Curve()
	first, last := curve[0], curve[len(curve)-1]
	if first.Quantile != 0 || last.Quantile != 1 || last.Value != h.Max() || len(curve) > 100 {
		t.Errorf("%d points from %v to %v", len(curve), first, last)
	}
	if !slices.IsSortedFunc(curve, func(a, b measure.Point) int {
		if a.Quantile >= b.Quantile || a.Value > b.Value {
			return 1
		}
		return -1
	}) {
		t.Errorf("the curve does not rise: %v", curve)
	}
}

func TestHistogram_Merge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	var all, merged measure.Histogram
	for range 5 {
		var part measure.Histogram
		for range 1000 {
			d := time.Duration(rnd.ExpFloat64() * float64(time.Millisecond))
			all.Add(d)
			part.Add(d)
		}
		merged.Merge(part)
	}
	if got, want := encode(t, merged), encode(t, all); got != want {
		t.Errorf("merged = %s, want what one histogram has, %s", got, want)
	}
}

func TestHistogram_Clone(t *testing.T) {
	var h measure.Histogram
	h.Add(time.Second)
	clone := h.Clone()
	clone.Add(time.Minute)
	if h.Count() != 1 || clone.Count() != 2 {
		t.Errorf("counts %d and %d, want 1 and 2", h.Count(), clone.Count())
	}
}

func TestHistogram_JSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var h measure.Histogram
	for n := range 3 {
		var back measure.Histogram
		if err := json.Unmarshal([]byte(encode(t, h)), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h.Curve(), back.Curve()); diff != "" || encode(t, h) != encode(t, back) {
			t.Errorf("with %d values, read back (-want +got):\n%s", h.Count(), diff)
		}
		for range 10_000 * n * n {
			h.Add(time.Duration(math.Exp(rnd.Float64() * 27))) // to 9 minutes
		}
		h.Add(time.Hour)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHistogram_UnmarshalRefuses(t *testing.T) {
	var h measure.Histogram
	h.Add(time.Second)
	good := encode(t, h)
	other := func(highest int64, digits int, count int64) string {
		h := hdrhistogram.NewPacked(1, highest, digits)
		if err := h.RecordValues(1, count); err != nil {
			t.Fatal(err)
		}
		text, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return `"` + string(text) + `"`
	}
	for name, data := range map[string]string{
		"a number":          `1`,
		"an object":         `{}`,
		"no base64":         `"!!!"`,
		"too short":         `"AAAA"`,
		"no zlib":           `"` + base64.StdEncoding.EncodeToString(make([]byte, 100)) + `"`,
		"cut off":           good[:len(good)-9] + `"`,
		"more digits":       other(int64(measure.Longest), 5, 1),
		"another range":     other(int64(measure.Longest)-1, 3, 1),
		"too many":          other(int64(measure.Longest), 3, math.MaxInt64),
		"longer than it is": `"` + strings.Repeat("A", 1<<20) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			var back measure.Histogram
			if err := json.Unmarshal([]byte(data), &back); err == nil {
				t.Errorf("read %v values from %.40s", back.Count(), data)
			}
		})
	}
}
