package load

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"roundhouse/load/client"
	"roundhouse/load/scenario"
	"roundhouse/sandbox"
)

// reach is what a user sees: organizations, each with its projects.
type reach []organization

type organization struct {
	slug     string
	projects []string
}

// scaled is the reach of users of the run's own sandbox, by the arithmetic that
// the comment on sandbox.Scale tells.
type scaled sandbox.Scale

// orgs are the numbers of the organizations of user n.
func (s scaled) orgs(n int) []int {
	all := []int{s.spread(n)}
	if n%4 == 0 {
		if next := s.spread(n + 1); next != all[0] {
			all = append(all, next)
		}
	}
	if n == 1 {
		for o := s.Users + 1; o <= s.Orgs; o++ {
			all = append(all, o)
		}
	}
	return all
}

func (s scaled) spread(n int) int { return 1 + (n-1)%s.Orgs }

// of is what user n sees, each organization with at most so many projects.
func (s scaled) of(n, most int) (all reach) {
	for _, o := range s.orgs(n) {
		org := organization{slug: fmt.Sprintf("org-%d", o)}
		for p := o; p <= s.Projects && len(org.projects) < most; p += s.Orgs {
			org.projects = append(org.projects, fmt.Sprintf("service-%d", p))
		}
		all = append(all, org)
	}
	return all
}

// issue is one of the project's: its first. There is none if the sandbox has
// fewer issues than projects.
func (s scaled) issue(project string) string {
	n := serviceNumber(project)
	if n == 0 || n > s.Issues {
		return ""
	}
	return fmt.Sprintf("SERVICE-%d-1", n)
}

// serviceNumber is 0 for what is no project of a scale.
func serviceNumber(project string) int {
	digits, ok := strings.CutPrefix(project, "service-")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return 0
	}
	return n
}

// maxFound bounds what is asked about a real server: so many organizations, and
// so many projects of each.
const maxFound = 100

// slug is what may stand in a URL and in arguments as it is.
var slug = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// find asks the server what the user sees.
func find(ctx context.Context, c *client.Client, place scenario.Place) (all reach, err error) {
	var orgs struct {
		Organizations []struct{ Slug string }
	}
	if err := ask(ctx, c, "find_organizations", map[string]any{"limit": maxFound}, &orgs); err != nil {
		return nil, err
	}
	for _, o := range orgs.Organizations {
		if slug.MatchString(o.Slug) {
			all = append(all, organization{slug: o.Slug})
		}
	}
	if place == scenario.AtUser || place == scenario.AtOrg {
		return all, nil
	}
	for i := range all {
		var projects struct{ Projects []struct{ Slug string } }
		if err := ask(ctx, c, "find_projects", map[string]any{"organizationSlug": all[i].slug, "limit": maxFound}, &projects); err != nil {
			return nil, err
		}
		for _, p := range projects.Projects {
			if slug.MatchString(p.Slug) {
				all[i].projects = append(all[i].projects, p.Slug)
			}
		}
	}
	return all, nil
}

// ask calls a tool whose answer is structured.
func ask(ctx context.Context, c *client.Client, tool string, arguments map[string]any, into any) error {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	x, err := c.Call(ctx, tool, raw)
	if err != nil {
		return fmt.Errorf("%s: %s", tool, client.Reason(err))
	}
	defer x.Release()
	var result struct {
		IsError           bool
		StructuredContent json.RawMessage
	}
	if outcome, reason := answered(x); outcome.Bad() {
		return fmt.Errorf("%s: %s", tool, reason)
	}
	if err := json.Unmarshal(x.Answer.Result, &result); err != nil || result.IsError || json.Unmarshal(result.StructuredContent, into) != nil {
		return fmt.Errorf("%s failed: %.300s", tool, x.Answer.Result)
	}
	return nil
}

var issueURL = regexp.MustCompile(`issues/([A-Z0-9_-]+-[A-Z0-9]+)`)

// findIssue returns the short id of an issue that a sees, "" if it sees none.
func findIssue(ctx context.Context, c *client.Client, a *asker) (string, error) {
	arguments := map[string]any{"limit": 1}
	if a.org == "" {
		arguments[orgParameter] = a.home()
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return "", err
	}
	x, err := c.Call(ctx, "search_issues", raw)
	if err != nil {
		return "", fmt.Errorf("search_issues: %s", client.Reason(err))
	}
	defer x.Release()
	if outcome, reason := answered(x); outcome.Bad() {
		return "", fmt.Errorf("search_issues at %s: %s", a.url(), reason)
	}
	if found := issueURL.FindSubmatch(x.Answer.Result); found != nil {
		return string(found[1]), nil
	}
	return "", nil
}

// slugs are the names of the organizations.
func (r reach) slugs() []string {
	names := make([]string, len(r))
	for i, o := range r {
		names[i] = o.slug
	}
	return names
}

// places are the URLs below /mcp that r allows, as many as there are.
func (r reach) places(at scenario.Place) (all []place) {
	if at == scenario.AtUser || at == scenario.Mixed {
		all = append(all, place{})
	}
	for _, o := range r {
		if at == scenario.AtOrg || at == scenario.Mixed {
			all = append(all, place{org: o.slug})
		}
		if at == scenario.AtOrg || at == scenario.AtUser {
			continue
		}
		for _, p := range o.projects {
			all = append(all, place{org: o.slug, project: p})
		}
	}
	return all
}

// place is what a URL names, and nothing for /mcp itself.
type place struct{ org, project string }

func (p place) String() string {
	switch {
	case p.org == "":
		return ""
	case p.project == "":
		return "/" + p.org
	}
	return "/" + p.org + "/" + p.project
}
