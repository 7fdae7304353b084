package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"roundhouse/load/measure"
)

const (
	longName = 40 // runes of a name in a table
	longText = 200
)

// summarize makes the sections that text and page share.
func summarize(r measure.Report) []section {
	all := []section{
		run(r), calls(r), outcomes(r), canaries(r), activations(r), streams(r), server(r), limit(r),
	}
	all = append(all, comparisons(r)...)
	all = append(all, moments(r))
	return slices.DeleteFunc(all, section.empty)
}

func run(r measure.Report) section {
	t := &table{}
	add := func(name, value string) {
		if value != "" {
			t.add(name, value)
		}
	}
	add("scenario", clean(join(": ", r.Scenario, r.About), longText))
	add("against", clean(r.Target, longText))
	if r.Total.Count > 0 {
		add("asked for", clean(r.Arrivals, longText))
		add("reached", fmt.Sprintf("%s/s answered, for %s", number(reached(r)), stretch(r.Seconds))+
			prefixed(" after a warm-up of ", stretch(r.Warmup)))
	}
	if r.Users > 0 || r.Contexts > 0 {
		who := plural(r.Users, "user", "users") + ", " + plural(r.Contexts, "context", "contexts")
		if r.Workers > 1 {
			who += ", " + plural(r.Workers, "worker", "workers")
		}
		add("driven by", who)
	}
	m := r.Machine
	if m != (measure.Machine{}) {
		add("machine", clean(join(", ", plural(m.CPUs, "CPU", "CPUs"), join("/", m.OS, m.Arch), m.Go, prefixed("roundhouse ", m.Version)), longText))
	}
	if !r.Began.IsZero() {
		add("began", r.Began.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	add("command", clean(r.Command, 2*longText))
	return section{Title: "The run", Table: t}
}

// join leaves out what is empty.
func join(between string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), between)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

var percentiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}

func calls(r measure.Report) section {
	if r.Total.Count == 0 {
		return section{}
	}
	t := &table{Head: []string{"call", "count", "p50", "p90", "p99", "p99.9", "max", "bad"}, Sum: true}
	for _, kind := range kinds(r.Calls) {
		t.add(callRow(clean(kind, longName), r.Calls[kind])...)
	}
	t.add(callRow("all", r.Total)...)
	s := section{Title: "Calls", Table: t}
	for _, d := range doubts(r) {
		s.Lines = append(s.Lines, "Not to be trusted: "+d+".")
	}
	if n := r.Late.Count(); n > 0 {
		s.After = append(s.After, fmt.Sprintf("Latency counts from when a call was due. Sent late by %s (p50), %s (p99), %s at most.",
			duration(r.Late.Quantile(0.5)), duration(r.Late.Quantile(0.99)), duration(r.Late.Max())))
	}
	return s
}

// kinds are in order of how often they were called.
func kinds(calls map[string]measure.Tally) []string {
	return slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		return cmp.Or(cmp.Compare(calls[b].Count, calls[a].Count), cmp.Compare(a, b))
	})
}

func callRow(name string, t measure.Tally) []string {
	row := []string{name, count(t.Count)}
	for _, p := range percentiles {
		row = append(row, quantile(t.Latency, p.q))
	}
	return append(row, count(t.Bad()))
}

func quantile(h measure.Histogram, q float64) string {
	if h.Count() == 0 {
		return dash
	}
	return duration(h.Quantile(q))
}

func outcomes(r measure.Report) section {
	t := &table{Head: []string{"outcome", "calls", "share"}}
	for _, o := range measure.Outcomes {
		if n := r.Total.Outcomes[o.String()]; n > 0 {
			t.add(o.String(), count(n), share(float64(n), float64(r.Total.Count)))
		}
	}
	s := section{Title: "Outcomes", Table: t}
	if reasons := tops(r.Total.Reasons, 12); reasons != "" {
		s.After = append(s.After, "Reasons: "+reasons+".")
	}
	return s
}

// tops lists the most frequent, with their counts.
func tops(counts map[string]uint64, most int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var said []string
	for i, name := range names {
		if i == most {
			said = append(said, fmt.Sprintf("and %s more", count(len(names)-most)))
			break
		}
		said = append(said, fmt.Sprintf("%s %s", clean(name, longName), count(counts[name])))
	}
	return strings.Join(said, ", ")
}

func canaries(r measure.Report) section {
	c := r.Canaries
	s := section{Title: "Canaries"}
	if c.Checked == 0 && len(c.Tried) == 0 {
		return s
	}
	s.Lines = append(s.Lines, fmt.Sprintf("%s checked, %s of them by the asker's mark; %s wrong.",
		plural(c.Checked, "answer", "answers"), count(c.Marked), count(c.Wrong)))
	var tried uint64
	for _, n := range c.Tried {
		tried += n
	}
	if tried > 0 {
		refused := "all refused"
		if c.Wrong > 0 {
			refused = "those that were not refused are among the wrong"
		}
		s.Lines = append(s.Lines, fmt.Sprintf("%s of other contexts tried, %s: %s.",
			plural(tried, "handle", "handles"), refused, tops(c.Tried, 12)))
	}
	for i, file := range c.Exchanges {
		if i == 20 {
			s.Lines = append(s.Lines, fmt.Sprintf("and %s more", count(len(c.Exchanges)-i)))
			break
		}
		s.Lines = append(s.Lines, "exchange: "+clean(file, longText))
	}
	return s
}

func activations(r measure.Report) section {
	if r.Activations.Count() == 0 {
		return section{}
	}
	t := &table{Head: []string{"first calls of a context", "count", "p50", "p90", "p99", "p99.9", "max"}}
	row := []string{"with Sentry's answer", count(r.Activations.Count())}
	for _, p := range percentiles {
		row = append(row, duration(r.Activations.Quantile(p.q)))
	}
	t.add(row...)
	s := section{Title: "Activations", Table: t}
	if own := ownActivation(r.Server); own > 0 {
		s.After = append(s.After, fmt.Sprintf("The node's own part, Sentry's answer excluded: p99 %s.", seconds(own)))
	}
	return s
}

// ownActivation is the last that the node told.
func ownActivation(samples []measure.Sample) float64 {
	for _, s := range slices.Backward(samples) {
		if s.ActivationP99 > 0 {
			return s.ActivationP99
		}
	}
	return 0
}

func streams(r measure.Report) section {
	st := r.Streams
	if st == nil {
		return section{}
	}
	s := section{Title: "Streams"}
	s.Lines = append(s.Lines, fmt.Sprintf("%s open; %s received, %s missed; %s opened again.",
		plural(st.Open, "stream", "streams"), plural(st.Notifications, "notification", "notifications"), count(st.Missed), count(st.Reopened)))
	if st.Latency.Count() > 0 {
		s.Lines = append(s.Lines, fmt.Sprintf("From the change to its notification: p50 %s, p99 %s, max %s.",
			duration(st.Latency.Quantile(0.5)), duration(st.Latency.Quantile(0.99)), duration(st.Latency.Max())))
	}
	return s
}

func limit(r measure.Report) section {
	l := r.Limit
	if l == nil {
		return section{}
	}
	found := fmt.Sprintf("No rate that was tried met the bound: %s.", clean(l.Bound, longText))
	if l.Rate > 0 {
		found = fmt.Sprintf("%s calls a second met the bound: %s.", number(l.Rate), clean(l.Bound, longText))
	}
	t := &table{Head: []string{"calls a second", "p99", "bad", ""}}
	for _, step := range l.Steps {
		held := "too much"
		if step.Held {
			held = "held"
		}
		t.add(number(step.Rate), seconds(step.P99), share(step.Bad, 1), held)
	}
	return section{Title: "The limit", Lines: []string{found}, Table: t}
}

func moments(r measure.Report) section {
	t := &table{}
	for i, m := range r.Moments {
		if i == maxMoments {
			t.add("", fmt.Sprintf("and %s more", count(len(r.Moments)-i)))
			break
		}
		t.add(fmt.Sprintf("%d at %s", i+1, when(m.At)), clean(m.What, longText))
	}
	return section{Title: "Moments", Table: t}
}

// maxMoments are told; a soak that fails every minute has more.
const maxMoments = 60

// when is a time from the end of the warm-up.
func when(at float64) string {
	switch {
	case math.Abs(at) < 0.1:
		return "the beginning"
	case at < 0:
		return "−" + stretch(-at)
	}
	return stretch(at)
}
