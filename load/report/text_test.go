package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"roundhouse/load/measure"
)

var update = flag.Bool("update", false, "rewrite the texts in testdata")

// golden compares with a file that a person has read.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func summary(t *testing.T, r measure.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, r); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!", "\x1b"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%q in the text:\n%s", bad, b.String())
		}
	}
	return b.String()
}

func TestWriteText(t *testing.T) {
	golden(t, "everything.txt", summary(t, example(1)))
	golden(t, "losses.txt", summary(t, losses()))
	golden(t, "empty.txt", summary(t, measure.Report{}))
	golden(t, "hostile.txt", summary(t, hostile()))
	golden(t, "comparisons.txt", summary(t, measure.Report{Target: "roundhouse", Comparisons: example(1).Comparisons}))
}

// losses is a run whose server never answered.
func losses() measure.Report {
	r := measure.Report{Scenario: "restart", Target: "http://127.0.0.1:9/mcp", Seconds: 10, Calls: map[string]measure.Tally{}}
	for second := range 10 {
		w := measure.Window{At: float64(second), Seconds: 1}
		for range 50 {
			add(&r.Total, measure.Lost, "connection refused", 0)
			w.Count, w.Bad = w.Count+1, w.Bad+1
		}
		r.Series = append(r.Series, w)
	}
	r.Calls["whoami"] = r.Total
	r.Server = []measure.Sample{{At: 1}}
	r.Limit = &measure.Limit{Bound: "p99 at most 50 ms"}
	r.Comparisons = []measure.Comparison{{Ours: "roundhouse", Theirs: "bare", Rounds: []measure.Round{{}}}}
	r.Streams = &measure.Streams{}
	return r
}

const evil = "<script>alert(1)</script>\x1b[31m\x00\u202e\n\"'&]]>"

// hostile is a report of a server whose every name is chosen to break out.
func hostile() measure.Report {
	r := losses()
	r.Scenario, r.About, r.Target, r.Command, r.Arrivals = evil, evil, "https://h/?"+evil, evil, evil
	r.Machine = measure.Machine{CPUs: 1, OS: evil, Arch: evil, Go: evil, Version: evil}
	r.Calls = map[string]measure.Tally{strings.Repeat(evil, 50): r.Total}
	r.Total.Reasons = map[string]uint64{evil: 500}
	r.Canaries = measure.Canaries{Checked: 1, Wrong: 1, Exchanges: []string{evil}, Tried: map[string]uint64{evil: 2}}
	r.Moments = []measure.Moment{{At: 3, What: evil}}
	r.Limit.Bound = evil
	r.Comparisons[0].Ours, r.Comparisons[0].Theirs, r.Comparisons[0].What = evil, evil, evil
	r.Comparisons[0].Rounds = []measure.Round{{Ours: measure.Side{P50: 1}, Theirs: measure.Side{P50: 2}}}
	return r
}

func TestJudge(t *testing.T) {
	answered := func(change func(*measure.Report)) measure.Report {
		var r measure.Report
		for range 1000 {
			add(&r.Total, measure.OK, "", 10*ms)
			r.Late.Add(20 * time.Microsecond)
		}
		r.Canaries.Checked = 1000
		change(&r)
		return r
	}
	tests := map[string]struct {
		change func(*measure.Report)
		want   verdict
	}{
		"all is well": {func(*measure.Report) {}, verdict{good, "GOOD: 1 000 calls, none lost, no wrong answer; p99 10.0 ms"}},
		"unchecked":   {func(r *measure.Report) { r.Canaries.Checked = 0 }, verdict{good, "GOOD: 1 000 calls, none lost, no answer was checked; p99 10.0 ms"}},
		"one lost": {func(r *measure.Report) { add(&r.Total, measure.Lost, "timeout", 0) },
			verdict{doubt, "NOT ALL GOOD: no wrong answer, but 1 call (0.1 %) lost or turned away; p99 10.0 ms"}},
		"tools that fail answer fast": {func(r *measure.Report) {
			for range 1001 {
				add(&r.Total, measure.Failed, "not found", ms)
			}
		}, verdict{doubt, "MOSTLY FAILED: in 1 001 of 2 001 calls the tool said that it failed; no wrong answer"}},
		"one wrong is worse than anything": {func(r *measure.Report) { add(&r.Total, measure.Lost, measure.NotSent, 0); r.Canaries.Wrong = 1 },
			verdict{wrong, "WRONG: 1 answer did not belong to whoever asked, of 1 000 checked"}},
		"late": {func(r *measure.Report) {
			for range 20 {
				r.Late.Add(5 * ms)
			}
		}, verdict{doubt, "NOT TO BE TRUSTED: calls were sent late or not at all; no wrong answer, 0 lost or turned away; p99 10.0 ms"}},
		"a limit": {func(r *measure.Report) {
			r.Limit = &measure.Limit{Rate: 3200}
			add(&r.Total, measure.Lost, "timeout", 0)
		},
			verdict{good, "LIMIT: 3 200 calls a second; no wrong answer"}},
		"no limit": {func(r *measure.Report) { r.Limit = &measure.Limit{} },
			verdict{doubt, "NO RATE that was tried met the bound; no wrong answer"}},
		"a limit of the harness": {func(r *measure.Report) {
			r.Limit = &measure.Limit{Rate: 3200}
			add(&r.Total, measure.Lost, measure.NotSent, 0)
		},
			verdict{doubt, "LIMIT: 3 200 calls a second; no wrong answer; the harness fell behind, too"}},
		"never sent": {func(r *measure.Report) { add(&r.Total, measure.Lost, measure.NotSent, 0) },
			verdict{doubt, "NOT TO BE TRUSTED: calls were sent late or not at all; no wrong answer, 1 lost or turned away; p99 10.0 ms"}},
	}
	for name, test := range tests {
		got := judge(answered(test.change))
		got.Text = strings.ReplaceAll(got.Text, nbsp, " ")
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestComparison_Silent does not hide that ours answered nothing.
func TestComparison_Silent(t *testing.T) {
	round := measure.Round{Ours: measure.Side{Bad: 50}, Theirs: measure.Side{Throughput: 100, P50: 0.01, P99: 0.02, CPU: 0.001}}
	r := measure.Report{Comparisons: []measure.Comparison{{Ours: "roundhouse", Theirs: "bare", What: "one context", Rounds: []measure.Round{round, round}}}}
	text := summary(t, r)
	if got := judge(r); got.Grade != doubt || !strings.Contains(got.Text, "ours lost or turned away 100") {
		t.Errorf("the verdict is %+v", got)
	}
	for _, want := range []string{"worse in 1", "− 0 ×", "roundhouse loses throughput (0 ×)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if page := render(t, r); !strings.Contains(page, "How many times better than bare") {
		t.Error("no plot")
	}
}

func TestBytesPerContext(t *testing.T) {
	sample := func(contexts, heap float64) measure.Sample {
		return measure.Sample{Contexts: contexts, HeapInUse: heap}
	}
	tests := map[string]struct {
		samples []measure.Sample
		want    float64 // 0: not known
	}{
		"garbage is not counted":       {[]measure.Sample{sample(0, 9e6), sample(0, 5e6), sample(1000, 19e6), sample(1000, 11e6)}, 6000},
		"fewer at last":                {[]measure.Sample{sample(0, 5e6), sample(1000, 11e6), sample(0, 5e6)}, 6000},
		"the same number all along":    {[]measure.Sample{sample(1000, 5e6), sample(1000, 6e6)}, 0},
		"too few to tell from garbage": {[]measure.Sample{sample(0, 5e6), sample(50, 6e6)}, 0},
		"no heap told":                 {[]measure.Sample{sample(0, 0), sample(1000, 0)}, 0},
		"none":                         {nil, 0},
	}
	for name, test := range tests {
		if got, _, ok := bytesPerContext(test.samples); got != test.want || ok != (test.want > 0) {
			t.Errorf("%s: %v %v, want %v", name, got, ok, test.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for got, want := range map[string]string{
		count(1234567):          "1 234 567",
		count(-1234):            "-1 234",
		count(uint64(999)):      "999",
		number(0):               "0",
		number(0.0123):          "0.012",
		number(12.34):           "12.3",
		number(99.97):           "100",
		short(20):               "20",
		duration(999_600):       "1.00 ms",
		duration(1500 * ms):     "1.50 s",
		seconds(0):              "0",
		memory(6105):            "6.11 KB",
		share(1, 3):             "33.3 %",
		share(1, 1e9):           "< 0.001 %",
		share(1, 0):             "–",
		stretch(90):             "1 min 30 s",
		stretch(1800):           "30 min",
		stretch(0.5):            "500 ms",
		ratio(1.0 / 3):          "0.333 ×",
		clean("a\nb\x00c", 10):  "a b c",
		clean("abcdef", 3):      "ab…",
		plural(1, "x", "xs"):    "1 x",
		plural(2000, "x", "xs"): "2 000 xs",
	} {
		if got := strings.ReplaceAll(got, nbsp, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPrinter_Paint is in color on a terminal alone.
func TestPrinter_Paint(t *testing.T) {
	var b bytes.Buffer
	p := newPrinter(&b)
	p.color = true
	p.paint(wrong, "WRONG")
	p.color = false
	p.paint(wrong, "WRONG")
	if err := p.out.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[1;31mWRONG\x1b[0m\nWRONG\n"; b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}
