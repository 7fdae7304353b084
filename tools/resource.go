package tools

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"roundhouse/sentry"
)

// inIssue is embedded by inputs that name an issue: by URL, or by organization
// and id. It is flat because clients refuse unions in schemas.
type inIssue struct {
	OrganizationSlug string `json:"organizationSlug,omitempty" form:"a slug, such as acme" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" max:"100" doc:"Slug of the organization; not needed with issueUrl."`
	IssueID          string `json:"issueId,omitempty" max:"200" doc:"Short id such as SHOP-7, or number."`
	IssueURL         string `json:"issueUrl,omitempty" max:"2000" doc:"URL of the issue; instead of issueId."`
}

// target is an issue or event that a caller means, within what the key allows.
type target struct{ org, issue, event string }

var (
	issueID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	eventID = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
	slug    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

	// eventName also names an event by its place among those of an issue.
	eventName = regexp.MustCompile(`^([0-9a-fA-F]{32}|latest|oldest|recommended)$`)
)

// target resolves the two ways to name an issue.
func (in inIssue) target(env Env) (target, error) {
	switch {
	case in.IssueURL != "" && in.IssueID != "":
		return target{}, &inputError{"issueUrl", "and issueId cannot be given together", "Send one of them."}
	case in.IssueURL != "":
		return targetOfURL(env, "issueUrl", in.IssueURL, in.OrganizationSlug)
	case in.IssueID == "":
		return target{}, &inputError{"issueId", "is required", "Send issueId with organizationSlug, or issueUrl."}
	case in.OrganizationSlug == "":
		return target{}, &inputError{"organizationSlug", "is required with issueId", "find_organizations lists slugs."}
	}
	return newTarget(in.OrganizationSlug, in.IssueID)
}

func newTarget(org, issue string) (target, error) {
	issue = strings.ToUpper(strings.TrimPrefix(strings.TrimSpace(issue), "#"))
	if !issueID.MatchString(issue) {
		return target{}, &inputError{"issueId", "must be a short id such as SHOP-7 or a number", ""}
	}
	return target{org: org, issue: issue}, nil
}

// targetOfURL accepts a URL of an issue or event. org is what the caller or
// the key names, "" for nothing.
func targetOfURL(env Env, field markdown, raw, org string) (target, error) {
	r, err := parseURL(env, field, raw, org)
	if err != nil {
		return target{}, err
	}
	if r.Type != "issue" && r.Type != "event" {
		return target{}, unsupported(r)
	}
	if r.Type == "event" && !eventName.MatchString(r.Event) {
		return target{}, &inputError{field, "names no event", "An event is 32 hex digits, latest, oldest or recommended."}
	}
	t, err := newTarget(r.Org, r.ID)
	t.event = r.Event
	return t, err
}

// parseURL checks that raw is of this Sentry and of what the key allows, and
// settles its organization.
func parseURL(env Env, field markdown, raw, org string) (sentry.Resource, error) {
	r, err := env.Sentry.ParseURL(raw)
	switch {
	case errors.Is(err, sentry.ErrForeignURL):
		return r, &inputError{field, "is not of the Sentry that this server is connected to", ""}
	case err != nil:
		return r, &inputError{field, "is not the URL of an issue or event", "Copy it from Sentry, such as " + address(env.Sentry.IssueURL("your-organization", "SHOP-7"))}
	case r.Org != "" && !slug.MatchString(r.Org):
		return r, &inputError{field, "names no organization that could exist", ""}
	case r.Org == "" && org == "":
		return r, &inputError{field, "names no organization", "Send organizationSlug with it."}
	case r.Org == "":
		r.Org = org
	case org != "" && !strings.EqualFold(r.Org, org):
		return r, &inputError{field, "is of another organization", "Only " + word(org) + " can be used here."}
	case org != "":
		r.Org = org
	}
	if r.Type == "project" && env.Key.Project() != "" && r.ID != env.Key.Project() {
		return r, &inputError{field, "is of another project", "This connection is confined to " + place(env.Key) + "."}
	}
	return r, nil
}

// unsupported tells what to do instead of opening a resource of a kind that
// no tool here opens.
func unsupported(r sentry.Resource) error {
	var fix markdown = "Open the URL in a browser."
	switch r.Type {
	case "trace":
		fix = "Its spans can be found: search_events with dataset spans and query " + inline("trace:"+r.ID) + "; its errors with dataset errors and the same query."
	case "release":
		fix = "Its issues can be found: search_issues with query " + inline("release:\""+r.ID+"\"") + "."
	case "replay":
		fix = "Its errors can be found: search_events with dataset errors and query " + inline("replayId:"+r.ID) + "."
	case "project":
		fix = "Its issues can be found with search_issues."
	}
	return &inputError{"url", "is of a " + word(r.Type) + ", which this server cannot open yet", fix}
}

type resourceIn struct {
	URL              string `json:"url,omitempty" max:"2000" doc:"URL of an issue or event in Sentry."`
	ResourceType     string `json:"resourceType,omitempty" enum:"issue|event" doc:"Instead of url, together with resourceId."`
	ResourceID       string `json:"resourceId,omitempty" max:"300" doc:"Issue: short id or number. Event: <issue>:<event id>."`
	OrganizationSlug string `json:"organizationSlug,omitempty" form:"a slug, such as acme" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" max:"100" doc:"Slug of the organization; not needed with url."`
}

func getSentryResource() Tool {
	return Define(Definition{
		Name:        "get_sentry_resource",
		Title:       "Open a Sentry resource",
		Description: "Open an issue or an event by its Sentry URL, or by type and id: what happened, stack trace, request, tags, breadcrumbs.",
		Skills:      []string{Inspect, Triage},
		Listed:      true,
		Annotations: hints(true, false, true, true),
	}, func(ctx context.Context, env Env, in resourceIn) (markdown, error) {
		t, err := in.target(env)
		if err != nil {
			return "", err
		}
		return describeIssue(ctx, env, t)
	})
}

func (in resourceIn) target(env Env) (target, error) {
	if in.URL != "" {
		if in.ResourceType != "" || in.ResourceID != "" {
			return target{}, &inputError{"url", "cannot be combined with resourceType or resourceId", "Send url alone."}
		}
		return targetOfURL(env, "url", in.URL, in.OrganizationSlug)
	}
	switch {
	case in.ResourceType == "" || in.ResourceID == "":
		return target{}, &inputError{"url", "is required", "Or send resourceType, resourceId and organizationSlug."}
	case in.OrganizationSlug == "":
		return target{}, &inputError{"organizationSlug", "is required with resourceId", ""}
	case in.ResourceType == "issue":
		return newTarget(in.OrganizationSlug, in.ResourceID)
	}
	issue, event, ok := strings.Cut(in.ResourceID, ":")
	if !ok || !eventID.MatchString(event) {
		return target{}, &inputError{"resourceId", "of an event must be <issue>:<event id of 32 hex digits>", "Such as SHOP-7:0123456789abcdef0123456789abcdef."}
	}
	t, err := newTarget(in.OrganizationSlug, issue)
	t.event = event
	return t, err
}
