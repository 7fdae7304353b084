package pace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Step is a rate that is held for a while. A rate of 0 is a pause.
type Step struct {
	Rate float64 // calls per second
	For  time.Duration
}

// Constant is one rate, in calls per second, for so long.
func Constant(rate float64, length time.Duration) Pacer {
	return Steps(Step{Rate: rate, For: length})
}

// Steps is one rate after another.
func Steps(list ...Step) Pacer {
	plan := &steps{}
	for _, s := range list {
		s.Rate, s.For = possible(s.Rate), max(s.For, 0)
		plan.parts = append(plan.parts, part{Step: s, begins: plan.length, first: plan.calls})
		plan.length += s.For
		plan.calls += s.Rate * s.For.Seconds()
	}
	return plan
}

type steps struct {
	parts  []part
	length time.Duration
	calls  float64
}

type part struct {
	Step
	begins time.Duration
	first  float64 // how many calls are due before
}

func (s *steps) Due(n uint64) (time.Duration, bool) {
	if float64(n) >= s.calls {
		return 0, false
	}
	i := len(s.parts) - 1
	for float64(n) < s.parts[i].first {
		i--
	}
	due := s.parts[i].begins + seconds((float64(n)-s.parts[i].first)/s.parts[i].Rate)
	return due, due < s.length // rounding may have made calls one too many
}

func (s *steps) Length() time.Duration { return s.length }

func (s *steps) String() string {
	if len(s.parts) == 1 {
		return perSecond(s.parts[0].Rate)
	}
	words := make([]string, len(s.parts))
	for i, p := range s.parts {
		words[i] = fmt.Sprintf("%s for %v", perSecond(p.Rate), p.For)
	}
	return strings.Join(words, ", then ")
}

// Ramp is a rate that rises or falls steadily from one to another.
func Ramp(from, to float64, over time.Duration) Pacer {
	return &ramp{from: possible(from), to: possible(to), over: max(over, 0)}
}

type ramp struct {
	from, to float64
	over     time.Duration
}

// Due solves from·t + (to-from)/over · t²/2 = n for t, in the form that does not
// subtract numbers that are nearly equal.
func (r *ramp) Due(n uint64) (time.Duration, bool) {
	if float64(n) >= (r.from+r.to)/2*r.over.Seconds() {
		return 0, false
	}
	if n == 0 {
		return 0, true
	}
	rise := (r.to - r.from) / r.over.Seconds()
	root := math.Sqrt(max(r.from*r.from+2*rise*float64(n), 0))
	due := seconds(2 * float64(n) / (r.from + root))
	return due, due < r.over
}

func (r *ramp) Length() time.Duration { return r.over }

func (r *ramp) String() string {
	return fmt.Sprintf("%s to %s over %v", perSecond(r.from), perSecond(r.to), r.over)
}

// Poisson is the same plan with the calls of many who know nothing of each other:
// their gaps are random, and the rate is that of the plan. Plans of one seed are
// equal, and several of different seeds at once are as one of all their rates.
func Poisson(p Pacer, seed uint64) Pacer {
	return &poisson{Pacer: p, seed: seed}
}

type poisson struct {
	Pacer
	seed uint64

	mu   sync.Mutex
	rnd  *rand.Rand
	next uint64  // to be drawn
	sum  float64 // of the gaps drawn, in calls of the plan
}

// Due is quick for calls asked for in their order.
func (p *poisson) Due(n uint64) (time.Duration, bool) {
	whole, rest := math.Modf(p.sumOf(n))
	from, ok := p.Pacer.Due(uint64(whole))
	if !ok {
		return 0, false
	}
	to, ok := p.Pacer.Due(uint64(whole) + 1)
	if !ok {
		to = p.Length()
	}
	return from + time.Duration(rest*float64(to-from)), true
}

// sumOf is the place of call n in a plan of one call at a time.
func (p *poisson) sumOf(n uint64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rnd == nil || n+1 < p.next {
		p.rnd, p.next, p.sum = rand.New(rand.NewPCG(p.seed, 0)), 0, 0
	}
	for ; p.next <= n; p.next++ {
		p.sum += p.rnd.ExpFloat64()
	}
	return p.sum
}

func (p *poisson) String() string { return p.Pacer.String() + ", at random" }

// possible is the rate, or the nearest of which there can be a plan. One that is
// no number is none.
func possible(rate float64) float64 {
	if !(rate > 0) {
		return 0
	}
	return min(rate, float64(time.Second)) // a call each nanosecond
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func perSecond(rate float64) string { return fmt.Sprintf("%.4g/s", rate) }
