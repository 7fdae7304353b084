package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxRuleParts = 100 // conditions, filters or actions
	maxFrequency = 30 * 24 * 60
)

// issueRule says when an issue is to be told of, and to whom. Nobody is told.
type issueRule struct {
	Name        string           `json:"name"`
	ActionMatch string           `json:"actionMatch"`
	FilterMatch string           `json:"filterMatch"`
	Frequency   int              `json:"frequency"` // minutes
	Environment *string          `json:"environment"`
	Owner       *string          `json:"owner"`
	Status      string           `json:"status"`
	Conditions  []payload.Object `json:"conditions"`
	Filters     []payload.Object `json:"filters"`
	Actions     []payload.Object `json:"actions"`
}

// issueRuleRoutes: a new rule is a 200 and not a 201, as Sentry has it.
func (s *Sandbox) issueRuleRoutes(reg func(pattern, scope string, h handler)) {
	const all, read = "/projects/{org}/{project}/rules/", "project:read|alerts:read"
	reg("GET "+all, read, func(r *request) (any, error) {
		return r.listSettings([]string{issueRuleKind}, "1", "s.id", (*request).issueRuleJSON)
	})
	settingKind[issueRule, *issueRule]{
		name: issueRuleKind, path: all, read: read, write: "project:write|alerts:write", show: (*request).issueRuleJSON,
		fresh: issueRule{ActionMatch: "all", FilterMatch: "all", Frequency: 30, Status: active},
		made:  http.StatusOK, gone: http.StatusAccepted,
	}.routes(reg)
}

func (u *issueRule) settle(r *request, t *setting) (err error) {
	if t.name, err = nameIn("name", u.Name, maxSettingName); err != nil {
		return err
	}
	u.Name = t.name
	if u.ActionMatch != "all" && u.ActionMatch != "any" {
		return badField("actionMatch", "It must be all or any.")
	}
	if !slices.Contains([]string{"all", "any", "none"}, u.FilterMatch) {
		return badField("filterMatch", "It must be all, any or none.")
	}
	if u.Frequency < 5 || u.Frequency > maxFrequency {
		return badField("frequency", fmt.Sprintf("It must be from 5 to %d minutes.", maxFrequency))
	}
	if u.Status != active && u.Status != disabled {
		return badField("status", "It must be active or disabled.")
	}
	if len(u.Actions) == 0 {
		return badField("actions", "Must select at least one action")
	}
	for field, parts := range map[string][]payload.Object{"conditions": u.Conditions, "filters": u.Filters, "actions": u.Actions} {
		if len(parts) > maxRuleParts {
			return badField(field, fmt.Sprintf("There are more than %d.", maxRuleParts))
		}
		for _, o := range parts {
			if err := keepObject(field, o, "id"); err != nil {
				return err
			}
		}
	}
	if u.Environment != nil && len(*u.Environment) > 64 {
		return badField("environment", "Ensure this field has no more than 64 characters.")
	}
	if u.Owner != nil {
		return r.actor(*u.Owner)
	}
	return nil
}

// partNames are how the parts of a rule read.
var partNames = map[string]string{
	"sentry.rules.conditions.first_seen_event.FirstSeenEventCondition":          "A new issue is created",
	"sentry.rules.conditions.regression_event.RegressionEventCondition":         "The issue changes state from resolved to unresolved",
	"sentry.rules.conditions.reappeared_event.ReappearedEventCondition":         "The issue changes state from ignored to unresolved",
	"sentry.rules.conditions.every_event.EveryEventCondition":                   "The event occurs",
	"sentry.rules.conditions.high_priority_issue.NewHighPriorityIssueCondition": "Sentry marks a new issue as high priority",
	"sentry.rules.conditions.event_frequency.EventFrequencyCondition":           "The issue is seen more often than so many times in an interval",
	"sentry.rules.conditions.event_frequency.EventUniqueUserFrequencyCondition": "The issue is seen by more than so many users in an interval",
	"sentry.rules.filters.level.LevelFilter":                                    "The event's level matches",
	"sentry.rules.filters.tagged_event.TaggedEventFilter":                       "The event's tags match",
	"sentry.mail.actions.NotifyEmailAction":                                     "Send a notification by mail",
	"sentry.rules.actions.notify_event.NotifyEventAction":                       "Send a notification to all legacy integrations",
	"sentry.integrations.slack.notify_action.SlackNotifyServiceAction":          "Send a notification to a Slack workspace",
}

func namedParts(parts []payload.Object) []payload.Object {
	out := []payload.Object{}
	for _, o := range parts {
		if payload.Text(o["name"]) == "" {
			if name := partNames[payload.Text(o["id"])]; name != "" {
				o["name"] = name
			}
		}
		out = append(out, o)
	}
	return out
}

func (r *request) issueRuleJSON(t setting) (map[string]any, error) {
	u, slugs, author, err := ruleOf[issueRule](r, t)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"id": strconv.FormatInt(t.id, 10), "name": u.Name, "status": u.Status, "actionMatch": u.ActionMatch, "filterMatch": u.FilterMatch, "frequency": u.Frequency,
		"conditions": namedParts(u.Conditions), "filters": namedParts(u.Filters), "actions": namedParts(u.Actions), "environment": u.Environment, "owner": u.Owner,
		"projects": slugs, "createdBy": author, "dateCreated": stamp(t.created), "lastTriggered": nil, "snooze": false, "type": issueRuleKind,
	}, nil
}

// workflowRoutes show the same rules in the form that newer clients ask for.
func (s *Sandbox) workflowRoutes(reg func(pattern, scope string, h handler)) {
	const all, one = "/organizations/{org}/workflows/", "/organizations/{org}/workflows/{setting}/"
	reg("GET "+all, "org:read|alerts:read", listWorkflows)
	reg("GET "+one, "org:read|alerts:read", getSetting(issueRuleKind, (*request).workflowJSON))
	reg("DELETE "+one, "org:write|project:write|alerts:write", func(r *request) (any, error) {
		t, err := r.setting(issueRuleKind)
		if err != nil {
			return nil, err
		}
		return r.deleteSetting(t, http.StatusNoContent)
	})
}

var settingOrders = map[string]string{
	"": "s.id", "id": "s.id", "-id": "s.id DESC", "name": "s.name COLLATE NOCASE, s.id", "-name": "s.name COLLATE NOCASE DESC, s.id DESC",
	"dateCreated": "s.created, s.id", "-dateCreated": "s.created DESC, s.id DESC",
}

func listWorkflows(r *request) (any, error) {
	q := r.URL.Query()
	order, ok := settingOrders[q.Get("sortBy")]
	if !ok {
		return nil, badField("sortBy", "Invalid sort field")
	}
	if name := q.Get("projectSlug"); name != "" {
		var err error
		if r.project, err = r.sb.projectOf(r.Context(), r.org, name); err != nil {
			return nil, err
		}
	}
	ids := []int64{}
	for _, id := range nonEmpty(q["id"]) {
		if asID(id) == 0 {
			return nil, badField("id", "Invalid ID format")
		}
		ids = append(ids, asID(id))
	}
	only, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return r.listSettings([]string{issueRuleKind}, `s.name LIKE ?6 ESCAPE '\' AND (?7 = '[]' OR s.id IN (SELECT value FROM json_each(?7)))`, order,
		(*request).workflowJSON, nameLike(q.Get("query")), string(only))
}

// nameLike reads a search for a name, name:"*nightly*" or words of it.
func nameLike(search string) string {
	value, exact := strings.CutPrefix(strings.TrimSpace(search), "name:")
	value = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.Trim(value, `"`))
	if exact {
		return strings.ReplaceAll(value, "*", "%")
	}
	return "%" + strings.ReplaceAll(value, "*", "%") + "%"
}

// workflowJSON: what triggers the rule, and what is then done under which
// filters. The detector is the project's own one of errors.
func (r *request) workflowJSON(t setting) (map[string]any, error) {
	u, err := bodyOf[issueRule](t)
	if err != nil {
		return nil, err
	}
	id, org := strconv.FormatInt(t.id, 10), strconv.FormatInt(r.org.id, 10)
	detectors := []string{}
	for _, p := range t.projects {
		detectors = append(detectors, strconv.FormatInt(p, 10))
	}
	logic := map[string]string{"all": "all", "any": "any-short", "none": "none"}
	var author any
	if t.author != 0 {
		author = strconv.FormatInt(t.author, 10)
	}
	return map[string]any{
		"id": id, "name": u.Name, "organizationId": org, "createdBy": author, "dateCreated": stamp(t.created), "dateUpdated": stamp(t.updated),
		"triggers": payload.Object{"id": id + "1", "organizationId": org, "logicType": logic[u.ActionMatch], "conditions": workflowConditions(u.Conditions, id+"1"), "actions": []any{}},
		"actionFilters": []any{payload.Object{
			"id": id + "2", "organizationId": org, "logicType": logic[u.FilterMatch], "conditions": workflowConditions(u.Filters, id+"2"), "actions": workflowActions(u.Actions, id+"2"),
		}},
		"environment": u.Environment, "config": payload.Object{"frequency": u.Frequency}, "detectorIds": detectors, "enabled": u.Status == active,
		"lastTriggered": nil, "owner": u.Owner,
	}, nil
}

// workflowConditions: the type is in the part's id, and what it is compared
// with are the other members.
func workflowConditions(parts []payload.Object, group string) []any {
	out := []any{}
	for i, o := range parts {
		path := strings.Split(payload.Text(o["id"]), ".")
		var comparison any = true
		if rest := besides(o); len(rest) > 0 {
			comparison = rest
		}
		out = append(out, payload.Object{"id": fmt.Sprint(group, i), "type": path[max(0, len(path)-2)], "comparison": comparison, "conditionResult": true})
	}
	return out
}

// besides are the members of a part that say more than what it is.
func besides(o payload.Object) payload.Object {
	rest := payload.Object{}
	for key, v := range o {
		if key != "id" && key != "name" && key != "uuid" {
			rest[key] = v
		}
	}
	return rest
}

func workflowActions(parts []payload.Object, group string) []any {
	out := []any{}
	for i, o := range parts {
		kind, id := "plugin", payload.Text(o["id"])
		for name, part := range map[string]string{"email": "sentry.mail.", "slack": ".slack.", "discord": ".discord.", "msteams": ".msteams.", "pagerduty": ".pagerduty.", "opsgenie": ".opsgenie.", "webhook": "notify_event_service"} {
			if strings.Contains(id, part) {
				kind = name
			}
		}
		out = append(out, payload.Object{"id": fmt.Sprint(group, i), "type": kind, "status": active, "integrationId": o["workspace"], "data": payload.Object{}, "config": besides(o)})
	}
	return out
}
