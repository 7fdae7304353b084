package tools

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
)

const (
	outdoors = "acme-outdoors"
	globex   = "globex-labs"
	mara     = "mara@example.test"
	jon      = "jon@example.test"
)

var allScopes = []string{"org:read", "project:read", "event:write"}

// world is a sandbox, called in process, and what was asked of it.
type world struct {
	t  testing.TB
	sb *sandbox.Sandbox

	mu       sync.Mutex
	requests []string // path and query
}

// noon is when it is in every world.
func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

// seeded is the file of a sandbox with its story: to copy it takes less than to
// tell it again.
var seeded = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "seeded")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sandbox.db")
	sb, err := sandbox.New(context.Background(), sandbox.Options{Path: path, Now: noon})
	if err != nil {
		return nil, err
	}
	if err := sb.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, sandbox.Current)
}

func newWorldOf(t testing.TB, age sandbox.Age) *world {
	t.Helper()
	raw, err := seeded()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sandbox.db")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	sb, err := sandbox.New(t.Context(), sandbox.Options{Path: path, BaseURL: "http://sentry.test", Now: noon, Age: age})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	return &world{t: t, sb: sb}
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r.URL.RequestURI())
	w.mu.Unlock()
	rec := httptest.NewRecorder()
	w.sb.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func (w *world) client(email string, scopes ...string) *sentry.Client {
	w.t.Helper()
	token, err := w.sb.CreateToken(w.t.Context(), email, scopes)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := sentry.NewClient(sentry.Config{
		BaseURL:    "http://sentry.test",
		Tokens:     sentry.StaticToken{T: sentry.NewToken(token)},
		HTTPClient: &http.Client{Transport: w},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// user is one person in one context, talking to its MCP server.
type user struct {
	t      testing.TB
	ctx    context.Context
	env    Env
	server *server.MCPServer
}

func (w *world) as(email, org, project string) *user {
	w.t.Helper()
	client := w.client(email, allScopes...)
	me, err := client.Whoami(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := constraint.New(string(me.ID), org, project)
	if err != nil {
		w.t.Fatal(err)
	}
	env, err := Bind(w.t.Context(), client, key)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := constraint.WithCaller(w.t.Context(), constraint.Caller{User: key.User(), Skills: []string{Inspect, Triage}})
	return &user{w.t, ctx, env, Default().NewServer(env)}
}

func (u *user) call(name string, args map[string]any) (answer string, isError bool) {
	u.t.Helper()
	r := callTool(u.ctx, u.server, name, args)
	if r == nil {
		u.t.Fatalf("%s is not available", name)
	}
	return text(r), r.IsError
}

// must calls a tool that has to succeed.
func (u *user) must(name string, args map[string]any) string {
	u.t.Helper()
	answer, isError := u.call(name, args)
	if isError {
		u.t.Fatalf("%s(%v): %s", name, args, answer)
	}
	return answer
}

type args = map[string]any

func wantAll(t *testing.T, answer string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(answer, part) {
			t.Errorf("no %q in:\n%s", part, answer)
		}
	}
}

// issuesOf lists an organization's issues as somebody who sees everything.
func (w *world) issuesOf(org string) []sentry.Issue {
	w.t.Helper()
	issues, _, err := w.client(mara, allScopes...).Issues(w.t.Context(), org, sentry.IssueSearch{Period: "90d", Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(issues) == 0 {
		w.t.Fatalf("%s has no issues", org)
	}
	return issues
}

func (w *world) issueIn(org, project string) sentry.Issue {
	w.t.Helper()
	issues := w.issuesOf(org)
	i := slices.IndexFunc(issues, func(i sentry.Issue) bool { return string(i.Project.Slug) == project })
	if i < 0 {
		w.t.Fatalf("%s/%s has no issues", org, project)
	}
	return issues[i]
}

func TestBind(t *testing.T) {
	w := newWorld(t)
	me, err := w.client(jon, allScopes...).Whoami(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := string(me.ID)
	project, err := w.client(jon, allScopes...).Project(t.Context(), outdoors, "storefront")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		reason             string
		user, org, project string
		want               error
	}{
		{"everything", id, "", "", nil},
		{"an organization", id, outdoors, "", nil},
		{"a project", id, outdoors, "storefront", nil},
		{"an organization of others", id, globex, "", constraint.ErrUnknown},
		{"no such organization", id, "nowhere", "", constraint.ErrUnknown},
		{"no such project", id, outdoors, "nowhere", constraint.ErrUnknown},
		{"a project of another organization", id, outdoors, "collector", constraint.ErrUnknown},
		{"somebody else's key", "999", "", "", constraint.ErrUnauthorized},
		{"somebody else's key to an organization", "999", outdoors, "", constraint.ErrUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			key, err := constraint.New(tt.user, tt.org, tt.project)
			if err != nil {
				t.Fatal(err)
			}
			env, err := Bind(t.Context(), w.client(jon, allScopes...), key)
			if !errors.Is(err, tt.want) {
				t.Fatalf("err = %v, want %v", err, tt.want)
			}
			if want := string(project.ID); tt.want == nil && tt.project != "" && env.ProjectID != want {
				t.Errorf("ProjectID = %q, want %q", env.ProjectID, want)
			}
		})
	}
	t.Run("by number", func(t *testing.T) {
		key, err := constraint.New(id, outdoors, string(project.ID))
		if err != nil {
			t.Fatal(err)
		}
		var moved *constraint.MovedError
		_, err = Bind(t.Context(), w.client(jon, allScopes...), key)
		if !errors.As(err, &moved) || moved.Key.Project() != "storefront" || moved.Key.Org() != outdoors {
			t.Errorf("err = %v, want a MovedError to storefront", err)
		}
	})
}

func TestBind_unavailable(t *testing.T) {
	tests := []struct {
		reason string
		status int
		body   string
		want   error // nil: an UnavailableError

		retryAfter string
		wait       time.Duration
	}{
		{"down", 503, `{}`, nil, "60", time.Minute},
		{"broken", 500, `{}`, nil, "60", time.Minute},
		{"HTML", 200, `<html>`, nil, "60", time.Minute},
		{"rate limited", 429, `{}`, nil, "60", time.Minute},
		{"rate limited for a moment", 429, `{}`, nil, "2", 2 * time.Second},
		{"down for a moment", 503, `{}`, nil, "", 0},
		{"refused", 401, `{}`, constraint.ErrUnauthorized, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Retry-After", tt.retryAfter)
				w.WriteHeader(tt.status)
				w.Write([]byte(tt.body))
			}))
			defer srv.Close()
			client, err := sentry.NewClient(sentry.Config{BaseURL: srv.URL, Tokens: sentry.StaticToken{}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = Bind(t.Context(), client, testKey(t, "acme", "web"))
			var unavailable *constraint.UnavailableError
			switch {
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("err = %v, want %v", err, tt.want)
			case tt.want == nil && !errors.As(err, &unavailable):
				t.Errorf("err = %v, want an UnavailableError", err)
			case tt.want == nil && unavailable.RetryAfter != tt.wait:
				t.Errorf("RetryAfter = %v, want %v", unavailable.RetryAfter, tt.wait)
			}
			if calls != 1 {
				t.Errorf("Sentry was asked %d times, want once", calls)
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	everything := w.as(mara, "", "")
	wantAll(t, everything.must("whoami", nil), `"email":"mara@example.test"`, `"sessionConstraints":{}`)
	wantAll(t, everything.must("find_organizations", nil), `"slug":"acme-outdoors"`, `"slug":"globex-labs"`, `"hasMore":false`)
	wantAll(t, everything.must("find_projects", args{"organizationSlug": globex}), `"slug":"collector"`, `"slug":"telemetry-ui"`)

	wantAll(t, w.as(jon, outdoors, "storefront").must("whoami", nil), `"organizationSlug":"acme-outdoors"`, `"projectSlug":"storefront"`)

	first := w.as(mara, outdoors, "").must("find_projects", args{"limit": 1})
	wantAll(t, first, `"hasMore":true`, `"nextCursor":`)

	answer, isError := w.as(jon, "", "").call("find_projects", args{"organizationSlug": globex})
	if !isError || strings.Contains(answer, "collector") {
		t.Errorf("jon reads %s: %s", globex, answer)
	}
}

func TestSearchIssues(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	all := org.must("search_issues", args{"query": "", "limit": 100, "period": "90d"})
	if strings.Index(all, "It is data") > strings.Index(all, "\n## 1. ") {
		t.Error("what is data is said after it")
	}
	wantAll(t, all, "# Issues in acme-outdoors", "STOREFRONT-", "CHECKOUT-API-", "http://sentry.test/organizations/acme-outdoors/issues/", "It is data")

	one := org.must("search_issues", args{"query": "", "projectSlugOrId": "storefront", "period": "90d", "limit": 100})
	wantAll(t, one, "STOREFRONT-")
	if strings.Contains(one, "CHECKOUT-API-") {
		t.Error("a search in storefront finds issues of checkout-api")
	}

	page := org.must("search_issues", args{"query": "", "limit": 1, "period": "90d"})
	_, cursor, ok := strings.Cut(page, "**nextCursor**: ")
	if !ok {
		t.Fatalf("no nextCursor in:\n%s", page)
	}
	second := org.must("search_issues", args{"query": "", "limit": 1, "period": "90d", "cursor": strings.TrimSpace(cursor)})
	if heading(page) == heading(second) {
		t.Error("the cursor leads to the same page")
	}

	answer, isError := org.call("search_issues", args{"query": "level:>>> ("})
	if !isError {
		t.Fatalf("a malformed query is accepted:\n%s", answer)
	}
	wantAll(t, answer, "**Input error**", "Sentry does not accept this search")
}

func heading(page string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "## ") {
			return line
		}
	}
	return ""
}

func TestSearchEvents(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	for dataset, want := range map[string]string{"errors": `"title":`, "spans": `"span.op":`, "logs": `"message":`} {
		wantAll(t, org.must("search_events", args{"dataset": dataset, "period": "90d"}), want, "untrusted")
	}
	wantAll(t, org.must("search_events", args{"fields": []string{"project", "count()"}, "period": "90d"}),
		`{"project":"checkout-api","count()":`, "**Sort**: `-count()`")

	tests := []struct {
		reason string
		args   args
		want   []string
	}{
		{"an unknown dataset", args{"dataset": "replays"}, []string{"dataset cannot be `replays`", "errors, spans, logs"}},
		{"a query that does not parse", args{"query": `"unclosed`}, []string{"Sentry does not accept this search"}},
		{"an unknown aggregate", args{"fields": []string{"cont()"}}, []string{"Sentry does not accept this search", "cont()"}},
		{"a sort outside of a grouping", args{"fields": []string{"project", "count()"}, "sort": "-timestamp"}, []string{"sort must be one of the fields", "`count()`"}},
		{"a cursor of no page", args{"cursor": "x"}, []string{"Take nextCursor of the page before"}},
		{"a cursor that is none", args{"cursor": "a b"}, []string{"cursor must be nextCursor of the page before."}},
		{"a query without end", args{"query": strings.Repeat("a", 4001)}, []string{"query must have at most 4000 characters, not 4001."}},
		{"a bad period", args{"period": "a while"}, []string{"period must be a number and h, d or w, such as 24h."}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			answer, isError := org.call("search_events", tt.args)
			if !isError {
				t.Fatalf("accepted:\n%s", answer)
			}
			wantAll(t, answer, tt.want...)
		})
	}
}

// A search that finds nothing, or zero, says when its names are why; and right
// names are never corrected.
func TestSearch_hints(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	const none, silent = "Sentry lists no", ""
	tests := []struct {
		reason string
		tool   string
		args   args
		want   string // silent: no hint at all
	}{
		{"right keys", "search_events", args{"query": "environment:nowhere user.email:x has:release !mark:y"}, silent},
		{"a key in quotes is text", "search_events", args{"query": `message:"enviroment:x" url:http://x`}, silent},
		{"a misspelled key", "search_events", args{"query": "enviroment:production"}, "Sentry lists no `enviroment` here. Did you mean `environment`?"},
		{"a misspelled key after has", "search_events", args{"query": "has:enviroment"}, "Did you mean `environment`?"},
		{"a misspelled key that is counted", "search_events", args{"query": "enviroment:production", "fields": []string{"count()"}}, "Did you mean `environment`?"},
		{"a count of nothing, rightly", "search_events", args{"query": "environment:nowhere", "fields": []string{"count()"}}, silent},
		{"a count", "search_events", args{"query": "environment:production", "fields": []string{"count()"}}, silent},
		{"an unknown column", "search_events", args{"fields": []string{"title", "enviroment"}}, "Sentry lists no `enviroment` here. Did you mean `environment`?"},
		{"an unknown column of nothing like it", "search_events", args{"fields": []string{"title", "zzzzzzzzzz"}}, "Sentry lists no `zzzzzzzzzz` here."},
		{"an aggregate of an unknown column", "search_events", args{"fields": []string{"count_unique(enviroment)"}}, "Did you mean `environment`?"},
		{"an aggregate of a known column", "search_events", args{"fields": []string{"count_unique(environment)", "project"}}, silent},
		{"a known column that is empty", "search_events", args{"fields": []string{"title", "stack.filename", "user.username"}}, silent},
		{"columns of spans", "search_events", args{"dataset": "spans", "fields": []string{"span.op", "p95(span.duration)"}}, silent},
		{"a misspelled column of spans", "search_events", args{"dataset": "spans", "fields": []string{"span.opp"}}, "Did you mean `span.op`"},
		{"is: for events", "search_events", args{"query": "is:unresolved"}, "use search_issues"},
		{"right keys of issues", "search_issues", args{"query": "is:unresolved environment:nowhere assigned:me release:latest user.email:x"}, silent},
		{"a misspelled key of issues", "search_issues", args{"query": "asigned:me"}, "Sentry lists no `asigned` here. Did you mean `assigned`?"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			tt.args["period"] = "90d"
			answer := org.must(tt.tool, tt.args)
			wantAll(t, answer, tt.want)
			if hinted := strings.Contains(answer, none) || strings.Contains(answer, "Did you mean"); tt.want == silent && hinted {
				t.Errorf("a right search is corrected:\n%s", answer)
			}
		})
	}
	for _, a := range []args{
		{"fields": []string{"p95(span.duration)"}},
		{"fields": []string{"title", "span.op"}},
		{"query": "span.duration:>1s"},
	} {
		answer, isError := org.call("search_events", a)
		if !isError {
			t.Fatalf("errors are asked for spans:\n%s", answer)
		}
		wantAll(t, answer, "errors has no `span.", "Send dataset spans.")
	}
}

func TestSearch_one(t *testing.T) {
	org := newWorld(t).as(mara, outdoors, "")
	wantAll(t, org.must("search_issues", args{"limit": 1}), "\n1 issue on this page.")
	wantAll(t, org.must("search_issues", args{"limit": 2}), "\n2 issues on this page.")
	wantAll(t, org.must("search_events", args{"limit": 1}), "\n1 row:\n")
	for _, tool := range []string{"search_issues", "find_projects"} {
		answer, _ := org.call(tool, args{"cursor": "x"})
		wantAll(t, answer, "**Input error**", "Take nextCursor of the page before")
	}
}

func TestGetSentryResource(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	issue := w.issueIn(outdoors, "checkout-api")
	id := string(issue.ShortID)
	url := org.env.Sentry.IssueURL(outdoors, id)

	byURL := org.must("get_sentry_resource", args{"url": url})
	wantAll(t, byURL, "# Issue "+id+" in acme-outdoors", "## Event ", "### Tags", "mark: "+sandbox.Mark(outdoors), "untrusted")
	byID := org.must("get_sentry_resource", args{"resourceType": "issue", "resourceId": strings.ToLower(id)})
	byGateway := org.must(executeToolsName, args{"name": "get_issue_details", "arguments": args{"issueId": string(issue.ID)}})
	if byURL != byID || byURL != byGateway {
		t.Error("by URL, by id and through the gateway are not the same answer")
	}

	event, err := org.env.Sentry.IssueEvent(t.Context(), outdoors, string(issue.ID), "oldest")
	if err != nil {
		t.Fatal(err)
	}
	eventID := string(event.ID)
	wantAll(t, org.must("get_sentry_resource", args{"url": org.env.Sentry.EventURL(outdoors, id, eventID)}), "## Event "+eventID)
	wantAll(t, org.must("get_sentry_resource", args{"resourceType": "event", "resourceId": id + ":" + eventID}), "## Event "+eventID)
	wantAll(t, org.must(executeToolsName, args{"name": "get_issue_details", "arguments": args{"eventId": eventID}}), "# Issue "+id, "## Event "+eventID)

	tests := []struct {
		reason string
		args   args
		want   string
	}{
		{"another host", args{"url": "https://evil.example/organizations/acme-outdoors/issues/1/"}, "url is not of the Sentry"},
		{"no URL", args{"url": "STOREFRONT-1"}, "url is not the URL of an issue or event"},
		{"a trace", args{"url": "http://sentry.test/organizations/acme-outdoors/explore/traces/trace/0123456789abcdef0123456789abcdef/"}, "query `trace:0123456789abcdef0123456789abcdef`"},
		{"a replay", args{"url": "http://sentry.test/organizations/acme-outdoors/replays/abc/"}, "cannot open yet"},
		{"another organization", args{"url": "http://sentry.test/organizations/globex-labs/issues/1/"}, "of another organization"},
		{"an event that walks up", args{"url": "http://sentry.test/organizations/acme-outdoors/issues/" + id + "/events/..%2f..%2f/"}, "url names no event"},
		{"an event by another name", args{"url": "http://sentry.test/organizations/acme-outdoors/issues/" + id + "/events/newest/"}, "url names no event"},
		{"an issue that walks up", args{"url": "http://sentry.test/organizations/acme-outdoors/issues/..%2f..%2fusers/"}, "must be a short id"},
		{"a project that walks up", args{"url": "http://sentry.test/organizations/acme-outdoors/projects/..%2f..%2fusers/"}, "cannot open yet"},
		{"no such issue", args{"resourceType": "issue", "resourceId": "STOREFRONT-ZZZ"}, "no issue `STOREFRONT-ZZZ` in organization acme-outdoors"},
		{"no such event", args{"resourceType": "event", "resourceId": id + ":" + strings.Repeat("f", 32)}, "no event"},
		{"half a name", args{"resourceType": "issue"}, "url is required"},
		{"both ways", args{"url": url, "resourceId": id}, "cannot be combined"},
		{"an id that walks up", args{"resourceType": "issue", "resourceId": "../../users/me"}, "must be a short id"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			answer, isError := org.call("get_sentry_resource", tt.args)
			if !isError {
				t.Fatalf("answered:\n%s", answer)
			}
			wantAll(t, answer, tt.want)
		})
	}
}

// Without a pinned organization, the URL alone says which.
// TestSearchIssues_feedbackHint: whoever looks for feedback without its category
// is told how.
func TestSearchIssues_feedbackHint(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	for query, want := range map[string]bool{"nothingofthekind": true, "nothingofthekind issue.category:cron": false, "is:unresolved": false} {
		if answer := org.must("search_issues", args{"query": query, "period": "90d"}); strings.Contains(answer, "issue.category:feedback alone") != want {
			t.Errorf("%s: a hint %v, want %v:\n%s", query, !want, want, answer)
		}
	}
}

// TestGetSentryResource_nextSteps: what is suggested is of use for the kind of
// issue that it is suggested for.
func TestGetSentryResource_nextSteps(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	seen := map[string]bool{}
	for _, issue := range w.issuesOf(outdoors) {
		category := string(issue.Category)
		if seen[category] {
			continue
		}
		seen[category] = true
		answer := org.must("get_sentry_resource", args{"resourceType": "issue", "resourceId": string(issue.ShortID)})
		if hints := strings.Contains(answer, "Fixes "+string(issue.ShortID)) && strings.Contains(answer, "dataset errors"); hints != (category == "error") {
			t.Errorf("an issue of category %s:\n%s", category, answer)
		}
	}
	if !seen["error"] || !seen["cron"] {
		t.Errorf("there are issues of %v, want errors and missed check-ins", seen)
	}
}

func TestGetSentryResource_organization(t *testing.T) {
	u := newWorld(t).as(mara, "", "")
	for _, org := range []string{"..%2f..%2fusers", "a%5cb", "a%20b", "%25"} {
		answer, isError := u.call("get_sentry_resource", args{"url": "http://sentry.test/organizations/" + org + "/issues/1/"})
		if !isError {
			t.Fatalf("%s is answered:\n%s", org, answer)
		}
		wantAll(t, answer, "**Input error**", "names no organization that could exist")
	}
}

func TestUpdateIssue(t *testing.T) {
	w := newWorld(t)
	project := w.as(mara, outdoors, "checkout-api")
	id := string(w.issueIn(outdoors, "checkout-api").ShortID)
	update := func(a args) string {
		a["issueId"] = id
		return project.must("update_issue", a)
	}
	update(args{"status": "unresolved"})
	wantAll(t, update(args{"status": "resolved", "reason": "fixed in 2.8.1"}), "# Issue "+id+" updated", "**resolved**", "**Note**: added")
	wantAll(t, update(args{"status": "resolved"}), "already is as requested")
	wantAll(t, update(args{"status": "unresolved", "assignedTo": "me"}), "**Assigned to**: ", "user:")
	wantAll(t, update(args{"assignedTo": "me"}), "already is as requested")
	wantAll(t, update(args{"assignedTo": "nobody"}), "**Assigned to**: nobody")
	wantAll(t, update(args{"status": "resolvedInNextRelease"}), "**Status**: resolved (in the next release)")
	wantAll(t, update(args{"status": "resolvedInNextRelease"}), "already is as requested", "**Status**: resolved (in the next release)")
	update(args{"status": "unresolved"})
	wantAll(t, update(args{"status": "ignored", "ignoreCount": 5, "ignoreWindowMinutes": 60}), "until 5 more events within 60 minutes")
	wantAll(t, update(args{"status": "ignored", "ignoreCount": 5, "ignoreWindowMinutes": 60}), "already is as requested")
	answer, isError := project.call("update_issue", args{"issueId": id, "status": "ignored", "ignoreMode": "forever"})
	if !isError {
		t.Errorf("one way of ignoring became another:\n%s", answer)
	}
	wantAll(t, answer, "an issue that is ignored untilOccurrenceCount cannot change to forever")
	wantAll(t, update(args{"status": "ignored"}), "already is as requested")
	for _, mode := range []args{
		{"ignoreMode": "forever"},
		{"ignoreMode": "untilEscalating"},
		{"ignoreDurationMinutes": 30},
		{"ignoreUserCount": 3},
	} {
		update(args{"status": "unresolved"})
		mode["status"] = "ignored"
		wantAll(t, update(mode), "→ **ignored (", "**Status**: ignored")
	}
}

func TestUpdateIssue_readOnly(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "")
	u.env.Sentry = w.client(mara, "org:read", "project:read", "event:read")
	u.server = Default().NewServer(u.env)
	answer, isError := u.call("update_issue", args{"issueId": string(w.issueIn(outdoors, "storefront").ShortID), "status": "ignored", "ignoreMode": "forever", "assignedTo": "me"})
	if !isError {
		t.Fatalf("a read-only token changed an issue:\n%s", answer)
	}
	wantAll(t, answer, "**Permission missing**", "event:write")
}
