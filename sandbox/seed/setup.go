package seed

import "time"

// Setup is something that people have set up in an organization: a "monitor" of
// a job, an "uptime" monitor, a "rule" for issues, an "alert_rule" for a metric,
// or a "dashboard". The mark is in its name.
type Setup struct {
	Kind, Name string
	Projects   []int64
	Ago        time.Duration
	Slug       string         // of a monitor
	Owner      string         // of a monitor
	Body       map[string]any // of anything else, as the API gives it
}

// Setups is what people have set up in the organization.
func (o Org) Setups(mark string) []Setup {
	all := map[string]func() []Setup{"acme-outdoors": outdoorsSetups, "globex-labs": globexSetups}[o.Slug]()
	for i, s := range all {
		s.Name += " (" + mark + ")"
		all[i].Name = s.Name
		switch s.Kind {
		case "monitor":
		case "dashboard":
			s.Body["title"] = s.Name
		default:
			s.Body["name"] = s.Name
		}
	}
	return all
}

func outdoorsSetups() []Setup {
	shop, checkout := []int64{51001}, []int64{51002}
	return []Setup{
		{Kind: "monitor", Name: "Nightly settlement", Slug: "nightly-settlement", Owner: "team:61002", Projects: checkout, Ago: 20 * day},
		{Kind: "uptime", Name: "Shop front page", Projects: shop, Ago: 25 * day, Body: uptime("https://shop.example.test/", 60, "team:61001")},
		{Kind: "uptime", Name: "Checkout health", Projects: checkout, Ago: 24 * day, Body: uptime("https://checkout.example.test/healthz", 300, "team:61002")},
		{Kind: "rule", Name: "Tell payments of new faults", Projects: checkout, Ago: 22 * day, Body: rule("team:61002", "sentry.rules.conditions.first_seen_event.FirstSeenEventCondition")},
		{Kind: "rule", Name: "Tell web of what comes back", Projects: shop, Ago: 21 * day, Body: rule("team:61001", "sentry.rules.conditions.regression_event.RegressionEventCondition")},
		{Kind: "alert_rule", Name: "Checkout fails too often", Projects: checkout, Ago: 19 * day, Body: metric("count()", "level:[error,fatal]", "checkout-api", 50, 20)},
		{Kind: "alert_rule", Name: "Many shoppers see errors", Projects: shop, Ago: 18 * day, Body: metric("count_unique(user)", "", "storefront", 40, 15)},
		{Kind: "dashboard", Name: "Checkout", Projects: checkout, Ago: 17 * day, Body: dashboard(checkout,
			widget("Errors by release", "area", "error-events", "count()", "release", ""), widget("Slowest endpoints", "table", "spans", "p95(span.duration)", "transaction", "is_transaction:true"),
			widget("Orders placed", "line", "tracemetrics", "sum(value,orders.placed,counter,-)", "", ""))},
		{Kind: "dashboard", Name: "Shop overview", Ago: 12 * day, Body: dashboard(nil, widget("Errors by project", "bar", "error-events", "count()", "project", ""), widget("Warnings in logs", "line", "logs", "count()", "", "severity:warn"))},
	}
}

func globexSetups() []Setup {
	collector := []int64{51101}
	return []Setup{
		{Kind: "monitor", Name: "Calibration sync", Slug: "calibration-sync", Owner: "team:61101", Projects: collector, Ago: 20 * day},
		{Kind: "uptime", Name: "Telemetry UI", Projects: []int64{51102}, Ago: 23 * day, Body: uptime("https://telemetry.example.test/", 600, "team:61101")},
		{Kind: "rule", Name: "Tell the lab of new faults", Projects: collector, Ago: 20 * day, Body: rule("team:61101", "sentry.rules.conditions.first_seen_event.FirstSeenEventCondition")},
		{Kind: "alert_rule", Name: "Probes time out", Projects: collector, Ago: 16 * day, Body: metric("count()", "error.type:ReadTimeout", "collector", 10, 5)},
		{Kind: "dashboard", Name: "Probes", Projects: collector, Ago: 15 * day, Body: dashboard(collector, widget("Timeouts", "line", "error-events", "count()", "", "error.type:ReadTimeout"))},
	}
}

func uptime(url string, every int, owner string) object {
	return object{
		"url": url, "intervalSeconds": every, "timeoutMs": 5000, "method": "GET", "headers": []any{[]any{"Accept", "text/html"}}, "status": "active", "owner": owner,
		"environment": "production", "traceSampling": false, "responseCaptureEnabled": true, "recoveryThreshold": 1, "downtimeThreshold": 3,
	}
}

func rule(owner, condition string) object {
	return object{
		"actionMatch": "any", "filterMatch": "all", "frequency": 30, "environment": "production", "owner": owner, "status": "active",
		"conditions": []any{object{"id": condition}},
		"filters":    []any{object{"id": "sentry.rules.filters.level.LevelFilter", "match": "gte", "level": "40"}},
		"actions":    []any{object{"id": "sentry.mail.actions.NotifyEmailAction", "targetType": "IssueOwners", "fallthroughType": "ActiveMembers"}},
	}
}

func metric(aggregate, query, project string, critical, warning float64) object {
	return object{
		"aggregate": aggregate, "dataset": "events", "query": query, "queryType": 0, "eventTypes": []any{"error", "default"}, "timeWindow": 60, "thresholdType": 0,
		"environment": "production", "projects": []any{project},
		"triggers": []any{object{"label": "critical", "alertThreshold": critical, "actions": []any{}}, object{"label": "warning", "alertThreshold": warning, "actions": []any{}}},
	}
}

func dashboard(projects []int64, widgets ...any) object {
	for i, w := range widgets {
		w.(object)["layout"] = object{"x": i % 3 * 2, "y": i / 3 * 2, "w": 2, "h": 2, "minH": 2}
	}
	return object{"projects": projects, "environment": []any{}, "period": "14d", "filters": object{}, "widgets": widgets}
}

func widget(title, display, kind, aggregate, by, query string) object {
	fields, columns := []any{aggregate}, []any{}
	if by != "" {
		fields, columns = []any{by, aggregate}, []any{by}
	}
	return object{
		"title": title, "displayType": display, "widgetType": kind, "interval": "1h",
		"queries": []any{object{"name": "", "fields": fields, "aggregates": []any{aggregate}, "columns": columns, "fieldAliases": []any{}, "conditions": query, "orderby": "-" + aggregate}},
	}
}
