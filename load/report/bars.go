package report

import (
	"cmp"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"roundhouse/load/measure"
)

// bar is how many times better ours is in one aspect, with its spread, or the
// heading of those below it.
type bar struct {
	name    string
	heading bool
	better  measure.Spread
}

// within keeps a bar on the paper.
func within(s measure.Spread) measure.Spread {
	fit := func(v float64) float64 { return min(max(v, 1e-3), 1e6) }
	return measure.Spread{Min: fit(s.Min), Median: fit(s.Median), Max: fit(s.Max)}
}

// barFigures are one for each other design, with a bar for each aspect in each
// setting: to the right where ours is better, and to the left where it is not.
func barFigures(rs []measure.Report) []figure {
	var all []figure
	for _, r := range rivalries(rs[len(rs)-1].Comparisons) {
		f := figure{Name: "against-" + r.theirs, Title: "How many times better than " + r.theirs, Alt: r.outcome()}
		for _, c := range r.settings {
			f.Bars = append(f.Bars, bar{name: cmp.Or(clean(c.What, 64), "calls"), heading: true})
			for _, v := range versuses(c) {
				f.Bars = append(f.Bars, bar{name: v.name, better: within(v.better())})
			}
		}
		all = append(all, f)
	}
	return all
}

func (f figure) drawBars(area draw.Canvas) {
	p := newPlot()
	least, most := 1/1.5, 1.5
	var wide vg.Length
	style := textStyle(inkAxis, fontSize)
	style.YAlign = draw.YCenter
	for _, b := range f.Bars {
		if !b.heading {
			least, most = min(least, b.better.Min), max(most, b.better.Max)
			wide = max(wide, style.Width(b.name))
		}
	}
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, roundDown(least), roundUp(most*math.Pow(most/least, 0.2)) // with room for the figures
	p.X.Tick.Marker = logTicks{func(v float64) string { return short(v) + nbsp + "×" }, decadesAcross}
	p.Y.Min, p.Y.Max = -0.5, float64(len(f.Bars))-0.5
	p.HideY()
	p.Add(grid())
	p.Add(barPlot(f.Bars))
	area = labels(area, "ours is better →", "")
	area.Min.X += wide + 8
	p.Draw(area)
}

type barPlot []bar

func (bars barPlot) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := textStyle(inkAxis, fontSize)
	style.YAlign = draw.YCenter
	one := x(1)
	for i, b := range bars {
		at := y(float64(len(bars) - 1 - i))
		if b.heading {
			style.XAlign = draw.XLeft
			c.FillText(style, vg.Point{X: 2, Y: at - 3}, b.name)
			continue
		}
		style.XAlign = draw.XRight
		c.FillText(style, vg.Point{X: c.Min.X - 6, Y: at}, b.name)
		color := inkSeries(0)
		if b.better.Median < 1 {
			color = inkSeries(1)
		}
		c.StrokeLine2(draw.LineStyle{Color: inkAxis, Width: 1}, one, at-8, one, at+8)
		end := x(b.better.Median)
		c.FillPolygon(color, []vg.Point{{X: one, Y: at - 5}, {X: end, Y: at - 5}, {X: end, Y: at + 5}, {X: one, Y: at + 5}})
		whisker := draw.LineStyle{Color: inkText, Width: 1.2}
		c.StrokeLine2(whisker, x(b.better.Min), at, x(b.better.Max), at)
		c.StrokeLine2(whisker, x(b.better.Min), at-3, x(b.better.Min), at+3)
		c.StrokeLine2(whisker, x(b.better.Max), at-3, x(b.better.Max), at+3)
		style.XAlign = draw.XLeft
		c.FillText(style, vg.Point{X: max(one, x(b.better.Max)) + 5, Y: at}, ratio(b.better.Median))
	}
}
