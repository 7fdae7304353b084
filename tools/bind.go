package tools

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roundhouse/constraint"
	"roundhouse/sentry"
)

// bindTimeout is for all of Bind's questions together: somebody waits for the
// first answer of a context, and others for its activation.
const bindTimeout = 15 * time.Second

// Bind returns the Env of key after asking Sentry, with the credential that
// ctx carries, whether the key's user, organization and project are what they
// claim to be. It is called once per activation. What Sentry refuses for now is
// not asked again: whoever waits for an activation holds one of few places.
//
// The error is constraint.ErrUnknown when the organization or project does not
// exist or is not accessible (which of the two, or which part, is not told),
// constraint.ErrUnauthorized when the credential is refused or is another
// user's, a *constraint.MovedError when Sentry spells a slug differently, and
// a *constraint.UnavailableError when Sentry does not answer.
func Bind(ctx context.Context, client *sentry.Client, key constraint.Key) (Env, error) {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	env := Env{Key: key, Sentry: client}
	asking := client.WithoutRetries()
	if err := verifyUser(ctx, asking, key); err != nil {
		return Env{}, err
	}
	if key.Org() == "" {
		return env, nil
	}
	org, err := asking.Organization(ctx, key.Org())
	if err != nil {
		return Env{}, refusal("verify organization", err)
	}
	if org.Slug == "" {
		return Env{}, refusal("verify organization", errors.New("no slug in the answer"))
	}
	env.Sentry = client.InRegion(string(org.Links.RegionURL))
	projectSlug := ""
	if key.Project() != "" {
		project, err := env.Sentry.WithoutRetries().Project(ctx, string(org.Slug), key.Project())
		if err != nil {
			return Env{}, refusal("verify project", err)
		}
		// Without a number the project could not be pinned in a search, and a
		// search that is not pinned answers for the whole organization.
		if project.ID == "" || project.Slug == "" {
			return Env{}, refusal("verify project", errors.New("no id or slug in the answer"))
		}
		env.ProjectID, projectSlug = string(project.ID), string(project.Slug)
	}
	return env, checkSpelling(key, string(org.Slug), projectSlug)
}

func verifyUser(ctx context.Context, client *sentry.Client, key constraint.Key) error {
	user, err := client.Whoami(ctx)
	switch {
	case errors.Is(err, sentry.ErrUnauthorized):
		return fmt.Errorf("verify user: %w", constraint.ErrUnauthorized)
	case err != nil:
		return unavailable("verify user", err)
	case string(user.ID) != key.User():
		return fmt.Errorf("verify user: the credential is another user's: %w", constraint.ErrUnauthorized)
	}
	return nil
}

// checkSpelling compares what Sentry calls itself with what the URL did:
// Sentry also finds by number and by other case, but each spelling would be
// another context.
func checkSpelling(key constraint.Key, org, project string) error {
	if org == key.Org() && project == key.Project() {
		return nil
	}
	right, err := constraint.New(key.User(), org, project)
	if err != nil {
		return fmt.Errorf("%w: %w", constraint.ErrUnknown, err)
	}
	return &constraint.MovedError{Key: right}
}

// refusal maps what Sentry said about an organization or project. Unknown and
// forbidden become one error.
func refusal(op string, err error) error {
	switch {
	case errors.Is(err, sentry.ErrNotFound), errors.Is(err, sentry.ErrForbidden):
		return fmt.Errorf("%s: %w", op, constraint.ErrUnknown)
	case errors.Is(err, sentry.ErrUnauthorized):
		return fmt.Errorf("%s: %w", op, constraint.ErrUnauthorized)
	}
	return unavailable(op, err)
}

func unavailable(op string, err error) error {
	refused := &constraint.UnavailableError{Reason: "Sentry does not answer as it should", Err: fmt.Errorf("%s: %w", op, err)}
	var upstream *sentry.Error
	if errors.As(err, &upstream) {
		refused.RetryAfter = upstream.RetryAfter
		if errors.Is(err, sentry.ErrRateLimited) {
			refused.Reason = "Sentry limits the rate of requests"
		}
	}
	return refused
}
