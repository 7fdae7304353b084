package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"roundhouse/load/measure"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

//go:embed plot.css
var plotStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// page is what the template shows.
type page struct {
	Title   string
	Policy  string // of the content, for where a header does not give a stricter one
	Style   template.CSS
	Figures []drawn
	Runs    []shown
}

// drawn is a plot on the page. SVG is safe because every text in it went
// through escaped.
type drawn struct {
	Title string
	SVG   template.HTML
}

// shown is one report on the page.
type shown struct {
	Label    string // "" if it is the only one
	Verdict  verdict
	Sections []section
}

// WriteHTML writes one page that needs nothing but itself. Several reports are
// drawn over one another.
func WriteHTML(w io.Writer, reports ...measure.Report) error {
	if len(reports) > mostReports {
		return errTooMany
	}
	style := pageStyle + plotStyle
	p := page{Title: "No report", Policy: policy(style), Style: template.CSS(style)}
	for i, r := range reports {
		s := shown{Verdict: judge(r), Sections: summarize(r)}
		if len(reports) > 1 {
			s.Label = label(reports, i)
		}
		p.Runs = append(p.Runs, s)
	}
	if len(reports) > 0 {
		p.Title = title(reports)
		for _, f := range figures(reports) {
			p.Figures = append(p.Figures, drawn{f.Title, template.HTML(f.svg(false))})
		}
	}
	return pageTemplate.Execute(w, p)
}

// policy allows the one style and nothing else.
func policy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func title(rs []measure.Report) string {
	name := clean(join(" against ", rs[0].Scenario, rs[0].Target), longText)
	if rs[0].Total.Count == 0 && len(rs[0].Comparisons) > 0 {
		name = clean(cmp.Or(rs[0].Scenario, "Comparison"), longText)
	}
	switch {
	case name == "":
		name = "A run"
	case len(rs) > 1:
		name += ", beside " + plural(len(rs)-1, "other run", "other runs")
	}
	return name
}
