package tools

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
)

func (w *world) storyIssue() sentry.Issue {
	w.t.Helper()
	issues, _, err := w.client(mara, allScopes...).Issues(w.t.Context(), outdoors, sentry.IssueSearch{Query: "level:fatal", Period: "90d", Limit: 1})
	if err != nil || len(issues) != 1 {
		w.t.Fatal(issues, err)
	}
	return issues[0]
}

func (u *user) with(skills ...string) *user {
	changed := *u
	changed.ctx = constraint.WithCaller(u.ctx, constraint.Caller{User: u.env.Key.User(), Skills: skills})
	return &changed
}

// TestAnalyzeIssue: the story's issue has an analysis, in every shape of
// context; elsewhere the tool says what there is instead, and an issue outside
// of the context is none.
func TestAnalyzeIssue(t *testing.T) {
	w := newWorld(t)
	story, other := string(w.storyIssue().ShortID), string(w.issueIn(outdoors, "storefront").ShortID)
	for place, a := range map[[2]string]args{
		{"", ""}:                    {"issueId": story, "organizationSlug": outdoors},
		{outdoors, ""}:              {"issueId": story},
		{outdoors, "checkout-api"}:  {"issueUrl": "http://sentry.test/organizations/" + outdoors + "/issues/" + story + "/"},
		{outdoors, "checkout-api "}: {"issueId": strings.ToLower(story), "instruction": "Look at the coupons."},
	} {
		u := w.as(mara, place[0], strings.TrimSpace(place[1])).with(Analyze)
		answer := u.must("analyze_issue", a)
		wantAll(t, answer, `"status":"completed"`, `"issue":"`+story+`"`, `"summary":"Sample analysis`, `"title":"Return early"`, `"why":[`)
		if noted := strings.Contains(answer, "not made with your instruction"); noted != (a["instruction"] != nil) {
			t.Errorf("%v: %s", place, answer)
		}
	}
	refused := func(u *user, issue string, parts ...string) string {
		t.Helper()
		answer, isError := u.call("analyze_issue", args{"issueId": issue})
		if !isError {
			t.Errorf("%s is analyzed: %s", issue, answer)
		}
		wantAll(t, answer, parts...)
		return answer
	}
	project := w.as(mara, outdoors, "storefront").with(Analyze)
	refused(project, other, "not available in the sandbox", "get_issue_details")
	foreign, unknown := refused(project, story), refused(project, "CHECKOUT-API-99999")
	if strings.ReplaceAll(foreign, story, "X") != strings.ReplaceAll(unknown, "CHECKOUT-API-99999", "X") {
		t.Errorf("another project's issue: %s\nno issue: %s", foreign, unknown)
	}
	refused(project.with(Inspect, Triage), other, "needs the skill")

	old := newWorldOf(t, sandbox.Old)
	refused(old.as(mara, outdoors, "").with(Analyze), string(old.storyIssue().ShortID), "this Sentry has no Seer", "get_issue_details")
}

// script is a Sentry that answers for one issue's analysis in turn, the last
// answer again and again; it is called in process, in a bubble of time.
type script struct {
	t       *testing.T
	answers []string // "503 …" with a status; else of 200
	asked   []time.Time
	started []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, `{"id":"7","shortId":"WEB-7","title":"Boom","project":{"id":"7","slug":"web"}}`
	switch {
	case !strings.HasSuffix(r.URL.Path, "/autofix/"):
	case r.Method == http.MethodPost:
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		s.started = append(s.started, string(sent))
		status, body = http.StatusAccepted, `{"run_id":9}`
	default:
		s.asked = append(s.asked, time.Now())
		body = s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		if failed, text, ok := strings.Cut(body, " "); ok && len(failed) == 3 {
			status, body = map[string]int{"503": 503, "429": 429, "402": 402, "404": 404}[failed], text
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (s *script) user() *user {
	client, err := sentry.NewClient(sentry.Config{BaseURL: "http://sentry.test", Tokens: sentry.StaticToken{}, HTTPClient: &http.Client{Transport: s}})
	if err != nil {
		s.t.Fatal(err)
	}
	env := Env{Key: testKey(s.t, "acme", "web"), Sentry: client, ProjectID: "7"}
	return &user{s.t, as(s.t.Context(), Analyze), env, Default().NewServer(env)}
}

const (
	none    = `{"autofix":null}`
	working = `{"autofix":{"run_id":9,"status":"processing","blocks":[{},{}]}}`
	over    = `{"autofix":{"run_id":9,"status":"completed","blocks":[{"artifacts":[{"key":"root_cause","data":{"one_line_description":"A nil map"}}]}]}}`
	steps   = `{"autofix":{"run_id":9,"status":"COMPLETED","steps":[{"type":"default"},
		{"type":"root_cause_analysis","causes":[{"description":"A nil map","root_cause_reproduction":[{"title":"Call it","code_snippet_and_analysis":"twice"}]}]},
		{"type":"solution","title":"Make it","solution":[{"title":"Early","code_snippet_and_analysis":"in init"}]}]}}`
)

func TestAnalyzeIssue_waits(t *testing.T) {
	tests := []struct {
		reason  string
		answers []string
		started int
		parts   []string // of the answer
		fails   bool
	}{
		{"one is started, and seen late", []string{none, none, working, working, over}, 1, []string{`"completed"`, "A nil map"}, false},
		{"one is under way", []string{working, working, over}, 0, []string{`"completed"`, "A nil map"}, false},
		{"one of the older form", []string{steps}, 0, []string{"A nil map", "Call it: twice", `"title":"Early"`, "in init"}, false},
		{"the last one failed", []string{`{"autofix":{"status":"ERROR"}}`, working, over}, 1, []string{"A nil map"}, false},
		{"this one fails", []string{none, working, `{"autofix":{"status":"error"}}`}, 1, []string{"could not analyze"}, true},
		{"it asks", []string{working, `{"autofix":{"status":"awaiting_user_input"}}`}, 0, []string{`"needs_input"`, "at url"}, false},
		{"it never ends", []string{none, working}, 1, []string{`"running"`, "Call again"}, false},
		{"it is never seen", []string{none}, 1, []string{`"running"`}, false},
		{"Sentry is away for a while", []string{working, "503 {}", "429 {}", "503 {}", over}, 0, []string{"A nil map"}, false},
		{"Sentry is away for good", []string{working, "503 {}"}, 0, []string{"Sentry is unavailable"}, true},
		{"no Seer", []string{"404 {}"}, 0, []string{"has no Seer"}, true},
		{"no money", []string{"402 {}"}, 0, []string{"no budget"}, true},
		{"nothing came of it", []string{`{"autofix":{"status":"completed"}}`}, 0, []string{"without a root cause"}, false},
		{"odd types", []string{`{"autofix":{"run_id":"x","status":"completed","blocks":[7,{"artifacts":"none"},{"artifacts":[{"key":"solution","data":{"steps":[{"title":5}]}}]}],"steps":{}}}`}, 0, []string{`"title":"5"`}, false},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: tt.answers}
				began := time.Now()
				answer, isError := s.user().call("analyze_issue", args{"issueId": "WEB-7", "instruction": "Look."})
				if isError != tt.fails || len(s.started) != tt.started {
					t.Errorf("failed: %v, started %v: %s", isError, s.started, answer)
				}
				wantAll(t, answer, tt.parts...)
				if tt.started > 0 && s.started[0] != `{"instruction":"Look."}` {
					t.Errorf("Seer was told %s", s.started[0])
				}
				if took := time.Since(began); took > seerPatience+time.Minute || len(s.asked) > 80 {
					t.Errorf("asked %d times in %s", len(s.asked), took)
				}
			})
		})
	}
}

// TestAnalyzeIssue_canceled: whoever cancels is not asked for.
func TestAnalyzeIssue_canceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []string{working}}
		u := s.user()
		ctx, cancel := context.WithTimeout(u.ctx, 10*time.Second)
		defer cancel()
		u.ctx = ctx
		if answer, isError := u.call("analyze_issue", args{"issueId": "WEB-7"}); !isError {
			t.Error(answer)
		}
		asked := len(s.asked)
		time.Sleep(time.Hour) // of the bubble
		if len(s.asked) != asked {
			t.Error("Sentry is asked after the call was canceled")
		}
	})
}

// TestAnalyzeIssue_schema: the answers are what the schema promises.
func TestAnalyzeIssue_schema(t *testing.T) {
	for tool := range Default().All() {
		if tool.Name != "analyze_issue" {
			continue
		}
		s := &script{t: t, answers: []string{steps}}
		var answer any
		if err := json.Unmarshal([]byte(s.user().must("analyze_issue", args{"issueId": "WEB-7"})), &answer); err != nil {
			t.Fatal(err)
		}
		if err := compile("analysis", mustMarshal(tool.output)).Validate(answer); err != nil {
			t.Error(err)
		}
	}
}
