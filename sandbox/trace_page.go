package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"roundhouse/sandbox/payload"
)

// pageSpans is how many spans of a trace a page shows.
const pageSpans = 300

// traceLine is a span on a page.
type traceLine struct {
	Op, Text, Project, Status string
	Took                      time.Duration
	Faults                    []faultLink
	Below                     []traceLine
}

type faultLink struct{ Short, Title, Link string }

func (s *Sandbox) showTrace(w http.ResponseWriter, hr *http.Request) {
	s.showMember(w, hr, "trace", func(r *request) (page, error) {
		roots, alone, err := r.trace(pageSpans)
		if err != nil {
			return page{}, err
		}
		if len(roots)+len(alone) == 0 {
			return page{}, notFound()
		}
		p := page{Title: "Trace " + payload.HexID(r.PathValue("trace"), 32), Spans: r.traceLines(roots), Faults: r.faultLinks(alone)}
		if countLines(p.Spans) == pageSpans {
			p.Message = fmt.Sprintf("There may be more than these %d spans.", pageSpans)
		}
		return p, nil
	})
}

func countLines(lines []traceLine) int {
	n := len(lines)
	for _, l := range lines {
		n += countLines(l.Below)
	}
	return n
}

func (r *request) traceLines(nodes []*traceNode) []traceLine {
	lines := make([]traceLine, len(nodes))
	for i, n := range nodes {
		lines[i] = traceLine{
			Op: n.Op, Text: cmp.Or(n.Description, n.Name, n.SpanID), Project: n.ProjectSlug, Status: payload.Text(n.Status),
			Took:   time.Duration(n.Duration * float64(time.Millisecond)).Round(time.Microsecond),
			Faults: r.faultLinks(n.Errors), Below: r.traceLines(n.Children),
		}
	}
	return lines
}

func (r *request) faultLinks(errors []traceError) []faultLink {
	links := make([]faultLink, len(errors))
	for i, e := range errors {
		link := r.sb.basePath() + "/organizations/" + r.org.slug + "/issues/" + strconv.FormatInt(e.IssueID, 10) + "/"
		links[i] = faultLink{Short: e.Issue, Title: e.Title, Link: link}
	}
	return links
}
