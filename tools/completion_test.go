package tools

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
	"roundhouse/sentry"
)

// complete asks completion/complete. ref is a template, or the name of a
// prompt.
func (u *user) complete(ref, argument, value string, known args) []string {
	u.t.Helper()
	reference := args{"type": "ref/prompt", "name": ref}
	if strings.HasPrefix(ref, uriScheme) {
		reference = args{"type": "ref/resource", "uri": ref}
	}
	var result struct {
		Completion struct {
			Values  []string
			HasMore bool
		}
	}
	raw := u.mustAsk("completion/complete", args{"ref": reference, "argument": args{"name": argument, "value": value}, "context": args{"arguments": known}})
	if err := json.Unmarshal(raw, &result); err != nil {
		u.t.Fatal(err)
	}
	if result.Completion.Values == nil || len(result.Completion.Values) > 100 {
		u.t.Errorf("%s %s: values = %s", ref, argument, raw)
	}
	return result.Completion.Values
}

func TestComplete(t *testing.T) {
	w := newWorld(t)
	const (
		ofIssue   = "sentry://{organization}/issues/{id}"
		ofProject = "sentry://{organization}/{project}/issues"
	)
	none := []string{}
	inOutdoors := args{"organization": outdoors}
	for _, tt := range []struct {
		who, org, project    string
		ref, argument, value string
		known                args
		want                 []string
	}{
		{mara, "", "", ofIssue, "organization", "", nil, []string{outdoors, globex}},
		{mara, "", "", ofIssue, "organization", "acme", nil, []string{outdoors}},
		{mara, "", "", ofIssue, "organization", "ACME", nil, []string{outdoors}},
		{mara, "", "", ofIssue, "organization", "outdoors", nil, none}, // contains it, and does not begin with it
		{mara, "", "", "triage_issue", "organization", "g", nil, []string{globex}},
		{jon, "", "", ofIssue, "organization", "", nil, []string{outdoors}},
		{mara, "", "", ofProject, "project", "store", inOutdoors, []string{"storefront"}},
		{mara, "", "", ofProject, "project", "store", nil, none}, // the organization is not chosen yet
		{mara, "", "", ofProject, "project", "store", args{"organization": "../globex-labs"}, none},
		{jon, "", "", ofProject, "project", "", args{"organization": globex}, none},
		{mara, outdoors, "", "sentry://acme-outdoors/{project}/issues", "project", "store", args{"organization": globex}, []string{"storefront"}},
		{mara, outdoors, "", "sentry://acme-outdoors/{project}/issues", "project", "coll", args{"organization": globex}, none},
		{mara, outdoors, "", "review_release", "project", "check", nil, []string{"checkout-api"}},
		{mara, outdoors, "", ofIssue, "organization", "", nil, none}, // not a template of this context
		{mara, outdoors, "", "triage_issue", "organization", "", nil, none},
		{mara, outdoors, "storefront", "review_release", "project", "", nil, none},
		{mara, outdoors, "storefront", "sentry://acme-outdoors/{project}/issues", "project", "", nil, none},
		{mara, outdoors, "", "no_such_prompt", "issue", "", nil, none},
		{mara, outdoors, "", "explain_error", "error", "", nil, none},
		{mara, outdoors, "", "triage_issue", "issue", strings.Repeat("x", 1000), nil, none},
	} {
		u := w.as(tt.who, tt.org, tt.project)
		got := u.complete(tt.ref, tt.argument, tt.value, tt.known)
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s in %s: %s of %s, %q with %v (-want +got):\n%s", tt.who, place(u.env.Key), tt.argument, tt.ref, tt.value, tt.known, diff)
		}
	}
}

func TestComplete_issues(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	all := org.complete("sentry://acme-outdoors/issues/{id}", "id", "", nil)
	if !slices.ContainsFunc(all, prefixed("STOREFRONT-")) || !slices.ContainsFunc(all, prefixed("CHECKOUT-API-")) {
		t.Errorf("in an organization: %v", all)
	}
	if got := org.complete("triage_issue", "issue", "check", nil); len(got) == 0 || slices.ContainsFunc(got, prefixed("STOREFRONT-")) {
		t.Errorf("with a prefix: %v", got)
	}
	user := w.as(mara, "", "")
	if got := user.complete("triage_issue", "issue", "", args{"organization": globex}); len(got) == 0 || slices.ContainsFunc(got, prefixed("STOREFRONT-")) {
		t.Errorf("of an organization that was chosen: %v", got)
	}
	project := w.as(mara, outdoors, "storefront")
	for _, known := range []args{nil, {"project": "checkout-api"}, {"organization": globex}, {"organization": globex, "project": "collector"}} {
		got := project.complete("sentry://acme-outdoors/issues/{id}", "id", "", known)
		if len(got) == 0 || !slices.Equal(got, slices.Collect(filter(got, prefixed("STOREFRONT-")))) {
			t.Errorf("in a project, knowing %v: %v", known, got)
		}
	}
}

func TestComplete_releases(t *testing.T) {
	w := newWorld(t)
	org := w.as(mara, outdoors, "")
	all := org.complete("review_release", "release", "", nil)
	if len(all) == 0 {
		t.Fatal("no releases")
	}
	if got := org.complete("review_release", "release", all[0][:len(all[0])-1], nil); !slices.Contains(got, all[0]) {
		t.Errorf("a prefix of %s completes to %v", all[0], got)
	}
	ofProject := w.as(mara, outdoors, "storefront").complete("review_release", "release", "", args{"project": "checkout-api"})
	if len(ofProject) == 0 || len(ofProject) >= len(all) {
		t.Errorf("a project has %v of %v", ofProject, all)
	}
}

// Completion is a courtesy: without a right to it, or without an answer, there
// is none, and no error.
func TestComplete_refused(t *testing.T) {
	w := newWorld(t)
	u := w.as(mara, outdoors, "")
	allowed := u.ctx
	u.ctx = constraint.WithCaller(t.Context(), constraint.Caller{User: u.env.Key.User()})
	for _, ref := range []string{"sentry://acme-outdoors/issues/{id}", "triage_issue"} {
		for _, argument := range []string{"id", "issue"} {
			if got := u.complete(ref, argument, "", nil); len(got) != 0 {
				t.Errorf("without a skill %s of %s completes to %v", argument, ref, got)
			}
		}
	}
	down, err := sentry.NewClient(sentry.Config{BaseURL: "http://127.0.0.1:1", Tokens: sentry.StaticToken{}})
	if err != nil {
		t.Fatal(err)
	}
	u.ctx, u.env.Sentry = allowed, down
	u.server = Default().NewServer(u.env)
	if got := u.complete("triage_issue", "issue", "", nil); len(got) != 0 {
		t.Errorf("without Sentry: %v", got)
	}
}

func prefixed(prefix string) func(string) bool {
	return func(s string) bool { return strings.HasPrefix(s, prefix) }
}

func filter(list []string, keep func(string) bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, s := range list {
			if keep(s) && !yield(s) {
				return
			}
		}
	}
}
