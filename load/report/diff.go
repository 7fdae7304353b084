package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"roundhouse/load/measure"
)

// Changes are what is different in a run b from a run a.
type Changes struct {
	A        string   `json:"a"` // what ran, in words
	B        string   `json:"b"`
	Warnings []string `json:"warnings,omitempty"` // why the two may not be comparable
	OnlyA    []string `json:"onlyA,omitempty"`    // kinds of calls that the other did not make
	OnlyB    []string `json:"onlyB,omitempty"`
	Changes  []Change `json:"changes"`
}

// Change is one figure of both runs.
type Change struct {
	Of    string  `json:"of"`   // "all", a kind of call, "activations" or "node"
	What  string  `json:"what"` // "p99", "answered per second"…
	A     float64 `json:"a"`    // in seconds, bytes, calls per second, or as a share
	B     float64 `json:"b"`
	Ratio float64 `json:"ratio,omitempty"` // b to a; 0 if a is 0
	Noise float64 `json:"noise"`           // the share by which it may differ and mean nothing
	Trend Trend   `json:"trend"`
}

// Trend is what a change means.
type Trend string

const (
	Same    Trend = "same" // within the noise
	Better  Trend = "better"
	Worse   Trend = "worse"
	Unknown Trend = "unknown" // there is too little of it in a run
)

const (
	leastNoise = 0.05 // two runs of one program on one machine differ so much
	someNoise  = 0.2  // of runs that have too few windows to tell
	fewWindows = 5
	fewCalls   = 100 // say nothing of a p99
)

// Diff writes how b differs from a.
func Diff(w io.Writer, a, b measure.Report) error {
	changes, err := Between(a, b)
	if err != nil {
		return err
	}
	return changes.WriteText(w)
}

// Between compares two runs. A latency or rate has changed if it differs by more
// than the middle half of both runs' windows lies from their median, taken
// together, and by more than 5 %; a share of bad calls, if it would not differ
// so much by chance in one of three hundred pairs of runs; a ratio to another
// design, if it differs by more than half of what the rounds of both runs span.
func Between(a, b measure.Report) (Changes, error) {
	if a.Format != b.Format {
		return Changes{}, fmt.Errorf("compare reports: one is of format %d, the other of %d", a.Format, b.Format)
	}
	c := Changes{A: describe(a), B: describe(b), Warnings: warnings(a, b)}
	if a.Total.Count > 0 || b.Total.Count > 0 {
		c.add("all", "answered per second", reached(a), reached(b), noiseOf(a, b, windowRate), more)
		c.compare("all", a.Total, b.Total, a, b)
	}
	for _, kind := range kinds(a.Calls) {
		if _, both := b.Calls[kind]; both {
			c.compare(kind, a.Calls[kind], b.Calls[kind], a, b)
		}
	}
	c.OnlyA, c.OnlyB = without(a.Calls, b.Calls), without(b.Calls, a.Calls)
	c.latencies("activations", a.Activations, b.Activations, a, b)
	bytesA, _, okA := bytesPerContext(a.Server)
	bytesB, _, okB := bytesPerContext(b.Server)
	if okA && okB {
		c.add("node", "bytes per context", bytesA, bytesB, leastNoise, less)
	}
	c.ratios(a.Comparisons, b.Comparisons)
	return c, nil
}

func without(calls, others map[string]measure.Tally) []string {
	return slices.DeleteFunc(kinds(calls), func(kind string) bool {
		_, both := others[kind]
		return both
	})
}

// ratios compares comparisons with the same design in the same setting, by how
// many times better ours was. Their noise is how far the rounds lie apart.
func (c *Changes) ratios(a, b []measure.Comparison) {
	for _, was := range a {
		i := slices.IndexFunc(b, func(is measure.Comparison) bool { return is.Theirs == was.Theirs && is.What == was.What })
		if i < 0 {
			continue
		}
		after := versuses(b[i])
		for _, v := range versuses(was) {
			if j := slices.IndexFunc(after, func(w versus) bool { return w.name == v.name }); j >= 0 {
				x, y := v.better(), after[j].better()
				noise := max(leastNoise, (x.Max-x.Min)/2/x.Median+(y.Max-y.Min)/2/y.Median)
				if math.IsNaN(noise) || math.IsInf(noise, 0) { // a side that answered nothing
					noise = someNoise
				}
				c.add("against "+join(", ", was.Theirs, was.What), v.name+timesBetter, x.Median, y.Median, noise, more)
			}
		}
	}
}

const timesBetter = ", times better"

func describe(r measure.Report) string {
	text := join(", ", join(" against ", r.Scenario, r.Target), prefixed("roundhouse ", r.Machine.Version))
	if !r.Began.IsZero() {
		text = join(", ", text, r.Began.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return clean(text, longText)
}

func warnings(a, b measure.Report) []string {
	var all []string
	differ := func(what, x, y string) {
		if x != y {
			all = append(all, fmt.Sprintf("%s: %s and %s", what, clean(cmp.Or(x, "none"), longText), clean(cmp.Or(y, "none"), longText)))
		}
	}
	machine := func(m measure.Machine) string { return fmt.Sprintf("%d CPUs, %s/%s, %s", m.CPUs, m.OS, m.Arch, m.Go) }
	differ("different machines", machine(a.Machine), machine(b.Machine))
	differ("different scenarios", a.Scenario, b.Scenario)
	differ("different rates", a.Arrivals, b.Arrivals)
	differ("different numbers of users", count(a.Users), count(b.Users))
	differ("different numbers of contexts", count(a.Contexts), count(b.Contexts))
	differ("different durations", seconds(math.Round(a.Seconds)), seconds(math.Round(b.Seconds)))
	for i, r := range []measure.Report{a, b} {
		for _, doubt := range doubts(r) {
			all = append(all, fmt.Sprintf("the latencies of %c are not to be trusted: %s", 'A'+rune(i), doubt))
		}
		if r.Canaries.Wrong > 0 {
			all = append(all, fmt.Sprintf("%s in %c", plural(r.Canaries.Wrong, "wrong answer", "wrong answers"), 'A'+rune(i)))
		}
	}
	return all
}

const (
	more = 1 // is better
	less = -1
)

func (c *Changes) compare(of string, a, b measure.Tally, runA, runB measure.Report) {
	c.latencies(of, a.Latency, b.Latency, runA, runB)
	shareA, shareB := part(a.Bad(), a.Count), part(b.Bad(), b.Count)
	change := Change{Of: of, What: "bad", A: shareA, B: shareB, Trend: Same}
	switch all := part(a.Bad()+b.Bad(), a.Count+b.Count); {
	case a.Count == 0 || b.Count == 0:
		change.Trend = Unknown
	case math.Abs(shareB-shareA) > 3*math.Sqrt(all*(1-all)*(1/float64(a.Count)+1/float64(b.Count))):
		change.Trend = trend(shareB-shareA, less)
	}
	if shareA > 0 {
		change.Ratio = shareB / shareA
	}
	c.Changes = append(c.Changes, change)
}

func part(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func (c *Changes) latencies(of string, a, b measure.Histogram, runA, runB measure.Report) {
	if a.Count() == 0 && b.Count() == 0 {
		return
	}
	for _, p := range []struct {
		name string
		q    float64
		few  uint64
	}{{"p50", 0.5, fewCalls / 10}, {"p99", 0.99, fewCalls}} {
		c.add(of, p.name, a.Quantile(p.q).Seconds(), b.Quantile(p.q).Seconds(), noiseOf(runA, runB, windowQuantile(p.q)), less)
		if min(a.Count(), b.Count()) < p.few {
			c.Changes[len(c.Changes)-1].Trend = Unknown
		}
	}
}

func (c *Changes) add(of, what string, a, b, noise float64, better int) {
	change := Change{Of: of, What: what, A: a, B: b, Noise: noise, Trend: Same}
	if math.Abs(b-a) > noise*a {
		change.Trend = trend(b-a, better)
	}
	if a > 0 {
		change.Ratio = b / a
	}
	c.Changes = append(c.Changes, change)
}

func trend(by float64, better int) Trend {
	if by*float64(better) > 0 {
		return Better
	}
	return Worse
}

func windowRate(w measure.Window) float64 {
	if w.Seconds <= 0 {
		return 0
	}
	return float64(w.Latency.Count()) / w.Seconds
}

func windowQuantile(q float64) func(measure.Window) float64 {
	return func(w measure.Window) float64 { return w.Latency.Quantile(q).Seconds() }
}

// noiseOf adds up how far the windows of both runs lie apart.
func noiseOf(a, b measure.Report, of func(measure.Window) float64) float64 {
	apartA, okA := apartness(a, of)
	apartB, okB := apartness(b, of)
	if !okA || !okB {
		return someNoise
	}
	return max(leastNoise, apartA+apartB)
}

// apartness is how far the middle half of the windows lies from their median. It
// is not known of few windows.
func apartness(r measure.Report, of func(measure.Window) float64) (float64, bool) {
	var values []float64
	for _, w := range r.Series {
		if v := of(w); w.At >= 0 && v > 0 {
			values = append(values, v)
		}
	}
	n := len(values)
	if n < fewWindows {
		return 0, false
	}
	middle := median(values)
	return (values[3*n/4] - values[n/4]) / 2 / middle, true
}

// WriteText writes the verdict and a table.
func (c Changes) WriteText(w io.Writer) error {
	t := newPrinter(w)
	v := c.judge()
	t.paint(v.Grade, v.Text)
	t.line()
	t.table(table{Rows: [][]string{{"A", c.A}, {"B", c.B}}})
	for _, warning := range c.Warnings {
		t.wrap("Beware, "+warning+".", "  ")
	}
	for _, only := range []struct {
		in    string
		kinds []string
	}{{"A", c.OnlyA}, {"B", c.OnlyB}} {
		if len(only.kinds) > 0 {
			t.wrap(clean("Only in "+only.in+": "+strings.Join(only.kinds, ", "), 2*longText), "  ")
		}
	}
	if len(c.Changes) == 0 {
		return t.out.Flush()
	}
	t.line()
	tab := table{Head: []string{"", "A", "B", "change", "noise", ""}}
	for _, change := range c.Changes {
		if change.What == "bad" && change.Of != "all" && change.A == 0 && change.B == 0 {
			continue // of each kind as of all
		}
		tab.add(change.row()...)
	}
	t.table(tab)
	t.line()
	t.wrap("The noise is how far the middle half of the windows of A and B lies from their medians, added up, and at least 5 %. "+
		"Shares of bad calls are compared by how much they differ by chance, ratios to other designs by how far the rounds lie apart.", "  ")
	return t.out.Flush()
}

func (c Changes) judge() verdict {
	var said []string
	grade := good
	for _, trend := range []Trend{Worse, Better} {
		var which []string
		for _, change := range c.Changes {
			if change.Trend == trend {
				which = append(which, fmt.Sprintf("%s of %s (%s)", change.What, clean(change.Of, longName), change.by()))
			}
		}
		if len(which) == 0 {
			continue
		}
		if trend == Worse {
			grade = doubt
		}
		if n := len(which); n > 4 {
			which = append(which[:4], fmt.Sprintf("%s more", count(n-4)))
		}
		said = append(said, strings.ToUpper(string(trend))+" in B: "+list(which))
	}
	switch {
	case len(c.Changes) == 0:
		return verdict{doubt, "NOTHING to compare: the two have no figure in common"}
	case len(said) == 0:
		return verdict{good, "NO DIFFERENCE beyond the noise"}
	}
	return verdict{grade, strings.Join(said, "; ")}
}

// by is the change in percent.
func (c Change) by() string {
	if c.A == 0 && c.B > 0 {
		return "from nothing"
	}
	if c.A == c.B {
		return "0" + nbsp + "%"
	}
	p := 100 * (c.Ratio - 1)
	text := short(math.Abs(p)) + nbsp + "%"
	switch {
	case math.Abs(p) < 0.0005:
		return text
	case p < 0:
		return "−" + text
	}
	return "+" + text
}

func (c Change) row() []string {
	say, noise := seconds, "±"+nbsp+short(100*c.Noise)+nbsp+"%"
	switch c.What {
	case "answered per second":
		say = number
	case "bytes per context":
		say = memory
	case "bad":
		say, noise = func(v float64) string { return share(v, 1) }, ""
	}
	if strings.HasSuffix(c.What, timesBetter) {
		say = ratio
	}
	words := map[Trend]string{Better: "better", Worse: "WORSE", Unknown: "too few"}
	return []string{fold(clean(c.Of, longText)+": "+c.What, 48), say(c.A), say(c.B), c.by(), noise, words[c.Trend]}
}
