package sentry

import "context"

// ReleaseSearch selects releases of an organization.
type ReleaseSearch struct {
	Query     string // part of a version; "": all
	ProjectID string // numeric; "": every project of the caller
	Cursor    string
	Limit     int // at most 100; zero: Sentry's default
}

// Releases lists the releases of an organization, the newest first.
func (c *Client) Releases(ctx context.Context, org string, s ReleaseSearch) ([]Release, Page, error) {
	q := ListOptions{Query: s.Query, Cursor: s.Cursor, Limit: s.Limit}.values()
	setNonEmpty(q, "project", s.ProjectID)
	var list []Release
	page, err := c.call(ctx, request{
		op:    "list releases",
		path:  []string{"organizations", org, "releases"},
		query: q,
	}, &list)
	return list, page, err
}
