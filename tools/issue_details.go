package tools

import (
	"context"
	"errors"

	"roundhouse/sentry"
)

type issueDetailsIn struct {
	inIssue
	EventID string `json:"eventId,omitempty" form:"32 hex digits, latest, oldest or recommended" pattern:"^([0-9a-fA-F]{32}|latest|oldest|recommended)$" doc:"Which event to show; 32 hex digits, latest, oldest or recommended. Without issueId, the issue of this event is found."`
}

func getIssueDetails() Tool {
	return Define(Definition{
		Name:        "get_issue_details",
		Title:       "Get issue details",
		Description: "Show one issue and one of its events: status, counts, stack trace, request, user, tags, breadcrumbs. The issue is named by URL, by short id or number, or by the id of an event.",
		Skills:      []string{Inspect, Triage},
		Annotations: hints(true, false, true, true),
	}, func(ctx context.Context, env Env, in issueDetailsIn) (markdown, error) {
		t, err := in.targetByEvent(ctx, env)
		if err != nil {
			return "", err
		}
		return describeIssue(ctx, env, t)
	})
}

// targetByEvent also finds the issue of an event that is named alone.
func (in issueDetailsIn) targetByEvent(ctx context.Context, env Env) (target, error) {
	if in.IssueID != "" || in.IssueURL != "" || !eventID.MatchString(in.EventID) || in.OrganizationSlug == "" {
		t, err := in.target(env)
		if in.EventID != "" {
			t.event = in.EventID
		}
		return t, err
	}
	found, _, err := env.Sentry.Issues(ctx, in.OrganizationSlug, sentry.IssueSearch{
		Query: in.EventID, ProjectID: env.ProjectID, Period: "90d", Limit: 1,
	})
	if err != nil {
		return target{}, err
	}
	if len(found) == 0 {
		return target{}, notFound("event", in.EventID, env.Key)
	}
	return target{in.OrganizationSlug, string(found[0].ID), in.EventID}, nil
}

// getIssue fetches an issue and holds it against the key. In a project, an
// issue of another one is answered exactly like one that does not exist or
// that Sentry does not show to this user.
func getIssue(ctx context.Context, env Env, t target) (*sentry.Issue, error) {
	issue, err := env.Sentry.Issue(ctx, t.org, t.issue)
	switch {
	case err == nil && env.owns(issue.Project):
		return issue, nil
	case err == nil,
		env.Key.Org() != "" && errors.Is(err, sentry.ErrNotFound),
		env.Key.Project() != "" && errors.Is(err, sentry.ErrForbidden):
		return nil, notFound("issue", t.issue, env.Key)
	}
	return nil, err
}

// getEvent fetches an event of an issue that getIssue returned.
func getEvent(ctx context.Context, env Env, t target, issue *sentry.Issue) (*sentry.Event, error) {
	id := t.event
	if id == "" {
		id = "latest"
	}
	event, err := env.Sentry.IssueEvent(ctx, t.org, string(issue.ID), id)
	if err != nil {
		if errors.Is(err, sentry.ErrNotFound) {
			return nil, notFound("event", id, env.Key)
		}
		return nil, err
	}
	if !env.ownsEvent(event, issue) {
		return nil, notFound("event", id, env.Key)
	}
	return event, nil
}

// ownsEvent reports whether an event is of the issue that it was asked from. In
// a project, one that does not say where it belongs is not shown.
func (e Env) ownsEvent(event *sentry.Event, issue *sentry.Issue) bool {
	switch {
	case event.GroupID != "" && event.GroupID != issue.ID:
		return false
	case e.Key.Project() == "":
		return true
	case event.ProjectID == "":
		return event.GroupID != ""
	}
	return string(event.ProjectID) == e.ProjectID
}

func describeIssue(ctx context.Context, env Env, t target) (markdown, error) {
	issue, err := getIssue(ctx, env, t)
	if err != nil {
		return "", err
	}
	progress(ctx, 1, 2, "Found "+word(issueName(*issue))+"; asking for its event")
	event, err := getEvent(ctx, env, t, issue)
	var gone *inputError
	if errors.As(err, &gone) && t.event == "" {
		event, err = nil, nil // an issue whose events have expired is still worth showing
	}
	if err != nil {
		return "", err
	}
	var d document
	writeIssue(&d, env, t.org, issue)
	if event == nil {
		d.line("\nNo event of this issue is stored any more.")
		return d.markdown(), nil
	}
	writeEvent(&d, env, t.org, issueName(*issue), event)
	writeNextSteps(&d, issue)
	return d.markdown(), nil
}

// writeNextSteps has none for what is not in the code or in the error events,
// such as a missed check-in. An old Sentry tells no category of an error.
func writeNextSteps(d *document, issue *sentry.Issue) {
	if issue.Category != "" && issue.Category != "error" {
		return
	}
	d.heading(2, "Next steps")
	d.line("- Where Sentry follows the repository, a commit message with \"Fixes %s\" resolves the issue when it is released.", word(issueName(*issue)))
	d.line("- search_events with dataset errors and query issue:%s finds its other events.", word(issueName(*issue)))
}

func writeIssue(d *document, env Env, org string, issue *sentry.Issue) {
	d.heading(1, "Issue %s in %s", word(issueName(*issue)), word(org))
	d.line(untrustedNote)
	d.fact("Title", inline(issue.Title))
	d.fact("Culprit", inline(issue.Culprit))
	d.fact("Status", statusText(*issue))
	d.fact("Level", inline(issue.Level))
	d.fact("Priority", word(issue.Priority))
	d.fact("Assigned to", assigneeText(issue.AssignedTo))
	d.fact("First seen", stamp(issue.FirstSeen.Time))
	d.fact("Last seen", stamp(issue.LastSeen.Time))
	d.fact("First release", firstRelease(*issue))
	d.fact("Events", number(issue.Count))
	d.fact("Users", number(issue.UserCount))
	d.fact("Category", inline(issue.Category))
	d.fact("Platform", inline(issue.Platform))
	d.fact("Project", word(issue.Project.Slug))
	d.fact("URL", address(env.Sentry.IssueURL(org, issueName(*issue))))
}

func assigneeText(a *sentry.Assignee) markdown {
	if a == nil || a.ID == "" {
		return "nobody"
	}
	name := inline(a.Name)
	if name == "" {
		name = inline(a.Email)
	}
	return textf("%s:%s %s", word(a.Type), word(a.ID), name)
}
