package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"roundhouse/load/measure"
)

// figure is a plot before it is drawn.
type figure struct {
	Name, Title string
	Alt         string // what it shows, in words, for who cannot see it
	X, Y        axis
	Lines       []line
	Moments     []measure.Moment
	Span        []float64 // what the x axis reaches at least
	WarmUp      float64   // where it began, negative; 0: there was none
	Note        string    // after the label of the y axis
	Bars        []bar     // instead of lines
}

// line is a series of points. Those without a value (NaN) are gaps.
type line struct {
	Name   string // in the legend; "": not there
	Points plotter.XYs
	Style  int // which ink and dashes
	Thick  vg.Length
	Dots   bool // and no line between them
	Cross  bool // instead of dots
}

const (
	plotWidth  = 390
	plotHeight = 250
	fontSize   = 11
	em         = fontSize
)

// dashes tell series apart for those who do not see the color.
var dashes = [][]vg.Length{nil, {6, 3}, {1.5, 3}, {8, 3, 1.5, 3}, {3, 2}, {10, 4}}

func (l line) style() draw.LineStyle {
	thick := l.Thick
	if thick == 0 {
		thick = 1.5
	}
	return draw.LineStyle{Color: inkSeries(l.Style), Width: thick, Dashes: dashes[l.Style%len(dashes)]}
}

// svg draws it, with its title and size where nothing else says these.
func (f figure) svg(titled bool) string {
	height := vg.Length(plotHeight)
	if f.Bars != nil {
		height = vg.Length(62 + 19*len(f.Bars))
	}
	if titled {
		height += 2 * em
	}
	c := newCanvas(plotWidth, height)
	area := draw.Crop(draw.New(c), 2, -em, 2, -4)
	if titled {
		area.FillText(textStyle(inkAxis, fontSize+2), vg.Point{X: area.Min.X, Y: area.Max.Y}, f.Title)
		area.Max.Y -= 2 * em
	}
	f.draw(area)
	size := ""
	if titled { // a file of its own
		size = fmt.Sprintf(` width="%s" height="%s"`, tenth(1.5*float64(c.w)), tenth(1.5*float64(c.h)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="plot"%s viewBox="0 0 %s %s" role="img" aria-label="%s">`+"\n<title>%s</title>\n",
		size, tenth(float64(c.w)), tenth(float64(c.h)), escaped(f.Alt), escaped(f.Alt))
	b.WriteString(strings.ReplaceAll(c.body.String(), nbsp, " "))
	b.WriteString("</svg>\n")
	return b.String()
}

func (f figure) draw(area draw.Canvas) {
	if f.Bars != nil {
		f.drawBars(area)
		return
	}
	p := newPlot()
	f.X.scale(&p.X, append(f.values(func(p plotter.XY) float64 { return p.X }), f.Span...), decadesAcross)
	f.Y.scale(&p.Y, f.values(func(p plotter.XY) float64 { return p.Y }), decadesUp)
	area.Max.Y -= f.legend(area)
	area = labels(area, p.X.Label.Text, join("; ", p.Y.Label.Text, f.Note))
	p.X.Label.Text, p.Y.Label.Text = "", ""
	if f.WarmUp < 0 {
		p.Add(shade{f.WarmUp, 0})
	}
	p.Add(grid())
	if len(f.Moments) > 0 {
		area.Max.Y -= em + 2 // for their numbers
		p.Add(marks(f.Moments))
	}
	for _, l := range f.Lines {
		p.Add(l)
	}
	p.Draw(area)
}

// labels draws those of the axes, y's above it, and returns what room is left.
// gonum would reckon with them in the wrong place on a logarithmic axis, and
// turn one on its side.
func labels(c draw.Canvas, x, y string) draw.Canvas {
	style := textStyle(inkAxis, fontSize)
	if y != "" {
		c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, y)
		c.Max.Y -= 1.7 * em
	}
	style.XAlign, style.YAlign = draw.XRight, draw.YBottom
	c.FillText(style, vg.Point{X: c.Max.X, Y: c.Min.Y}, x)
	c.Min.Y += 1.4 * em
	return c
}

func (f figure) values(of func(plotter.XY) float64) []float64 {
	var all []float64
	for _, l := range f.Lines {
		for _, p := range l.Points {
			if !math.IsNaN(p.Y) {
				all = append(all, of(p))
			}
		}
	}
	return all
}

func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = inkAxis, inkAxis
		a.Padding, a.Tick.Length = 0, 4
		a.Tick.Label.Font, a.Tick.Label.Color = sans(fontSize), inkAxis
	}
	return p
}

func sans(size vg.Length) font.Font {
	return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
}

func textStyle(i ink, size vg.Length) text.Style {
	return text.Style{Color: i, Font: sans(size), YAlign: draw.YTop, Handler: plot.DefaultTextHandler}
}

func grid() *plotter.Grid {
	style := draw.LineStyle{Color: inkGrid, Width: 0.7}
	return &plotter.Grid{Vertical: style, Horizontal: style}
}

// legend draws names above the plot, in rows, and returns its height.
func (f figure) legend(c draw.Canvas) vg.Length {
	const sample, gap, row = 24, 14, 1.4 * em
	style := textStyle(inkAxis, fontSize)
	x, y := c.Min.X, c.Max.Y
	var height vg.Length
	for _, l := range f.Lines {
		if l.Name == "" {
			continue
		}
		wide := sample + 4 + style.Width(l.Name)
		if x > c.Min.X && x+wide > c.Max.X {
			x, y = c.Min.X, y-row
		}
		height = c.Max.Y - y + row
		middle := y - 0.62*em
		if l.Dots {
			l.dot(&c, vg.Point{X: x + sample/2, Y: middle})
		} else {
			c.StrokeLine2(l.style(), x, middle, x+sample, middle)
		}
		c.FillText(style, vg.Point{X: x + sample + 4, Y: y}, l.Name)
		x += wide + gap
	}
	return height
}

// Plot draws a line, in pieces where there are gaps.
func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	if l.Dots {
		for _, pt := range l.Points {
			if !math.IsNaN(pt.Y) {
				l.dot(&c, vg.Point{X: x(pt.X), Y: y(pt.Y)})
			}
		}
		return
	}
	var path vg.Path
	begun := false
	for _, pt := range l.Points {
		if math.IsNaN(pt.Y) {
			begun = false
			continue
		}
		at := vg.Point{X: x(pt.X), Y: y(pt.Y)}
		if !begun {
			path.Move(at)
		}
		path.Line(at) // a point between two gaps is a line to itself: a dot
		begun = true
	}
	if len(path) > 0 {
		c.SetLineStyle(l.style())
		c.Stroke(path)
	}
}

func (l line) dot(c *draw.Canvas, at vg.Point) {
	if !l.Cross {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: inkSeries(l.Style), Radius: 2.6, Shape: draw.CircleGlyph{}}, at)
		return
	}
	style := draw.LineStyle{Color: inkSeries(l.Style), Width: 1.6}
	c.StrokeLine2(style, at.X-3, at.Y-3, at.X+3, at.Y+3)
	c.StrokeLine2(style, at.X-3, at.Y+3, at.X+3, at.Y-3)
}

// shade is a stretch of time behind everything.
type shade struct{ from, to float64 }

func (s shade) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	from, to := max(x(s.from), c.Min.X), min(x(s.to), c.Max.X)
	if from >= to {
		return
	}
	c.FillPolygon(inkShade, []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
	style := textStyle(inkMark, fontSize-1)
	if name := "warm-up"; to-from > style.Width(name)+4 {
		c.FillText(style, vg.Point{X: from + 3, Y: c.Max.Y - 2}, name)
	}
}

// marks are vertical lines where something happened, with the number that the
// list of moments gives it, and what it was where there is room for the words.
type marks []measure.Moment

func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := textStyle(inkMark, fontSize-1)
	order := make([]int, 0, len(m))
	for i := range m {
		if at := x(m[i].At); i < maxMoments && at >= c.Min.X-0.01 && at <= c.Max.X+0.01 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m[a].At, m[b].At) })
	free := c.Min.X
	for n, i := range order {
		at := x(m[i].At)
		c.StrokeLine2(draw.LineStyle{Color: inkMark, Width: 1, Dashes: []vg.Length{2, 2}}, at, c.Min.Y, at, c.Max.Y)
		room := c.Max.X - at
		if n+1 < len(order) {
			room = x(m[order[n+1]].At) - at - 6
		}
		label := fitting(style, fmt.Sprint(i+1), clean(m[i].What, 2*longName), room)
		if at-2 >= free {
			c.FillText(style, vg.Point{X: at - 2, Y: c.Max.Y + em + 2}, label)
			free = at - 2 + style.Width(label) + 3
		}
	}
}

// fitting is a number with as much of a text as there is room for, if that is
// worth reading.
func fitting(style text.Style, number, words string, room vg.Length) string {
	all := runes(words)
	for most := all; most > 0 && most >= min(8, all); most-- {
		if label := number + " " + clean(words, most); style.Width(label) <= room {
			return label
		}
	}
	return number
}
