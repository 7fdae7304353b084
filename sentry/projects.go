package sentry

import "context"

// Project is one project.
type Project struct {
	ID       ID   `json:"id"`
	Slug     Text `json:"slug"`
	Name     Text `json:"name"`
	Platform Text `json:"platform"`
}

// Projects lists the projects of an organization that the caller can see.
func (c *Client) Projects(ctx context.Context, org string, opts ListOptions) ([]Project, Page, error) {
	var list []Project
	page, err := c.call(ctx, request{
		op:    "list projects",
		path:  []string{"organizations", org, "projects"},
		query: opts.values(),
	}, &list)
	return list, page, err
}

// Project returns one project by slug or id.
func (c *Client) Project(ctx context.Context, org, project string) (*Project, error) {
	var p Project
	_, err := c.call(ctx, request{op: "get project", path: []string{"projects", org, project}}, &p)
	if err != nil {
		return nil, err
	}
	return &p, nil
}
