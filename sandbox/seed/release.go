package seed

import (
	"fmt"
	"time"
)

type (
	// Deploy is a release that came to production.
	Deploy struct {
		Version string
		Commits []Commit // the latest first
	}
	// Commit is one of those that made a release.
	Commit struct {
		ID, Message, Author, Email, Repository string
		At                                     time.Time
	}

	// release was deployed some time before now.
	release struct {
		version string
		ago     time.Duration
		commits []commit // the latest first, the day before it was deployed
	}
	commit struct{ author, message string }

	// health is how the sessions of a project went: so many an hour, of which
	// so many crashed. Ten people have as many sessions each.
	health struct {
		perHour, crashed int
		since            int // crashed ones, since the story began
	}
)

// authors commit under the names and addresses of members.
var authors = map[string][2]string{
	"mara": {"Mara Lindqvist", "mara@example.test"}, "jon": {"Jon Abara", "jon@example.test"}, "priya": {"Priya Raman", "priya@example.test"},
}

func (t *teller) deploy(n int, r release) {
	at := t.now.Add(-r.ago)
	d := &Deploy{Version: r.version}
	for i, c := range r.commits {
		by := authors[c.author]
		d.Commits = append(d.Commits, Commit{
			ID: digest(40, t.org, t.project.Slug, "commit", n, i), Message: c.message, Author: by[0], Email: by[1],
			Repository: t.org + "/" + t.project.Slug, At: at.Add(-time.Duration(i+1) * 5 * hour),
		})
	}
	t.steps = append(t.steps, Step{At: at, Deploy: d})
}

// sessions sends the counts of each day at its end.
func (t *teller) sessions(h health) {
	const days, people = 14, 10
	var hours []any
	for n := range days * 24 {
		at := t.now.Add(-time.Duration(days*24-n) * hour)
		crashed := h.crashed
		if at.After(t.now.Add(-t.project.story.first)) {
			crashed = h.since
		}
		for who := range people {
			crashes := 0
			if who < crashed {
				crashes = 1
			}
			hours = append(hours, object{"started": at.Format(time.RFC3339), "did": fmt.Sprintf("visitor-%d", (n*people+who*7)%431), "exited": h.perHour/people - crashes, "crashed": crashes})
		}
		if next := at.Add(hour); n%24 == 23 || t.running(next) != t.running(at) {
			t.send(next, "sessions", "", nil, object{"attrs": object{"release": t.running(at), "environment": environment("")}, "aggregates": hours})
			hours = nil
		}
	}
}
