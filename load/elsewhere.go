package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"roundhouse/load/client"
	"roundhouse/load/measure"
)

// Two kinds of attempts need no handle that somebody was given: to go where
// another works, and to name another organization or project in an argument
// where the URL has named one.

// nowhere is an organization that there is not.
const nowhere = "no-such-organization"

// drawPlace picks an organization that the thief must not see. Of whoever sees
// more than was asked for, nobody knows what that would be.
func (h *handles) drawPlace(r *rand.Rand) (one handle, thief *asker) {
	all := h.run.population.askers
	owner := all[r.IntN(len(all))]
	if owner.org == "" {
		return one, nil
	}
	for range 16 {
		if a := all[r.IntN(len(all))]; len(a.slugs) < maxFound && !slices.Contains(a.slugs, owner.org) {
			return handle{placeHandle, owner.place.String(), owner}, a
		}
	}
	return one, nil
}

// tryPlace asks at the URL of another with the thief's token. What is answered
// must be what is answered where there is nothing.
func (h *handles) tryPlace(ctx context.Context, one handle, thief *asker) (measure.Outcome, string) {
	x, err := thief.askAt(ctx, one.value, int(h.clients.Add(1)))
	if err != nil {
		return lost(err)
	}
	switch {
	case x.Status == http.StatusUnauthorized: // the token is for some URLs alone
		return measure.OK, ""
	case busy(x) && len(h.run.cfg.Scenario.Faults) > 0: // Sentry cannot be asked who sees it
		return measure.Failed, fmt.Sprint(x.Status)
	}
	outcome, reason := h.judge(one, thief, x)
	if outcome != measure.OK {
		return outcome, reason
	}
	unknown, err := thief.askAt(ctx, strings.Replace(one.value, one.owner.org, nowhere, 1), int(h.clients.Add(1)))
	if err != nil || busy(unknown) || token(unknown) == token(x) {
		return measure.OK, ""
	}
	return h.run.wrong(thief, x, wrongly("foreign place", "the place of %s is told apart from one that does not exist: %s, and not %s", one.owner, token(x), token(unknown)))
}

// askAt lists the tools at a place below the base URL.
func (a *asker) askAt(ctx context.Context, at string, n int) (*client.Exchange, error) {
	c, err := client.New(client.Config{URL: strings.TrimSuffix(a.cfg.URL, "/") + at, Era: client.Modern, Authorize: a.authorize,
		Header: a.cfg.Header, HTTP: a.cfg.HTTP, Prefix: fmt.Sprintf("w%dp%d-", a.cfg.Worker, n)})
	if err != nil {
		return nil, err
	}
	return c.Do(ctx, "tools/list", "", nil)
}

// drawArgument picks what else a thief sees, beside what its URL names. It is
// done in the run's own sandbox alone: other servers may pass over what they do
// not need.
func (h *handles) drawArgument(r *rand.Rand) (one handle, thief *asker) {
	if h.run.cfg.Scale == nil {
		return one, nil
	}
	all := h.run.population.askers
	for range 16 {
		a := all[r.IntN(len(all))]
		if named := a.elsewhere(r); named != "" {
			return handle{argumentHandle, named, a}, a
		}
	}
	return one, nil
}

// elsewhere is an argument, as members of a JSON object, that names what a sees
// and where it is not.
func (a *asker) elsewhere(r *rand.Rand) string {
	var orgs, projects []string
	for _, o := range a.reach {
		if a.org != "" && o.slug != a.org {
			orgs = append(orgs, fmt.Sprintf("%q:%q", orgParameter, o.slug))
		}
		if a.project == "" || o.slug != a.org {
			continue
		}
		for _, p := range o.projects {
			if p != a.project {
				projects = append(projects, fmt.Sprintf(`%q:%q,"projectSlug":%q`, orgParameter, a.org, p))
			}
		}
	}
	named := projects
	if len(projects) == 0 || len(orgs) > 0 && r.IntN(2) == 0 {
		named = orgs
	}
	if len(named) == 0 {
		return ""
	}
	return named[r.IntN(len(named))]
}

// naming is a call with the argument.
func (one handle) naming(own string) client.Foreign {
	return client.Foreign{Session: own, Method: "tools/call", Name: "search_events",
		Params: fmt.Appendf(nil, `{"name":"search_events","arguments":{"dataset":"errors","fields":["title","mark"],"period":"30d","limit":1,%s}}`, one.value)}
}
