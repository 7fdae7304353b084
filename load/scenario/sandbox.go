package scenario

// What the sandbox can hold.
const (
	maxOrgs       = 10_000
	maxProjects   = 100_000
	maxIssues     = 500_000
	orgsOfOne     = 8      // for a user who is alone
	projectsInOrg = 1_000  // of one organization
	issuesPerRun  = 20_000 // by default: each takes the sandbox a moment to make
)

// enoughFor fills in what is not given. Users are spread over the organizations
// and see all projects of theirs, so that an organization has to have as many
// projects as one of its users has contexts.
func (s Sandbox) enoughFor(sc Scenario) Sandbox {
	users, contexts := max(sc.Users, 1), max(sc.Contexts, 1)
	each := (contexts + users - 1) / users
	if s.Orgs == 0 {
		s.Orgs = orgsFor(sc.Place, users, contexts, each)
	}
	if s.Projects == 0 {
		perOrg := each
		if users == 1 { // who is in all organizations
			perOrg = (contexts + s.Orgs - 1) / s.Orgs
		}
		s.Projects = min(max(s.Orgs, 1)*min(perOrg, projectsInOrg), maxProjects)
	}
	if s.Issues == 0 {
		s.Issues = min(max(2*s.Projects, 20), issuesPerRun)
	}
	return s
}

// orgsFor is as many as there can be, because what leaks within an organization
// carries the right mark.
func orgsFor(place Place, users, contexts, each int) int {
	switch {
	case users == 1 && place == AtOrg:
		return min(contexts, maxOrgs)
	case users == 1:
		return min(max(contexts, 2), max(orgsOfOne, (contexts+projectsInOrg-1)/projectsInOrg), maxOrgs)
	}
	return max(1, min(users, maxOrgs, maxProjects/min(each, projectsInOrg)))
}

func (s Scenario) checkSandbox() error {
	b := s.Sandbox
	if err := firstOf(between("sandbox.orgs", b.Orgs, 1, maxOrgs), between("sandbox.projects", b.Projects, 1, maxProjects), between("sandbox.issues", b.Issues, 1, maxIssues)); err != nil {
		return err
	}
	if b.Projects > projectsInOrg*b.Orgs {
		return wrong("sandbox.projects", "%d in %d organizations are more than %d in each; ask for more orgs", b.Projects, b.Orgs, projectsInOrg)
	}
	return nil
}
