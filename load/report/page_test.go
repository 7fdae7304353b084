package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"roundhouse/load/measure"
)

func render(t *testing.T, rs ...measure.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, rs...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nodes are the elements of a page, in their order.
func nodes(t *testing.T, page string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// series counts the lines of data in a plot.
func series(svg *html.Node) int {
	n := 0
	for d := range svg.Descendants() {
		if d.Data == "path" && strings.HasPrefix(attribute(d, "class"), "l-s") {
			n++
		}
	}
	return n
}

func TestWriteHTML_Plots(t *testing.T) {
	count := func(page string) map[string]int {
		plots, title := map[string]int{}, ""
		for _, n := range nodes(t, page) {
			switch n.Data {
			case "figcaption":
				title = n.FirstChild.Data
			case "svg":
				plots[title] = series(n)
				if attribute(n, "role") != "img" || attribute(n, "aria-label") == "" {
					t.Errorf("%s has nothing for who cannot see it", title)
				}
			}
		}
		return plots
	}
	one := count(render(t, example(1)))
	for title, want := range map[string]int{"Latency over time": 3 + 3, "Latency by percentile": 1 + 1, "Calls over time": 2 + 2, "The node’s memory": 2 + 2, "Activations": 1 + 1} {
		if one[title] != want { // each line and its sample in the legend
			t.Errorf("%s has %d lines, want %d", title, one[title], want)
		}
	}
	if want := len(drawings) + 3; len(one) != want { // and one for each design in the comparisons
		t.Errorf("%d plots of a report that has everything, want %d", len(one), want)
	}
	both := count(render(t, example(1), example(2)))
	for title, want := range map[string]int{"Latency over time": 4 + 2, "Latency by percentile": 2 + 2} {
		if both[title] != want {
			t.Errorf("%s of two has %d lines, want %d", title, both[title], want)
		}
	}
}

func TestWriteHTML_AsksNobody(t *testing.T) {
	for _, n := range nodes(t, render(t, example(1), hostile())) {
		switch n.Data {
		case "script", "link", "img", "iframe", "object", "embed", "a", "form", "base":
			t.Errorf("<%s> on the page", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || a.Key == "src" || strings.HasSuffix(a.Key, "href") || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s=%q at <%s>, which a policy would stop", a.Key, a.Val, n.Data)
			}
			if a.Key != "xmlns" && strings.Contains(a.Val, "://") && n.Data != "svg" {
				t.Errorf("%s=%q at <%s>", a.Key, a.Val, n.Data)
			}
		}
	}
	if strings.Contains(pageStyle+plotStyle, "url(") || strings.Contains(pageStyle+plotStyle, "@import") {
		t.Error("the style asks for more")
	}
}

// TestWriteHTML_Odd renders what has little or nothing in it.
func TestWriteHTML_Odd(t *testing.T) {
	short := example(1)
	short.Series, short.Server = short.Series[:1], short.Server[:1]
	for name, rs := range map[string][]measure.Report{
		"none":    nil,
		"empty":   {{}},
		"losses":  {losses()},
		"hostile": {hostile(), hostile()},
		"short":   {short},
		"mixed":   {{}, example(1), losses()},
	} {
		page := render(t, rs...)
		for _, bad := range []string{"NaN", "Inf", "%!", "<script", "\x00", "ZgotmplZ"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: %q on the page", name, bad)
			}
		}
		for _, n := range nodes(t, page) {
			if n.Data == "svg" && name == "empty" {
				t.Errorf("%s: a plot of nothing", name)
			}
		}
	}
	if err := WriteHTML(io.Discard, make([]measure.Report, mostReports+1)...); !errors.Is(err, errTooMany) {
		t.Errorf("too many reports: %v, want %v", err, errTooMany)
	}
}

// TestWriteHTML_Extremes fills every number with what a report should never hold.
func TestWriteHTML_Extremes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	floats := []float64{0, 1, -1, 1e-300, 5e-324, 1e17, 1e17 + 64, 1e300, -1e300, math.MaxFloat64, 0.5}
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Float64:
			v.SetFloat(floats[rnd.IntN(len(floats))])
		case reflect.Uint64:
			v.SetUint([]uint64{0, 1, math.MaxUint64}[rnd.IntN(3)])
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Field(i).CanSet() && v.Type() != reflect.TypeFor[time.Time]() {
					fill(v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Pointer:
			if !v.IsNil() {
				fill(v.Elem())
			}
		}
	}
	for range 8 {
		r := example(1)
		fill(reflect.ValueOf(&r).Elem())
		page := render(t, r, r)
		for _, bad := range []string{"NaN", "Inf"} {
			if i := strings.Index(page, bad); i >= 0 {
				t.Fatalf("%s on the page: %s", bad, page[max(0, i-200):i+50])
			}
		}
		if len(page) > 1<<20 {
			t.Fatalf("%d bytes", len(page))
		}
		if err := WriteText(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if err := Diff(io.Discard, r, example(2)); r.Format == measure.FormatVersion && err != nil {
			t.Fatal(err)
		}
	}
}

// TestWriteHTML_Size is of half an hour: as many windows as a report has, and a
// sample each second.
func TestWriteHTML_Size(t *testing.T) {
	r := example(1)
	windows, samples := r.Series, r.Server
	r.Series, r.Server = nil, nil
	for i := range 600 {
		w := windows[i%len(windows)]
		w.At, w.Seconds = float64(3*i), 3
		r.Series = append(r.Series, w)
	}
	for i := range 1800 {
		s := samples[i%len(samples)]
		s.At = float64(i)
		r.Server = append(r.Server, s)
	}
	for i := range 500 {
		r.Moments = append(r.Moments, measure.Moment{At: float64(3 * i), What: strings.Repeat("long ", 100)})
	}
	if n := len(render(t, r)); n > 1<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestSVG(t *testing.T) {
	for _, r := range []measure.Report{example(1), hostile()} {
		for _, name := range Plots(r) {
			var b bytes.Buffer
			if err := SVG(&b, r, name); err != nil {
				t.Fatal(err)
			}
			for dec := xml.NewDecoder(&b); ; {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
	if names := Plots(example(1)); !slices.Contains(names, "latency") || !slices.Contains(names, "against-bare") {
		t.Errorf("plots: %v", names)
	}
	if err := SVG(io.Discard, example(1), "latenzy"); err == nil || !strings.Contains(err.Error(), "latency") {
		t.Errorf("an unknown plot: %v, want the names of those there are", err)
	}
}

// TestThin keeps the one peak among many points.
func TestThin(t *testing.T) {
	r := measure.Report{}
	for i := range 5000 {
		s := measure.Sample{At: float64(i), HeapInUse: 100}
		if i == 3333 {
			s.HeapInUse = 900
		}
		r.Server = append(r.Server, s)
	}
	points := thin(sampled(heap)(r))
	if len(points) > maxPoints {
		t.Errorf("%d points", len(points))
	}
	peak := 0.0
	for _, p := range points {
		peak = max(peak, p.Y)
	}
	if peak != 900 {
		t.Errorf("the peak is %v, want 900", peak)
	}
}
