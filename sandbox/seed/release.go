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

	// health is how the sessions of a project went since it was released: so
	// many a day, of which so many crashed.
	health struct {
		perDay, crashed int
		since           int // of them since the story began; 0: as before
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
	for d := range 14 {
		at := t.now.Add(-time.Duration(13-d)*day - time.Minute)
		crashed := h.crashed
		if h.since != 0 && at.After(t.now.Add(-t.project.story.first)) {
			crashed = h.since
		}
		t.send(at, "sessions", "", nil, object{
			"attrs":      object{"release": t.running(at), "environment": environment("")},
			"aggregates": []any{object{"started": at.Add(-time.Minute).Format(time.RFC3339), "did": fmt.Sprintf("day-%d", d), "exited": h.perDay - crashed, "crashed": crashed}},
		})
	}
}
