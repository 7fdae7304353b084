package measure

import (
	"maps"
	"slices"
)

// Bad is how many calls were refused, lost or wrong.
func (t Tally) Bad() uint64 {
	return t.Outcomes[Refused.String()] + t.Outcomes[Lost.String()] + t.Outcomes[Wrong.String()]
}

func (t *Tally) add(res Result) {
	if t.Outcomes == nil {
		t.Outcomes = map[string]uint64{}
	}
	t.Count++
	t.Outcomes[res.Outcome.String()]++
	if res.Outcome != OK {
		if t.Reasons == nil {
			t.Reasons = map[string]uint64{}
		}
		addName(t.Reasons, res.Reason, 1)
	}
	if res.Outcome.Answered() {
		t.Latency.Add(res.Latency())
	}
}

func (t *Tally) merge(from Tally) {
	t.Count += from.Count
	t.Latency.Merge(from.Latency)
	t.Outcomes = addNames(t.Outcomes, from.Outcomes)
	t.Reasons = addNames(t.Reasons, from.Reasons)
}

// addTally adds one to those of other kinds of calls.
func addTally(calls map[string]Tally, name string, t Tally) {
	if _, known := calls[name]; !known {
		name = bounded(name, len(calls))
	}
	sum := calls[name]
	sum.merge(t)
	calls[name] = sum
}

// addNames adds counts by name to others, in an order that makes the result the
// same each time.
func addNames(to, from map[string]uint64) map[string]uint64 {
	if to == nil && from != nil {
		to = make(map[string]uint64, len(from))
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		addName(to, name, from[name])
	}
	return to
}

func addName(counts map[string]uint64, name string, n uint64) {
	if _, known := counts[name]; !known {
		name = bounded(name, len(counts))
	}
	counts[name] += n
}
