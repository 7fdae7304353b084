package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"roundhouse/sandbox/payload"
)

const (
	maxRuleQuery   = 1000
	maxRuleActions = 20
)

var (
	ruleWindows  = []int{1, 5, 10, 15, 30, 60, 120, 240, 1440} // minutes
	ruleDatasets = []string{"events", "transactions", "generic_metrics", "metrics", "sessions", "events_analytics_platform"}
)

// metricRule says which number is too high or too low. It is never computed.
type metricRule struct {
	Name        string        `json:"name"`
	Aggregate   string        `json:"aggregate"`
	Dataset     string        `json:"dataset"`
	Query       string        `json:"query"`
	QueryType   int           `json:"queryType"`
	EventTypes  []string      `json:"eventTypes"`
	Window      int           `json:"timeWindow"`
	Type        int           `json:"thresholdType"` // 0: above, 1: below
	Resolve     *float64      `json:"resolveThreshold"`
	Delta       *float64      `json:"comparisonDelta"`
	Environment *string       `json:"environment"`
	Owner       *string       `json:"owner"`
	Projects    []string      `json:"projects,omitempty"` // as asked for; kept are those of the setting
	Triggers    []ruleTrigger `json:"triggers"`
}

type ruleTrigger struct {
	Label   string           `json:"label"` // critical or warning
	Alert   *float64         `json:"alertThreshold"`
	Resolve *float64         `json:"resolveThreshold"`
	Actions []payload.Object `json:"actions"`
}

func (s *Sandbox) metricRuleRoutes(reg func(pattern, scope string, h handler)) {
	const all, read = "/organizations/{org}/alert-rules/", "org:read|alerts:read"
	list := func(r *request) (any, error) {
		return r.listSettings([]string{metricKind}, "1", "s.name COLLATE NOCASE, s.id", (*request).metricRuleJSON)
	}
	reg("GET "+all, read, list)
	reg("GET /projects/{org}/{project}/alert-rules/", "project:read|alerts:read", list)
	settingKind[metricRule, *metricRule]{
		name: metricKind, path: all, read: read, write: "org:write|project:write|alerts:write", show: (*request).metricRuleJSON,
		fresh: metricRule{Dataset: "events"}, made: http.StatusCreated, gone: http.StatusNoContent,
	}.routes(reg)
	reg("GET /organizations/{org}/combined-rules/", read, listCombinedRules)
}

func (u *metricRule) settle(r *request, t *setting) (err error) {
	if t.name, err = nameIn("name", u.Name, maxSettingName); err != nil {
		return err
	}
	u.Name = t.name
	if u.Aggregate, err = nameIn("aggregate", u.Aggregate, 200); err != nil {
		return err
	}
	if !slices.Contains(ruleDatasets, u.Dataset) {
		return badField("dataset", fmt.Sprintf("Invalid dataset, valid values are %s.", strings.Join(ruleDatasets, ", ")))
	}
	if len(u.Query) > maxRuleQuery {
		return badField("query", fmt.Sprintf("Ensure this field has no more than %d characters.", maxRuleQuery))
	}
	if !slices.Contains(ruleWindows, u.Window) {
		return badField("timeWindow", fmt.Sprintf("Invalid time window, valid values in minutes are %s.", numbers(ruleWindows)))
	}
	if u.Type != 0 && u.Type != 1 {
		return badField("thresholdType", "Invalid threshold type, valid values are 0 (above) and 1 (below).")
	}
	if u.QueryType < 0 || u.QueryType > 2 || len(u.EventTypes) > 10 {
		return badField("queryType", "Invalid query type, valid values are 0, 1 and 2.")
	}
	if u.Environment != nil && len(*u.Environment) > 64 {
		return badField("environment", "Ensure this field has no more than 64 characters.")
	}
	if err := u.triggers(); err != nil {
		return err
	}
	if err := u.place(r, t); err != nil {
		return err
	}
	if u.Owner != nil {
		return r.actor(*u.Owner)
	}
	return nil
}

func (u *metricRule) triggers() error {
	if len(u.Triggers) < 1 || len(u.Triggers) > 2 {
		return badField("triggers", "Must specify 1 or 2 triggers: critical, and maybe warning.")
	}
	for i, trigger := range u.Triggers {
		if want := []string{"critical", "warning"}[i]; trigger.Label != want {
			return badField("triggers", fmt.Sprintf("Trigger %d must be labeled %q", i+1, want))
		}
		if trigger.Alert == nil {
			return badField("triggers", fmt.Sprintf("Trigger %q needs an alertThreshold", trigger.Label))
		}
		if len(trigger.Actions) > maxRuleActions {
			return badField("triggers", fmt.Sprintf("There are more than %d actions.", maxRuleActions))
		}
	}
	return nil
}

// place reads the projects, which the user has to see. They are kept by their
// ids alone: another project may come to have the slug.
func (u *metricRule) place(r *request, t *setting) error {
	if u.Projects == nil && len(t.projects) > 0 {
		return nil
	}
	if len(u.Projects) == 0 {
		return badField("projects", "This field is required.")
	}
	t.projects = nil
	for _, name := range u.Projects {
		p, err := r.sb.projectOf(r.Context(), r.org, name)
		if err != nil {
			return badField("projects", fmt.Sprintf("Invalid project: %q", payload.Clip(name, 100)))
		}
		if !slices.Contains(t.projects, p.id) {
			t.projects = append(t.projects, p.id)
		}
	}
	u.Projects = nil
	return nil
}

func (r *request) metricRuleJSON(t setting) (map[string]any, error) {
	u, slugs, author, err := ruleOf[metricRule](r, t)
	if err != nil {
		return nil, err
	}
	id := strconv.FormatInt(t.id, 10)
	triggers := []any{}
	for i, trigger := range u.Triggers {
		actions := []payload.Object{}
		triggers = append(triggers, payload.Object{
			"id": fmt.Sprint(id, i+1), "alertRuleId": id, "label": trigger.Label, "thresholdType": u.Type, "alertThreshold": trigger.Alert, "resolveThreshold": trigger.Resolve,
			"dateCreated": stamp(t.created), "actions": append(actions, trigger.Actions...),
		})
	}
	return map[string]any{
		"id": id, "name": u.Name, "organizationId": strconv.FormatInt(r.org.id, 10), "status": 0, "dataset": u.Dataset, "queryType": u.QueryType, "query": u.Query, "aggregate": u.Aggregate,
		"eventTypes": append([]string{}, u.EventTypes...), "timeWindow": u.Window, "resolution": 1, "thresholdType": u.Type, "thresholdPeriod": 1, "resolveThreshold": u.Resolve, "comparisonDelta": u.Delta,
		"environment": u.Environment, "owner": u.Owner, "projects": slugs, "triggers": triggers, "createdBy": author, "detectionType": "static", "snooze": false,
		"dateCreated": stamp(t.created), "dateModified": stamp(t.updated), "type": metricKind,
	}, nil
}

// listCombinedRules are all that may alert: rules of issues and of metrics, and
// uptime monitors.
func listCombinedRules(r *request) (any, error) {
	q := r.URL.Query()
	kinds := []string{issueRuleKind, metricKind, uptimeKind}
	if asked := nonEmpty(q["alertType"]); len(asked) > 0 {
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return !slices.Contains(asked, kind) })
	}
	column, ok := map[string]string{"": "s.created", "date_added": "s.created", "name": "s.name COLLATE NOCASE"}[q.Get("sort")]
	if !ok {
		return nil, badRequest("Invalid sort: it must be name or date_added.")
	}
	direction := " DESC"
	if q.Get("asc") == "1" {
		direction = ""
	}
	return r.listSettings(kinds, "instr(lower(s.name), ?6)", column+direction+", s.id"+direction, func(r *request, t setting) (map[string]any, error) {
		switch t.kind {
		case issueRuleKind:
			return r.issueRuleJSON(t)
		case metricKind:
			return r.metricRuleJSON(t)
		}
		out, err := r.uptimeJSON(t)
		if err == nil {
			out["type"] = uptimeKind
		}
		return out, err
	}, r.text("name"))
}
