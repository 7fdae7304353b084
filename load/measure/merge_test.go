package measure_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

// Workers who counted parts of the results make the report of one who counted
// them all.
func TestMerge_IsAsOne(t *testing.T) {
	one := measure.NewRecorder(noon, 2*time.Second, time.Second)
	parts := make([]*measure.Recorder, 3)
	for i := range parts {
		parts[i] = measure.NewRecorder(noon, 2*time.Second, time.Second)
	}
	for i := range 6000 {
		res := result(time.Duration(i)*2*time.Millisecond, time.Duration(i%977)*17*time.Microsecond)
		res.Call = fmt.Sprint("call ", i%4)
		if i%50 == 0 {
			res.Outcome, res.Reason, res.First = measure.Lost, fmt.Sprint("reason ", i%3), true
		}
		one.Add(res)
		parts[i%len(parts)].Add(res)
	}
	fill := func(r *measure.Recorder, workers int, arrivals string) measure.Report {
		rep := measure.Report{Format: 1, Seconds: 10, Arrivals: arrivals, Workers: workers, Users: workers, Contexts: 10 * workers}
		r.Fill(&rep)
		return rep
	}
	want := fill(one, 3, "3 × closed")
	got, err := measure.Merge(fill(parts[0], 1, "closed"), fill(parts[1], 1, "closed"), fill(parts[2], 1, "closed"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(encode(t, want), encode(t, got)); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

func TestMerge_Sums(t *testing.T) {
	a, b := sample(), sample()
	before := encode(t, a)
	b.Began = noon.Add(300 * time.Millisecond)
	b.Moments = []measure.Moment{{At: 2.9, What: "Sentry fails"}, {At: 1, What: "a node is stopped"}, {At: 6, What: "Sentry fails"}}
	got, err := measure.Merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if encode(t, a) != before {
		t.Error("what was merged has changed")
	}
	if got.Users != 6 || got.Contexts != 60 || got.Workers != 2 || got.Arrivals != "2 × open, 500/s" || got.Total.Count != 2*a.Total.Count {
		t.Errorf("%d users, %d contexts, %d workers, %s, %d calls", got.Users, got.Contexts, got.Workers, got.Arrivals, got.Total.Count)
	}
	if diff := cmp.Diff(measure.Canaries{Checked: 9800, Marked: 8000, Wrong: 2, Exchanges: []string{"wrong-1.txt", "wrong-1.txt"}, Tried: map[string]uint64{"session": 14}}, got.Canaries); diff != "" {
		t.Errorf("canaries (-want +got):\n%s", diff)
	}
	if s := got.Streams; s.Open != 8 || s.Notifications != 18 || s.Missed != 2 || s.Latency.Count() != 2 {
		t.Errorf("streams %+v", s)
	}
	if diff := cmp.Diff([]measure.Moment{{At: 1.3, What: "a node is stopped"}, {At: 3, What: "Sentry fails"}, {At: 6.3, What: "Sentry fails"}}, got.Moments); diff != "" {
		t.Errorf("moments (-want +got):\n%s", diff)
	}
	if len(got.Server) != 1 || got.Server[0].At != 1 {
		t.Errorf("samples %+v, want those of the first", got.Server)
	}
	var count uint64
	for _, w := range got.Series {
		count += w.Count
	}
	if count != 10_000 || got.Series[0].At != -2 {
		t.Errorf("windows from %v s with %d calls, want 10000 from -2 s", got.Series[0].At, count)
	}
}

// Windows of workers that began a little apart are those that overlap most.
func TestMerge_Aligns(t *testing.T) {
	for _, skew := range []time.Duration{-300 * time.Millisecond, 300 * time.Millisecond} {
		a, b := sample(), sample()
		b.Began = b.Began.Add(skew)
		got, err := measure.Merge(a, b)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range got.Series {
			if w.Count != 2*a.Series[i].Count {
				t.Errorf("apart by %v: window %d at %v s has %d calls, want twice %d", skew, i, w.At, w.Count, a.Series[i].Count)
			}
		}
	}
}

func TestMerge_DifferentWorkers(t *testing.T) {
	a := measure.Report{Format: 1, Began: noon, Seconds: 10, Arrivals: "open, 1/s", Workers: 1}
	b := measure.Report{Format: 1, Began: noon.Add(-time.Second), Seconds: 5, Arrivals: "open, 2/s", Server: []measure.Sample{{At: 3}}}
	a.Canaries.Exchanges = make([]string, 15)
	got, err := measure.Merge(a, b, a)
	if len(got.Canaries.Exchanges) != 20 || len(got.Server) != 1 || got.Server[0].At != 2 {
		t.Errorf("%d exchanges and samples %+v, want 20 and one at 2 s", len(got.Canaries.Exchanges), got.Server)
	}
	if err != nil || got.Seconds != 10 || got.Workers != 3 || got.Series != nil || got.Arrivals != "2 × open, 1/s + open, 2/s" {
		t.Errorf("Merge = %+v, %v", got, err)
	}
}

func TestMerge_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*measure.Report)
		want   string
	}{
		"another scenario":  {func(r *measure.Report) { r.Scenario = "cold" }, `number 2: scenario "cold"`},
		"another target":    {func(r *measure.Report) { r.Target = "bare" }, `target "bare"`},
		"another format":    {func(r *measure.Report) { r.Format = 2 }, "format 2"},
		"another time":      {func(r *measure.Report) { r.Began = r.Began.Add(10 * time.Second) }, "not of one time"},
		"a search":          {func(r *measure.Report) { r.Limit = &measure.Limit{} }, "by one worker"},
		"with a comparison": {func(r *measure.Report) { r.Comparisons = make([]measure.Comparison, 1) }, "by one worker"},
	} {
		t.Run(name, func(t *testing.T) {
			other := sample()
			tc.change(&other)
			if _, err := measure.Merge(sample(), other); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Merge = %v, want an error with %q", err, tc.want)
			}
		})
	}
	if _, err := measure.Merge(); err == nil {
		t.Error("Merge of nothing succeeded")
	}
}
