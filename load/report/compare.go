package report

import (
	"cmp"
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

// versus is one aspect of a comparison: the median of ours, and the ratios of
// ours to theirs.
type versus struct {
	aspect
	ours  float64
	ratio measure.Spread
}

// versuses leaves out what was not measured of both. Of a side that answered
// nothing there is a throughput, which is 0, and no latency.
func versuses(c measure.Comparison) []versus {
	var all []versus
	ratios := c.Ratios()
	for _, a := range aspects {
		var ours, theirs []float64
		for _, r := range c.Rounds {
			ours, theirs = append(ours, a.of(r.Ours)), append(theirs, a.of(r.Theirs))
		}
		r := a.ratio(ratios)
		if r.Median > 0 || a.more && slices.Max(append(theirs, 0)) > 0 {
			all = append(all, versus{a, median(ours), r})
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

// rivalry is ours against one other design, in some settings.
type rivalry struct {
	ours, theirs string // names, short
	settings     []measure.Comparison
}

// rivalries are in the order of their first comparison.
func rivalries(all []measure.Comparison) []rivalry {
	var found []rivalry
	for _, c := range all {
		r := rivalry{ours: clean(c.Ours, longName), theirs: clean(c.Theirs, longName)}
		i := slices.IndexFunc(found, func(f rivalry) bool { return f.ours == r.ours && f.theirs == r.theirs })
		if i < 0 {
			i, found = len(found), append(found, r)
		}
		found[i].settings = append(found[i].settings, c)
	}
	return found
}

func comparisons(r measure.Report) []section {
	var all []section
	for _, rivals := range rivalries(r.Comparisons) {
		all = append(all, rivals.section())
	}
	if len(all) > 0 {
		all[0].Lines = append(all[0].Lines, "In turns on one machine. Each figure: the median ratio of ours to theirs; the least and the most of all rounds; ours. "+
			"A + or − before it: ours was better, or worse, in every round.")
	}
	return all
}

func (r rivalry) section() section {
	s := section{Title: fmt.Sprintf("%s against %s", r.ours, r.theirs), Table: &table{Head: []string{""}}}
	for _, a := range aspects {
		s.Table.Head = append(s.Table.Head, a.name)
	}
	var lostOurs, lostTheirs uint64
	for _, c := range r.settings {
		row := []string{fold(fmt.Sprintf("%s (%s)", cmp.Or(clean(c.What, longText), "calls"), plural(len(c.Rounds), "round", "rounds")), 40)}
		known := versuses(c)
		for _, a := range aspects {
			i := slices.IndexFunc(known, func(v versus) bool { return v.name == a.name })
			if i < 0 {
				row = append(row, dash)
				continue
			}
			row = append(row, known[i].cell())
		}
		s.Table.add(row...)
		ours, theirs := badOf(c)
		lostOurs, lostTheirs = lostOurs+ours, lostTheirs+theirs
	}
	s.After = append(s.After, r.outcome())
	if lostOurs+lostTheirs > 0 {
		s.After = append(s.After, fmt.Sprintf("Lost or turned away: %s by %s, %s by %s.", count(lostOurs), r.ours, count(lostTheirs), r.theirs))
	}
	return s
}

func (v versus) cell() string {
	mark := map[int]string{1: "+ ", -1: "− "}[v.wins()]
	return fmt.Sprintf("%s%s\n%s–%s\n%s", mark, ratio(v.ratio.Median), number(v.ratio.Min), number(v.ratio.Max), v.say(v.ours))
}

// outcome says where ours wins by how much, and where it loses.
func (r rivalry) outcome() string {
	var won, lost []string
	even := true
	for _, a := range aspects {
		var better, worse []float64
		for _, c := range r.settings {
			for _, v := range versuses(c) {
				switch {
				case v.name != a.name:
				case v.wins() > 0:
					better = append(better, v.ratio.Median)
				case v.wins() < 0:
					worse = append(worse, v.ratio.Median)
				default:
					even = false
				}
			}
		}
		if len(better) > 0 {
			won = append(won, r.times(a, better))
		}
		if len(worse) > 0 {
			lost = append(lost, r.times(a, worse))
		}
	}
	var said []string
	if len(won) > 0 {
		said = append(said, fmt.Sprintf("%s wins %s", r.ours, list(won)))
	}
	if len(lost) > 0 {
		who := r.ours
		if len(won) > 0 {
			who = "it"
		}
		said = append(said, fmt.Sprintf("%s loses %s", who, list(lost)))
	}
	switch {
	case len(said) > 0:
		return strings.Join(said, "; ") + "."
	case even:
		return fmt.Sprintf("Nothing can be said of %s against %s: there are no figures of both.", r.ours, r.theirs)
	}
	return fmt.Sprintf("Neither %s nor %s was better in every round of anything.", r.ours, r.theirs)
}

// times is an aspect with the ratios of some settings: throughput in 2 of 4
// settings (2.49 × to 6.78 ×).
func (r rivalry) times(a aspect, ratios []float64) string {
	slices.Sort(ratios)
	span := ratio(ratios[0])
	if n := len(ratios); n > 1 {
		span += " to " + ratio(ratios[n-1])
	}
	if len(r.settings) == 1 {
		return fmt.Sprintf("%s (%s)", a.name, span)
	}
	return fmt.Sprintf("%s in %d of %d settings (%s)", a.name, len(ratios), len(r.settings), span)
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
