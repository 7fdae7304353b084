package query

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const users = `(SELECT count(DISTINCT u.attrs ->> '$.user') FROM item u WHERE u.issue = i.id)`

// issueColumns are the keys that an issue itself has. Every other key is one
// of its events'.
var issueColumns = map[string]column{
	"level":          {expr: "i.level", typ: String, fold: true},
	"issue.category": {expr: "i.category", typ: String, fold: true},
	"issue.type":     {expr: "i.issue_type", typ: String, fold: true},
	"issue.priority": {expr: "i.priority", typ: String, fold: true},
	"title":          {expr: "i.title", typ: String},
	"culprit":        {expr: "i.culprit", typ: String},
	"platform":       {expr: "i.platform", typ: String},
	"status":         {expr: "i.status", typ: String, fold: true},
	"issue":          {expr: "i.short", typ: String, fold: true},
	"issue.id":       {expr: "i.id", typ: Integer},
	"project":        {expr: "p.slug", typ: String, fold: true},
	"project.name":   {expr: "p.slug", typ: String, fold: true},
	"project.id":     {expr: "p.id", typ: Integer},
	"firstRelease":   {expr: "i.first_release", typ: String},
	"first_release":  {expr: "i.first_release", typ: String},
	"firstSeen":      {expr: "i.first_seen", typ: Date},
	"first_seen":     {expr: "i.first_seen", typ: Date},
	"age":            {expr: "i.first_seen", typ: Date},
	"lastSeen":       {expr: "i.last_seen", typ: Date},
	"last_seen":      {expr: "i.last_seen", typ: Date},
	"activeSince": {typ: Date, expr: "coalesce((SELECT max(a.ts) FROM activity a " +
		"WHERE a.issue = i.id AND a.type = 'set_regression'), i.first_seen)"},
	"timesSeen":             {expr: "i.count", typ: Integer},
	"times_seen":            {expr: "i.count", typ: Integer},
	"userCount":             {expr: users, typ: Integer},
	"user_count":            {expr: users, typ: Integer},
	"assigned":              {expr: "i.assignee", typ: String},
	"assigned_or_suggested": {expr: "i.assignee", typ: String},
	// What the sandbox does not have, no issue has.
	"bookmarks":                {expr: "NULL"},
	"subscribed":               {expr: "NULL"},
	"issue.seer_actionability": {expr: "NULL"},
	"issue.seer_last_run":      {expr: "NULL"},
	"detector":                 {expr: "NULL"},
	"release.stage":            {expr: "NULL"},
}

// states are the values of is:.
var states = map[string]string{
	"unresolved":                   "i.status = 'unresolved'",
	"resolved":                     "i.status = 'resolved'",
	"ignored":                      "i.status = 'ignored'",
	"archived":                     "i.status = 'ignored'",
	"new":                          "i.substatus = 'new'",
	"ongoing":                      "i.substatus = 'ongoing'",
	"escalating":                   "i.substatus = 'escalating'",
	"regressed":                    "i.substatus = 'regressed'",
	"archived_until_escalating":    "i.substatus = 'archived_until_escalating'",
	"archived_until_condition_met": "i.substatus = 'archived_until_condition_met'",
	"archived_forever":             "i.substatus = 'archived_forever'",
	"assigned":                     "i.assignee <> ''",
	"unassigned":                   "i.assignee = ''",
	"for_review":                   "(i.status = 'unresolved' AND i.substatus IN ('new', 'escalating', 'regressed'))",
	"linked":                       "0",
	"unlinked":                     "1",
}

var eventID = regexp.MustCompile(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

// issueSorts are the orders of a list of issues.
var issueSorts = map[string]string{
	"date":  "i.last_seen DESC",
	"new":   "i.first_seen DESC",
	"inbox": "i.first_seen DESC",
	"freq":  "i.count DESC",
	"user":  users + " DESC",
	"recommended": "CASE i.status WHEN 'unresolved' THEN 0 ELSE 1 END, " +
		"CASE i.priority WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END, i.last_seen DESC",
	// Events per hour of its life.
	"trends": "i.count / max(1.0, (i.last_seen - i.first_seen) / 3600) DESC",
}

// IssueSort is the ORDER BY for a list of issues, over alias i; empty means
// date. The error is an *Error.
func IssueSort(sort string) (orderBy string, err error) {
	if sort == "" {
		sort = "date"
	}
	order, ok := issueSorts[sort]
	if !ok {
		names := slices.Sorted(maps.Keys(issueSorts))
		return "", invalid("sort", sort, "it must be one of %s", strings.Join(names, ", "))
	}
	return order + ", i.id DESC", nil
}

// ParseIssues compiles a search for issues. The condition is over issue i JOIN
// project p ON p.id = i.project. Terms about events that stand side by side
// must hold for one and the same event of the issue. The error is an *Error.
func ParseIssues(q string, env Env) (*Cond, error) {
	tree, err := parse(q)
	if err != nil {
		return nil, err
	}
	c := compiler{env: env, data: errorEvents}
	f, err := c.issues(tree)
	if err != nil {
		return nil, err
	}
	all := []fragment{c.projects("i.project")}
	if !env.Start.IsZero() {
		all = append(all, raw("i.last_seen >= ?", unixSeconds(env.Start)))
	}
	if !env.End.IsZero() {
		all = append(all, raw("i.first_seen <= ?", unixSeconds(env.End)))
	}
	if len(env.Environments) > 0 {
		all = append(all, c.anEvent(raw("1")))
	}
	return &Cond{where: join(" AND ", append(all, f)), having: raw("1"), keys: tree.keys()}, nil
}

func (c compiler) issues(n node) (fragment, error) {
	if len(n.kids) == 0 && n.kind == nodeAnd {
		return raw("1"), nil
	}
	if n.find(ofIssue) == nil {
		f, err := n.fold(c.event)
		return c.anEvent(f), err
	}
	if n.kind == nodeTerm {
		return c.issue(n.term)
	}
	operator := " OR "
	if n.kind == nodeAnd {
		operator, n = " AND ", n.gather()
	}
	var parts []fragment
	for _, kid := range n.kids {
		f, err := c.issues(kid)
		if err != nil {
			return fragment{}, err
		}
		parts = append(parts, f)
	}
	if n.kind == nodeNot {
		return parts[0].negate(), nil
	}
	return join(operator, parts), nil
}

// gather puts the kids that are about events alone into one, so that they are
// asked of the same event.
func (n node) gather() node {
	events := node{kind: nodeAnd}
	out := node{kind: nodeAnd}
	for _, kid := range n.kids {
		if kid.find(ofIssue) == nil {
			events.kids = append(events.kids, kid)
		} else {
			out.kids = append(out.kids, kid)
		}
	}
	if len(events.kids) > 0 {
		out.kids = append(out.kids, events.simple())
	}
	return out
}

// anEvent is true for an issue with an event in range for which f holds.
func (c compiler) anEvent(f fragment) fragment {
	all := append([]fragment{raw("it.issue = i.id")}, append(c.scope(), f)...)
	return join(" AND ", all).wrap("EXISTS (SELECT 1 FROM item it WHERE ", ")")
}

// ofIssue tells whether a term can be answered only by the issue.
func ofIssue(t *term) bool {
	name := t.key.name
	if name == "has" {
		name = t.values[0].literal()
	}
	_, ok := issueColumns[name]
	return ok && !t.key.tag || name == "" || name == "is" || t.key.call != nil
}

func (c compiler) issue(t *term) (fragment, error) {
	switch {
	case t.key.call != nil:
		return fragment{}, t.errorf("issue search has no functions; use timesSeen and userCount")
	case t.key.name == "":
		return c.issueText(t), nil
	case t.key.name == "has":
		k, err := t.presence()
		return t.signed(present(issueColumns[k.name])), err
	case t.key.name == "is":
		return t.state()
	case strings.HasPrefix(t.key.name, "assigned"):
		return c.assigned(t)
	case t.key.name == "firstRelease", t.key.name == "first_release":
		return t.released(issueColumns[t.key.name], "i.project", c.env.Now)
	case t.key.name == "issue":
		return t.naming(issueColumns["issue"], issueColumns["issue.id"], c.env.Now)
	case t.key.name == "issue.category":
		return t.category().on(issueColumns[t.key.name], c.env.Now)
	case t.key.name == "project" && number.MatchString(string(t.values[0])) && !t.list:
		return t.on(issueColumns["project.id"], c.env.Now)
	}
	return t.on(issueColumns[t.key.name], c.env.Now)
}

func (c compiler) issueText(t *term) fragment {
	if id := string(t.values[0]); eventID.MatchString(id) {
		id = strings.ToLower(strings.ReplaceAll(id, "-", ""))
		return raw("i.id IN (SELECT e.issue FROM item e WHERE e.event_id = ? AND e.event_id <> '')", id)
	}
	pattern := "%" + t.values[0].like() + "%"
	own := raw(`i.title LIKE ? ESCAPE '\' OR i.culprit LIKE ? ESCAPE '\'`, pattern, pattern)
	return join(" OR ", []fragment{own, c.anEvent(c.freeText(t))})
}

func (t *term) state() (fragment, error) {
	var either []fragment
	for _, v := range t.values {
		sql, ok := states[strings.ToLower(string(v))]
		if !ok || t.op != "=" {
			names := slices.Sorted(maps.Keys(states))
			return fragment{}, t.errorf("after is: one of %s belongs", strings.Join(names, ", "))
		}
		either = append(either, raw(sql))
	}
	return t.signed(join(" OR ", either)), nil
}

func (c compiler) assigned(t *term) (fragment, error) {
	if t.op != "=" {
		return fragment{}, t.errorf("%s has no order", t.key.name)
	}
	var either []fragment
	for _, v := range t.values {
		either = append(either, c.assignee(v))
	}
	return t.signed(join(" OR ", either)), nil
}

func (c compiler) assignee(v value) fragment {
	team, isTeam := strings.CutPrefix(v.literal(), "#")
	switch {
	case v == "me":
		return raw("i.assignee = ?", fmt.Sprintf("user:%d", c.env.UserID))
	case v == "none" || v == "":
		return raw("i.assignee = ''")
	case v == "my_teams":
		return c.teams(c.env.MyTeams...)
	case isTeam && c.env.Teams[strings.ToLower(team)] != 0:
		return c.teams(c.env.Teams[strings.ToLower(team)])
	case isTeam:
		return c.teams()
	}
	const named = "i.assignee IN (SELECT 'user:' || u.id FROM user u WHERE (u.email LIKE ? ESCAPE '\\' OR u.username LIKE ? ESCAPE '\\')"
	if c.env.Guest {
		return raw(named+" AND u.id IN (SELECT other.user FROM team_member mine JOIN team_member other ON other.team = mine.team WHERE mine.user = ?))", v.like(), v.like(), c.env.UserID)
	}
	return raw(named+")", v.like(), v.like())
}

func (c compiler) teams(ids ...int64) fragment {
	var args []any
	for _, id := range ids {
		args = append(args, fmt.Sprintf("team:%d", id))
	}
	return raw("i.assignee IN ("+marks(len(args))+")", args...)
}
