package pace

import (
	"fmt"
	"time"

	"roundhouse/load/measure"
)

const (
	closeEnough = 0.05 // of the rate: how near to the limit a search ends
	halvings    = 4    // of the first rate, if that is too much already
)

// Search looks for the highest rate at which a bound still holds: it doubles the
// rate while it holds, then halves what is between a rate that held and one that
// did not. A rate that does not hold is tried once more, because machines are
// noisy.
type Search struct {
	to    float64
	p99   time.Duration
	bad   float64
	steps []measure.LimitStep

	rate    float64 // to be tried next; 0: the search is over
	again   bool    // it has failed once
	held    float64 // the highest that held
	failed  float64 // the lowest that did not; 0: none did not
	halving int     // of the first rate
}

// NewSearch looks between two rates for the highest at which p99 is not exceeded,
// nor the share of bad calls. A p99 of 0 bounds nothing.
func NewSearch(from, to float64, p99 time.Duration, bad float64) *Search {
	return &Search{to: to, p99: p99, bad: bad, rate: min(from, to)}
}

// Next is the rate to be tried; ok is false when the search is over.
func (s *Search) Next() (rate float64, ok bool) {
	return s.rate, s.rate > 0
}

// Found takes what was found at the rate that Next told.
func (s *Search) Found(p99 time.Duration, bad float64) {
	held := bad <= s.bad && (s.p99 == 0 || p99 <= s.p99)
	s.steps = append(s.steps, measure.LimitStep{Rate: s.rate, P99: p99.Seconds(), Bad: bad, Held: held})
	switch {
	case held:
		s.held, s.again = s.rate, false
	case !s.again:
		s.again = true
		return
	default:
		s.failed, s.again = s.rate, false
	}
	s.rate = s.propose()
}

// propose is the next rate, or 0.
func (s *Search) propose() float64 {
	switch {
	case s.failed == 0 && s.held < s.to:
		return min(2*s.held, s.to)
	case s.failed == 0:
		return 0
	case s.held == 0 && s.halving < halvings:
		s.halving++
		return s.failed / 2
	case s.held == 0 || s.failed-s.held <= closeEnough*s.failed:
		return 0
	}
	return (s.held + s.failed) / 2
}

// Limit is what was found so far. Its rate is 0 if none held.
func (s *Search) Limit() measure.Limit {
	bound := fmt.Sprintf("at most %.4g %% bad", s.bad*100)
	if s.p99 > 0 {
		bound = fmt.Sprintf("p99 at most %v, %s", s.p99, bound)
	}
	return measure.Limit{Rate: s.held, Bound: bound, Steps: s.steps}
}
