package measure

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxExchanges bounds the names of files with wrong answers in a merged report.
const maxExchanges = 20

// Merge makes one report of those of workers that ran at the same time. Moments
// and windows are placed by the clock, so that what all workers saw at once is
// seen at once; the node is the one that the first worker with samples saw. It
// refuses reports that do not belong together.
func Merge(reports ...Report) (Report, error) {
	if len(reports) == 0 {
		return Report{}, errors.New("merge reports: there are none")
	}
	first := reports[0]
	for i, rep := range reports {
		if err := mergeable(first, rep); err != nil {
			return Report{}, fmt.Errorf("merge reports: number %d: %w", i+1, err)
		}
	}
	if err := overlap(reports); err != nil {
		return Report{}, fmt.Errorf("merge reports: %w", err)
	}
	all := first
	all.Users, all.Contexts, all.Workers, all.Seconds = 0, 0, 0, 0
	all.Total, all.Calls = Tally{}, map[string]Tally{}
	all.Activations, all.Late = Histogram{}, Histogram{}
	all.Canaries, all.Streams, all.Moments, all.Server = Canaries{}, nil, nil, nil
	for _, rep := range reports {
		all.take(rep)
	}
	all.Arrivals = arrivals(reports)
	all.Series = mergeSeries(reports)
	return all, nil
}

func mergeable(first, rep Report) error {
	switch {
	case rep.Format != FormatVersion:
		return fmt.Errorf("format %d, want %d", rep.Format, FormatVersion)
	case rep.Scenario != first.Scenario:
		return fmt.Errorf("scenario %q, and the first is of %q", rep.Scenario, first.Scenario)
	case rep.Target != first.Target:
		return fmt.Errorf("target %q, and the first is of %q", rep.Target, first.Target)
	case rep.Limit != nil:
		return errors.New("a search for the limit is made by one worker")
	case len(rep.Comparisons) > 0:
		return errors.New("a comparison is made by one worker")
	}
	return nil
}

// overlap reports an error unless there is a moment within all runs.
func overlap(reports []Report) error {
	last, end := reports[0].Began, reports[0].ended()
	for _, rep := range reports[1:] {
		if rep.Began.After(last) {
			last = rep.Began
		}
		if rep.ended().Before(end) {
			end = rep.ended()
		}
	}
	if !last.Before(end) {
		return fmt.Errorf("not of one time: one run began at %s, when another had ended at %s", last.Format(time.DateTime), end.Format(time.DateTime))
	}
	return nil
}

// zero is the end of the warm-up, from which a report counts time.
func (r Report) zero() time.Time {
	return r.Began.Add(time.Duration(r.Warmup * float64(time.Second)))
}

func (r Report) ended() time.Time {
	return r.zero().Add(time.Duration(r.Seconds * float64(time.Second)))
}

// after is how much later another counts from.
func (r Report) after(other Report) float64 {
	return r.zero().Sub(other.zero()).Seconds()
}

// take adds what another worker found, its series excepted.
func (r *Report) take(from Report) {
	r.Users += from.Users
	r.Contexts += from.Contexts
	r.Workers += max(from.Workers, 1)
	r.Seconds = max(r.Seconds, from.Seconds)
	r.Total.merge(from.Total)
	for _, name := range slices.Sorted(maps.Keys(from.Calls)) {
		addTally(r.Calls, name, from.Calls[name])
	}
	r.Activations.Merge(from.Activations)
	r.Late.Merge(from.Late)
	r.Canaries.take(from.Canaries)
	if from.Streams != nil {
		if r.Streams == nil {
			r.Streams = &Streams{}
		}
		r.Streams.take(*from.Streams)
	}
	r.takeMoments(from)
	if len(r.Server) == 0 {
		for _, s := range from.Server {
			s.At += from.after(*r)
			r.Server = append(r.Server, s)
		}
	}
}

func (c *Canaries) take(from Canaries) {
	c.Checked += from.Checked
	c.Marked += from.Marked
	c.Wrong += from.Wrong
	c.Exchanges = slices.Concat(c.Exchanges, from.Exchanges)
	c.Exchanges = c.Exchanges[:min(len(c.Exchanges), maxExchanges)]
	c.Tried = addNames(c.Tried, from.Tried)
}

func (s *Streams) take(from Streams) {
	s.Open += from.Open
	s.Notifications += from.Notifications
	s.Missed += from.Missed
	s.Reopened += from.Reopened
	s.Latency.Merge(from.Latency)
}

// takeMoments adds the moments of another, in their order. What several workers
// noted within a second of each other happened once.
func (r *Report) takeMoments(from Report) {
	for _, m := range from.Moments {
		m.At += from.after(*r)
		known := slices.ContainsFunc(r.Moments, func(have Moment) bool {
			return have.What == m.What && have.At-m.At < 1 && m.At-have.At < 1
		})
		if !known {
			r.Moments = append(r.Moments, m)
		}
	}
	slices.SortStableFunc(r.Moments, func(a, b Moment) int { return cmp.Compare(a.At, b.At) })
}

// arrivals are those of all in words: "2 × open, 100/s".
func arrivals(reports []Report) string {
	var words []string
	count := map[string]int{}
	for _, rep := range reports {
		if count[rep.Arrivals]++; count[rep.Arrivals] == 1 {
			words = append(words, rep.Arrivals)
		}
	}
	text := ""
	for i, w := range words {
		if i > 0 {
			text += " + "
		}
		if n := count[w]; n > 1 {
			text += fmt.Sprintf("%d × ", n)
		}
		text += w
	}
	return text
}

// mergeSeries puts the windows of all into windows of the longest length among
// them, each where its middle is.
func mergeSeries(reports []Report) []Window {
	var length, begin, end float64
	for _, rep := range reports {
		skew := rep.after(reports[0])
		begin, end = min(begin, skew-rep.Warmup), max(end, skew+rep.Seconds)
		for _, w := range rep.Series {
			length = max(length, w.Seconds)
		}
	}
	each := max(duration(length), time.Millisecond)
	all := series{windows: map[int64]*Window{}}
	for _, rep := range reports {
		skew := rep.after(reports[0])
		for _, w := range rep.Series {
			all.merge(floorDiv(duration(skew+w.At+w.Seconds/2), each), w)
		}
	}
	return all.list(each, duration(begin), duration(end))
}

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}
