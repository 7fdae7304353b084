package report

import (
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// ink is a color by its name, a class in plot.css, so that one drawing is right
// on light and dark pages and on paper, and needs no style attribute, which a
// content security policy would drop.
type ink string

const (
	inkAxis  ink = "axis"
	inkText  ink = "text" // and what must stand out from bars
	inkGrid  ink = "grid"
	inkShade ink = "shade" // of the warm-up
	inkMark  ink = "mark"  // of moments
)

// series1 and so on are told apart also without color: see dashes.
func inkSeries(i int) ink { return ink(fmt.Sprintf("s%d", i%len(dashes)+1)) }

// RGBA makes an ink a color for gonum, which hands it on and never looks.
func (ink) RGBA() (r, g, b, a uint32) { return color.Black.RGBA() }

// canvas is a vg.Canvas that writes SVG. Unlike vgsvg it turns the y axis
// itself, so that no text is within a flipped group, and rounds to a tenth of a
// pixel.
type canvas struct {
	w, h  vg.Length
	body  strings.Builder
	state state
	saved []state
}

type state struct {
	ink   ink
	width vg.Length
	dash  []vg.Length
	turn  matrix
}

// matrix is the transformation (x, y) → (ax + cy + e, bx + dy + f).
type matrix struct{ a, b, c, d, e, f float64 }

func newCanvas(w, h vg.Length) *canvas {
	c := &canvas{w: w, h: h}
	c.state.turn = matrix{a: 1, d: 1}
	vg.Initialize(c)
	return c
}

func (m matrix) times(n matrix) matrix {
	return matrix{
		m.a*n.a + m.c*n.b, m.b*n.a + m.d*n.b,
		m.a*n.c + m.c*n.d, m.b*n.c + m.d*n.d,
		m.a*n.e + m.c*n.f + m.e, m.b*n.e + m.d*n.f + m.f,
	}
}

// at is where a point is on the page, whose y axis points down.
func (c *canvas) at(p vg.Point) (x, y string) {
	m, px, py := c.state.turn, p.X.Points(), p.Y.Points()
	return tenth(m.a*px + m.c*py + m.e), tenth(c.h.Points() - (m.b*px + m.d*py + m.f))
}

func tenth(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10+0, 'f', -1, 64) // + 0 turns -0 into 0
}

func (c *canvas) Size() (w, h vg.Length)                      { return c.w, c.h }
func (c *canvas) SetLineWidth(w vg.Length)                    { c.state.width = w }
func (c *canvas) SetLineDash(dash []vg.Length, off vg.Length) { c.state.dash = dash }
func (c *canvas) Push()                                       { c.saved = append(c.saved, c.state) }

func (c *canvas) Pop() {
	c.state = c.saved[len(c.saved)-1]
	c.saved = c.saved[:len(c.saved)-1]
}

func (c *canvas) SetColor(to color.Color) {
	if i, ok := to.(ink); ok {
		c.state.ink = i
	} else {
		c.state.ink = inkAxis
	}
}

func (c *canvas) Rotate(by float64) {
	sin, cos := math.Sincos(by)
	c.state.turn = c.state.turn.times(matrix{cos, sin, -sin, cos, 0, 0})
}

func (c *canvas) Translate(by vg.Point) {
	c.state.turn = c.state.turn.times(matrix{1, 0, 0, 1, by.X.Points(), by.Y.Points()})
}

func (c *canvas) Scale(x, y float64) {
	c.state.turn = c.state.turn.times(matrix{a: x, d: y})
}

func (c *canvas) Stroke(p vg.Path) {
	if c.state.width <= 0 {
		return
	}
	fmt.Fprintf(&c.body, `<path class="l-%s" stroke-width="%s"%s d="%s"/>`+"\n",
		c.state.ink, tenth(c.state.width.Points()), dashed(c.state.dash), c.path(p))
}

func dashed(dash []vg.Length) string {
	if len(dash) == 0 {
		return ""
	}
	var lengths []string
	for _, d := range dash {
		lengths = append(lengths, tenth(d.Points()))
	}
	return fmt.Sprintf(` stroke-dasharray="%s"`, strings.Join(lengths, " "))
}

func (c *canvas) Fill(p vg.Path) {
	fmt.Fprintf(&c.body, `<path class="f-%s" d="%s"/>`+"\n", c.state.ink, c.path(p))
}

func (c *canvas) path(p vg.Path) string {
	var b strings.Builder
	var last string
	for i, part := range p {
		switch part.Type {
		case vg.CloseComp:
			b.WriteByte('Z')
			last = ""
			continue
		case vg.ArcComp:
			c.arc(&b, part)
			last = ""
			continue
		}
		x, y := c.at(part.Pos)
		here := x + "," + y
		switch {
		case part.Type == vg.MoveComp:
			b.WriteString("M" + here)
		case here == last && i+1 < len(p): // many points on one pixel; the last makes a dot of a line of one
		default:
			b.WriteString("L" + here)
		}
		last = here
	}
	return b.String()
}

// arc is drawn as a polygon would be: the only ones are dots.
func (c *canvas) arc(b *strings.Builder, part vg.PathComp) {
	const corners = 12
	for i := range corners + 1 {
		sin, cos := math.Sincos(part.Start + part.Angle*float64(i)/corners)
		x, y := c.at(part.Pos.Add(vg.Point{X: part.Radius * vg.Length(cos), Y: part.Radius * vg.Length(sin)}))
		if i == 0 && b.Len() == 0 {
			b.WriteString("M" + x + "," + y)
		} else {
			b.WriteString("L" + x + "," + y)
		}
	}
}

func (c *canvas) FillString(face font.Face, at vg.Point, text string) {
	x, y := c.at(at)
	var turned string
	if angle := -math.Atan2(c.state.turn.b, c.state.turn.a) * 180 / math.Pi; math.Abs(angle) > 0.01 {
		turned = fmt.Sprintf(` transform="rotate(%s %s %s)"`, tenth(angle), x, y)
	}
	// The length holds everything in its place where the font is another.
	fmt.Fprintf(&c.body, `<text class="t-%s" font-size="%s" x="%s" y="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
		c.state.ink, tenth(face.Font.Size.Points()), x, y, tenth(face.Width(text).Points()), turned, escaped(text))
}

// DrawImage draws nothing: no plot of ours has images.
func (c *canvas) DrawImage(vg.Rectangle, image.Image) {}

// escaped is for XML, which unlike HTML has characters that may not occur.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
