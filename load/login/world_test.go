package login

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

const (
	issuer = "https://mcp.test"
	place  = issuer + "/mcp/acme"
)

// world is an MCP server with its authorization server and the upstream that
// users sign in at, without a network.
type world struct {
	t    testing.TB
	life time.Duration // of access tokens
	hold time.Duration // before a refresh is answered

	mu        sync.Mutex // guards the rest
	alter     map[string]func(map[string]any)
	refuse    map[string][]int // statuses that a path answers first
	asked     map[string][]url.Values
	froms     map[string][]string // X-Forwarded-For, by path
	generated int
	current   map[string]string // refresh token → user
	revoked   []string
	atBack    func(url.Values) // changes the query of the callback
}

func newWorld(t testing.TB) *world {
	return &world{t: t, life: time.Hour, alter: map[string]func(map[string]any){}, refuse: map[string][]int{},
		asked: map[string][]url.Values{}, froms: map[string][]string{}, current: map[string]string{}}
}

// RoundTrip serves a request where it is.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, in)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(raw))
	if r.Method == http.MethodGet {
		form = r.URL.Query()
	}
	w.mu.Lock()
	w.asked[r.URL.Path] = append(w.asked[r.URL.Path], form)
	w.froms[r.URL.Path] = append(w.froms[r.URL.Path], r.Header.Get("X-Forwarded-For"))
	status := 0
	if next := w.refuse[r.URL.Path]; len(next) > 0 {
		status, w.refuse[r.URL.Path] = next[0], next[1:]
	}
	w.mu.Unlock()
	if status != 0 {
		rw.Header().Set("Retry-After", "7")
		http.Error(rw, "not now", status)
		return
	}
	switch r.URL.Path {
	case "/mcp/acme":
		rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+issuer+`/.well-known/oauth-protected-resource/mcp/acme", scope="inspect triage"`)
		rw.WriteHeader(http.StatusUnauthorized)
	case "/.well-known/oauth-protected-resource/mcp/acme":
		w.document(rw, r, http.StatusOK, map[string]any{"resource": place, "authorization_servers": []string{issuer}})
	case "/.well-known/oauth-authorization-server":
		w.document(rw, r, http.StatusOK, map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"registration_endpoint": issuer + "/register", "revocation_endpoint": issuer + "/revoke",
			"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
		})
	case "/register":
		var asked map[string]any
		if err := json.Unmarshal(raw, &asked); err != nil {
			w.t.Error(err)
		}
		asked["client_id"] = "client-1"
		w.document(rw, r, http.StatusCreated, asked)
	case "/authorize":
		w.page(rw, `<input type=hidden name=request value="`+url.QueryEscape(form.Encode())+`">
			<input type=checkbox name=skill value=inspect checked><input type=checkbox name=skill value=triage>
			<button name=answer value=cancel></button><button name=answer value=approve></button>`, "/consent")
	case "/consent":
		if form.Get("answer") != "approve" {
			w.t.Errorf("consent is answered with %v", form)
		}
		http.Redirect(rw, r, "https://sentry.test/authorize?pending="+url.QueryEscape(form.Get("request")), http.StatusSeeOther)
	case "/upstream":
		w.callback(rw, r, form)
	case "/token":
		w.token(rw, r, form)
	case "/revoke":
		w.mu.Lock()
		w.revoked = append(w.revoked, form.Get("token"))
		w.mu.Unlock()
	default:
		http.NotFound(rw, r)
	}
}

func (w *world) document(rw http.ResponseWriter, r *http.Request, status int, doc map[string]any) {
	if alter := w.alter[r.URL.Path]; alter != nil {
		alter(doc)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if err := json.NewEncoder(rw).Encode(doc); err != nil {
		w.t.Error(err)
	}
}

func (w *world) page(rw http.ResponseWriter, fields, action string) {
	fmt.Fprintf(rw, `<!doctype html><title>t</title><style>.x{}</style><main><form method=post action=%q>%s</form></main>`, action, fields)
}

// upstream is the Sentry of the world; its host is another.
func (w *world) upstream(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.page(rw, `<input type=hidden name=form_token value=f><input type=hidden name=pending value="`+q.Get("pending")+`">
		<label><input type=radio name=user value=1 checked>Mara <small>mara@example.test</small></label>
		<label><input type=radio name=user value=2>Mara Two <small>tamara@example.test</small></label>
		<button name=op value=approve></button><button name=op value=deny></button>`, "/upstream")
}

// callback sends the browser back to the client.
func (w *world) callback(rw http.ResponseWriter, r *http.Request, form url.Values) {
	pending, _ := url.QueryUnescape(form.Get("pending"))
	asked, err := url.ParseQuery(pending)
	if err != nil || asked.Get("redirect_uri") == "" {
		w.t.Errorf("pending is %q", pending)
	}
	back := url.Values{"code": {"code of " + form.Get("user") + " " + asked.Get("code_challenge")}, "state": {asked.Get("state")}, "iss": {issuer}}
	if w.atBack != nil {
		w.atBack(back)
	}
	http.Redirect(rw, r, asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (w *world) token(rw http.ResponseWriter, r *http.Request, form url.Values) {
	if form.Get("client_id") != "client-1" || form.Get("resource") != place {
		w.t.Errorf("the token endpoint is asked with client %q for %q", form.Get("client_id"), form.Get("resource"))
	}
	user := ""
	switch form.Get("grant_type") {
	case "authorization_code":
		var challenge string
		if _, err := fmt.Sscanf(form.Get("code"), "code of %s %s", &user, &challenge); err != nil || challenge != oauth2.S256ChallengeFromVerifier(form.Get("code_verifier")) {
			w.t.Errorf("code %q with verifier %q: %v", form.Get("code"), form.Get("code_verifier"), err)
		}
	case "refresh_token":
		time.Sleep(w.hold) // virtual
		w.mu.Lock()
		user = w.current[form.Get("refresh_token")]
		delete(w.current, form.Get("refresh_token"))
		w.mu.Unlock()
	}
	if user == "" {
		w.document(rw, r, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "secret-refresh"})
		return
	}
	w.mu.Lock()
	w.generated++
	access, next := fmt.Sprintf("secret-access-%s-%d", user, w.generated), fmt.Sprintf("secret-refresh-%s-%d", user, w.generated)
	w.current[next] = user
	w.mu.Unlock()
	w.document(rw, r, http.StatusOK, map[string]any{"access_token": access, "refresh_token": next, "token_type": "Bearer", "expires_in": int(w.life.Seconds())})
}

// hosts sends requests to the world or to its upstream.
func (w *world) hosts() http.RoundTripper { return both{w} }

type both struct{ *world }

func (b both) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "sentry.test" {
		return b.world.RoundTrip(r)
	}
	if r.Header.Get("X-Forwarded-For") != "" {
		b.t.Error("the upstream is told an address that was made up")
	}
	if r.Method == http.MethodPost {
		return b.world.RoundTrip(r)
	}
	rec := httptest.NewRecorder()
	b.upstream(rec, r)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (w *world) app(cfg Config) *App {
	w.t.Helper()
	cfg.URL, cfg.HTTP = place, &http.Client{Transport: w.hosts()}
	app, err := NewApp(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return app
}

func (w *world) signIn(app *App) *Tokens {
	w.t.Helper()
	tokens, err := app.SignIn(w.t.Context(), &Walker{Email: "mara@example.test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

func (w *world) header(l Login) string {
	w.t.Helper()
	got, err := l.Authorization(w.t.Context())
	if err != nil {
		w.t.Error(err)
	}
	return got
}

func (w *world) last(path string) url.Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked[path]) == 0 {
		return nil
	}
	return w.asked[path][len(w.asked[path])-1]
}

func (w *world) times(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked[path])
}

func (w *world) addresses(path string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.froms[path])
}

// noSecret fails the test if an error tells a token.
func noSecret(t testing.TB, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "secret-") {
		t.Errorf("the error tells a secret: %v", err)
	}
}
