package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"roundhouse/load/measure"
)

// drawings make the plots, by name; barFigures makes those of comparisons. Each
// is of one report, or of several over one another.
var drawings = []struct {
	name string
	of   func([]measure.Report) figure
}{
	{"latency", latencyFigure},
	{"percentiles", percentileFigure},
	{"throughput", throughputFigure},
	{"activations", activationFigure},
	{"limit", limitFigure},
	{"memory", memoryFigure},
	{"contexts", contextFigure},
	{"goroutines", goroutineFigure},
	{"cpu", cpuFigure},
	{"gc", gcFigure},
}

// Plots names the plots that there are of a report.
func Plots(r measure.Report) []string {
	var names []string
	for _, f := range figures([]measure.Report{r}) {
		names = append(names, f.Name)
	}
	return names
}

// SVG writes one plot as a file of its own.
func SVG(w io.Writer, r measure.Report, name string) error {
	for _, f := range figures([]measure.Report{r}) {
		if f.Name != name {
			continue
		}
		_, err := io.WriteString(w, strings.Replace(f.svg(true), "</title>\n", "</title>\n<style>"+plotStyle+"</style>\n", 1))
		return err
	}
	return fmt.Errorf("no plot %q of this report: there are %s", name, strings.Join(Plots(r), ", "))
}

// mostReports can be told apart in one plot.
const mostReports = 6

var errTooMany = errors.New("at most six reports fit on one page")

func figures(rs []measure.Report) []figure {
	var all []figure
	for _, d := range drawings {
		f := d.of(rs)
		f.Name = d.name
		if _, overTime := f.X.Ticks.(clockTicks); overTime {
			f.Span = span(rs)
			if len(rs) == 1 {
				f.Moments, f.WarmUp = rs[0].Moments, f.Span[0]
			}
		}
		all = append(all, f)
	}
	return slices.DeleteFunc(append(all, barFigures(rs)...), figure.empty)
}

func (f figure) empty() bool {
	hasValue := func(l line) bool {
		return slices.ContainsFunc(l.Points, func(p plotter.XY) bool { return !math.IsNaN(p.Y) })
	}
	return !slices.ContainsFunc(f.Lines, hasValue) && !slices.ContainsFunc(f.Bars, func(b bar) bool { return !b.heading })
}

// span is from where the first warm-up began to where the last run ended, so that
// all plots over time are of the same time.
func span(rs []measure.Report) []float64 {
	from, to := 0.0, 0.0
	for _, r := range rs {
		if n := len(r.Series); n > 0 {
			begin, end := r.Series[0].At, r.Series[n-1].At+r.Series[n-1].Seconds
			if drawable(begin) && drawable(end) {
				from, to = min(from, begin), max(to, end)
			}
		}
	}
	return []float64{from, to}
}

// lines makes the lines of a figure: of one report, several quantities, each in
// its own style; of several reports, each in its own, and a second quantity
// thicker than the first.
func lines(rs []measure.Report, quantities ...quantity) []line {
	var all []line
	for i, r := range rs {
		for j, q := range quantities {
			points := thin(drawableOf(q.of(r)))
			if len(points) == 0 {
				continue
			}
			l := line{Name: q.name, Points: points, Style: j, Dots: q.shape != ' ', Cross: q.shape == 'x'}
			if len(rs) > 1 {
				l.Name, l.Style = "", i
				if j == 0 {
					l.Name = label(rs, i)
				}
				l.Thick = [...]vg.Length{1.2, 2.4}[min(j, 1)]
			}
			all = append(all, l)
		}
	}
	return all
}

// drawableOf makes gaps of points that cannot be drawn.
func drawableOf(points plotter.XYs) plotter.XYs {
	for i, p := range points {
		if !drawable(p.X) || !drawable(p.Y) {
			points[i] = plotter.XY{Y: math.NaN()}
		}
	}
	return points
}

// quantity is what a line shows. Its shape is a line (' '), dots or crosses.
type quantity struct {
	name  string
	of    func(measure.Report) plotter.XYs
	shape rune
}

// onlyFirst leaves one quantity where there are several reports, to be legible.
func onlyFirst(rs []measure.Report, quantities ...quantity) []quantity {
	if len(rs) > 1 {
		return quantities[:1]
	}
	return quantities
}

// label tells reports apart: by letter, and by what they are of.
func label(rs []measure.Report, i int) string {
	return string(rune('A'+i)) + " " + clean(rs[i].Target, 16)
}

// maxPoints is more than a plot has pixels.
const maxPoints = 600

// thin keeps of each stretch of neighbors the least and the largest, so that no
// peak is lost.
func thin(points plotter.XYs) plotter.XYs {
	if len(points) <= maxPoints {
		return points
	}
	each := (2*len(points) + maxPoints - 1) / maxPoints
	var kept plotter.XYs
	for part := range slices.Chunk(points, each) {
		low, high := 0, 0
		for i, p := range part {
			if math.IsNaN(part[low].Y) || p.Y < part[low].Y {
				low = i
			}
			if math.IsNaN(part[high].Y) || p.Y > part[high].Y {
				high = i
			}
		}
		kept = append(kept, part[min(low, high)])
		if low != high {
			kept = append(kept, part[max(low, high)])
		}
	}
	return kept
}

// windows is a value of each window, in its middle.
func windows(of func(measure.Window) float64) func(measure.Report) plotter.XYs {
	return func(r measure.Report) plotter.XYs {
		points := make(plotter.XYs, 0, len(r.Series))
		for _, w := range r.Series {
			points = append(points, plotter.XY{X: w.At + w.Seconds/2, Y: of(w)})
		}
		return points
	}
}

func latencyOf(q float64) func(measure.Report) plotter.XYs {
	return windows(func(w measure.Window) float64 {
		if w.Latency.Count() == 0 {
			return math.NaN()
		}
		return max(w.Latency.Quantile(q), time.Microsecond).Seconds()
	})
}

func latencyFigure(rs []measure.Report) figure {
	quantities := []quantity{{"p50", latencyOf(0.5), ' '}, {"p99", latencyOf(0.99), ' '}, {"max", latencyOf(1), ' '}}
	if len(rs) > 1 {
		quantities = quantities[:2]
	}
	var note string
	if len(rs) > 1 {
		note = "p50 thin, p99 thick"
	}
	f := figure{Note: note, Title: "Latency over time", X: timeAxis, Y: latencyAxis, Lines: lines(rs, quantities...)}
	f.Alt = "Latency over time: " + each(rs, func(r measure.Report) string {
		h := r.Total.Latency
		return fmt.Sprintf("p50 %s, p99 %s, at most %s", quantile(h, 0.5), quantile(h, 0.99), quantile(h, 1))
	})
	return f
}

// each says something of every report.
func each(rs []measure.Report, say func(measure.Report) string) string {
	var said []string
	for i, r := range rs {
		text := say(r)
		if len(rs) > 1 {
			text = label(rs, i) + ": " + text
		}
		said = append(said, text)
	}
	return strings.Join(said, "; ")
}

func percentileFigure(rs []measure.Report) figure {
	curve := func(r measure.Report) plotter.XYs {
		var points plotter.XYs
		h := r.Total.Latency
		end := 1 - 1/(2*float64(max(1, h.Count())))
		for _, p := range h.Curve() {
			points = append(points, plotter.XY{X: tailOf(min(p.Quantile, end)), Y: max(p.Value, time.Microsecond).Seconds()})
		}
		return points
	}
	f := figure{Title: "Latency by percentile", Y: latencyAxis, Lines: lines(rs, quantity{"all calls", curve, ' '})}
	f.X = axis{Label: "share of calls that took at most this long", Ticks: percentileTicks{}, From0: true}
	f.Alt = "Latency by percentile: " + each(rs, func(r measure.Report) string {
		var said []string
		for _, p := range percentiles {
			said = append(said, p.name+" "+quantile(r.Total.Latency, p.q))
		}
		return strings.Join(said, ", ")
	})
	return f
}

func throughputFigure(rs []measure.Report) figure {
	quantities := []quantity{{"calls", windows(perSecond(func(w measure.Window) uint64 { return w.Count })), ' '}}
	if slices.ContainsFunc(rs[0].Series, func(w measure.Window) bool { return w.Bad > 0 }) {
		bad := windows(perSecond(func(w measure.Window) uint64 { return w.Bad }))
		quantities = append(quantities, quantity{"lost or turned away", bad, ' '})
	}
	f := figure{Title: "Calls over time", X: timeAxis, Y: axis{Label: "calls a second", Say: sayPlain, From0: true}, Lines: lines(rs, onlyFirst(rs, quantities...)...)}
	f.Alt = "Calls over time: " + each(rs, func(r measure.Report) string {
		return fmt.Sprintf("%s a second answered, %s lost or turned away in all", number(reached(r)), count(r.Total.Bad()))
	})
	return f
}

func perSecond(of func(measure.Window) uint64) func(measure.Window) float64 {
	return func(w measure.Window) float64 {
		if w.Seconds <= 0 {
			return math.NaN()
		}
		return float64(of(w)) / w.Seconds
	}
}

func activationFigure(rs []measure.Report) figure {
	cdf := func(r measure.Report) plotter.XYs {
		var points plotter.XYs
		for _, p := range r.Activations.Curve() {
			points = append(points, plotter.XY{X: max(p.Value, time.Microsecond).Seconds(), Y: p.Quantile})
		}
		return points
	}
	f := figure{Title: "Activations", Lines: lines(rs, quantity{"first calls of a context", cdf, ' '})}
	f.X = axis{Label: "latency, Sentry’s answer included", Say: sayTime, Log: true, From0: true}
	f.Y = axis{Label: "share", Say: sayShare, From0: true}
	f.Alt = "Latency of the first calls of a context: " + each(rs, func(r measure.Report) string {
		return fmt.Sprintf("%s, p50 %s, p99 %s", count(r.Activations.Count()), quantile(r.Activations, 0.5), quantile(r.Activations, 0.99))
	})
	return f
}

func limitFigure(rs []measure.Report) figure {
	steps := func(held bool) func(measure.Report) plotter.XYs {
		return func(r measure.Report) plotter.XYs {
			if r.Limit == nil {
				return nil
			}
			var points plotter.XYs
			for _, s := range r.Limit.Steps {
				if s.Held == held && s.P99 > 0 {
					points = append(points, plotter.XY{X: s.Rate, Y: s.P99})
				}
			}
			return points
		}
	}
	f := figure{Title: "The limit", Y: axis{Label: "p99", Say: sayTime, Log: true, From0: true}}
	f.X = axis{Label: "calls a second", Say: sayPlain, Log: true, From0: true}
	f.Lines = lines(rs, quantity{"held", steps(true), 'o'}, quantity{"too much", steps(false), 'x'})
	f.Alt = "Rates that were tried, and their p99: " + each(rs, func(r measure.Report) string {
		if r.Limit == nil {
			return dash
		}
		return fmt.Sprintf("%s a second held", number(r.Limit.Rate))
	})
	return f
}
