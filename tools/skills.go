package tools

import (
	"context"
	"slices"

	"roundhouse/constraint"
)

// Skill is a bundle of tools that a user consents to.
type Skill struct {
	ID, Title, Description string
	Scopes                 []string // what Sentry must grant for its tools to work
	Default                bool     // preselected on the consent page
}

// The ids of skills; they are also OAuth scopes.
const (
	Inspect = "inspect"
	Triage  = "triage"
	Analyze = "analyze"
)

// Skills are all there are, in the order of the consent page. Not to be
// changed.
var Skills = []Skill{
	{
		ID:          Inspect,
		Title:       "Look into issues and events",
		Description: "Find and read issues, errors, spans and logs. Changes nothing.",
		Scopes:      []string{"org:read", "project:read", "event:read"},
		Default:     true,
	},
	{
		ID:          Triage,
		Title:       "Triage issues",
		Description: "Resolve, ignore, reopen and assign issues, and leave notes on them.",
		Scopes:      []string{"org:read", "project:read", "event:read", "event:write"},
	},
	{
		ID:          Analyze,
		Title:       "Analyze issues with Seer",
		Description: "Let Sentry's own model look for the causes of issues. This can cost your organization money.",
		Scopes:      []string{"org:read", "project:read", "event:read", "event:write"},
	},
}

// everySkill is for tools that come with any consent.
var everySkill = skillIDs()

func skillIDs() []string {
	var ids []string
	for _, s := range Skills {
		ids = append(ids, s.ID)
	}
	return ids
}

// allows reports whether the caller that ctx carries is the key's user and has
// one of the skills. Without a caller nothing is allowed: there is no default
// one. That the user is the key's has been checked long before; this is for
// the day when somebody routes a request to the wrong server.
func (e Env) allows(ctx context.Context, skills []string) bool {
	caller, _ := constraint.CallerFrom(ctx)
	return e.isCaller(ctx) && slices.ContainsFunc(skills, caller.Has)
}

func (e Env) isCaller(ctx context.Context) bool {
	caller, ok := constraint.CallerFrom(ctx)
	return ok && caller.User == e.Key.User()
}

// skillTitles names skills as the consent page does.
func skillTitles(ids []string) markdown {
	var titles []markdown
	for _, s := range Skills {
		if slices.Contains(ids, s.ID) {
			titles = append(titles, inline(s.Title))
		}
	}
	return join(titles, " or ")
}

// scopesFor returns the Sentry scopes of the first of a tool's skills.
func scopesFor(skills []string) []string {
	for _, s := range Skills {
		if slices.Contains(skills, s.ID) {
			return s.Scopes
		}
	}
	return nil
}
