package tools

import (
	"context"

	"roundhouse/sentry"
)

// inOrg is embedded by every input that names an organization. Where the key
// names it, the parameter is gone and the value put in.
type inOrg struct {
	OrganizationSlug string `json:"organizationSlug" form:"a slug, such as acme" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" max:"100" doc:"Slug of the organization."`
}

// inPage is embedded by inputs of lists.
type inPage struct {
	Limit  int    `json:"limit,omitempty" min:"1" max:"100" default:"25" doc:"Entries per page."`
	Cursor string `json:"cursor,omitempty" form:"nextCursor of the page before" pattern:"^[A-Za-z0-9:_=/+.-]*$" max:"200" doc:"nextCursor of the page before."`
}

type whoamiOut struct {
	User struct {
		ID    string `json:"id"`
		Name  string `json:"name,omitempty"`
		Email string `json:"email,omitempty"`
	} `json:"user"`
	// The name is the official server's: clients look for it.
	SessionConstraints struct {
		OrganizationSlug string `json:"organizationSlug,omitempty"`
		ProjectSlug      string `json:"projectSlug,omitempty"`
	} `json:"sessionConstraints" doc:"What this connection is confined to; empty: everything the user can see."`
}

func whoami() Tool {
	return Define(Definition{
		Name:        "whoami",
		Title:       "Who am I",
		Description: "Tell which Sentry user is signed in, and which organization and project this connection is confined to.",
		Skills:      everySkill,
		Listed:      true,
		Annotations: hints(true, false, true, true),
	}, func(ctx context.Context, env Env, _ struct{}) (whoamiOut, error) {
		var out whoamiOut
		user, err := env.Sentry.Whoami(ctx)
		if err != nil {
			return out, err
		}
		out.User.ID = string(user.ID)
		out.User.Name = label(user.Name)
		out.User.Email = label(user.Email)
		out.SessionConstraints.OrganizationSlug = env.Key.Org()
		out.SessionConstraints.ProjectSlug = env.Key.Project()
		return out, nil
	})
}

type findIn struct {
	Query string `json:"query,omitempty" max:"200" doc:"Part of a name or slug."`
	inPage
}

type organizationsOut struct {
	Organizations []foundOrganization `json:"organizations"`
	HasMore       bool                `json:"hasMore"`
	NextCursor    string              `json:"nextCursor,omitempty"`
}

type foundOrganization struct {
	Slug   string `json:"slug"`
	Name   string `json:"name,omitempty"`
	WebURL string `json:"webUrl"`
}

func findOrganizations() Tool {
	return Define(Definition{
		Name:        "find_organizations",
		Title:       "Find organizations",
		Description: "List the Sentry organizations that the user can see. Other tools need the slug of one.",
		Skills:      []string{Inspect, Triage},
		Listed:      true,
		Annotations: hints(true, false, true, true),
		HiddenFrom:  ShapeOrg,
	}, func(ctx context.Context, env Env, in findIn) (organizationsOut, error) {
		list, page, err := env.Sentry.Organizations(ctx, sentry.ListOptions{Query: in.Query, Cursor: in.Cursor, Limit: in.Limit})
		if err != nil {
			return organizationsOut{}, err
		}
		out := organizationsOut{Organizations: []foundOrganization{}, HasMore: page.Next != "", NextCursor: page.Next}
		for _, o := range list {
			slug := string(o.Slug)
			out.Organizations = append(out.Organizations, foundOrganization{slug, label(o.Name), env.Sentry.OrganizationURL(slug)})
		}
		return out, nil
	})
}

type findProjectsIn struct {
	inOrg
	findIn
}

type projectsOut struct {
	Projects   []foundProject `json:"projects"`
	HasMore    bool           `json:"hasMore"`
	NextCursor string         `json:"nextCursor,omitempty"`
}

type foundProject struct {
	Slug     string `json:"slug"`
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Platform string `json:"platform,omitempty"`
}

func findProjects() Tool {
	return Define(Definition{
		Name:        "find_projects",
		Title:       "Find projects",
		Description: "List the projects of an organization that the user can see, with slug and platform.",
		Skills:      []string{Inspect, Triage},
		Listed:      true,
		Annotations: hints(true, false, true, true),
		HiddenFrom:  ShapeProject,
	}, func(ctx context.Context, env Env, in findProjectsIn) (projectsOut, error) {
		list, page, err := env.Sentry.Projects(ctx, in.OrganizationSlug, sentry.ListOptions{Query: in.Query, Cursor: in.Cursor, Limit: in.Limit})
		if err != nil {
			return projectsOut{}, err
		}
		out := projectsOut{Projects: []foundProject{}, HasMore: page.Next != "", NextCursor: page.Next}
		for _, p := range list {
			out.Projects = append(out.Projects, foundProject{string(p.Slug), string(p.ID), label(p.Name), label(p.Platform)})
		}
		return out, nil
	})
}
