package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

// steady is a run of so many seconds in which every call takes about as long.
func steady(seconds, perSecond int, took time.Duration, lost int) measure.Report {
	r := measure.Report{Format: measure.FormatVersion, Scenario: "one-context", Target: "roundhouse", Seconds: float64(seconds), Calls: map[string]measure.Tally{}}
	for second := range seconds {
		w := measure.Window{At: float64(second), Seconds: 1}
		for i := range perSecond {
			each := took + took*time.Duration(i%10-5)/500 // within a hundredth
			add(&r.Total, measure.OK, "", each)
			w.Latency.Add(each)
			w.Count++
		}
		r.Series = append(r.Series, w)
	}
	for range lost {
		add(&r.Total, measure.Lost, "timeout", 0)
	}
	r.Calls["whoami"] = r.Total
	return r
}

func trends(t *testing.T, a, b measure.Report) map[string]Trend {
	t.Helper()
	c, err := Between(a, b)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Trend{}
	for _, change := range c.Changes {
		if change.Of != "whoami" && change.Trend != Same {
			got[change.What] = change.Trend
		}
	}
	return got
}

func TestBetween(t *testing.T) {
	base := steady(30, 100, 10*ms, 0)
	restless := steady(30, 100, 10*ms, 0)
	for i := range restless.Series { // every second window is twice as slow
		if i%2 == 0 {
			restless.Series[i].Latency = steady(1, 100, 20*ms, 0).Series[0].Latency
		}
	}
	tests := map[string]struct {
		a, b measure.Report
		want map[string]Trend
	}{
		"the same again":                {base, base, nil},
		"a little slower":               {base, steady(30, 100, 10*ms+300*time.Microsecond, 0), nil},
		"slower":                        {base, steady(30, 100, 13*ms, 0), map[string]Trend{"p50": Worse, "p99": Worse}},
		"faster":                        {base, steady(30, 100, 7*ms, 0), map[string]Trend{"p50": Better, "p99": Better}},
		"more calls":                    {base, steady(30, 120, 10*ms, 0), map[string]Trend{"answered per second": Better}},
		"slower, but as windows differ": {restless, steady(30, 100, 13*ms, 0), nil},
		"too short to tell":             {base, steady(3, 100, 11*ms, 0), nil},
		"a few lost":                    {base, steady(30, 100, 10*ms, 5), nil},
		"many lost":                     {base, steady(30, 100, 10*ms, 60), map[string]Trend{"bad": Worse}},
		"none lost anymore":             {steady(30, 100, 10*ms, 60), base, map[string]Trend{"bad": Better}},
		"hardly any calls":              {base, steady(1, 9, 30*ms, 0), map[string]Trend{"answered per second": Worse, "p50": Unknown, "p99": Unknown}},
	}
	for name, test := range tests {
		got := trends(t, test.a, test.b)
		if test.want == nil {
			test.want = map[string]Trend{}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestBetween_Ratios compares how ours does against another design.
func TestBetween_Ratios(t *testing.T) {
	run := func(what string, ours ...float64) measure.Report {
		c := measure.Comparison{Theirs: "bare", What: what}
		for _, rate := range ours {
			c.Rounds = append(c.Rounds, measure.Round{Ours: measure.Side{Throughput: rate}, Theirs: measure.Side{Throughput: 100}})
		}
		return measure.Report{Comparisons: []measure.Comparison{c}}
	}
	tests := map[string]struct {
		a, b measure.Report
		want Trend // "": not compared
	}{
		"as before":          {run("x", 90, 91, 92), run("x", 91, 92, 90), Same},
		"worse":              {run("x", 90, 91, 92), run("x", 70, 71, 72), Worse},
		"better":             {run("x", 70, 71, 72), run("x", 90, 91, 92), Better},
		"noisy":              {run("x", 40, 91, 150), run("x", 70, 71, 72), Same},
		"down":               {run("x", 90, 91, 92), run("x", 0, 0, 0), Worse},
		"in another setting": {run("x", 90, 91, 92), run("y", 70, 71, 72), ""},
	}
	for name, test := range tests {
		c, err := Between(test.a, test.b)
		if err != nil {
			t.Fatal(err)
		}
		var got Trend
		if len(c.Changes) > 0 {
			got = c.Changes[0].Trend
		}
		if got != test.want || len(c.Changes) > 1 {
			t.Errorf("%s: %+v, want %q", name, c.Changes, test.want)
		}
	}
}

func TestBetween_Refuses(t *testing.T) {
	older := measure.Report{Format: measure.FormatVersion - 1}
	if _, err := Between(older, measure.Report{Format: measure.FormatVersion}); err == nil || !strings.Contains(err.Error(), "format") {
		t.Errorf("two formats: %v, want an error that says so", err)
	}
}

func TestBetween_Warns(t *testing.T) {
	a, b := example(1), example(2)
	b.Machine.CPUs, b.Scenario, b.Arrivals, b.Canaries.Wrong = 64, "cold", "open, 900/s", 2
	c, err := Between(a, b)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"different machines: 2 CPUs", "different scenarios: mixed and cold", "different rates: open, 200/s and open, 900/s", "wrong answers in B"} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning of %q:\n%s", want, text)
		}
	}
}

func TestDiff(t *testing.T) {
	slower := steady(30, 100, 13*ms, 60)
	slower.Calls[evil] = slower.Total
	for name, pair := range map[string][2]measure.Report{
		"diff.txt":       {steady(30, 100, 10*ms, 0), slower},
		"diff_same.txt":  {example(1), example(1)},
		"diff_empty.txt": {{}, {}},
		"diff_back.txt":  {slower, steady(30, 100, 10*ms, 0)},
	} {
		var b bytes.Buffer
		if err := Diff(&b, pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestChanges_JSON(t *testing.T) {
	c, err := Between(measure.Report{Format: measure.FormatVersion}, example(1)) // nothing, and everything
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again Changes
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("another after JSON (-before +after):\n%s", diff)
	}
}
