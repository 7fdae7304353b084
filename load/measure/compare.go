package measure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Spread is of ratios over the rounds of a comparison. It is of zeros if no round
// has both sides.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Ratios are ours to theirs, round by round. More is better for throughput, less
// for the others.
type Ratios struct {
	Throughput Spread `json:"throughput"`
	P50        Spread `json:"p50"`
	P99        Spread `json:"p99"`
	CPU        Spread `json:"cpu"`
}

// measures are what a comparison is judged by.
var measures = []struct {
	name string
	of   func(Side) float64
	set  func(*Ratios) *Spread
}{
	{"throughput", func(s Side) float64 { return s.Throughput }, func(r *Ratios) *Spread { return &r.Throughput }},
	{"p50", func(s Side) float64 { return s.P50 }, func(r *Ratios) *Spread { return &r.P50 }},
	{"p99", func(s Side) float64 { return s.P99 }, func(r *Ratios) *Spread { return &r.P99 }},
	{"cpu", func(s Side) float64 { return s.CPU }, func(r *Ratios) *Spread { return &r.CPU }},
}

// Ratios are those of each round, and the median of them: what a machine does
// meanwhile bothers both sides of a round, and rarely most rounds.
func (c Comparison) Ratios() Ratios {
	var ratios Ratios
	for _, m := range measures {
		var each []float64
		for _, round := range c.Rounds {
			ours, theirs := m.of(round.Ours), m.of(round.Theirs)
			if theirs > 0 && (ours > 0 || m.name == "throughput") { // a latency of 0 is none
				each = append(each, ours/theirs)
			}
		}
		*m.set(&ratios) = spread(each)
	}
	return ratios
}

func spread(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(values)
	return Spread{Min: values[0], Median: (values[(n-1)/2] + values[n/2]) / 2, Max: values[n-1]}
}

// Floor is a bound on the median ratio of comparisons: "throughput>=10".
type Floor struct {
	Theirs  string // the design it is about; "": each that ours is compared with
	Measure string // throughput, p50, p99 or cpu
	AtLeast bool   // else at most
	Bound   float64
}

// ParseFloor reads one in the form of "throughput>=10" or "bare:p99<=1.3".
func ParseFloor(text string) (Floor, error) {
	var f Floor
	name, bound, ok := strings.Cut(text, ">=")
	if f.AtLeast = ok; !ok {
		name, bound, ok = strings.Cut(text, "<=")
	}
	if !ok {
		return Floor{}, fmt.Errorf("floor %q has neither >= nor <=: want one such as throughput>=10 or bare:p99<=1.3", text)
	}
	name = strings.TrimSpace(name)
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		f.Theirs, name = name[:i], name[i+1:]
	}
	f.Measure = name
	if f.of(Ratios{}) == nil {
		return Floor{}, fmt.Errorf("floor %q is of %q: want throughput, p50, p99 or cpu", text, name)
	}
	var err error
	f.Bound, err = strconv.ParseFloat(strings.TrimSpace(bound), 64)
	if err != nil || !(f.Bound > 0 && f.Bound < 1e9) {
		return Floor{}, fmt.Errorf("floor %q: %q is not a ratio", text, bound)
	}
	return f, nil
}

// String is the form that ParseFloor reads.
func (f Floor) String() string {
	name, sign := f.Measure, "<="
	if f.Theirs != "" {
		name = f.Theirs + ":" + name
	}
	if f.AtLeast {
		sign = ">="
	}
	return name + sign + strconv.FormatFloat(f.Bound, 'g', -1, 64)
}

// of is the spread that the floor is about, or nil.
func (f Floor) of(r Ratios) *Spread {
	for _, m := range measures {
		if m.name == f.Measure {
			return m.set(&r)
		}
	}
	return nil
}

// Check says, in a sentence each, where the median of comparisons does not meet
// the floor. A floor that no comparison is about is not met.
func (f Floor) Check(comparisons []Comparison) []string {
	var failed []string
	met := false
	for _, c := range comparisons {
		if f.Theirs != "" && f.Theirs != c.Theirs {
			continue
		}
		median := f.of(c.Ratios()).Median
		if median > 0 && (f.AtLeast && median >= f.Bound || !f.AtLeast && median <= f.Bound) {
			met = true
			continue
		}
		failed = append(failed, fmt.Sprintf("%s is not met: %s to %s, %s: %.3g", f, c.Ours, c.Theirs, c.What, median))
	}
	if !met && failed == nil {
		failed = []string{fmt.Sprintf("%s is not met: nothing was compared", f)}
	}
	return failed
}
