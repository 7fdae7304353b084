package oauth_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"roundhouse/constraint"
	"roundhouse/oauth"
	"roundhouse/router"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata, and docs/security/oauth-ledger.md")

const ledgerFile = "../docs/security/oauth-ledger.md"

// TestLedger plays testdata/*.txtar, a file for each requirement: requests, and
// the answers to them, against the authorization server behind the router. A
// name in braces stands for what was said before, or for what newPlay prepared;
// "wait" lets time pass, and "issuer" configures another server.
func TestLedger(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no requirements: %v", err)
	}
	var ledger bytes.Buffer
	ledger.WriteString("# What the authorization server answers\n\n" +
		"Made by `go test ./oauth -update` of `oauth/testdata`, where the whole exchanges are; do not edit.\n" +
		"R1 to R14 are what MCP's authorization specification asks of a resource server, A1 to A11 of an authorization server.\n")
	for _, file := range sortedByNumber(files) {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { playRequirement(t, name, file, &ledger) })
	}
	if *update {
		if err := os.WriteFile(ledgerFile, ledger.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(ledgerFile)
	if err != nil || !bytes.Equal(have, ledger.Bytes()) {
		t.Errorf("%s is stale (%v): run go test ./oauth -run TestLedger -update, and read the diff", ledgerFile, err)
	}
}

// sortedByNumber puts R2 before R10, and the RFCs last.
func sortedByNumber(files []string) []string {
	key := func(file string) string {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if m := regexp.MustCompile(`^([RA])(\d+)$`).FindStringSubmatch(name); m != nil {
			return fmt.Sprintf("%d%02s", strings.Index("RA", m[1]), m[2])
		}
		return "9" + name
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(key(a), key(b)) })
	return files
}

func playRequirement(t *testing.T, name, file string, ledger io.Writer) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlay(t)
	fmt.Fprintf(ledger, "\n## %s\n\n%s\n\n| | Request | Answer |\n|---|---|---|\n", name, strings.TrimSpace(string(archive.Comment)))
	for i := 0; i < len(archive.Files); i++ {
		about, request := archive.Files[i].Name, archive.Files[i].Data
		if d, ok := strings.CutPrefix(about, "wait "); ok {
			p.wait(d)
			continue
		}
		if i++; i == len(archive.Files) || archive.Files[i].Name != about+": answer" {
			t.Fatalf("%q has no answer behind it", about)
		}
		got := p.answer(string(request))
		if *update {
			archive.Files[i].Data = []byte(got)
		}
		if diff := cmp.Diff(string(archive.Files[i].Data), got); diff != "" {
			t.Errorf("%s: the answer differs (-want +got):\n%s", about, diff)
		}
		first, _, _ := strings.Cut(strings.TrimSuffix(string(request), "\n"), " HTTP/1.1")
		if path, query, _ := strings.Cut(first, "?"); len(query) > 80 {
			first = path + "?…"
		}
		fmt.Fprintf(ledger, "| %s | `%s` | %s |\n", about, strings.ReplaceAll(first, "|", "\\|"), summary(string(archive.Files[i].Data)))
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// summary is the line of an answer that tells most.
func summary(answer string) string {
	status, rest, _ := strings.Cut(answer, "\n")
	for _, pattern := range []string{`"error":"(\w+)"`, `[?&]error=(\w+)`, `error="(\w+)"`, `<h1>(.*?)</h1>`} {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(rest); m != nil {
			return status + ", " + m[1]
		}
	}
	return status
}

// play is a world with what a requirement's requests can name.
type play struct {
	*describedWorld
	names map[string]string // what stands for what, such as "access 1"
	known map[string]string // the same, the other way round
	count map[string]int
}

func newPlay(t *testing.T) *play {
	p := &play{
		describedWorld: newDescribedWorld(t, oauth.Limits{Register: unlimited, Authorize: unlimited, Approve: unlimited, Code: unlimited, Refresh: unlimited}),
		names:          make(map[string]string), known: make(map[string]string), count: make(map[string]int),
	}
	p.ClientID = p.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none","client_name":"Editor"}`).ID
	p.name("client", p.ClientID)
	p.name("issuer", p.URL)
	p.name("verifier", verifier)
	p.name("challenge", challenge(verifier))
	p.name("redirect", redirectURI)
	tk := p.SignIn("inspect")
	p.name("access 1", tk.Access)
	p.name("refresh 1", tk.Refresh)
	p.name("code 1", p.Code(p.Request(), "inspect"))
	p.name("callback", stopBeforeCallback(p.world))
	p.count = map[string]int{"access": 1, "refresh": 1, "code": 1}
	p.web.Config.Handler = p.front()
	return p
}

// front is the router with the authorization server behind it, and contexts
// that say who came.
func (p *play) front() http.Handler {
	public := make(map[string]http.Handler)
	for _, path := range p.Server.Paths() {
		public[path] = p.Server
	}
	return router.New(router.Config{
		PublicURL: p.URL, Directory: echoes{}, Public: public, MaxBody: 1 << 10,
		Scopes: []string{"inspect", "triage", "docs"}, DefaultScopes: []string{"inspect"},
		Verify: func(ctx context.Context, token string) (constraint.Caller, error) {
			grant, err := p.Server.Verify(ctx, token)
			if errors.Is(err, oauth.ErrInvalidToken) {
				err = constraint.ErrUnauthorized
			}
			return constraint.Caller{User: grant.User, Grant: grant.ID, Resource: grant.Resource, Skills: grant.Scopes}, err
		},
	})
}

type echoes struct{}

func (echoes) Acquire(_ context.Context, key constraint.Key) (http.Handler, func(), error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := constraint.CallerFrom(r.Context())
		fmt.Fprintf(w, "user %s may %v here\n", key.User(), caller.Skills)
	}), func() {}, nil
}

func (p *play) name(name, value string) { p.names["{"+name+"}"], p.known[value] = value, "{"+name+"}" }

func (p *play) wait(d string) {
	p.Helper()
	duration, err := time.ParseDuration(d)
	if err != nil {
		p.Fatal(err)
	}
	p.Clock.Advance(duration)
}

var named = regexp.MustCompile(`\{[a-z]+( \d+)?\}`)

// fill puts values in for names; escaped ones, where a URL or a form wants it.
func (p *play) fill(text string, escape bool) string {
	return named.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := p.names[name]
		switch {
		case !ok:
			p.Fatalf("nothing is named %s", name)
		case escape:
			return url.QueryEscape(value)
		}
		return value
	})
}

// answer sends a request, written as it goes over the wire but for forms, which
// have a parameter on each line, and returns the answer, written in names.
func (p *play) answer(request string) string {
	p.Helper()
	if issuer, ok := strings.CutPrefix(request, "issuer "); ok {
		return p.configured(strings.TrimSpace(issuer))
	}
	head, body, _ := strings.Cut(request, "\n\n")
	line, headers, _ := strings.Cut(strings.TrimSuffix(head, "\n"), "\n")
	form := strings.Contains(headers, "x-www-form-urlencoded")
	body = p.fill(strings.TrimSuffix(body, "\n"), form)
	if form {
		body = strings.ReplaceAll(body, "\n", "&")
	}
	if start, ok := strings.CutPrefix(line, "GET {callback} "); ok {
		line = "GET " + strings.TrimPrefix(p.names["{callback}"], p.URL) + " " + start
	}
	raw := p.fill(line, true) + "\r\n" + strings.ReplaceAll(p.fill(headers, false), "\n", "\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimRight(raw, "\r\n") + "\r\nHost: h\r\n\r\n")))
	if err != nil {
		p.Fatalf("%v in\n%s", err, request)
	}
	sent, err := http.NewRequestWithContext(p.Context(), r.Method, p.URL+r.RequestURI, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	sent.Header = r.Header
	browser := &http.Client{Jar: p.Browser.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(sent)
	if err != nil {
		p.Fatal(err)
	}
	return p.written(resp, readAll(p.TB, resp))
}

// configured says whether a server starts with an issuer.
func (p *play) configured(issuer string) string {
	cfg := p.Config(p.Store)
	cfg.Issuer, cfg.Resource = issuer, issuer+"/mcp"
	if _, err := oauth.NewServer(cfg); err != nil {
		return "does not start: " + err.Error() + "\n"
	}
	return "starts\n"
}

var (
	ledgerHeaders = []string{"Content-Type", "Www-Authenticate", "Access-Control-Allow-Origin", "Allow", "Cache-Control", "Location"}
	ourSecret     = regexp.MustCompile(`rh_(at|rt|ac|cs)_[A-Za-z0-9_-]+|"client_id":"([A-Za-z0-9_-]{22})"`)
	secretNames   = map[string]string{"at": "access", "rt": "refresh", "ac": "code", "cs": "secret", "": "client"}
	heading       = regexp.MustCompile(`<h1>.*?</h1>`)
	upstreamState = regexp.MustCompile(`(state|code_challenge)=[A-Za-z0-9_-]{43}`)
)

func (p *play) written(resp *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", resp.StatusCode)
	for _, name := range ledgerHeaders {
		if value := resp.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if m := hiddenToken.FindStringSubmatch(body); m != nil {
		p.names["{form}"] = html.UnescapeString(m[1])
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		body = heading.FindString(body)
	}
	fmt.Fprintf(&b, "\n%s", strings.TrimSuffix(body, "\n"))
	text := strings.NewReplacer(url.QueryEscape(p.URL), "{issuer}", p.URL, "{issuer}", p.Upstream.URL, "{upstream}").Replace(b.String())
	text = ourSecret.ReplaceAllStringFunc(text, p.recognize)
	for value, name := range p.known {
		text = strings.ReplaceAll(text, value, name)
	}
	return strings.TrimRight(upstreamState.ReplaceAllString(text, "$1={random}"), "\n") + "\n"
}

// recognize names a secret, as before if it was seen before.
func (p *play) recognize(found string) string {
	m := ourSecret.FindStringSubmatch(found)
	value := found
	if m[2] != "" {
		value = m[2]
	}
	if p.known[value] == "" {
		kind := secretNames[m[1]]
		p.count[kind]++
		p.name(fmt.Sprintf("%s %d", kind, p.count[kind]), value)
	}
	return strings.Replace(found, value, p.known[value], 1)
}
