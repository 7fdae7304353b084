package seed

import "time"

// story is what several projects of an organization have to tell together: it
// happened so many times, evenly from first to last before now, each time in
// one trace and to one person.
type story struct {
	first, last time.Duration
	times       int
	to          []person
}

// moment is when it happened for the nth time.
func (t *teller) moment(n int) time.Time {
	s := t.project.story
	gap := (s.first - s.last) / time.Duration(max(1, s.times-1))
	return t.now.Add(-s.first + time.Duration(n)*gap)
}

// pace is how slow everything was the nth time, in all projects alike.
func pace(n int) float64 { return 0.9 + 0.3*float64(n*37%101)/101 }

// The ids of the nth time. The span in which it failed is one of each project;
// the call that leads from one project to the next is one of the organization.
func (t *teller) storyTrace(n int) string { return digest(32, t.org, "story", n) }
func (t *teller) storySpan(n int) string  { return t.hex(16, "story", n) }
func (t *teller) storyCall(n int) string  { return digest(16, t.org, "story call", n) }
