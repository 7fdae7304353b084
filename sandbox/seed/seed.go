// Package seed is the data that a sandbox begins with: who there is, which
// organizations and projects they have, and what went wrong there lately. It is
// the same each time but for the clock: every time in it counts back from the
// now that it is asked for.
package seed

// Org is an organization with its projects. Members are by user ID.
type Org struct {
	ID         int64
	Slug, Name string
	Members    map[int64]string // role
	Teams      []Team
	Projects   []Project
}

// Project is a project with what happened in it.
type Project struct {
	ID                   int64
	Slug, Name, Platform string

	site     string    // where the pages of a project that runs in browsers are
	story    story     // the same for all projects that it is about
	releases []release // oldest first; the first one precedes everything else
	faults   []fault
	requests []request
	logs     []logLine
	series   []series
	jobs     []job
	opinions []opinion
	replays  []visit
	health   []health
	chats    []chat
}

// Orgs are all organizations.
func Orgs() []Org { return []Org{outdoors(), globex()} }
