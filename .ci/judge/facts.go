package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
)

// source tells where a fact is found: at a place in the answer to a GET. Names
// in the path, $issue, are facts themselves.
type source struct{ path, at string }

// sources of facts. A fact that no call needs is not looked for.
var sources = map[string]source{
	"issue":          {"/organizations/$org/issues/?query=level:fatal", "0.shortId"},
	"issueURL":       {"/organizations/$org/issues/?query=level:fatal", "0.permalink"},
	"event":          {"/organizations/$org/issues/$issue/events/latest/", "eventID"},
	"trace":          {"/organizations/$org/issues/$issue/events/latest/", "contexts.trace.trace_id"},
	"span":           {"/organizations/$org/trace/$trace/", "0.event_id"},
	"about":          {"/organizations/$org/issues/$feedback/events/latest/", "contexts.feedback.associated_event_id"},
	"reported":       {"/organizations/$org/issues/?query=$about", "0.shortId"},
	"reportedIn":     {"/organizations/$org/issues/?query=$about", "0.project.slug"},
	"report":         {"/organizations/$org/issues/$reported/user-reports/", "0.comments"},
	"blocked":        {"/organizations/$org/issues/?query=error.type:ApplicationNotResponding", "0.shortId"},
	"cron":           {"/organizations/$org/issues/?query=issue.category:cron", "0.shortId"},
	"feedback":       {"/organizations/$org/issues/?query=issue.category:feedback", "0.shortId"},
	"release":        {"/projects/$org/$project/releases/", "0.version"},
	"shortRelease":   {"/projects/$org/$project/releases/", "0.shortVersion"},
	"monitor":        {"/organizations/$org/monitors/", "0.slug"},
	"replay":         {"/organizations/$org/replays/?statsPeriod=14d", "data.0.id"},
	"metric":         {"/organizations/$org/events/?dataset=tracemetrics&field=metric.name&field=metric.type&statsPeriod=14d", "data.0.metric\\name"},
	"profile":        {"/organizations/$org/events/?dataset=profiles&field=profile.id&field=project&field=transaction&statsPeriod=14d", "data.0.profile\\id"},
	"profileProject": {"/organizations/$org/events/?dataset=profiles&field=profile.id&field=project&field=transaction&statsPeriod=14d", "data.0.project"},
	"transaction":    {"/organizations/$org/events/?dataset=profiles&field=profile.id&field=project&field=transaction&statsPeriod=14d", "data.0.transaction"},
	"conversation":   {"/organizations/$org/agents/conversations/?statsPeriod=30d", "0.conversationId"},
	"dashboard":      {"/organizations/$org/dashboards/", "0.id"},
	"dashboardTitle": {"/organizations/$org/dashboards/", "0.title"},
	"workflow":       {"/organizations/$org/workflows/?projectSlug=$project", "0.id"},
	"alertRule":      {"/organizations/$org/alert-rules/", "0.id"},
	"uptime":         {"/organizations/$org/uptime/", "0.id"},
	"team":           {"/organizations/$org/teams/", "0.slug"},
}

// facts are what the arguments of calls need to know about the sandbox: looked
// up when they are first needed, or learned from an answer.
type facts struct {
	sentry http.Handler
	token  string
	known  map[string]string
}

func newFacts(sentry http.Handler, token string) *facts {
	return &facts{sentry, token, map[string]string{"org": "acme-outdoors", "project": "checkout-api"}}
}

// arguments reads the members of a JSON object in which $names stand for facts.
func (f *facts) arguments(ctx context.Context, members string) (map[string]any, error) {
	raw, err := f.expand(ctx, "{"+members+"}")
	if err != nil {
		return nil, err
	}
	args := map[string]any{}
	if err := json.Unmarshal([]byte(raw), &args); err != nil {
		return nil, fmt.Errorf("arguments %s: %w", raw, err)
	}
	return args, nil
}

// expand replaces each $name by the fact.
func (f *facts) expand(ctx context.Context, s string) (string, error) {
	var failed error
	out := os.Expand(s, func(name string) string {
		fact, err := f.get(ctx, name)
		if err != nil && failed == nil {
			failed = err
		}
		return fact
	})
	return out, failed
}

func (f *facts) get(ctx context.Context, name string) (string, error) {
	if fact, ok := f.known[name]; ok {
		return fact, nil
	}
	if strings.HasPrefix(name, "attach") {
		err := f.findAttachment(ctx)
		return f.known[name], err
	}
	from, ok := sources[name]
	if !ok {
		return "", fmt.Errorf("no call before has told %s", name)
	}
	body, err := f.fetch(ctx, from.path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	switch v := at(body, from.at).(type) {
	case string:
		f.known[name] = v
	case float64:
		f.known[name] = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return "", fmt.Errorf("%s: the answer to GET %s has no %s", name, from.path, from.at)
	}
	return f.known[name], nil
}

// fetch reads what the API answers, not through the handler that remembers.
func (f *facts) fetch(ctx context.Context, path string) (body any, err error) {
	if path, err = f.expand(ctx, path); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/0"+path, nil)
	r.Host = "127.0.0.1" // the sandbox answers to no other name
	r.Header.Set("Authorization", "Bearer "+f.token)
	f.sentry.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusOK {
		return nil, fmt.Errorf("GET %s answers %d %.100s", path, w.Code, w.Body)
	}
	return body, nil
}

// findAttachment looks for an event with a file: no search tells of one.
func (f *facts) findAttachment(ctx context.Context) error {
	body, err := f.fetch(ctx, "/organizations/$org/issues/$reported/events/?per_page=100")
	if err != nil {
		return err
	}
	events, _ := body.([]any)
	for _, event := range events {
		id, _ := at(event, "eventID").(string)
		files, err := f.fetch(ctx, "/projects/$org/$reportedIn/events/"+id+"/attachments/")
		if err != nil {
			return err
		}
		if file, ok := at(files, "0.id").(string); ok {
			f.known["attached"], f.known["attachment"] = id, file
			f.known["attachmentName"], _ = at(files, "0.name").(string)
			f.known["attachmentType"], _ = at(files, "0.mimetype").(string)
			return nil
		}
	}
	return fmt.Errorf("of the %d latest events none has an attachment", len(events))
}

// at follows a path like "data.0.id" into what JSON became; a backslash stands
// for a dot within a name.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		step = strings.ReplaceAll(step, `\`, ".")
		switch o := v.(type) {
		case map[string]any:
			v = o[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(o) {
				return nil
			}
			v = o[n]
		default:
			return nil
		}
	}
	return v
}
