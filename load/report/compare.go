package report

import (
	"fmt"
	"slices"
	"strings"

	"roundhouse/load/measure"
)

// aspect is one figure in which two designs are compared.
type aspect struct {
	name  string // as in: its throughput
	of    func(measure.Side) float64
	ratio func(measure.Ratios) measure.Spread
	say   func(float64) string
	more  bool // is better
}

var aspects = []aspect{
	{"throughput", func(s measure.Side) float64 { return s.Throughput }, func(r measure.Ratios) measure.Spread { return r.Throughput },
		func(v float64) string { return number(v) + "/s" }, true},
	{"p50", func(s measure.Side) float64 { return s.P50 }, func(r measure.Ratios) measure.Spread { return r.P50 }, seconds, false},
	{"p99", func(s measure.Side) float64 { return s.P99 }, func(r measure.Ratios) measure.Spread { return r.P99 }, seconds, false},
	{"CPU per call", func(s measure.Side) float64 { return s.CPU }, func(r measure.Ratios) measure.Spread { return r.CPU }, seconds, false},
}

// versus is one aspect of a comparison: the medians of both sides, and the
// ratios of ours to theirs.
type versus struct {
	aspect
	ours, theirs float64
	ratio        measure.Spread
}

// versuses leaves out what was not measured of both.
func versuses(c measure.Comparison) []versus {
	var all []versus
	ratios := c.Ratios()
	for _, a := range aspects {
		var ours, theirs []float64
		for _, r := range c.Rounds {
			ours, theirs = append(ours, a.of(r.Ours)), append(theirs, a.of(r.Theirs))
		}
		if r := a.ratio(ratios); r.Median > 0 {
			all = append(all, versus{a, median(ours), median(theirs), r})
		}
	}
	return all
}

// median sorts what it is given.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// better is how many times better ours is, whichever way that is.
func (v versus) better() measure.Spread {
	if v.more {
		return v.ratio
	}
	return measure.Spread{Min: 1 / v.ratio.Max, Median: 1 / v.ratio.Median, Max: 1 / v.ratio.Min}
}

// wins is 1 if ours was better in every round, -1 if theirs was, and 0 else.
func (v versus) wins() int {
	switch b := v.better(); {
	case b.Min > 1:
		return 1
	case b.Max < 1:
		return -1
	}
	return 0
}

func comparisons(r measure.Report) []section {
	var all []section
	for _, c := range r.Comparisons {
		all = append(all, comparison(c))
	}
	return all
}

// sides are the names, short enough for three of them in a row.
func sides(c measure.Comparison) (ours, theirs string) {
	return clean(c.Ours, 18), clean(c.Theirs, 18)
}

func comparison(c measure.Comparison) section {
	ours, theirs := sides(c)
	s := section{Title: fmt.Sprintf("%s against %s", ours, theirs)}
	s.Lines = append(s.Lines, fmt.Sprintf("%s. In turns on one machine, %s; medians, and the ratio of ours to theirs round by round.",
		capital(clean(c.What, longText)), plural(len(c.Rounds), "round", "rounds")))
	s.Table = &table{Head: []string{"", ours, theirs, "ratio", "least", "most", "better"}}
	for _, v := range versuses(c) {
		who := map[int]string{1: ours, -1: theirs, 0: "neither"}[v.wins()]
		s.Table.add(v.name, v.say(v.ours), v.say(v.theirs),
			ratio(v.ratio.Median), ratio(v.ratio.Min), ratio(v.ratio.Max), who)
	}
	s.After = append(s.After, outcome(c))
	return s
}

func capital(s string) string {
	if s == "" {
		return "Calls"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// outcome says who wins by how much, and where ours loses.
func outcome(c measure.Comparison) string {
	ours, theirs := sides(c)
	var won, lost, even []string
	for _, v := range versuses(c) {
		switch said := fmt.Sprintf("%s the %s", ratio(v.ratio.Median), v.name); v.wins() {
		case 1:
			won = append(won, said)
		case -1:
			lost = append(lost, said)
		default:
			even = append(even, v.name)
		}
	}
	var said []string
	if len(won) > 0 {
		said = append(said, fmt.Sprintf("%s wins: %s of %s", ours, list(won), theirs))
	}
	if len(lost) > 0 {
		said = append(said, fmt.Sprintf("%s loses: %s of %s", ours, list(lost), theirs))
	}
	if len(even) > 0 {
		said = append(said, fmt.Sprintf("neither is better in every round: %s", list(even)))
	}
	if len(said) == 0 {
		return fmt.Sprintf("Nothing can be said of %s against %s: there are no figures of both.", ours, theirs)
	}
	text := strings.Join(said, "; ") + "."
	if b, t := badOf(c); b+t > 0 {
		text += fmt.Sprintf(" Lost or turned away: %s by %s, %s by %s.", count(b), ours, count(t), theirs)
	}
	return text
}

func badOf(c measure.Comparison) (ours, theirs uint64) {
	for _, r := range c.Rounds {
		ours, theirs = ours+r.Ours.Bad, theirs+r.Theirs.Bad
	}
	return ours, theirs
}

func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}
