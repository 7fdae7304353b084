package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"roundhouse/actors"
	"roundhouse/sandbox"
)

// user4 belongs to org-1 and org-2 of the scale that the isolation tests ask
// for, and to nothing else.
const user4 = "user-4@example.test"

var isolationScale = []string{"--scale", "users=4,orgs=2,projects=4,issues=12"}

// sixteen are the contexts: three users, four organizations. Two users meet in
// acme-outdoors, and nowhere else.
var sixteen = []struct{ email, place string }{
	{mara, ""}, {mara, "/acme-outdoors"}, {mara, "/acme-outdoors/storefront"}, {mara, "/acme-outdoors/checkout-api"}, {mara, "/globex-labs"}, {mara, "/globex-labs/collector"},
	{jon, ""}, {jon, "/acme-outdoors"}, {jon, "/acme-outdoors/checkout-api"}, {jon, "/acme-outdoors/mobile"},
	{user4, ""}, {user4, "/org-1"}, {user4, "/org-1/service-1"}, {user4, "/org-1/service-3"}, {user4, "/org-2"}, {user4, "/org-2/service-2"},
}

var reach = map[string][]string{
	mara:  {"acme-outdoors", "globex-labs"},
	jon:   {"acme-outdoors"},
	user4: {"org-1", "org-2"},
}

// tenant is one user at one URL.
type tenant struct {
	email, place string
	token        string // good at every URL of the user
	org, project string // "" where the URL names none
}

func (c tenant) String() string   { return c.email + " at /mcp" + c.place }
func (c tenant) GoString() string { return c.String() } // without the token

// orgs are those of which answers to c may tell.
func (c tenant) orgs() []string {
	if c.org != "" {
		return []string{c.org}
	}
	return reach[c.email]
}

// home is an organization to ask about.
func (c tenant) home() string { return c.orgs()[0] }

// isolation is a server with all tenants signed in.
type isolation struct {
	testing.TB
	*runner
	tenants []tenant
	issues  map[tenant]string // a short id of each
	values  map[string]string // of handles that are made once
	seen    map[string]int    // marks, by organization
}

func newIsolation(t testing.TB, tune func(*actors.Config)) *isolation {
	t.Helper()
	w := &isolation{TB: t, runner: startTuned(t, tune, isolationScale...), issues: map[tenant]string{}, values: map[string]string{}, seen: map[string]int{}}
	tokens := map[string]string{}
	for _, c := range sixteen {
		if tokens[c.email] == "" {
			tokens[c.email] = w.login(c.email, "", "inspect", "triage", "analyze").token(t)
		}
		org, project, _ := strings.Cut(strings.TrimPrefix(c.place, "/"), "/")
		w.tenants = append(w.tenants, tenant{email: c.email, place: c.place, token: tokens[c.email], org: org, project: project})
	}
	for _, c := range w.tenants {
		w.issues[c] = w.anIssue(c)
	}
	return w
}

// anIssue returns the short id of an issue that c can see.
func (w *isolation) anIssue(c tenant) string {
	w.Helper()
	got := w.ask(c, modernCall("search_issues", c.arguments(`"limit":1`)))
	id := regexp.MustCompile(`issues/([A-Z0-9-]+)`).FindStringSubmatch(got.body)
	if id == nil {
		w.Fatalf("%s sees no issue: %d %.500s", c, got.status, got.body)
	}
	return id[1]
}

// arguments are a JSON object: what the URL does not say, and more.
func (c tenant) arguments(more string) string {
	if c.org != "" {
		return "{" + more + "}"
	}
	return fmt.Sprintf(`{"organizationSlug":%q,%s}`, c.home(), more)
}

// ask sends p as c, and looks for marks in the answer.
func (w *isolation) ask(c tenant, p probe) reply {
	w.Helper()
	got := p.at(c.place, c.token).send(w, w.url)
	w.inspect(c, p, got)
	return got
}

// inspect fails the test if an answer carries the mark of an organization that
// it may not tell of.
func (w *isolation) inspect(c tenant, p probe, got reply) {
	w.Helper()
	for _, orgs := range reach {
		for _, org := range orgs {
			n := strings.Count(got.body, sandbox.Mark(org))
			if n > 0 && !slices.Contains(c.orgs(), org) {
				w.Errorf("%s was answered with the mark of %s:\n%s %s\n%.2000s", c, org, p.verb, p.body, got.body)
			}
			w.seen[org] += n
		}
	}
	if got.status >= http.StatusInternalServerError && got.status != http.StatusServiceUnavailable {
		w.Errorf("%s: %d to %s %s: %.300s", c, got.status, p.verb, p.body, got.body)
	}
}

// allSeen fails the test if marks were not there to be found.
func (w *isolation) allSeen() {
	w.Helper()
	for _, orgs := range reach {
		for _, org := range orgs {
			if w.seen[org] == 0 {
				w.Errorf("no answer had the mark of %s: looking for it shows nothing", org)
			}
		}
	}
}

// look calls the tool whose answer carries the marks.
func (c tenant) look(session string) probe {
	arguments := c.arguments(`"dataset":"errors","fields":["title","mark"],"limit":3`)
	if session == "" {
		return modernCall("search_events", arguments)
	}
	return legacy(session, "tools/call", `"name":"search_events","arguments":`+arguments)
}

// handle is something that a context gives out to be shown again. use makes the
// request that shows it; c is who does, and unknown is one that nobody gave out.
type handle struct {
	name    string
	value   func(w *isolation, owner tenant) string
	unknown string
	use     func(w *isolation, c tenant, value string) probe

	// foreign tells where the handle is not good; nil: anywhere but at its owner.
	foreign func(w *isolation, owner, c tenant) bool
}

func otherOrg(_ *isolation, owner, c tenant) bool { return !slices.Contains(c.orgs(), owner.home()) }

// otherPlace is for what names the owner's URL.
func otherPlace(w *isolation, owner, c tenant) bool {
	return otherOrg(w, owner, c) || c.project != "" && c.project != owner.project
}

// otherIssue is for what names the owner's issue, which begins with its project.
func otherIssue(w *isolation, owner, c tenant) bool {
	return otherOrg(w, owner, c) || !strings.HasPrefix(strings.ToLower(w.issues[owner]), c.project)
}

// handles are all that there are, sessions apart.
func handles() []handle {
	all := []handle{{
		name:    "requestState",
		unknown: strings.Repeat("A", 48),
		value: func(w *isolation, owner tenant) string {
			got := w.ask(owner, resolving(w, owner, ""))
			var result struct{ RequestState string }
			if err := json.Unmarshal(got.message(w).Result, &result); err != nil || result.RequestState == "" {
				w.Fatalf("%s was not asked to confirm: %d %s", owner, got.status, got.body)
			}
			return result.RequestState
		},
		use: resolving,
	}, {
		name:    "resource",
		unknown: "no-such-thing",
		value:   resourceOf,
		use: func(_ *isolation, _ tenant, value string) probe {
			return modern("resources/read", "sentry://"+value, fmt.Sprintf(`"uri":"sentry://%s"`, value))
		},
		foreign: otherPlace,
	}, {
		name:    "subscription",
		unknown: "no-such-thing",
		value:   resourceOf,
		use: func(_ *isolation, _ tenant, value string) probe {
			return modern("subscriptions/listen", "", fmt.Sprintf(`"notifications":{"resourceSubscriptions":["sentry://%s"]}`, value))
		},
		foreign: otherPlace,
	}}
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		all = append(all, handle{name: method, unknown: strings.Repeat("A", 26), value: aTask, use: func(_ *isolation, _ tenant, value string) probe {
			return declaring(modern(method, value, fmt.Sprintf(`"taskId":%q,"inputResponses":{}`, value)), tasksExtension)
		}})
	}
	all = append(all, handle{name: "event", unknown: strings.Repeat("A", 26), value: anEvent, use: func(w *isolation, c tenant, value string) probe {
		return probe{verb: http.MethodGet, header: map[string]string{"Mcp-Session-Id": w.ask(c, initializing("2025-11-25")).header.Get("Mcp-Session-Id"), "Last-Event-Id": value}}
	}})
	return append(all, argumentHandles()...)
}

const tasksExtension = `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`

// declaring is p from a client with these capabilities.
func declaring(p probe, capabilities string) probe {
	p.body = strings.Replace(p.body, `clientCapabilities":{}`, `clientCapabilities":`+capabilities, 1)
	return p
}

// once makes a value that is good for as long as the test.
func (w *isolation) once(kind string, owner tenant, make func() string) string {
	w.Helper()
	key := kind + " of " + owner.String()
	if w.values[key] == "" {
		w.values[key] = make()
	}
	return w.values[key]
}

// aTask lets an issue be analyzed.
func aTask(w *isolation, owner tenant) string {
	return w.once("task", owner, func() string {
		got := w.ask(owner, declaring(modernCall("analyze_issue", owner.arguments(fmt.Sprintf(`"issueId":%q`, w.issues[owner]))), tasksExtension))
		var result struct{ TaskID string }
		if err := json.Unmarshal(got.message(w).Result, &result); err != nil || result.TaskID == "" {
			w.Fatalf("%s got no task: %d %s", owner, got.status, got.body)
		}
		return result.TaskID
	})
}

// anEvent is of the stream of a call in a session, which asks the user and hears
// no.
func anEvent(w *isolation, owner tenant) string {
	return w.once("event", owner, func() string {
		opening := initializing("2025-11-25")
		opening.body = strings.Replace(opening.body, `"capabilities":{}`, `"capabilities":{"elicitation":{}}`, 1)
		session := w.ask(owner, opening).header.Get("Mcp-Session-Id")
		call := legacy(session, "tools/call", fmt.Sprintf(`"name":"update_issue","arguments":%s`, owner.arguments(fmt.Sprintf(`"issueId":%q,"status":"resolved"`, w.issues[owner]))))
		resp := call.at(owner.place, owner.token).open(w, w.url)
		defer resp.Body.Close()
		event := ""
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok && event == "" {
				event = id
			}
			question := regexp.MustCompile(`"id":([0-9]+).*elicitation/create|elicitation/create.*"id":([0-9]+)`).FindStringSubmatch(lines.Text())
			if question != nil {
				no := legacy(session, "", "")
				no.body = fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"decline"}}`, question[1]+question[2])
				w.ask(owner, no)
			}
		}
		if event == "" {
			w.Fatalf("%s got no event from %d", owner, resp.StatusCode)
		}
		return event
	})
}

func resourceOf(w *isolation, owner tenant) string {
	path := owner.home()
	if owner.project != "" {
		path += "/" + owner.project
	}
	return path + "/issues"
}

// resolving asks to resolve an issue of c's own, with the answer yes to the
// question that state is about. The state "" is none.
func resolving(w *isolation, c tenant, state string) probe {
	arguments := c.arguments(fmt.Sprintf(`"issueId":%q,"status":"resolved"`, w.issues[c]))
	params := `"name":"update_issue","arguments":` + arguments
	if state != "" {
		params += fmt.Sprintf(`,"requestState":%q,"inputResponses":{"confirm":{"action":"accept","content":{}}}`, state)
	}
	return declaring(modern("tools/call", "update_issue", params), `{"elicitation":{"form":{}}}`)
}

// argumentHandles are names that a model could be talked into using.
func argumentHandles() []handle {
	issue := func(w *isolation, owner tenant) string { return w.issues[owner] }
	with := func(tool, name string) func(*isolation, tenant, string) probe {
		return func(_ *isolation, c tenant, value string) probe {
			if name == "organizationSlug" {
				return modernCall(tool, fmt.Sprintf(`{"organizationSlug":%q}`, value))
			}
			return modernCall(tool, c.arguments(fmt.Sprintf("%q:%q", name, value)))
		}
	}
	throughTheGateway := func(_ *isolation, c tenant, value string) probe {
		return modernCall("execute_sentry_tool", fmt.Sprintf(`{"name":"get_issue_details","arguments":%s}`, c.arguments(fmt.Sprintf(`"issueId":%q`, value))))
	}
	organization := func(_ *isolation, owner tenant) string { return owner.home() }
	byURL := func(w *isolation, c tenant, org, issue string) probe {
		return modernCall("get_sentry_resource", c.arguments(fmt.Sprintf(`"url":"%s/sandbox/organizations/%s/issues/%s/"`, w.url, org, issue)))
	}
	return []handle{
		{name: "issue", value: issue, unknown: "NO-SUCH-1", use: throughTheGateway, foreign: otherIssue},
		{name: "organization to search issues in", value: organization, unknown: "no-such-org", use: with("search_issues", "organizationSlug"), foreign: otherOrg},
		{name: "organization to search events in", value: organization, unknown: "no-such-org", use: with("search_events", "organizationSlug"), foreign: otherOrg},
		{name: "organization whose projects to list", value: organization, unknown: "no-such-org", use: with("find_projects", "organizationSlug"), foreign: otherOrg},
		{name: "issue in a URL", value: issue, unknown: "NO-SUCH-1", use: func(w *isolation, c tenant, value string) probe { return byURL(w, c, c.home(), value) }, foreign: otherIssue},
		{name: "organization in a URL", value: organization, unknown: "no-such-org", use: func(w *isolation, c tenant, value string) probe { return byURL(w, c, value, "NO-SUCH-1") }, foreign: otherOrg},
		{name: "project in a query", value: func(_ *isolation, owner tenant) string { return cmp.Or(owner.project, "my-app") }, unknown: "no-such-project",
			use: func(_ *isolation, c tenant, value string) probe {
				return modernCall("search_issues", c.arguments(fmt.Sprintf(`"query":"project:%s"`, value)))
			},
			foreign: func(w *isolation, owner, c tenant) bool { return owner.project != "" && otherPlace(w, owner, c) }},
	}
}

// TestIsolation takes every handle of every context to every other one, where
// it is answered like one that nobody ever gave out.
func TestIsolation(t *testing.T) {
	w := newIsolation(t, nil)
	for _, h := range handles() {
		t.Run(h.name, func(t *testing.T) {
			w := w.reportingTo(t)
			for _, owner := range w.tenants {
				value := h.value(w, owner)
				for _, c := range w.tenants {
					w.compare(h, owner, c, value)
				}
			}
		})
	}
	for _, c := range w.tenants {
		w.ask(c, c.look(""))
		task := aTask(w, c)
		got := w.ask(c, declaring(modern("tasks/get", task, fmt.Sprintf(`"taskId":%q`, task)), tasksExtension))
		if got.status != http.StatusOK || strings.Contains(got.body, `"cancelled"`) {
			t.Errorf("the task of %s, after others tried to cancel it: %d %s", c, got.status, got.body)
		}
	}
	w.allSeen()
}

// compare shows the handle to c, where it is foreign there.
func (w *isolation) compare(h handle, owner, c tenant, value string) {
	w.Helper()
	foreign := owner != c
	if h.foreign != nil {
		foreign = h.foreign(w, owner, c)
	}
	if !foreign {
		return
	}
	got, want := w.ask(c, h.use(w, c, value)), w.ask(c, h.use(w, c, h.unknown))
	what := fmt.Sprintf("%s of %s, at %s", h.name, owner, c)
	alike(w, what, without(got, value), without(want, h.unknown))
}

// without blanks the handle, which an answer may repeat.
func without(r reply, value string) reply {
	r.body = strings.ReplaceAll(r.body, value, "{handle}")
	if r.header.Get("Content-Length") != "" {
		r.header = r.header.Clone()
		r.header.Del("Content-Length")
	}
	return r
}

// TestIsolation_sessions shows legacy sessions of every context to every other
// one, in every way that there is.
func TestIsolation_sessions(t *testing.T) {
	w := newIsolation(t, nil)
	own := map[tenant]string{}
	for _, c := range w.tenants {
		own[c] = w.session(c.place, c.token)
	}
	for _, c := range w.tenants {
		for name, p := range sessionProbes {
			want := w.ask(c, p(strings.Repeat("A", len(own[c]))))
			for _, owner := range w.tenants {
				if owner == c {
					continue
				}
				if got := w.ask(c, p(own[owner])); got.status != http.StatusNotFound {
					t.Errorf("%s with the session of %s, at %s: %d", name, owner, c, got.status)
				} else {
					alike(t, fmt.Sprintf("%s with the session of %s, at %s", name, owner, c), got, want)
				}
			}
		}
	}
	for _, c := range w.tenants {
		if got := w.ask(c, c.look(own[c])); got.status != http.StatusOK {
			t.Errorf("%s can no longer use the session: %d %s", c, got.status, got.body)
		}
	}
	w.allSeen()
}

// TestIsolation_headers: nothing but the token and the path says which context a
// request is for.
func TestIsolation_headers(t *testing.T) {
	w := newIsolation(t, nil)
	victim := w.tenants[slices.IndexFunc(w.tenants, func(c tenant) bool { return c.place == "/globex-labs" })]
	session := w.session(victim.place, victim.token)
	target := w.url + "/mcp" + victim.place
	games := []map[string]string{
		{"X-Original-Url": "/mcp" + victim.place}, {"X-Rewrite-Url": "/mcp" + victim.place}, {"X-Forwarded-Path": "/mcp" + victim.place},
		{"X-Forwarded-Prefix": "/mcp" + victim.place}, {"X-Forwarded-Uri": target}, {"Forwarded": "for=127.0.0.1;host=" + target}, {"X-Forwarded-User": "1001"},
		{"X-User": "1001"}, {"X-Constraint": "1001:globex-labs:"}, {"X-Roundhouse-Key": "1001:globex-labs:"}, {"X-Http-Method-Override": "GET"},
		{"Referer": target}, {"Cookie": "session=" + session + "; org=globex-labs"}, {"Mcp-Session-Id": session}, {"Mcp-Param-Organizationslug": "globex-labs"},
		{"Mcp-Param-OrganizationSlug": "globex-labs"}, {"Mcp-Resource": target}, {"Last-Event-Id": "1"}, {"Proxy-Authorization": "Bearer " + victim.token}, {"X-Authorization": "Bearer " + victim.token},
	}
	for _, c := range w.tenants {
		if c.email == victim.email {
			continue
		}
		want := w.ask(c, c.look(""))
		for _, game := range games {
			got := w.ask(c, c.look("").with(game))
			if got.status != want.status || got.body != want.body {
				t.Errorf("%s with %v: %d %.300s", c, slices.Collect(maps.Keys(game)), got.status, got.body)
			}
		}
	}
}

// TestIsolation_paths: however the path is spelled, it leads to a context of the
// caller's or nowhere.
func TestIsolation_paths(t *testing.T) {
	w := newIsolation(t, nil)
	for _, c := range w.tenants {
		if c.email == mara || c.org == "" {
			continue
		}
		for _, spelled := range []string{
			"/../globex-labs", "/%2e%2e/globex-labs", "/..%2fglobex-labs", "/%2E%2E%2Fglobex-labs", "/.%2e/globex-labs", "/;/../globex-labs", "/..;/globex-labs",
			"/../../mcp/globex-labs", "//globex-labs", "/%00/../globex-labs", "/..%5cglobex-labs", "/%252e%252e/globex-labs", "/./../globex-labs/",
			"?org=globex-labs", "?/../globex-labs", "%3f/../globex-labs", "%23/../globex-labs", "/%20/../globex-labs",
		} {
			victim := c
			victim.place = c.place + spelled
			got := w.raw(victim, c.look(""))
			if got.status == http.StatusOK && !strings.HasPrefix(spelled, "?") {
				t.Errorf("%s%s: %d %.300s", c, spelled, got.status, got.body)
			}
			w.inspect(c, c.look(""), got)
		}
		for _, place := range []string{"/globex-labs", "/globex-labs/collector", "/GLOBEX-LABS", "/Globex-Labs", "/41002", "/globex-labs/", "/globex%2dlabs", "/globex-labs/51101"} {
			victim := c
			victim.place = place
			if got := w.raw(victim, c.look("")); got.status < 400 || got.status >= 500 {
				t.Errorf("%s at /mcp%s: %d %.300s", c.email, place, got.status, got.body)
			}
		}
	}
}

// raw sends the path as it is written.
func (w *isolation) raw(c tenant, p probe) reply {
	w.Helper()
	base, err := url.Parse(w.url)
	if err != nil {
		w.Fatal(err)
	}
	path, query, _ := strings.Cut(c.place, "?")
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url, strings.NewReader(p.body))
	if err != nil {
		w.Fatal(err)
	}
	req.URL = &url.URL{Scheme: base.Scheme, Host: base.Host, Opaque: "//" + base.Host + "/mcp" + path, RawQuery: query}
	for name, value := range p.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	return readReply(w, resp)
}

// TestIsolation_caches asks in turn what each context may have kept: the answers
// stay each context's own.
func TestIsolation_caches(t *testing.T) {
	w := newIsolation(t, func(cfg *actors.Config) { cfg.Idle = time.Hour })
	first := map[tenant]string{}
	for range 3 {
		for _, c := range w.tenants {
			for _, p := range []probe{c.look(""), modern("tools/list", "", ""), modern("resources/list", "", ""), modern("resources/templates/list", "", ""), modern("prompts/list", "", "")} {
				got := w.ask(c, p)
				if strings.Contains(got.body, `"cacheScope":"public"`) {
					t.Errorf("%s: an answer that anybody may keep: %s", c, got.body)
				}
				first[c] += got.body
			}
		}
	}
	for c, all := range first {
		if part := all[:len(all)/3]; all != part+part+part {
			t.Errorf("%s was answered differently in turn", c)
		}
	}
	w.allSeen()
}
