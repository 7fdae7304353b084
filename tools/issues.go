package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"roundhouse/sentry"
)

type searchIssuesIn struct {
	inOrg
	Query           string `json:"query,omitempty" max:"4000" default:"is:unresolved" doc:"Sentry's search syntax, such as: is:unresolved level:error assigned:me firstSeen:-24h release:latest timeout. Free text matches title and message."`
	ProjectSlugOrID string `json:"projectSlugOrId,omitempty" form:"a slug or a number" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" max:"100" doc:"Only issues of this project."`
	Sort            string `json:"sort,omitempty" enum:"date|freq|new|user|recommended" default:"date" doc:"date: last seen; freq: events; new: first seen; user: users affected."`
	Period          string `json:"period,omitempty" enum:"24h|7d|14d|30d|90d" default:"30d" doc:"How far to look back."`
	Limit           int    `json:"limit,omitempty" min:"1" max:"100" default:"10" doc:"Issues per page."`
	Cursor          string `json:"cursor,omitempty" form:"nextCursor of the page before" pattern:"^[A-Za-z0-9:_=/+.-]*$" max:"200" doc:"nextCursor of the page before."`
}

func searchIssues() Tool {
	return Define(Definition{
		Name:        "search_issues",
		Title:       "Search issues",
		Description: "Find issues (groups of similar errors) with status, counts and dates. For single events, counts over time or performance use search_events.",
		Skills:      []string{Inspect, Triage},
		Listed:      true,
		Annotations: hints(true, false, true, true),
	}, runSearchIssues)
}

func runSearchIssues(ctx context.Context, env Env, in searchIssuesIn) (markdown, error) {
	project, err := env.project(ctx, in.OrganizationSlug, in.ProjectSlugOrID)
	if err != nil {
		return "", err
	}
	search := sentry.IssueSearch{
		Query: in.Query, Sort: in.Sort, Period: in.Period, ProjectID: project,
		Cursor: in.Cursor, Limit: in.Limit,
	}
	issues, page, err := env.Sentry.Issues(ctx, in.OrganizationSlug, search)
	if err != nil {
		return "", refusedSearch(err)
	}
	var d document
	d.heading(1, "Issues in %s", word(in.OrganizationSlug))
	d.fact("Query", inline(in.Query))
	d.fact("Period", word(in.Period))
	d.fact("View in Sentry", address(env.Sentry.IssuesURL(in.OrganizationSlug, search)))
	own := slices.DeleteFunc(issues, func(issue sentry.Issue) bool { return !env.owns(issue.Project) })
	writeIssues(&d, env, in.OrganizationSlug, own)
	if len(own) == 0 {
		if !strings.Contains(in.Query, "issue.category") {
			d.line("Feedback is found by issue.category:feedback alone.")
		}
		d.hint(unknownNames(ctx, env, in.OrganizationSlug, sentry.FieldSearch{
			Dataset: "errors", ProjectID: project, Period: in.Period,
		}, queryNames(in.Query), issueNames))
	}
	d.fact("nextCursor", cursor(page))
	return d.markdown(), nil
}

func writeIssues(d *document, env Env, org string, issues []sentry.Issue) {
	d.line("")
	if len(issues) == 0 {
		d.line("No issues match. A longer period, fewer filters or an empty query (every status) may find more.")
		return
	}
	d.line("%s on this page. get_sentry_resource opens one by its URL.\n", counted(len(issues), "issue"))
	d.line(untrustedNote)
	for i, issue := range issues {
		writeIssueRow(d, env, org, i+1, issue)
	}
	d.line("")
}

func writeIssueRow(d *document, env Env, org string, n int, issue sentry.Issue) {
	id := issueName(issue)
	d.heading(2, "%s. %s", number(n), link(word(id), env.Sentry.IssueURL(org, id)))
	d.line("%s\n", inline(issue.Title))
	d.fact("Status", statusText(issue))
	d.fact("Level", inline(issue.Level))
	d.fact("Project", word(issue.Project.Slug))
	d.fact("Culprit", inline(issue.Culprit))
	d.fact("Events", number(issue.Count))
	d.fact("Users", number(issue.UserCount))
	d.fact("First seen", stamp(issue.FirstSeen.Time))
	d.fact("Last seen", stamp(issue.LastSeen.Time))
	d.fact("First release", firstRelease(issue))
}

// issueName is what people call an issue: its short id, or else its number.
func issueName(issue sentry.Issue) string {
	if issue.ShortID != "" {
		return string(issue.ShortID)
	}
	return string(issue.ID)
}

// firstRelease is the release that an issue first appeared in.
func firstRelease(issue sentry.Issue) markdown {
	if issue.FirstRelease == nil {
		return ""
	}
	return inline(issue.FirstRelease.Version)
}

func statusText(issue sentry.Issue) markdown {
	text := word(issue.Status)
	switch {
	case bool(issue.StatusDetails.InNextRelease):
		text += " (in the next release)"
	case issue.Substatus != "":
		text += " (" + word(issue.Substatus) + ")"
	}
	return text
}

// project returns the numeric id that a search is limited to: the key's, else
// the one that the caller names, else "".
func (e Env) project(ctx context.Context, org, slugOrID string) (string, error) {
	if e.Key.Project() != "" {
		if e.ProjectID == "" {
			return "", fmt.Errorf("project %s has no number", e.Key.Project())
		}
		return e.ProjectID, nil
	}
	if slugOrID == "" {
		return "", nil
	}
	p, err := e.Sentry.Project(ctx, org, slugOrID)
	if err != nil {
		return "", err
	}
	return string(p.ID), nil
}

// owns reports whether something of project p may be shown: always, unless
// the key names another project. Searches already ask for the key's project
// alone; this holds where an endpoint ignores that.
func (e Env) owns(p sentry.Project) bool {
	if e.Key.Project() == "" {
		return true
	}
	if p.ID != "" && e.ProjectID != "" {
		return string(p.ID) == e.ProjectID
	}
	return string(p.Slug) == e.Key.Project()
}
