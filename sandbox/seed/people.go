package seed

// User can sign in.
type User struct {
	ID                    int64
	Email, Name, Username string
}

// Users are all users: one belongs to both organizations, the others to one
// each, and the last one as a guest, who sees the projects of her team alone.
func Users() []User {
	return []User{
		{1001, "mara@example.test", "Mara Lindqvist", "mara"},
		{1002, "jon@example.test", "Jon Abara", "jon"},
		{1003, "priya@example.test", "Priya Raman", "priya"},
		{1004, "wen@example.test", "Wen Tamaki", "wen"},
	}
}

// Team is a team of an organization. Members and Projects are by their IDs.
type Team struct {
	ID         int64
	Slug, Name string
	Members    []int64
	Projects   []int64
}

// myApp is a project in which nothing has happened: the first thing in it is
// to be what its owner sends.
func myApp() Project {
	return Project{ID: 51900, Slug: "my-app", Name: "My App", Platform: "other"}
}

func outdoorsTeams() []Team {
	return []Team{
		{61001, "web", "Web", []int64{1001, 1004}, []int64{51001}},
		{61002, "payments", "Payments", []int64{1001, 1002}, []int64{51002, 51003}},
		{61003, "platform", "Platform", []int64{1001}, []int64{51002, 51004, 51006, 51900}},
		{61004, "mobile", "Mobile", []int64{1002}, []int64{51005}},
	}
}

func globexTeams() []Team {
	return []Team{{61101, "lab", "Lab", []int64{1001, 1003}, []int64{51101, 51102}}}
}
