package tools

import (
	"context"
	"errors"
	"strconv"

	"roundhouse/sentry"
)

type issueDetailsIn struct {
	inIssue
	EventID string `json:"eventId,omitempty" pattern:"^([0-9a-fA-F]{32}|latest|oldest|recommended)$" doc:"Which event to show; 32 hex digits, latest, oldest or recommended. Without issueId, the issue of this event is found."`
}

func getIssueDetails() Tool {
	return Define(Definition{
		Name:        "get_issue_details",
		Title:       "Get issue details",
		Description: "Show one issue and one of its events: status, counts, stack trace, request, user, tags, breadcrumbs. The issue is named by URL, by short id or number, or by the id of an event.",
		Skills:      []string{Inspect, Triage},
		Annotations: hints(true, false, true, true),
	}, func(ctx context.Context, env Env, in issueDetailsIn) (string, error) {
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
	foreign := event.GroupID != "" && event.GroupID != issue.ID ||
		event.ProjectID != "" && env.ProjectID != "" && string(event.ProjectID) != env.ProjectID
	if foreign {
		return nil, notFound("event", id, env.Key)
	}
	return event, nil
}

func describeIssue(ctx context.Context, env Env, t target) (string, error) {
	issue, err := getIssue(ctx, env, t)
	if err != nil {
		return "", err
	}
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
		return d.String(), nil
	}
	writeEvent(&d, env, t.org, issueName(*issue), event)
	d.heading(2, "Next steps")
	d.line("- A commit message with \"Fixes %s\" resolves the issue when it is released.", issueName(*issue))
	d.line("- search_events with dataset errors and query issue:%s finds its other events.", issueName(*issue))
	return d.String(), nil
}

func writeIssue(d *document, env Env, org string, issue *sentry.Issue) {
	d.heading(1, "Issue %s in %s", issueName(*issue), org)
	d.line(untrustedNote)
	d.fact("Title", inline(string(issue.Title)))
	d.fact("Culprit", inline(string(issue.Culprit)))
	d.fact("Status", statusText(*issue))
	d.fact("Level", printable(string(issue.Level)))
	d.fact("Priority", printable(string(issue.Priority)))
	d.fact("Assigned to", assigneeText(issue.AssignedTo))
	d.fact("First seen", stamp(issue.FirstSeen.Time))
	d.fact("Last seen", stamp(issue.LastSeen.Time))
	d.fact("Events", strconv.FormatInt(int64(issue.Count), 10))
	d.fact("Users", strconv.FormatInt(int64(issue.UserCount), 10))
	d.fact("Category", printable(string(issue.Category)))
	d.fact("Platform", printable(string(issue.Platform)))
	d.fact("Project", printable(string(issue.Project.Slug)))
	d.fact("URL", env.Sentry.IssueURL(org, issueName(*issue)))
}

func assigneeText(a *sentry.Assignee) string {
	if a == nil || a.ID == "" {
		return "nobody"
	}
	name := inline(string(a.Name))
	if name == "" {
		name = inline(string(a.Email))
	}
	return printable(string(a.Type)) + ":" + printable(string(a.ID)) + " " + name
}
