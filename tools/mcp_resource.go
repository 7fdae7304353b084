package tools

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/constraint"
	"roundhouse/sentry"
	"roundhouse/watch"
)

// The MCP resources of every context, by URI. Each has one spelling: slugs as
// Sentry spells them, nothing escaped, nothing added.
//
//	sentry://{organization}/issues/{id}        one issue and its latest event
//	sentry://{organization}/issues             its unresolved issues
//	sentry://{organization}/{project}/issues   those of one project
//
// A key does not change what a URI means, only which of them exist.
const uriScheme = "sentry://"

const (
	resourceType = "text/markdown"
	maxURI       = 512
	maxListed    = 50 // issues in a list
)

// issueSkills let a caller read issues; one of them is enough.
var issueSkills = []string{Inspect, Triage}

// errNoResource: there is no such MCP resource in this context, or the caller
// may not read it, or Sentry does not show it to them. All are one.
var errNoResource = errors.New("no such resource")

// location is what a URI names: an issue, or a list where issue is "".
type location struct{ org, project, issue string }

var (
	uriSlug  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	uriIssue = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
)

func parseLocation(uri string) (at location, ok bool) {
	rest, ok := strings.CutPrefix(uri, uriScheme)
	if !ok || len(uri) > maxURI {
		return at, false
	}
	switch parts := strings.Split(rest, "/"); {
	case len(parts) == 2 && parts[1] == "issues":
		at = location{org: parts[0]}
	case len(parts) == 3 && parts[2] == "issues": // of a project that may itself be called issues
		at = location{org: parts[0], project: parts[1]}
		ok = uriSlug.MatchString(at.project)
	case len(parts) == 3 && parts[1] == "issues":
		at = location{org: parts[0], issue: parts[2]}
		ok = uriIssue.MatchString(at.issue)
	default:
		ok = false
	}
	return at, ok && uriSlug.MatchString(at.org)
}

func (l location) uri() string {
	switch {
	case l.issue != "":
		return uriScheme + l.org + "/issues/" + l.issue
	case l.project != "":
		return uriScheme + l.org + "/" + l.project + "/issues"
	}
	return uriScheme + l.org + "/issues"
}

// within reports whether key has such a resource, as far as a name tells: whose
// an issue is, only Sentry knows.
func (l location) within(key constraint.Key) bool {
	return (key.Org() == "" || l.org == key.Org()) &&
		(key.Project() == "" || l.issue != "" || l.project == key.Project())
}

// read returns an MCP resource, errNoResource, or what to tell the client.
func (e Env) read(ctx context.Context, uri string) (contents []mcp.ResourceContents, err error) {
	at, ok := parseLocation(uri)
	if !ok || !at.within(e.Key) || !e.allows(ctx, issueSkills) {
		return nil, errNoResource
	}
	text, err := e.describe(ctx, at)
	if err != nil {
		return nil, e.unreadable(ctx, err)
	}
	answer, err := result(text)
	if err != nil {
		return nil, err
	}
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, MIMEType: resourceType, Text: said(answer)}}, nil
}

func (e Env) describe(ctx context.Context, at location) (text markdown, err error) {
	defer recovered(&err)
	if at.issue == "" {
		return listUnresolved(ctx, e, at)
	}
	t, err := newTarget(at.org, at.issue)
	if err != nil {
		return "", err
	}
	return describeIssue(ctx, e, t)
}

// unreadable turns an error into one that may be shown.
func (e Env) unreadable(ctx context.Context, err error) error {
	var (
		input    *inputError // of names that are known to be well formed: there is no such thing
		path     *sentry.PathError
		upstream *sentry.Error
	)
	if errors.Is(err, errNoResource) || errors.As(err, &input) || errors.As(err, &path) || errors.Is(err, sentry.ErrNotFound) || errors.Is(err, sentry.ErrForbidden) {
		return errNoResource
	}
	if errors.As(err, &upstream) && upstream.RetryAfter > 0 {
		watch.Pause(ctx, upstream.RetryAfter)
	}
	return errors.New(said(failure(ctx, e, "resources/read", issueSkills, err)))
}

// listUnresolved tells of each issue only what changes when somebody should
// look: a list that counted events would change with every one of them, and so
// would its watchers be told.
func listUnresolved(ctx context.Context, env Env, at location) (markdown, error) {
	search := sentry.IssueSearch{Query: "is:unresolved", Sort: "new", Period: "90d", Limit: maxListed}
	place := "organization " + word(at.org)
	if at.project != "" {
		p, err := env.listedProject(ctx, at)
		if err != nil {
			return "", err
		}
		search.ProjectID = p
		place = "project " + word(at.project) + " of " + place
	}
	issues, page, err := env.Sentry.Issues(ctx, at.org, search)
	if err != nil {
		return "", err
	}
	var d document
	d.heading(1, "Unresolved issues of %s", place)
	d.fact("View in Sentry", address(env.Sentry.IssuesURL(at.org, search)))
	d.line("\nThe newest first. get_sentry_resource opens one by its URL, with counts, stack trace and tags; search_issues finds others.\n")
	d.line(untrustedNote)
	shown := 0
	for _, issue := range issues {
		if env.owns(issue.Project) {
			shown++
			writeUnresolved(&d, env, at.org, issue)
		}
	}
	switch {
	case shown == 0:
		d.line("There are none.")
	case page.Next != "":
		d.line("\nThere are more; these are the %s that were first seen last.", number(shown))
	}
	return d.markdown(), nil
}

func writeUnresolved(d *document, env Env, org string, issue sentry.Issue) {
	id := issueName(issue)
	d.line("- %s %s, %s, in %s, first seen %s, assigned to %s: %s",
		link(word(id), env.Sentry.IssueURL(org, id)), inline(issue.Level), statusText(issue), word(issue.Project.Slug),
		stamp(issue.FirstSeen.Time), assigneeText(issue.AssignedTo), inline(issue.Title))
}

// listedProject returns the number of the project whose list at names. Sentry
// also finds projects by number and in another case; such names are no MCP
// resources.
func (e Env) listedProject(ctx context.Context, at location) (string, error) {
	if e.Key.Project() != "" {
		return e.project(ctx, at.org, at.project)
	}
	p, err := e.Sentry.Project(ctx, at.org, at.project)
	switch {
	case err != nil:
		return "", err
	case p.ID == "" || string(p.Slug) != at.project:
		return "", errNoResource
	}
	return string(p.ID), nil
}

// resources are what resources/list tells: the list that the key is confined
// to. Where it names no organization there is none, only templates.
func (e Env) resources(ctx context.Context) []mcp.Resource {
	list := []mcp.Resource{}
	if e.Key.Org() == "" || !e.allows(ctx, issueSkills) {
		return list
	}
	return append(list, mcp.Resource{
		URI:         location{org: e.Key.Org(), project: e.Key.Project()}.uri(),
		Name:        "unresolved_issues",
		Title:       "Unresolved issues",
		Description: "The unresolved issues of " + string(place(e.Key)) + ", the newest first. Subscribe to be told when one appears, is resolved or changes hands.",
		MIMEType:    resourceType,
	})
}

// templates are what resources/templates/list tells. What the key fixes is no
// parameter of theirs.
func (e Env) templates(ctx context.Context) []mcp.ResourceTemplate {
	list := []mcp.ResourceTemplate{}
	if !e.allows(ctx, issueSkills) {
		return list
	}
	add := func(uri, name, title, description string) {
		list = append(list, mcp.NewResourceTemplate(uri, name, mcp.WithTemplateDescription(description),
			mcp.WithTemplateMIMEType(resourceType), mcp.WithTemplateTitle(title)))
	}
	org := e.Key.Org()
	if org == "" {
		org = "{organization}"
	}
	add(uriScheme+org+"/issues/{id}", "issue", "Issue",
		"An issue with its latest event: status, counts, stack trace, request, tags, breadcrumbs. The id is a short one, such as SHOP-7, or a number.")
	if e.Key.Project() == "" {
		add(uriScheme+org+"/{project}/issues", "unresolved_issues_of_project", "Unresolved issues of a project",
			"The unresolved issues of one project, the newest first.")
	}
	if e.Key.Org() == "" {
		add(uriScheme+org+"/issues", "unresolved_issues", "Unresolved issues of an organization",
			"The unresolved issues of one organization, the newest first.")
	}
	return list
}

// said is what a tool result of one text says.
func said(r *mcp.CallToolResult) string { return r.Content[0].(mcp.TextContent).Text }
