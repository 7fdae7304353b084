package rival

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
	"roundhouse/tools"
	"roundhouse/transport"
)

// world is a sandbox of two users, two organizations and four projects, and
// the designs in front of it. Each user is in one organization.
type world struct {
	t       *testing.T
	url     string // of the sandbox
	holders map[string]Holder
	asked   func() int // requests that the sandbox has had
}

func newWorld(t *testing.T) *world {
	sb, err := sandbox.New(t.Context(), sandbox.Options{Path: filepath.Join(t.TempDir(), "sandbox.db"), Empty: true,
		Scale: sandbox.Scale{Users: 2, Orgs: 2, Projects: 4, Issues: 8}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		mu.Unlock()
		sb.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.Close()
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, url: srv.URL, holders: map[string]Holder{}, asked: func() int {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}}
	for n := 1; n <= 2; n++ {
		token, err := sb.CreateToken(t.Context(), fmt.Sprintf("user-%d@example.test", n), []string{"org:read", "project:read", "event:read", "team:read", "member:read"})
		if err != nil {
			t.Fatal(err)
		}
		client, err := sentry.NewClient(sentry.Config{BaseURL: srv.URL, Tokens: sentry.StaticToken{T: sentry.NewToken(token)}})
		if err != nil {
			t.Fatal(err)
		}
		user, err := client.Whoami(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.holders[fmt.Sprintf("bearer-%d", n)] = Holder{User: string(user.ID), Sentry: sentry.NewToken(token)}
	}
	return w
}

// serve runs a design. The bare one is for user 1 at place.
func (w *world) serve(name, place string, trust time.Duration) *httptest.Server {
	w.t.Helper()
	cfg := Config{SentryURL: w.url, Holders: w.holders, Trust: trust}
	if name == "bare" {
		cfg.Place, cfg.Holders = place, map[string]Holder{"bearer-1": w.holders["bearer-1"]}
	}
	h, err := New(name, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	w.t.Cleanup(srv.Close)
	return srv
}

// ours is the server of Roundhouse for user 1 at place, without what is around it.
func (w *world) ours(place string) *httptest.Server {
	w.t.Helper()
	holder := w.holders["bearer-1"]
	key, _ := placeKey(holder.User, place)
	client, err := sentry.NewClient(sentry.Config{BaseURL: w.url, Tokens: holderTokens{}})
	if err != nil {
		w.t.Fatal(err)
	}
	env, err := tools.Bind(holder.of(w.t.Context(), key), client, key)
	if err != nil {
		w.t.Fatal(err)
	}
	context := transport.New(tools.Default().NewServer(env), transport.Config{Key: key})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		context.ServeHTTP(rw, r.WithContext(holder.of(r.Context(), key)))
	}))
	w.t.Cleanup(srv.Close)
	return srv
}

// ask sends a request of 2026-07-28 and returns the status and the result.
func ask(ctx context.Context, url, token, method, name string, params map[string]any) (int, map[string]any, error) {
	params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for header, value := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name} {
		if value != "" {
			req.Header.Set(header, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return resp.StatusCode, nil, err
	}
	var answer struct{ Result, Error map[string]any }
	if err := json.Unmarshal(raw, &answer); err != nil {
		return 0, nil, fmt.Errorf("%w in %s", err, raw)
	}
	if answer.Error != nil {
		return resp.StatusCode, answer.Error, nil
	}
	delete(answer.Result, "_meta") // who serves
	return resp.StatusCode, answer.Result, nil
}

func call(ctx context.Context, url, token, tool string, arguments map[string]any) (int, string, error) {
	status, result, err := ask(ctx, url, token, "tools/call", tool, map[string]any{"name": tool, "arguments": arguments})
	raw, _ := json.Marshal(result)
	return status, string(raw), err
}

// TestDesigns_AnswerLikeOurs asks every design what it asks ours.
func TestDesigns_AnswerLikeOurs(t *testing.T) {
	w := newWorld(t)
	for _, place := range []string{"", "org-1", "org-1/service-1"} {
		ours := w.ours(place)
		for _, d := range Designs {
			theirs := w.serve(d.Name, place, 0)
			for _, q := range []struct {
				method, name string
				params       map[string]any
			}{
				{"tools/list", "", map[string]any{}},
				{"tools/call", "whoami", map[string]any{"name": "whoami", "arguments": map[string]any{}}},
				{"tools/call", "search_sentry_tools", map[string]any{"name": "search_sentry_tools", "arguments": map[string]any{"query": "open issues"}}},
				{"tools/call", "search_issues", map[string]any{"name": "search_issues", "arguments": scoped(place, map[string]any{"query": "is:unresolved"})}},
				{"tools/call", "search_issues", map[string]any{"name": "search_issues", "arguments": map[string]any{"query": 1}}},
				{"tools/call", "find_projects", map[string]any{"name": "find_projects", "arguments": map[string]any{"no": "such"}}},
			} {
				_, want, err := ask(t.Context(), ours.URL, "", q.method, q.name, q.params)
				if err != nil || want == nil {
					t.Fatalf("ours: %v, %v", want, err)
				}
				path := theirs.URL + strings.TrimSuffix("/mcp/"+place, "/")
				_, got, err := ask(t.Context(), path, "bearer-1", q.method, q.name, q.params)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s at %q, %s %v (-ours +theirs)\n%s", d.Name, place, q.method, q.params, diff)
				}
			}
		}
	}
}

// scoped adds what the URL does not say.
func scoped(place string, arguments map[string]any) map[string]any {
	if place == "" {
		arguments["organizationSlug"] = "org-1"
	}
	return arguments
}

// TestDesigns_Refuse sends what a design must not answer.
func TestDesigns_Refuse(t *testing.T) {
	w := newWorld(t)
	for _, d := range Designs {
		if d.Name == "bare" {
			continue
		}
		srv := w.serve(d.Name, "", 0)
		for _, tt := range []struct {
			why, path, token string
			status           int
		}{
			{"nobody's token", "/mcp", "bearer-3", http.StatusUnauthorized},
			{"no token", "/mcp", "", http.StatusUnauthorized},
			{"another's organization", "/mcp/org-2", "bearer-1", http.StatusNotFound},
			{"no such project", "/mcp/org-1/none", "bearer-1", http.StatusNotFound},
			{"another spelling", "/mcp/ORG-1", "bearer-1", http.StatusNotFound},
			{"no MCP URL", "/mcpx", "bearer-1", http.StatusNotFound},
			{"too deep a path", "/mcp/org-1/service-1/more", "bearer-1", http.StatusNotFound},
		} {
			if status, _, err := call(t.Context(), srv.URL+tt.path, tt.token, "whoami", map[string]any{}); status != tt.status || err != nil {
				t.Errorf("%s: %s: %d, %v, want %d", d.Name, tt.why, status, err, tt.status)
			}
		}
		resp, err := http.Get(srv.URL + "/mcp")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: GET without a token: %d", d.Name, resp.StatusCode)
		}
	}
}

// TestDesigns_KeepContextsApart lets two users ask in three contexts each, all
// at once: no answer may carry the mark of the other's organization, nor name a
// project that the URL does not.
func TestDesigns_KeepContextsApart(t *testing.T) {
	w := newWorld(t)
	for _, d := range Designs {
		if d.Name == "bare" {
			continue
		}
		srv := w.serve(d.Name, "", 0)
		var wg sync.WaitGroup
		for caller := range 12 {
			wg.Go(func() {
				user := caller%2 + 1
				for round := range 6 {
					place := []string{fmt.Sprintf("org-%d", user), fmt.Sprintf("org-%d/service-%d", user, user), fmt.Sprintf("org-%d/service-%d", user, user+2)}[(caller/2+round)%3]
					status, text, err := call(t.Context(), srv.URL+"/mcp/"+place, fmt.Sprintf("bearer-%d", user), "search_issues", map[string]any{"query": "is:unresolved"})
					if err != nil || status != http.StatusOK {
						t.Errorf("%s: %d, %v", d.Name, status, err)
						return
					}
					for n := 1; n <= 4; n++ {
						name := fmt.Sprintf("service-%d", n)
						allowed := strings.HasSuffix(place, name) || !strings.Contains(place, "/") && (n-user)%2 == 0
						if got := strings.Contains(strings.ToLower(text), name); got != allowed {
							t.Errorf("%s: the answer at %s names %s: %v", d.Name, place, name, got)
						}
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestTrust counts what a call costs Sentry before and after it is trusted.
func TestTrust(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		trust  time.Duration
		second int // questions of the second call, which asks Sentry nothing itself
	}{{0, 0}, {-1, 3}} {
		srv := w.serve("per-request", "", tt.trust)
		for i, want := range []int{3, tt.second} {
			before := w.asked()
			if status, _, err := call(t.Context(), srv.URL+"/mcp/org-1/service-1", "bearer-1", "search_sentry_tools", map[string]any{"query": "issues"}); status != http.StatusOK || err != nil {
				t.Fatal(status, err)
			}
			if got := w.asked() - before; got != want {
				t.Errorf("trust %v: call %d asked Sentry %d times, want %d", tt.trust, i+1, got, want)
			}
		}
	}
}

func TestVerified_Expires(t *testing.T) {
	key, err := constraint.New("1", "org", "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	v := &verified{now: func() time.Time { return now }, known: map[constraint.Key]known{key: {until: now.Add(time.Second)}}}
	if _, ok := v.find(key); !ok {
		t.Error("forgotten at once")
	}
	now = now.Add(time.Second)
	if _, ok := v.find(key); ok {
		t.Error("never forgotten")
	}
}

func TestNew_Refuses(t *testing.T) {
	two := map[string]Holder{"a": {User: "1"}, "b": {User: "2"}}
	for why, tt := range map[string]struct {
		name string
		cfg  Config
		want string
	}{
		"no such design":   {"magic", Config{Holders: two}, "there is reconfigure,"},
		"nobody may ask":   {"per-request", Config{SentryURL: "http://127.0.0.1:1"}, "no holder"},
		"no Sentry":        {"reconfigure", Config{Holders: two}, "base URL"},
		"bare for several": {"bare", Config{SentryURL: "http://127.0.0.1:1", Holders: two}, "one holder, not 2"},
	} {
		if _, err := New(tt.name, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", why, err, tt.want)
		}
	}
}

func TestReadHolders(t *testing.T) {
	for why, tt := range map[string]struct {
		text string
		n    int
		err  string
	}{
		"two":        {"# who\n\nbearer-1 1001 sntryu_1\nbearer-2\t1002  sntryu_2\n", 2, ""},
		"none":       {"", 0, ""},
		"two words":  {"bearer-1 1001\n", 0, "line 1: want"},
		"four words": {"a b c d", 0, "line 1: want"},
		"one twice":  {"a 1 c\n\na 2 c", 0, "line 3: this bearer token has been given before"},
		"too long":   {"a 1 c\nb 1 " + strings.Repeat("c", maxLine), 0, "line 2: "},
	} {
		got, err := ReadHolders(strings.NewReader(tt.text))
		if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "bearer-1")) || len(got) != tt.n {
			t.Errorf("%s: %d holders, %v; want %d, %q", why, len(got), err, tt.n, tt.err)
		}
	}
}

// FuzzReadHolders: whatever the file holds, an error shows none of it.
func FuzzReadHolders(f *testing.F) {
	f.Add("bearer-1 1001 sntryu_1\n# more\nbearer-2 1002 sntryu_2")
	f.Add("zqzqzq 1001")
	f.Fuzz(func(t *testing.T, text string) {
		holders, err := ReadHolders(strings.NewReader(text))
		if err != nil && (holders != nil || strings.Contains(err.Error(), "zqzqzq")) {
			t.Errorf("%d holders, %v", len(holders), err)
		}
		for bearer, h := range holders {
			if bearer == "" || h.User == "" || h.Sentry.IsZero() {
				t.Errorf("%q is held by %q", bearer, h.User)
			}
		}
	})
}
