package report

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
)

// axis is one of a figure. What it shows is in base units: seconds, bytes.
type axis struct {
	Label string
	Say   func(float64) string
	Log   bool        // asked for if the values lie far apart, and possible
	From0 bool        // starts at 0, unless logarithmic
	Ticks plot.Ticker // nil: of round values
}

var (
	latencyAxis = axis{Label: "latency", Say: sayTime, Log: true, From0: true}
	timeAxis    = axis{Label: "time since the warm-up", Say: sayTime, Ticks: clockTicks{}}
)

func sayTime(v float64) string  { return in(times, v, short) }
func sayBytes(v float64) string { return in(sizes, v, short) }
func sayPlain(v float64) string { return in(plain, v, short) }
func sayShare(v float64) string { return short(100*v) + nbsp + "%" }

// apart is how many times the least value the largest is when a linear axis
// would press everything but the largest flat.
const apart = 20

// Decades of a logarithmic axis that have room for 2 and 5 between powers of ten.
const (
	decadesUp     = 3.1
	decadesAcross = 1.6
)

// scale chooses between linear and logarithmic, and sets the range.
func (a axis) scale(to *plot.Axis, values []float64, decades float64) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			least, most = min(least, v), max(most, v)
		}
	}
	if least > most {
		least, most = 0, 1
	}
	if a.Log && least > 0 && most/least > apart {
		to.Scale = plot.LogScale{}
		to.Min, to.Max = roundDown(least), roundUp(most)
		to.Tick.Marker = logTicks{a.Say, decades}
		to.Label.Text = a.Label + " (logarithmic)"
		return
	}
	to.Label.Text = a.Label
	if a.From0 {
		least = min(0, least)
	}
	if least == most {
		most = least + max(1e-6, math.Abs(least)/10)
	}
	to.Min, to.Max = least, most
	to.Tick.Marker = a.Ticks
	if a.Ticks == nil {
		step := roundStep(most-least, 5)
		to.Min, to.Max = math.Floor(least/step)*step, math.Ceil(most/step-1e-9)*step
		to.Tick.Marker = linearTicks{a.Say}
	}
}

// drawable reports whether a plot can show a value. What a report was made to
// say by somebody else is no reason to draw without end.
func drawable(v float64) bool {
	return v == 0 || math.Abs(v) > 1e-12 && math.Abs(v) < 1e15
}

// roundStep is 1, 2 or 5 times a power of ten, for at most so many steps.
func roundStep(span float64, steps int) float64 {
	return roundUp(span / float64(steps))
}

var rounds = []float64{1, 2, 5, 10}

func roundUp(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, r := range rounds {
		if v <= r*ten*(1+1e-9) {
			return r * ten
		}
	}
	return 10 * ten
}

func roundDown(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, r := range slices.Backward(rounds) {
		if v >= r*ten*(1-1e-9) {
			return r * ten
		}
	}
	return ten
}

// linearTicks are at round values.
type linearTicks struct{ say func(float64) string }

func (t linearTicks) Ticks(from, to float64) []plot.Tick {
	return steps(from, to, roundStep(to-from, 5), t.say)
}

func steps(from, to, step float64, say func(float64) string) []plot.Tick {
	var ticks []plot.Tick
	for i := math.Ceil(from/step - 1e-9); i*step <= to+step*1e-6 && len(ticks) < 50; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: say(i * step)})
	}
	return ticks
}

// clockTicks are at whole seconds and minutes, where a minute has sixty.
type clockTicks struct{}

func (clockTicks) Ticks(from, to float64) []plot.Tick {
	step := roundStep(to-from, 6)
	for _, s := range []float64{10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600} {
		if step > 5 && (to-from)/s <= 7 {
			step = s
			break
		}
	}
	return steps(from, to, step, func(v float64) string {
		if step >= 60 {
			return short(v/60) + nbsp + "min"
		}
		return short(v) + nbsp + "s"
	})
}

// logTicks label powers of ten, and 2 and 5 times these where there is room.
type logTicks struct {
	say     func(float64) string
	decades float64 // with room for 2 and 5
}

func (t logTicks) Ticks(from, to float64) []plot.Tick {
	labeled := []float64{1}
	if math.Log10(to/from) < t.decades {
		labeled = []float64{1, 2, 5}
	}
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(from)); e <= math.Ceil(math.Log10(to)); e++ {
		for i := 1.0; i < 10; i++ {
			v := i * math.Pow(10, e)
			if v < from*(1-1e-9) || v > to*(1+1e-9) {
				continue
			}
			tick := plot.Tick{Value: min(max(v, from), to)}
			if slices.Contains(labeled, i) {
				tick.Label = t.say(v)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// percentileTicks are of an axis of -log10(1-p): 50 %, 90 %, 99 %, 99.9 % …
type percentileTicks struct{}

func (percentileTicks) Ticks(_, to float64) []plot.Tick {
	ticks := []plot.Tick{{Value: tailOf(0.5), Label: "50" + nbsp + "%"}, {Value: tailOf(0.75)}}
	for nines, label := 1.0, "90"; nines <= to+1e-9; nines++ {
		ticks = append(ticks, plot.Tick{Value: nines, Label: label + nbsp + "%"})
		switch label {
		case "90":
			label = "99"
		case "99":
			label = "99.9"
		default:
			label += "9"
		}
	}
	return ticks
}

// tailOf is how far out a quantile is, in powers of ten.
func tailOf(q float64) float64 { return -math.Log10(1 - q) }
