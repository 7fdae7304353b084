package sandbox

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	reading = []string{"org:read", "project:read", "event:read"}
	writing = []string{"org:read", "project:read", "event:write"}
)

const (
	mara  = "mara@example.test"
	jon   = "jon@example.test"
	priya = "priya@example.test"
	wen   = "wen@example.test" // a guest, who sees storefront alone
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// runner drives a sandbox through its handler.
type runner struct {
	*testing.T
	sb    *Sandbox
	clock *clock
	token string
}

func start(t *testing.T, o Options) *runner {
	t.Helper()
	c := &clock{t: noon}
	if o.Path == "" && !o.Empty {
		o.Path = seeded(t)
	}
	o.Now, o.BaseURL = c.now, "http://sandbox.test/sub"
	sb, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sb.Close() })
	return &runner{T: t, sb: sb, clock: c}
}

// as is the same sandbox for a user with fresh credentials.
func (r *runner) as(email string, scopes ...string) *runner {
	r.Helper()
	token, err := r.sb.CreateToken(r.Context(), email, scopes)
	if err != nil {
		r.Fatal(err)
	}
	other := *r
	other.token = token
	return &other
}

func (r *runner) send(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.sb.ServeHTTP(w, req)
	return w
}

func (r *runner) api(method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/api/0"+path, strings.NewReader(body))
	req.Host = "localhost"
	req.Header.Set("Authorization", "Bearer "+r.token)
	return r.send(req)
}

// get decodes the answer, which has to be a 200.
func (r *runner) get(path string, into any) http.Header {
	r.Helper()
	w := r.api("GET", path, "")
	if w.Code != http.StatusOK {
		r.Fatalf("GET %s = %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		r.Fatalf("GET %s: %v", path, err)
	}
	return w.Header()
}

func (r *runner) put(path, body string) map[string]any {
	r.Helper()
	w := r.api("PUT", path, body)
	if w.Code != http.StatusOK {
		r.Fatalf("PUT %s %s = %d %s", path, body, w.Code, w.Body)
	}
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		r.Fatal(err)
	}
	return out
}

// dsn returns the ingest path and the key of a project.
func (r *runner) dsn(org, project string) (path, key string) {
	r.Helper()
	dsn, err := r.sb.DSN(r.Context(), org, project)
	if err != nil {
		r.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		r.Fatal(err)
	}
	return "/api/" + u.Path[strings.LastIndex(u.Path, "/")+1:], u.User.Username()
}

// ingest posts an envelope to storefront; items alternate kind and payload.
func (r *runner) ingest(items ...string) {
	r.Helper()
	path, key := r.dsn("acme-outdoors", "storefront")
	req := httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", items...)))
	if w := r.send(req); w.Code != http.StatusOK {
		r.Fatalf("ingest = %d %s", w.Code, w.Body)
	}
}

func pack(header string, items ...string) string {
	var b strings.Builder
	fmt.Fprintln(&b, header)
	for i := 0; i < len(items); i += 2 {
		fmt.Fprintf(&b, "{\"type\":%q,\"length\":%d}\n%s\n", items[i], len(items[i+1]), items[i+1])
	}
	return b.String()
}

type issueAnswer struct {
	ID, ShortID, Title, Culprit, Status, Level, Count string
	Substatus                                         *string
	UserCount                                         int
	StatusDetails                                     map[string]any
	AssignedTo                                        *struct{ Type, ID, Email string }
	Project                                           struct{ Slug string }
}

func (r *runner) issues(query string) []issueAnswer {
	r.Helper()
	var out []issueAnswer
	r.get("/organizations/acme-outdoors/issues/?query="+url.QueryEscape(query), &out)
	return out
}

func (r *runner) onlyIssue() issueAnswer {
	r.Helper()
	all := r.issues("")
	if len(all) != 1 {
		r.Fatalf("issues = %+v, want one", all)
	}
	return all[0]
}

func TestNew_SeedIsDeterministic(t *testing.T) {
	dump := func() string {
		r := start(t, Options{}).as(mara, reading...)
		w := r.api("GET", "/organizations/acme-outdoors/issues/?query=&limit=100", "")
		return w.Body.String() + r.api("GET", "/organizations/globex-labs/issues/?query=&limit=100", "").Body.String()
	}
	if a, b := dump(), dump(); a != b {
		t.Errorf("two seeds differ:\n%s\n%s", a, b)
	}
}

func TestNew_SeedHasEveryState(t *testing.T) {
	r := start(t, Options{}).as(mara, reading...)
	for _, q := range []string{"is:unresolved", "is:resolved", "is:ignored", "is:regressed", "is:new", "is:ongoing", "assigned:jon@example.test", "level:fatal", "release:checkout-api@2.8.0"} {
		if len(r.issues(q)) == 0 {
			t.Errorf("no seeded issue for %s", q)
		}
	}
	for _, org := range []string{"acme-outdoors", "globex-labs"} {
		var unmarked int
		err := r.sb.read().QueryRow(`SELECT count(*) FROM item JOIN project p ON p.id = item.project JOIN org o ON o.id = p.org
			WHERE o.slug = ? AND attrs ->> '$.mark' IS NOT ?`, org, Mark(org)).Scan(&unmarked)
		if err != nil || unmarked > 0 {
			t.Errorf("%s: %d items without the mark, %v", org, unmarked, err)
		}
	}
}

func TestNew_ReopenKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir with ? and %41", "sandbox.db")
	mkdir(t, filepath.Dir(path))
	r := start(t, Options{Path: path}).as(mara, writing...)
	r.ingest("event", `{"message":"kept"}`)
	dsn, err := r.sb.DSN(t.Context(), "acme-outdoors", "storefront")
	if err != nil {
		t.Fatal(err)
	}
	before := r.api("GET", "/organizations/acme-outdoors/issues/?query=", "").Body.String()
	// A second process may have the file open at the same time.
	second := start(t, Options{Path: path})
	second.token = r.token
	if after := second.api("GET", "/organizations/acme-outdoors/issues/?query=", "").Body.String(); after != before {
		t.Errorf("reopened: %s, want %s", after, before)
	}
	if got, err := second.sb.DSN(t.Context(), "acme-outdoors", "storefront"); err != nil || got != dsn {
		t.Errorf("DSN after reopening = %q, %v, want %q", got, err, dsn)
	}
}

func TestNew_Refuses(t *testing.T) {
	makeDB := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			sb, err := New(t.Context(), Options{Path: path, Empty: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range statements {
				if _, err := sb.writer.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			if err := sb.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name, want string
		make       func(t *testing.T, path string)
	}{
		{"NewerSchema", "newer release", makeDB("PRAGMA user_version = 99")},
		{"OtherApplication", "not a sandbox database", makeDB("PRAGMA application_id = 7")},
		{"NotADatabase", "not a database", func(t *testing.T, path string) {
			writeFile(t, path, []byte(strings.Repeat("no database at all\n", 200)))
		}},
		{"Truncated", "damaged", func(t *testing.T, path string) {
			makeDB("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			raw := readFile(t, path)
			writeFile(t, path, raw[:len(raw)/2+100])
		}},
		{"HeaderOfBits", "damaged", func(t *testing.T, path string) {
			makeDB("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			raw := readFile(t, path)
			for i := range 32 {
				raw[i] ^= 0x10
			}
			writeFile(t, path, raw)
		}},
		{"BytesInTheMiddle", "damaged", func(t *testing.T, path string) {
			makeDB("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			raw := readFile(t, path)
			rand.Read(raw[len(raw)/2 : len(raw)/2+20_000])
			writeFile(t, path, raw)
		}},
		{"Damaged", "", func(t *testing.T, path string) {
			makeDB("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			raw := readFile(t, path)
			for i := 4096; i < len(raw); i++ {
				raw[i] = 0xAA
			}
			writeFile(t, path, raw)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			tt.make(t, path)
			before := readFile(t, path)
			sb, err := New(t.Context(), Options{Path: path})
			if err == nil {
				sb.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, tt.want)
			}
			if !bytes.Equal(before, readFile(t, path)) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestSandbox_Concurrent: nothing is lost or refused when many read and write,
// through two Sandboxes where there is a file to share.
func TestSandbox_Concurrent(t *testing.T) {
	const writers, each = 4, 5
	for name, path := range map[string]string{"Memory": "", "File": filepath.Join(t.TempDir(), "x.db")} {
		t.Run(name, func(t *testing.T) {
			first := start(t, Options{Path: path, Empty: true}).as(mara, reading...)
			second := first
			if path != "" {
				second = start(t, Options{Path: path})
				second.token = first.token
			}
			ingest, key := first.dsn("acme-outdoors", "storefront")
			var wg sync.WaitGroup
			for i := range writers {
				r := []*runner{first, second}[i%2]
				wg.Go(func() {
					for range each {
						req := httptest.NewRequest("POST", ingest+"/envelope/?sentry_key="+key, strings.NewReader(pack("{}", "event", `{"message":"busy"}`)))
						if w := r.send(req); w.Code != http.StatusOK {
							t.Errorf("write: %d %s", w.Code, w.Body)
						}
						if w := r.api("GET", "/organizations/acme-outdoors/issues/", ""); w.Code != http.StatusOK {
							t.Errorf("read: %d %s", w.Code, w.Body)
						}
					}
				})
			}
			wg.Wait()
			if is := second.onlyIssue(); is.Count != fmt.Sprint(writers*each) {
				t.Errorf("count %s, want %d", is.Count, writers*each)
			}
		})
	}
}

// TestNew_Together: two that open one new file at the same time seed it once.
func TestNew_Together(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			sb, err := New(t.Context(), Options{Path: path, Now: func() time.Time { return noon }})
			if err != nil {
				t.Errorf("New: %v", err)
				return
			}
			if err := sb.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	alone, shared := start(t, Options{}), start(t, Options{Path: path})
	count := func(r *runner) (n int) {
		if err := r.sb.read().QueryRow("SELECT count(*) FROM item").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count(alone) != count(shared) {
		t.Errorf("%d items, want %d", count(shared), count(alone))
	}
}

func TestSandbox_SetBaseURL(t *testing.T) {
	r := start(t, Options{Empty: true})
	for _, bad := range []string{"", "sandbox.test", "ftp://sandbox.test", "http://user@sandbox.test", "http://sandbox.test/?q"} {
		if err := r.sb.SetBaseURL(bad); err == nil {
			t.Errorf("SetBaseURL(%q) accepted", bad)
		}
	}
	if err := r.sb.SetBaseURL("https://other.test:8443/sentry/"); err != nil {
		t.Fatal(err)
	}
	dsn, err := r.sb.DSN(t.Context(), "ACME-Outdoors", "storefront")
	if err != nil || !strings.HasPrefix(dsn, "https://") || !strings.HasSuffix(dsn, "@other.test:8443/sentry/51001") {
		t.Errorf("DSN = %q, %v", dsn, err)
	}
}

func body(w *httptest.ResponseRecorder) string {
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
