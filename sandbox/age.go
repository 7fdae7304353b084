package sandbox

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Age is how old a Sentry the sandbox answers like. The data are the same.
type Age int

const (
	Current Age = iota
	// Old is a self-hosted Sentry that nobody has updated for years: what the
	// public API does not list, or has only listed lately, is a 404, and answers
	// lack members.
	Old
)

// recentPaths are what an old Sentry does not have, whatever the method.
var recentPaths = []string{
	"/users/me/regions/",
	"/organizations/{}/agents/conversations/",
	"/organizations/{}/agents/conversations/{}/",
	"/organizations/{}/ai-conversations/",
	"/organizations/{}/ai-conversations/{}/",
	"/organizations/{}/alert-rules/",
	"/organizations/{}/alert-rules/{}/",
	"/organizations/{}/code-mappings/bulk/",
	"/organizations/{}/combined-rules/",
	"/organizations/{}/events/validate/",
	"/organizations/{}/issues/{}/activities/",
	"/organizations/{}/issues/{}/autofix/",
	"/organizations/{}/issues/{}/notes/",
	"/organizations/{}/issues/{}/user-reports/",
	"/organizations/{}/monitors/{}/stats/",
	"/organizations/{}/onboarding/agent/status/",
	"/organizations/{}/profiling/chunks/",
	"/organizations/{}/profiling/flamegraph/",
	"/organizations/{}/replay-count/",
	"/organizations/{}/replays/",
	"/organizations/{}/replays/{}/",
	"/organizations/{}/trace-items/attributes/",
	"/organizations/{}/uptime/",
	"/organizations/{}/workflows/",
	"/organizations/{}/workflows/{}/",
	"/projects/{}/{}/monitors/{}/stats/",
	"/projects/{}/{}/profiling/profiles/{}/",
	"/projects/{}/{}/releases/{}/",
	"/projects/{}/{}/replays/{}/",
	"/projects/{}/{}/replays/{}/recording-segments/",
	"/projects/{}/{}/stacktrace-link/",
	"/projects/{}/{}/uptime/",
	"/projects/{}/{}/uptime/{}/",
	"/projects/{}/{}/uptime/{}/checks/",
}

var (
	recentOrg     = []string{"links"}
	recentProject = []string{"hasLogs", "hasProfiles", "hasReplays", "organization.links"}
	recentIssue   = []string{"substatus", "priority", "issueType", "issueCategory", "firstRelease"}
	recentEvent   = []string{"occurrence"}
)

// recentMembers are what an old Sentry's answer, or each object of a list, lacks.
var recentMembers = map[string][]string{
	"/organizations/":                        recentOrg,
	"/organizations/{}/":                     recentOrg,
	"/organizations/{}/projects/":            recentProject,
	"/projects/{}/{}/":                       recentProject,
	"/organizations/{}/issues/":              recentIssue,
	"/organizations/{}/issues/{}/":           recentIssue,
	"/projects/{}/{}/issues/":                recentIssue,
	"/organizations/{}/issues/{}/events/{}/": recentEvent,
}

var wildcard = regexp.MustCompile(`\{[^}]+\}`)

// bare is the path of a route's pattern, without the names of its wildcards.
func bare(pattern string) string {
	_, where, _ := strings.Cut(pattern, " ")
	where = strings.TrimSuffix(strings.TrimPrefix(where, apiRoot), "{$}")
	return strings.TrimSuffix(wildcard.ReplaceAllString(where, "{}"), "/") + "/"
}

// has tells whether a Sentry of that age has the route.
func (a Age) has(pattern string) bool {
	return a == Current || !slices.Contains(recentPaths, bare(pattern))
}

// answer is what a Sentry of that age would have answered on the route.
func (a Age) answer(pattern string, body any) (any, error) {
	members := recentMembers[bare(pattern)]
	if a == Current || members == nil {
		return body, nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var out any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	for _, name := range members {
		drop(out, name)
	}
	return out, nil
}

// drop deletes a member, "organization.links" inside of another, from an object
// or from each of a list.
func drop(v any, name string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			drop(one, name)
		}
	case map[string]any:
		if outer, inner, ok := strings.Cut(name, "."); ok {
			drop(v[outer], inner)
			return
		}
		delete(v, name)
	}
}
