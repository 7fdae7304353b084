package sentry

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// User is who a credential belongs to.
type User struct {
	ID    ID   `json:"id"`
	Name  Text `json:"name"`
	Email Text `json:"email"`

	// All of the user's addresses, Email among them; older servers leave it out.
	Emails List[struct {
		Email    Text `json:"email"`
		Verified Bool `json:"is_verified"`
	}] `json:"emails"`
}

// Unverified reports whether Sentry says that Email may be somebody else's.
func (u User) Unverified() bool {
	for _, e := range u.Emails {
		if e.Email == u.Email {
			return !bool(e.Verified)
		}
	}
	return false
}

// Organization is one that the caller can see.
type Organization struct {
	ID    ID    `json:"id"`
	Slug  Text  `json:"slug"`
	Name  Text  `json:"name"`
	Links Links `json:"links"`

	// The caller's own role there; older servers call it Role. Both are empty in
	// a list.
	OrgRole Text `json:"orgRole"`
	Role    Text `json:"role"`
}

// Links are where Sentry says an organization lives. They come from an
// answer: pass RegionURL to Client.InRegion, which decides whether to believe
// it. Both are empty on older servers.
type Links struct {
	RegionURL       Text `json:"regionUrl"`
	OrganizationURL Text `json:"organizationUrl"`
}

// Whoami returns the user of the caller's credential.
func (c *Client) Whoami(ctx context.Context) (*User, error) {
	var reply struct {
		User
		Nested *User `json:"user"`
	}
	_, err := c.call(ctx, request{op: "whoami", base: c.base, path: []string{"auth"}}, &reply)
	if err != nil {
		return nil, err
	}
	if reply.ID == "" && reply.Nested != nil {
		return reply.Nested, nil
	}
	return &reply.User, nil
}

// Organization returns one organization by slug or id.
func (c *Client) Organization(ctx context.Context, org string) (*Organization, error) {
	var o Organization
	_, err := c.call(ctx, request{op: "get organization", base: c.base, path: []string{"organizations", org}}, &o)
	if err != nil {
		return nil, err
	}
	return &o, nil
}

// Organizations lists what the caller can see. On sentry.io every region is
// asked in turn until opts.Limit is reached; the cursor then also says in
// which region to go on.
func (c *Client) Organizations(ctx context.Context, opts ListOptions) ([]Organization, Page, error) {
	if c.base.Host != "sentry.io" {
		return c.organizationsAt(ctx, c.base, opts)
	}
	regions, err := c.regions(ctx)
	if err != nil {
		return nil, Page{}, err
	}
	name, cursor, _ := strings.Cut(opts.Cursor, "/")
	var found []Organization
	for i, region := range regions {
		if opts.Cursor != "" && region.name != name {
			continue
		}
		opts.Cursor = cursor
		list, page, err := c.organizationsAt(ctx, region.base, opts)
		if err != nil {
			return nil, Page{}, err
		}
		found = append(found, list...)
		opts.Cursor, cursor = "", ""
		switch last := i == len(regions)-1; {
		case page.Next != "":
			return found, Page{Next: region.name + "/" + page.Next}, nil
		case opts.Limit > 0 && len(found) >= opts.Limit && !last:
			return found, Page{Next: regions[i+1].name + "/"}, nil
		}
	}
	return found, Page{}, nil
}

func (c *Client) organizationsAt(ctx context.Context, base *url.URL, opts ListOptions) ([]Organization, Page, error) {
	var list []Organization
	page, err := c.call(ctx, request{
		op:    "list organizations",
		base:  base,
		path:  []string{"organizations"},
		query: opts.values(),
	}, &list)
	return list, page, err
}

type region struct {
	name string
	base *url.URL
}

// regions are those of the caller's that the configured host owns; without
// any, the host itself.
func (c *Client) regions(ctx context.Context) ([]region, error) {
	var reply struct {
		Regions List[struct {
			Name Text `json:"name"`
			URL  Text `json:"url"`
		}] `json:"regions"`
	}
	_, err := c.call(ctx, request{op: "list regions", base: c.base, path: []string{"users", "me", "regions"}}, &reply)
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	var found []region
	for _, r := range reply.Regions {
		if in := c.InRegion(string(r.URL)); in != c {
			found = append(found, region{string(r.Name), in.region})
		}
	}
	if len(found) == 0 {
		found = []region{{"", c.base}}
	}
	return found, nil
}

// Scopes returns what the caller's credential may do, or nil where Sentry does
// not say.
func (c *Client) Scopes(ctx context.Context) ([]string, error) {
	var reply struct {
		Auth *struct {
			Scopes []string `json:"scopes"`
		} `json:"auth"`
	}
	_, err := c.call(ctx, request{op: "list scopes", base: c.base}, &reply)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case reply.Auth == nil:
		return nil, nil
	}
	return reply.Auth.Scopes, nil
}
