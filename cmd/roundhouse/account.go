package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"roundhouse/constraint"
	"roundhouse/oauth"
	"roundhouse/sentry"
)

// administrators are who may see and revoke what others allowed.
type administrators struct {
	emails []string   // as Sentry knows them, in lower case
	roles  []roleInOf // in an organization
}

type roleInOf struct{ org, role string }

func (c *config) administrators() (administrators, error) {
	a := administrators{emails: splitList(lowerASCII(c.AdminEmails))}
	for _, email := range a.emails {
		if !strings.Contains(email, "@") {
			return a, fmt.Errorf("--admin-emails: %q is not an e-mail address", email)
		}
	}
	for _, item := range splitList(c.AdminRoles) {
		org, role, ok := strings.Cut(item, "=")
		if !ok || org == "" || role == "" || constraint.Check(org, "") != nil {
			return a, fmt.Errorf("--admin-roles: %q is not of the form organization=role, such as acme=owner", item)
		}
		a.roles = append(a.roles, roleInOf{org, role})
	}
	return a, nil
}

// lowerASCII leaves other letters alone: strings.ToLower makes a k of the sign
// for Kelvin, so that somebody could have an address that is nearly another's.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// scopes are what has to be asked of Sentry to learn somebody's roles.
func (a administrators) scopes() []string {
	if len(a.roles) == 0 {
		return nil
	}
	return []string{"org:read"}
}

// isAdmin reports whether the user of an upstream token is an administrator. An
// organization that they do not see gives them no role.
func (p *program) isAdmin(ctx context.Context, user oauth.User, token string) (bool, error) {
	if user.Email != "" && slices.Contains(p.admins.emails, lowerASCII(user.Email)) {
		return true, nil
	}
	client, err := p.clientOf(token)
	if err != nil {
		return false, err
	}
	for _, want := range p.admins.roles {
		org, err := client.Organization(ctx, want.org)
		if errors.Is(err, sentry.ErrNotFound) || errors.Is(err, sentry.ErrForbidden) {
			continue
		}
		if err != nil {
			return false, err
		}
		if role := cmp.Or(string(org.OrgRole), string(org.Role)); role == want.role {
			return true, nil
		}
	}
	return false, nil
}

// reaches reports whether the user of an upstream token sees an organization,
// and a project of it, unless that is empty.
func (p *program) reaches(ctx context.Context, token, org, project string) (bool, error) {
	client, err := p.clientOf(token)
	if err != nil {
		return false, err
	}
	found, err := client.Organization(ctx, org)
	if err == nil && project != "" {
		_, err = client.InRegion(string(found.Links.RegionURL)).Project(ctx, string(found.Slug), project)
	}
	if errors.Is(err, sentry.ErrNotFound) || errors.Is(err, sentry.ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

// clientOf calls Sentry with one token, and each call once: somebody waits.
func (p *program) clientOf(token string) (*sentry.Client, error) {
	client, err := p.backend.client(sentry.StaticToken{T: sentry.NewToken(token)}, nil)
	if err != nil {
		return nil, err
	}
	return client.WithoutRetries(), nil
}
