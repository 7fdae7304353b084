package tools

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/sentry"
)

const (
	maxCompletions    = 100             // what the protocol allows
	completionTimeout = 5 * time.Second // somebody is typing
)

// CompletePromptArgument is mcp-go's, for completion/complete. What cannot be
// completed has no completions; that is never an error.
func (b *binding) CompletePromptArgument(ctx context.Context, name string, argument mcp.CompleteArgument, known mcp.CompleteContext) (*mcp.Completion, error) {
	for _, p := range b.env.prompts(ctx) {
		if p.Name == name && slices.ContainsFunc(p.Arguments, func(a mcp.PromptArgument) bool { return a.Name == argument.Name }) {
			return b.env.complete(ctx, argument, known.Arguments), nil
		}
	}
	return &mcp.Completion{}, nil
}

// CompleteResourceArgument is the same for the variables of a template.
func (b *binding) CompleteResourceArgument(ctx context.Context, uri string, argument mcp.CompleteArgument, known mcp.CompleteContext) (*mcp.Completion, error) {
	for _, t := range b.env.templates(ctx) {
		if t.URITemplate.Raw() == uri && slices.Contains(t.URITemplate.Varnames(), argument.Name) {
			return b.env.complete(ctx, argument, known.Arguments), nil
		}
	}
	return &mcp.Completion{}, nil
}

// complete asks Sentry, with the caller's credential and within the key, what
// an argument that begins like this may be. An argument is known by its name,
// which means the same in every prompt and template.
func (e Env) complete(ctx context.Context, argument mcp.CompleteArgument, known map[string]string) *mcp.Completion {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	e.Sentry = e.Sentry.WithoutRetries()
	prefix := argument.Value
	if len(prefix) > maxInline {
		return &mcp.Completion{}
	}
	list, more, err := e.candidates(ctx, argument.Name, prefix, known)
	if err != nil {
		e.log().Log(ctx, slog.LevelDebug, "completion failed", "constraint", e.Key.Identity(), "err", err)
		return &mcp.Completion{}
	}
	var values []string
	for _, candidate := range list {
		if len(candidate) >= len(prefix) && strings.EqualFold(candidate[:len(prefix)], prefix) && !slices.Contains(values, candidate) {
			values = append(values, candidate)
		}
	}
	if len(values) > maxCompletions {
		values, more = values[:maxCompletions], true
	}
	return &mcp.Completion{Values: values, HasMore: more}
}

// candidates are the newest or first of what there is; more says that there are
// others.
func (e Env) candidates(ctx context.Context, argument, prefix string, known map[string]string) (list []string, more bool, err error) {
	if argument == "organization" {
		found, page, err := e.Sentry.Organizations(ctx, sentry.ListOptions{Query: prefix, Limit: maxCompletions})
		return texts(found, func(o sentry.Organization) sentry.Text { return o.Slug }), page.Next != "", err
	}
	org := e.Key.Org()
	if org == "" {
		org = known["organization"]
	}
	if !uriSlug.MatchString(org) {
		return nil, false, nil // not chosen yet
	}
	if argument == "project" {
		found, page, err := e.Sentry.Projects(ctx, org, sentry.ListOptions{Query: prefix, Limit: maxCompletions})
		return texts(found, func(p sentry.Project) sentry.Text { return p.Slug }), page.Next != "", err
	}
	named := known["project"]
	if !uriSlug.MatchString(named) {
		named = ""
	}
	project, err := e.project(ctx, org, named)
	if err != nil {
		return nil, false, err
	}
	switch argument {
	case "id", "issue":
		found, page, err := e.Sentry.Issues(ctx, org, sentry.IssueSearch{Query: "is:unresolved", ProjectID: project, Period: "90d", Limit: maxCompletions})
		found = slices.DeleteFunc(found, func(i sentry.Issue) bool { return !e.owns(i.Project) })
		return texts(found, func(i sentry.Issue) sentry.Text { return i.ShortID }), page.Next != "", err
	case "release":
		found, page, err := e.Sentry.Releases(ctx, org, sentry.ReleaseSearch{Query: prefix, ProjectID: project, Limit: maxCompletions})
		return texts(found, func(r sentry.Release) sentry.Text { return r.Version }), page.Next != "", err
	}
	return nil, false, nil
}

// texts are what a client may show: one line each, none empty.
func texts[T any](list []T, of func(T) sentry.Text) []string {
	var out []string
	for _, item := range list {
		if name := label(of(item)); name != "" {
			out = append(out, name)
		}
	}
	return out
}
