// Package seed is the data that a sandbox begins with: who there is, which
// organizations and projects they have, and what went wrong there lately. It is
// the same each time but for the clock: every time in it counts back from the
// now that it is asked for.
package seed

// User can sign in.
type User struct {
	ID                    int64
	Email, Name, Username string
}

// Org is an organization with its projects. Members are by user ID.
type Org struct {
	ID         int64
	Slug, Name string
	Members    map[int64]string // role
	Projects   []Project
}

// Project is a project with what happened in it.
type Project struct {
	ID                   int64
	Slug, Name, Platform string

	releases []release // oldest first; the first one precedes everything else
	faults   []fault
	requests []request
	logs     []logLine
	jobs     []job
	opinions []opinion
}

// Users are all users: one belongs to both organizations, the others to one
// each.
func Users() []User {
	return []User{
		{1001, "mara@example.test", "Mara Lindqvist", "mara"},
		{1002, "jon@example.test", "Jon Abara", "jon"},
		{1003, "priya@example.test", "Priya Raman", "priya"},
	}
}

// Orgs are all organizations.
func Orgs() []Org { return []Org{outdoors(), globex()} }
