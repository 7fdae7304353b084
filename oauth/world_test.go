package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"roundhouse/oauth"
)

const (
	redirectURI = "http://127.0.0.1:7777/callback"
	verifier    = "a-verifier-of-at-least-forty-three-characters-0123456789"
	clientState = "the-client's-state"
)

var testKeys, _ = oauth.NewKeyring(oauth.NewKey([oauth.KeySize]byte{1, 2, 3}))

var skills = []oauth.Skill{
	{ID: "inspect", Title: "Inspect", Description: "Read issues.", Upstream: []string{"org:read", "event:read"}, Default: true},
	{ID: "triage", Title: "Triage", Description: "Resolve issues.", Upstream: []string{"event:write", "org:read"}},
	{ID: "docs", Title: "Docs", Description: "Read the documentation."},
}

var unlimited = oauth.Limit{PerMinute: -1}

// world is an authorization server on a real port, its upstream on another,
// and a browser. When the test ends, it checks that the log has kept none of
// the secrets that went by.
type world struct {
	testing.TB
	Server   *oauth.Server
	Store    *oauth.SQLStore
	URL      string
	Path     string // of the store, or its URL
	Upstream *fakeUpstream
	Clock    *clock
	Browser  *http.Client
	ClientID string

	web     *httptest.Server
	servers []*oauth.Server
	log     *bytes.Buffer // written by logger under its lock, read at the end
	logger  *slog.Logger
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		TB:       t,
		Path:     newStorePath(t),
		Upstream: newFakeUpstream(t),
		Clock:    &clock{now: time.Date(2001, 2, 3, 12, 0, 0, 0, time.UTC)}, // so long ago that a look at the machine's shows
		log:      new(bytes.Buffer),
	}
	w.logger = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.web = httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(w.web.Close)
	w.URL = w.web.URL
	w.Start()
	w.Browser = w.NewBrowser()
	w.ClientID = w.Register(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none","client_name":"Editor"}`).ID
	t.Cleanup(w.checkLog)
	return w
}

// Start starts the server on its store. A second call is a restart.
func (w *world) Start() {
	w.Helper()
	if w.Store != nil {
		if err := w.Server.Wait(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.Store.Close()
	}
	w.Store = openStore(w.TB, w.Path)
	w.Server = w.NewServer(w.Store)
	w.web.Config.Handler = w.Server
}

// NewServer returns one more server, as another process would have it.
func (w *world) NewServer(store oauth.Store) *oauth.Server {
	w.Helper()
	s, err := oauth.NewServer(w.Config(store))
	if err != nil {
		w.Fatal(err)
	}
	w.servers = append(w.servers, s)
	return s
}

func (w *world) Config(store oauth.Store) oauth.Config {
	return oauth.Config{
		Issuer:   w.URL,
		Resource: w.URL + "/mcp",
		Skills:   skills,
		Upstream: oauth2.Config{
			ClientID:     "roundhouse",
			ClientSecret: w.Upstream.secret,
			Endpoint:     oauth2.Endpoint{AuthURL: w.Upstream.URL + "/oauth/authorize/", TokenURL: w.Upstream.URL + "/oauth/token/"},
		},
		UpstreamName: "sentry.example.com",

		Limits:            oauth.Limits{Register: unlimited, Authorize: unlimited, Approve: unlimited, Code: unlimited, Refresh: unlimited},
		UpstreamRevokeURL: w.Upstream.URL + "/oauth/revoke/",
		Identify:          w.Upstream.identify,
		Reaches:           w.Upstream.reaches,
		Admin: func(_ context.Context, user oauth.User, token string) (bool, error) {
			return user == carl, nil
		},
		AccountScopes: []string{"org:read"},
		Store:         store,
		Keys:          testKeys,
		Now:           w.Clock.Now,
		Logger:        w.logger,
	}
}

// secretInLog finds our secrets by their prefixes, and the upstream's and the
// client's by a mark that every one of them carries in these tests.
var secretInLog = regexp.MustCompile(`rh_(at|rt|ac|cs|pat|dc)_|upstream-secret|a-verifier-of|the-client's-state|state=|[A-Za-z0-9_-]{43}`)

func (w *world) checkLog() {
	for _, s := range w.servers {
		if err := s.Wait(context.Background()); err != nil {
			w.Error(err)
		}
	}
	w.web.Close() // nothing writes any more
	if secret := secretInLog.FindString(w.log.String()); secret != "" {
		w.Errorf("the log holds a secret, %q:\n%s", secret, w.log)
	}
}

// NewBrowser returns a browser without cookies that stops where the walk
// leaves the servers of this world.
func (w *world) NewBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if at := "http://" + req.URL.Host; at != w.URL && at != w.Upstream.URL {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

type registeredClient struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

func (w *world) Register(metadata string) registeredClient {
	w.Helper()
	status, _, body := w.post("/oauth/register", "application/json", metadata, nil)
	if status != http.StatusCreated {
		w.Fatalf("register: status %d: %s", status, body)
	}
	var c registeredClient
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) post(path, contentType, body string, header http.Header) (int, http.Header, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), "POST", w.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, resp.Header, readAll(w.TB, resp)
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Request is a good authorization request. Changes come as name, value pairs;
// the value "-" leaves the parameter out.
func (w *world) Request(changes ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {w.ClientID}, "redirect_uri": {redirectURI}, "state": {clientState},
		"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "resource": {w.URL + "/mcp/acme"},
	}
	return change(q, changes)
}

func change(q url.Values, changes []string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			q.Del(changes[i])
		} else {
			q.Set(changes[i], changes[i+1])
		}
	}
	return q
}

// Open opens the consent page.
func (w *world) Open(q url.Values) (*http.Response, string) {
	w.Helper()
	resp, err := w.Browser.Get(w.URL + "/oauth/authorize?" + q.Encode())
	if err != nil {
		w.Fatal(err)
	}
	return resp, readAll(w.TB, resp)
}

var hiddenToken = regexp.MustCompile(`name="request" value="([^"]+)"`)

func (w *world) tokenOf(page string) string {
	w.Helper()
	m := hiddenToken.FindStringSubmatch(page)
	if m == nil {
		w.Fatalf("no consent form in:\n%s", page)
	}
	return html.UnescapeString(m[1])
}

// Answer sends the consent form and follows the redirects, which lead through
// the upstream and back unless something goes wrong.
func (w *world) Answer(page, answer string, skills ...string) (*http.Response, string) {
	w.Helper()
	form := url.Values{"request": {w.tokenOf(page)}, "answer": {answer}, "skill": skills}
	resp, err := w.Browser.PostForm(w.URL+"/oauth/authorize", form)
	if err != nil {
		w.Fatal(err)
	}
	return resp, readAll(w.TB, resp)
}

// Code walks from the request to the code.
func (w *world) Code(q url.Values, skills ...string) string {
	w.Helper()
	_, page := w.Open(q)
	resp, _ := w.Answer(page, "approve", skills...)
	code := location(w.TB, resp).Query().Get("code")
	if code == "" {
		w.Fatalf("no code in %q, status %d", resp.Header.Get("Location"), resp.StatusCode)
	}
	return code
}

func location(t testing.TB, resp *http.Response) *url.URL {
	t.Helper()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

type tokens struct {
	Access      string `json:"access_token"`
	Type        string `json:"token_type"`
	Expires     int    `json:"expires_in"`
	Refresh     string `json:"refresh_token"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// Token calls the token endpoint.
func (w *world) Token(form url.Values, header http.Header) (int, tokens) {
	w.Helper()
	status, got, body := w.post("/oauth/token", "application/x-www-form-urlencoded", form.Encode(), header)
	if got.Get("Cache-Control") != "no-store" {
		w.Errorf("the token endpoint's Cache-Control is %q, want no-store", got.Get("Cache-Control"))
	}
	var tk tokens
	if err := json.Unmarshal([]byte(body), &tk); err != nil {
		w.Fatalf("token endpoint, status %d: %v: %s", status, err, body)
	}
	return status, tk
}

func (w *world) CodeForm(code string, changes ...string) url.Values {
	return change(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI},
		"code_verifier": {verifier}, "client_id": {w.ClientID},
	}, changes)
}

func (w *world) RefreshForm(refresh string, changes ...string) url.Values {
	return change(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {w.ClientID}}, changes)
}

func (w *world) SignIn(skills ...string) tokens {
	w.Helper()
	return w.Exchange(w.CodeForm(w.Code(w.Request(), skills...)))
}

// Exchange calls the token endpoint and wants success.
func (w *world) Exchange(form url.Values) tokens {
	w.Helper()
	status, tk := w.Token(form, nil)
	if status != http.StatusOK {
		w.Fatalf("token endpoint: status %d, %s: %s", status, tk.Error, tk.Description)
	}
	return tk
}

// Refused calls the token endpoint and wants an error.
func (w *world) Refused(what string, form url.Values, code string) {
	w.Helper()
	if status, tk := w.Token(form, nil); tk.Error != code || status < 400 || tk.Access != "" {
		w.Errorf("%s: status %d, error %q, want %q", what, status, tk.Error, code)
	}
}

func (w *world) Grant(tk tokens) oauth.Grant {
	w.Helper()
	grant, err := w.Server.Verify(w.Context(), tk.Access)
	if err != nil {
		w.Fatalf("Verify: %v", err)
	}
	return grant
}

func (w *world) WantDead(what string, tk tokens) {
	w.Helper()
	if _, err := w.Server.Verify(w.Context(), tk.Access); !errors.Is(err, oauth.ErrInvalidToken) {
		w.Errorf("%s: Verify error %v, want ErrInvalidToken", what, err)
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// The users of the upstream. Carl is an administrator of ours.
var (
	ann  = oauth.User{ID: "1001", Name: "Ann", Email: "ann@example.com"}
	bob  = oauth.User{ID: "1002", Name: "Bob", Email: "bob@example.com"}
	carl = oauth.User{ID: "1003", Email: "carl@example.com"}
)

// fakeUpstream is an authorization server that logs its user in without
// asking, checks what it is sent, and rotates refresh tokens as Sentry does.
type fakeUpstream struct {
	URL    string
	secret string

	mu        sync.Mutex
	refusal   string        // answered to the next authorization
	fault     int           // status of the token endpoint; zero: none
	arrived   chan struct{} // told of each call of the token endpoint, unless nil
	gate      chan struct{} // closed to let calls pass, unless nil
	asked     []url.Values  // authorization requests
	pending   map[string]url.Values
	refresh   string
	refreshes int
	revoked   []url.Values // revocation requests
	issued    int
	same      bool                  // give out what was given out before
	user      oauth.User            // who signs in
	users     map[string]oauth.User // by access token
}

func newFakeUpstream(t testing.TB) *fakeUpstream {
	u := &fakeUpstream{secret: "upstream-secret-of-the-app", pending: make(map[string]url.Values), user: ann, users: make(map[string]oauth.User)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /oauth/authorize/", u.authorize)
	mux.HandleFunc("POST /oauth/token/", u.token)
	mux.HandleFunc("POST /oauth/revoke/", u.revoke)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	u.URL = web.URL
	return u
}

// Set changes the fake under its lock.
func (u *fakeUpstream) Set(f func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f()
}

func (u *fakeUpstream) authorize(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	q := r.URL.Query()
	u.asked = append(u.asked, q)
	back := url.Values{"state": {q.Get("state")}}
	if u.refusal != "" {
		back.Set("error", u.refusal)
	} else {
		code := "upstream-secret-code-" + q.Get("state")
		u.pending[code] = q
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (u *fakeUpstream) token(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	arrived, gate, fault := u.arrived, u.gate, u.fault
	u.mu.Unlock()
	if arrived != nil {
		arrived <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if fault != 0 {
		w.WriteHeader(fault)
		io.WriteString(w, `{"error":"server_error","error_description":"upstream-secret leaked"}`)
		return
	}
	if !u.accepts(r) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant","error_description":"upstream-secret leaked"}`)
		return
	}
	if u.issued == 0 || !u.same {
		u.issued++
	}
	serial := strings.Repeat("i", u.issued)
	u.users["upstream-secret-access-"+serial] = u.user
	u.refresh = "upstream-secret-refresh-" + serial
	json.NewEncoder(w).Encode(map[string]any{
		"access_token": "upstream-secret-access-" + serial, "refresh_token": u.refresh,
		"token_type": "Bearer", "expires_in": 3600, "scope": "whatever",
	})
}

func (u *fakeUpstream) revoke(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("client_secret") != u.secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.revoked = append(u.revoked, r.PostForm)
}

func (u *fakeUpstream) accepts(r *http.Request) bool {
	if r.PostFormValue("client_id") != "roundhouse" || r.PostFormValue("client_secret") != u.secret {
		return false
	}
	if r.PostFormValue("grant_type") == "refresh_token" {
		u.refreshes++
		return r.PostFormValue("refresh_token") == u.refresh
	}
	q, ok := u.pending[r.PostFormValue("code")]
	delete(u.pending, r.PostFormValue("code"))
	return ok && q.Get("code_challenge_method") == "S256" && q.Get("code_challenge") == challenge(r.PostFormValue("code_verifier")) &&
		r.PostFormValue("redirect_uri") == q.Get("redirect_uri")
}

func (u *fakeUpstream) identify(_ context.Context, token string) (oauth.User, error) {
	if !strings.HasPrefix(token, "upstream-secret-access-") {
		return oauth.User{}, errors.New("unknown upstream token")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.users[token], nil
}

// reaches knows one organization with one project.
func (u *fakeUpstream) reaches(_ context.Context, token, org, project string) (bool, error) {
	if org == "broken" {
		return false, errors.New("the upstream is down")
	}
	return org == "acme" && (project == "" || project == "web"), nil
}
