package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"roundhouse/load/login"
	"roundhouse/oauth"
)

// runCommand runs a command on a data directory and returns what it prints.
func runCommand(t *testing.T, data string, args ...string) string {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), append(args, "--data", data), func(string) string { return "" }, nil, &out, io.Discard); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return strings.TrimSpace(out.String())
}

// events reads the audit record as an operator does.
func events(t *testing.T, data string, args ...string) (all []oauth.Event) {
	t.Helper()
	for line := range strings.Lines(runCommand(t, data, append([]string{"audit"}, args...)...)) {
		var e oauth.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// TestTokenCreate makes tokens beside a server that runs, and uses them there.
func TestTokenCreate(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	token := runCommand(t, data, "token", "create", "--public-url", r.url, "--org", "acme-outdoors", "--sandbox-user", jon, "--expires", "2d")
	for _, tt := range []struct {
		place  string
		status int
		says   string
	}{
		{"/acme-outdoors", 200, jon},
		{"/acme-outdoors/storefront", 200, jon},
		{"/acme-outdoors/no-such-project", 404, "no such"},
		{"/globex-labs", 401, "another URL"},
		{"", 401, "another URL"},
	} {
		if status, answer := r.whoami(tt.place, "Bearer "+token); status != tt.status || !strings.Contains(answer, tt.says) {
			t.Errorf("at /mcp%s: %d, want %d and %q: %s", tt.place, status, tt.status, tt.says, answer)
		}
	}
	all := events(t, data, "--since", "1h")
	if !slices.ContainsFunc(all, func(e oauth.Event) bool {
		return e.Kind == oauth.EventGrant && e.Client == oauth.PersonalClient && e.Resource == r.url+"/mcp/acme-outdoors"
	}) {
		t.Errorf("the token is not in the record: %+v", all)
	}
	if later := events(t, data, "--since", time.Now().Add(time.Hour).Format(time.RFC3339)); len(later) != 0 {
		t.Errorf("events of the future: %+v", later)
	}
	if others := events(t, data, "--user", "nobody"); len(others) != 0 {
		t.Errorf("events of nobody: %+v", others)
	}
}

// TestTokenRevoke lists and ends tokens beside a server that runs.
func TestTokenRevoke(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	create := func(user, name string) string {
		return runCommand(t, data, "token", "create", "--public-url", r.url, "--org", "acme-outdoors", "--sandbox-user", user, "--expires", "2d", "--token-name", name)
	}
	kept, ended := create(mara, "kept"), create(jon, "nightly report")
	l := r.login(mara, "")
	app := l.token(t)

	list := runCommand(t, data, "token", "list")
	if strings.Contains(list, "rh_") || strings.Count(list, "\n") != 2 {
		t.Errorf("the list of two tokens:\n%s", list)
	}
	line := regexp.MustCompile(`(?m)^(\S+) +nightly report +(.+) +(\S+) +inspect +(\S+) +never$`).FindStringSubmatch(list)
	if line == nil || line[3] != r.url+"/mcp/acme-outdoors" || line[4] != time.Now().Add(48*time.Hour).UTC().Format(time.DateOnly) {
		t.Fatalf("the list of two tokens:\n%s", list)
	}
	if others := runCommand(t, data, "token", "list", "--user", "nobody"); strings.Contains(others, "\n") {
		t.Errorf("tokens of nobody:\n%s", others)
	}

	runCommand(t, data, "token", "revoke", line[1])
	for what, tt := range map[string]struct {
		token  string
		status int
	}{"the one": {ended, http.StatusUnauthorized}, "the other": {kept, http.StatusOK}, "an app": {app, http.StatusOK}} {
		if status, answer := r.whoami("/acme-outdoors", "Bearer "+tt.token); status != tt.status {
			t.Errorf("%s, after one was revoked: %d, want %d: %s", what, status, tt.status, answer)
		}
	}
	if list := runCommand(t, data, "token", "list"); strings.Contains(list, "nightly report") || !strings.Contains(list, "kept") {
		t.Errorf("the list after one was revoked:\n%s", list)
	}
	var grantOfApp string
	for _, e := range events(t, data) {
		if e.Kind == oauth.EventGrant && e.Client != oauth.PersonalClient {
			grantOfApp = e.Grant
		}
		if e.Kind == oauth.EventRevocation && (e.By != "operator" || e.Grant != line[1]) {
			t.Errorf("recorded %+v", e)
		}
	}
	for _, args := range [][]string{{line[1]}, {"nonsense"}, {grantOfApp}} {
		err := run(t.Context(), append([]string{"token", "revoke", "--data", data, "--"}, args...), func(string) string { return "" }, nil, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "token list") || exitCode(err) != 1 {
			t.Errorf("token revoke %q: %v", args, err)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "12h": "2026-02-03T00:00:00Z", "2d": "2026-02-01T12:00:00Z",
		"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T10:00:00+02:00": "2026-01-31T10:00:00+02:00",
		"-1h": "", "soon": "", "9999999999d": "", "d": "",
	} {
		got, err := parseSince(text, now)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
}

var (
	proofField = regexp.MustCompile(`name="proof" value="([^"]+)"`)
	personal   = regexp.MustCompile(`rh_pat_[A-Za-z0-9_-]+`)
)

// TestAccount signs in to the account page by the sandbox, makes a token there,
// and ends it.
func TestAccount(t *testing.T) {
	r := start(t, t.TempDir(), nil, "--admin-emails", "MARA@example.test")
	b := newAccountBrowser(t, r)
	page := b.signIn(mara)
	if !strings.Contains(page, "Mara") || !strings.Contains(page, "Everyone") {
		t.Fatalf("mara's account:\n%s", page)
	}
	page = b.walk("/account/tokens", url.Values{"proof": {b.proof()}, "name": {"ci"}, "org": {"globex-labs"}, "skill": {"inspect"}, "days": {"7"}}, mara)
	token := personal.FindString(page)
	if status, answer := r.whoami("/globex-labs", "Bearer "+token); status != http.StatusOK || !strings.Contains(answer, mara) {
		t.Fatalf("the token: %d: %s; made by\n%s", status, answer, page)
	}
	if status, _ := r.whoami("/acme-outdoors", "Bearer "+token); status != http.StatusUnauthorized {
		t.Errorf("the token elsewhere: %d, want 401", status)
	}
	page = b.walk("/account/revoke", url.Values{"proof": {b.proof()}, "all": {"1"}}, mara)
	if status, _ := r.whoami("/globex-labs", "Bearer "+token); status != http.StatusUnauthorized || strings.Contains(page, "globex-labs<") {
		t.Errorf("the token, revoked: %d, want 401", status)
	}

	jons := newAccountBrowser(t, r)
	if page := jons.signIn(jon); strings.Contains(page, "Everyone") {
		t.Errorf("jon is an administrator:\n%s", page)
	}
	page = jons.walk("/account/tokens", url.Values{"proof": {jons.proof()}, "name": {"ci"}, "org": {"globex-labs"}, "skill": {"inspect"}, "days": {"7"}}, jon)
	if personal.MatchString(page) || !strings.Contains(page, "not within") {
		t.Errorf("jon has a token for an organization that he cannot see:\n%s", page)
	}
}

// accountBrowser is a person at the account page, and at the sandbox's sign-in
// where that leads there.
type accountBrowser struct {
	t      testing.TB
	client *http.Client
	url    string
}

func newAccountBrowser(t *testing.T, r *runner) *accountBrowser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &accountBrowser{t, &http.Client{Jar: jar}, r.url}
}

func (b *accountBrowser) signIn(email string) string {
	b.t.Helper()
	return b.walk("/account/sign-in", nil, email)
}

// walk sends a form and returns the page that it leads to.
func (b *accountBrowser) walk(path string, form url.Values, email string) string {
	b.t.Helper()
	person := &login.Walker{Email: email}
	resp, err := b.client.PostForm(b.url+path, form)
	for err == nil && strings.HasPrefix(resp.Request.URL.Path, sandboxPath) {
		var next *http.Request
		if next, err = person.Answer(resp); err == nil {
			resp, err = b.client.Do(next)
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return b.read(resp)
}

// proof is the hidden field of the forms on the account page.
func (b *accountBrowser) proof() string {
	b.t.Helper()
	resp, err := b.client.Get(b.url + "/account")
	if err != nil {
		b.t.Fatal(err)
	}
	m := proofField.FindStringSubmatch(b.read(resp))
	if m == nil {
		b.t.Fatal("no form on the account page")
	}
	return m[1]
}

func (b *accountBrowser) read(resp *http.Response) string {
	b.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body)
}
