package main

// call is one tool call that has to succeed.
type call struct {
	tool, about string
	args        string            // members of a JSON object; $name is a fact
	want        string            // what the answer contains
	learn       map[string]string // facts that the answer tells, and where
}

// calls in the order in which they are made: later ones look at, change and
// delete what earlier ones made.
var calls = []call{
	{tool: "search_sentry_tools", args: `"query":"release","limit":20`, want: "find_releases"},
	{tool: "whoami", want: "mara@example.test"},
	{tool: "find_organizations", want: "$org"},
	{tool: "find_projects", args: `"organizationSlug":"$org"`, want: "$project"},
	{tool: "find_teams", args: `"organizationSlug":"$org"`, want: "$team"},

	{tool: "search_issues", args: `"organizationSlug":"$org","query":"is:unresolved level:fatal"`, want: "$issue"},
	{tool: "search_issues", about: "project", args: `"organizationSlug":"$org","projectSlugOrId":"$project","query":"is:unresolved","sort":"freq"`, want: "$issue"},
	{tool: "get_issue_details", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "ApplyCoupon"},
	{tool: "get_issue_details", about: "URL", args: `"issueUrl":"$issueURL"`, want: "$issue"},
	{tool: "get_issue_details", about: "event", args: `"organizationSlug":"$org","eventId":"$event"`, want: "$issue"},
	{tool: "get_issue_details", about: "feedback", args: `"organizationSlug":"$org","issueId":"$feedback"`, want: "$feedback"},
	{tool: "get_issue_details", about: "cron", args: `"organizationSlug":"$org","issueId":"$cron"`, want: "$cron"},
	{tool: "get_sentry_resource", about: "issue URL", args: `"url":"$issueURL"`, want: "$issue"},
	{tool: "get_sentry_resource", about: "issue", args: `"resourceType":"issue","resourceId":"$issue","organizationSlug":"$org"`, want: "$issue"},
	{tool: "get_sentry_resource", about: "trace", args: `"resourceType":"trace","resourceId":"$trace","organizationSlug":"$org"`, want: "$trace"},
	{tool: "get_sentry_resource", about: "monitor", args: `"resourceType":"monitor","resourceId":"$monitor","organizationSlug":"$org"`, want: "$monitor"},
	{tool: "get_sentry_resource", about: "replay", args: `"resourceType":"replay","resourceId":"$replay","organizationSlug":"$org"`, want: "$replay"},
	{tool: "get_sentry_resource", about: "conversation", args: `"resourceType":"ai_conversation","resourceId":"$conversation","organizationSlug":"$org"`, want: "$conversation"},
	{tool: "get_event_stacktrace", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "$event"},
	{tool: "get_event_stacktrace", about: "threads", args: `"organizationSlug":"$org","issueId":"$blocked","thread":"main"`, want: "$blocked"},
	{tool: "get_issue_breadcrumbs", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "SELECT * FROM coupons"},
	{tool: "get_issue_tag_values", args: `"organizationSlug":"$org","issueId":"$issue","tagKey":"region"`, want: "eu-north-1"},
	{tool: "search_issue_events", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "$event"},
	{tool: "get_issue_user_reports", args: `"organizationSlug":"$org","issueId":"$reported"`, want: "$report"},
	{tool: "get_event_attachment", about: "list", args: `"organizationSlug":"$org","projectSlug":"$reportedIn","eventId":"$attached"`, want: "$attachmentName"},
	{tool: "get_event_attachment", about: "content", args: `"organizationSlug":"$org","projectSlug":"$reportedIn","eventId":"$attached","attachmentId":"$attachment"`, want: "$attachmentType"},
	{tool: "analyze_issue_with_seer", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "Sample analysis"},
	{tool: "add_issue_note", args: `"organizationSlug":"$org","issueId":"$issue","text":"coupons may be an empty list"`},
	{tool: "update_issue", about: "assign", args: `"organizationSlug":"$org","issueId":"$issue","assignedTo":"user:1002"`, want: "Jon"},
	{tool: "update_issue", about: "resolve", args: `"organizationSlug":"$org","issueId":"$issue","status":"resolvedInNextRelease","reason":"mended in the next release"`, want: "resolved"},
	{tool: "update_issue", about: "reopen", args: `"organizationSlug":"$org","issueId":"$issue","status":"unresolved"`, want: "unresolved"},
	{tool: "update_issue", about: "ignore", args: `"organizationSlug":"$org","issueId":"$issue","status":"ignored","ignoreMode":"untilOccurrenceCount","ignoreCount":100,"ignoreWindowMinutes":60`, want: "ignored"},
	{tool: "get_issue_activity", args: `"organizationSlug":"$org","issueId":"$issue"`, want: "coupons may be an empty list"},

	{tool: "search_events", about: "errors", args: `"organizationSlug":"$org","dataset":"errors","query":"level:fatal"`, want: "$issue"},
	{tool: "search_events", about: "errors, counted", args: `"organizationSlug":"$org","dataset":"errors","query":"","fields":["project","count()"],"sort":"-count()"`, want: "$project"},
	{tool: "search_events", about: "spans", args: `"organizationSlug":"$org","projectSlug":"$project","dataset":"spans","query":"is_transaction:true"`, want: "POST /orders"},
	{tool: "search_events", about: "spans, aggregated", args: `"organizationSlug":"$org","dataset":"spans","query":"is_transaction:true","fields":["transaction","p95(span.duration)","count()"],"sort":"-p95(span.duration)","environment":"production"`, want: "POST /orders"},
	{tool: "search_events", about: "logs", args: `"organizationSlug":"$org","dataset":"logs","query":"severity:error"`, want: "settlement batch"},
	{tool: "search_events", about: "metrics", args: `"organizationSlug":"$org","dataset":"metrics","query":""`, want: "$metric"},
	{tool: "search_events", about: "profiles", args: `"organizationSlug":"$org","dataset":"profiles","query":""`, want: "$profile"},
	{tool: "search_events", about: "replays", args: `"organizationSlug":"$org","dataset":"replays","query":""`, want: "$replay"},
	{tool: "get_trace_details", args: `"organizationSlug":"$org","traceId":"$trace"`, want: "$trace"},
	{tool: "get_span_details", args: `"organizationSlug":"$org","traceId":"$trace","spanId":"$span"`, want: "$span"},
	{tool: "get_replay_details", args: `"organizationSlug":"$org","replayId":"$replay"`, want: "$replay"},
	{tool: "get_profile", args: `"organizationSlug":"$org","projectSlugOrId":"$profileProject","transactionName":"$transaction"`, want: "$transaction"},
	{tool: "get_profile", about: "compared", args: `"organizationSlug":"$org","projectSlugOrId":"$profileProject","transactionName":"$transaction","period":"1d","compareAgainstPeriod":"14d"`, want: "$transaction"},
	{tool: "get_profile_details", args: `"organizationSlug":"$org","projectSlugOrId":"$profileProject","profileId":"$profile"`, want: "$profile"},
	{tool: "search_ai_conversations", args: `"organizationSlug":"$org"`, want: "$conversation"},
	{tool: "search_agent_conversations", args: `"organizationSlug":"$org"`, want: "$conversation"},
	{tool: "get_ai_conversation_details", args: `"organizationSlug":"$org","conversationId":"$conversation"`, want: "$conversation"},
	{tool: "get_agent_conversation_details", args: `"organizationSlug":"$org","conversationId":"$conversation"`, want: "$conversation"},

	{tool: "find_releases", args: `"organizationSlug":"$org"`, want: "$shortRelease"},
	{tool: "find_releases", about: "project", args: `"organizationSlug":"$org","projectSlug":"$project"`, want: "$shortRelease"},
	{tool: "get_release_details", args: `"organizationSlug":"$org","releaseVersion":"$release"`, want: "$release"},
	{tool: "get_release_details", about: "health", args: `"organizationSlug":"$org","releaseVersion":"$release","projectSlugOrId":"$project","includeHealth":true`, want: "$release"},
	{tool: "search_issues", about: "monitor", args: `"organizationSlug":"$org","query":"monitor.slug:$monitor"`, want: "$cron"},
	{tool: "find_monitors", args: `"organizationSlug":"$org"`, want: "$monitor"},
	{tool: "get_monitor_details", args: `"organizationSlug":"$org","monitorSlug":"$monitor","period":"7d"`, want: "$monitor"},
	{tool: "get_monitor_details", about: "project", args: `"organizationSlug":"$org","monitorSlug":"$monitor","projectSlugOrId":"$project"`, want: "$monitor"},
	{tool: "find_dashboards", args: `"organizationSlug":"$org"`, want: "$dashboardTitle"},
	{tool: "get_dashboard_details", args: `"organizationSlug":"$org","dashboardIdOrTitle":"$dashboard"`, want: "$dashboardTitle"},
	{tool: "get_dashboard_details", about: "title", args: `"organizationSlug":"$org","dashboardIdOrTitle":"$dashboardTitle"`, want: "$dashboardTitle"},
	{tool: "find_alert_rules", args: `"organizationSlug":"$org","projectSlug":"$project"`, want: "$workflow"},
	{tool: "find_alert_rules", about: "metric", args: `"organizationSlug":"$org","kind":"metric"`, want: "$alertRule"},
	{tool: "get_alert_rule", about: "issue", args: `"organizationSlug":"$org","kind":"issue","projectSlug":"$project","ruleIdOrName":"$workflow"`, want: "$workflow"},
	{tool: "get_alert_rule", about: "metric", args: `"organizationSlug":"$org","kind":"metric","ruleIdOrName":"$alertRule"`, want: "$alertRule"},

	{tool: "find_uptime_monitors", args: `"organizationSlug":"$org"`, want: "$uptime"},
	{tool: "create_uptime_monitor", args: `"organizationSlug":"$org","projectSlug":"$project","name":"Checkout health","url":"https://checkout.example.test/health","intervalSeconds":300,"method":"GET","headers":[["X-Probe","1"]],"environment":"production"`, want: "Checkout health",
		learn: map[string]string{"probe": "monitor.id"}},
	{tool: "get_uptime_monitor_details", args: `"organizationSlug":"$org","projectSlug":"$project","uptimeMonitorId":"$probe"`, want: "checkout.example.test/health"},
	{tool: "update_uptime_monitor", args: `"organizationSlug":"$org","projectSlug":"$project","uptimeMonitorId":"$probe","intervalSeconds":600,"name":"Checkout is up"`, want: "Checkout is up"},
	{tool: "delete_uptime_monitor", args: `"organizationSlug":"$org","projectSlug":"$project","uptimeMonitorId":"$probe"`, want: "$probe"},

	{tool: "create_team", args: `"organizationSlug":"$org","name":"judges"`, want: "judges", learn: map[string]string{"newTeam": "team.slug"}},
	{tool: "create_project", args: `"organizationSlug":"$org","teamSlug":"$newTeam","name":"courtroom","platform":"go"`, want: "courtroom"},
	{tool: "update_project", args: `"organizationSlug":"$org","projectSlug":"courtroom","name":"Court Room","platform":"python"`, want: "Court Room"},
	{tool: "add_team_to_project", args: `"organizationSlug":"$org","projectSlug":"$project","teamSlug":"$newTeam"`, want: "$newTeam"},
	{tool: "remove_team_from_project", args: `"organizationSlug":"$org","projectSlug":"$project","teamSlug":"$newTeam"`, want: "changed"},
	{tool: "create_dsn", args: `"organizationSlug":"$org","projectSlug":"courtroom","name":"second"`, want: "second", learn: map[string]string{"key": "dsn.id"}},
	{tool: "find_dsns", args: `"organizationSlug":"$org","projectSlug":"courtroom"`, want: "$key"},
	{tool: "update_dsn", args: `"organizationSlug":"$org","projectSlug":"courtroom","keyId":"$key","name":"limited","rateLimitWindow":60,"rateLimitCount":1000`, want: "limited"},
}

// leftOut are tools that the sandbox has nothing for, and why.
var leftOut = map[string]string{
	"search_docs":              "asks a service of Sentry's",
	"get_doc":                  "reads Sentry's site",
	"get_snapshot":             "the sandbox has no snapshots",
	"get_snapshot_image":       "the sandbox has no snapshots",
	"get_latest_base_snapshot": "the sandbox has no snapshots",
	"onboarding_status_update": "belongs to Sentry's own onboarding",
}
