package sentry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const testSecret = "sntryu_do-not-print"

// answer is a RoundTripper of canned answers: no network, so that a synctest
// bubble can run the clock.
type answer func(*http.Request) *http.Response

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if resp := a(r); resp != nil {
		return resp, nil
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func newTestClient(t *testing.T, base string, rt http.RoundTripper) *Client {
	t.Helper()
	c, err := NewClient(Config{
		BaseURL:    base,
		Tokens:     StaticToken{NewToken(testSecret)},
		HTTPClient: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewClient(t *testing.T) {
	for _, base := range []string{"https://sentry.io", "http://localhost:9000/", "https://host/sub/path/", "https://host/api/0/"} {
		if _, err := NewClient(Config{BaseURL: base, Tokens: StaticToken{}}); err != nil {
			t.Errorf("NewClient(%q): %v", base, err)
		}
	}
	for base, why := range map[string]string{
		"":                       "empty",
		"sentry.io":              "no scheme",
		"ftp://sentry.io":        "scheme",
		"https://":               "no host",
		"https://u:p@sentry.io":  "credentials",
		"https://sentry.io?a=b":  "query",
		"https://sentry.io/%zz":  "bad escape",
		"file:///etc/passwd":     "scheme",
		"https://sentry.io/#top": "fragment",
	} {
		if _, err := NewClient(Config{BaseURL: base, Tokens: StaticToken{}}); err == nil {
			t.Errorf("NewClient(%q) = nil error, want one: %s", base, why)
		}
	}
	if _, err := NewClient(Config{BaseURL: "https://sentry.io"}); err == nil {
		t.Error("NewClient without a token source = nil error")
	}
}

func TestClient_request(t *testing.T) {
	var got *http.Request
	c := newTestClient(t, "https://host:8443/sub", answer(func(r *http.Request) *http.Response {
		got = r
		return reply(200, `[]`)
	}))
	_, _, err := c.Projects(t.Context(), "acme", ListOptions{Query: "a b", Cursor: "0:1:0", Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := got.URL.String(), "https://host:8443/sub/api/0/organizations/acme/projects/?cursor=0%3A1%3A0&per_page=100&query=a+b"; got != want {
		t.Errorf("URL = %s, want %s", got, want)
	}
	if got := got.Header.Get("Authorization"); got != "Bearer "+testSecret {
		t.Errorf("Authorization = %q", got)
	}
}

func TestClient_pathElements(t *testing.T) {
	var calls atomic.Int32
	c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response {
		calls.Add(1)
		return reply(200, `{}`)
	}))
	for _, bad := range []string{"", ".", "..", "a\x00b", "a\nb"} {
		_, err := c.Issue(t.Context(), "acme", bad)
		var pathErr *PathError
		if !errors.As(err, &pathErr) {
			t.Errorf("Issue(%q): err = %v, want a *PathError", bad, err)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests were sent, want 0", n)
	}
}

func TestClient_errors(t *testing.T) {
	tests := []struct {
		name   string
		answer func() *http.Response
		want   error
		detail string
	}{
		{"401", func() *http.Response { return reply(401, `{"detail":"Invalid token"}`) }, ErrUnauthorized, "Invalid token"},
		{"403", func() *http.Response { return reply(403, `{"detail":{"message":"No"}}`) }, ErrForbidden, "No"},
		{"404", func() *http.Response { return reply(404, `{"detail":"The requested resource does not exist"}`) }, ErrNotFound, "The requested resource does not exist"},
		{"429 beyond the deadline", func() *http.Response { return reply(429, `{"detail":"slow down"}`, "Retry-After", "900") }, ErrRateLimited, "slow down"},
		{"500", func() *http.Response { return reply(500, `{"detail":"Internal Error"}`) }, ErrUnavailable, "Internal Error"},
		{"HTML with 200", func() *http.Response { return reply(200, `<html>`, "Content-Type", "text/html") }, ErrUnavailable, "answers with HTML instead of JSON"},
		{"HTML by its first byte", func() *http.Response { return reply(200, " <!doctype html>") }, ErrUnavailable, "answers with HTML instead of JSON"},
		{"HTML from a proxy is no 401", func() *http.Response { return reply(401, `<html>`, "Content-Type", "text/html") }, ErrUnavailable, "answers with HTML instead of JSON"},
		{"not JSON", func() *http.Response { return reply(200, `surprise`) }, ErrUnavailable, "the answer is not the JSON that was expected"},
		{"a list for an object", func() *http.Response { return reply(200, `[]`) }, ErrUnavailable, "the answer is not the JSON that was expected"},
		{"too large", func() *http.Response { return reply(200, strings.Repeat(" ", maxBody+1)) }, ErrUnavailable, "the answer is larger than 8 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response { return tt.answer() }))
			_, err := c.Issue(t.Context(), "acme", "SHOP-1")
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tt.want) {
				t.Fatalf("err = %v, want an *Error that is %v", err, tt.want)
			}
			for _, other := range []error{ErrNotFound, ErrUnauthorized, ErrForbidden, ErrRateLimited, ErrUnavailable} {
				if other != tt.want && errors.Is(err, other) {
					t.Errorf("err is also %v", other)
				}
			}
			if e.Detail != tt.detail {
				t.Errorf("Detail = %q, want %q", e.Detail, tt.detail)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Error("the error holds the token")
			}
		})
	}
}

func TestClient_retry(t *testing.T) {
	tests := []struct {
		name    string
		replies []*http.Response
		calls   int
		wantErr error
		atLeast time.Duration
	}{
		{"503 then 200", []*http.Response{reply(503, `{}`), reply(200, `{}`)}, 2, nil, 250 * time.Millisecond},
		{"Retry-After is honored", []*http.Response{reply(429, `{}`, "Retry-After", "5"), reply(200, `{}`)}, 2, nil, 5 * time.Second},
		{"at most two", []*http.Response{reply(502, `{}`), reply(502, `{}`), reply(502, `{}`), reply(200, `{}`)}, 3, ErrUnavailable, 0},
		{"never past the deadline", []*http.Response{reply(429, `{}`, "Retry-After", "30"), reply(200, `{}`)}, 1, ErrRateLimited, 0},
		{"500 is not repeated", []*http.Response{reply(500, `{}`), reply(200, `{}`)}, 1, ErrUnavailable, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response {
					calls++
					return tt.replies[calls-1]
				}))
				start := time.Now()
				_, err := c.Issue(t.Context(), "acme", "1")
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("err = %v, want %v", err, tt.wantErr)
				}
				if calls != tt.calls {
					t.Errorf("%d calls, want %d", calls, tt.calls)
				}
				if took := time.Since(start); took < tt.atLeast || took > defaultTimeout {
					t.Errorf("took %v, want at least %v and at most %v", took, tt.atLeast, defaultTimeout)
				}
			})
		})
	}
	t.Run("nothing is, without retries", func(t *testing.T) {
		calls := 0
		c := newTestClient(t, "https://sentry.io", answer(func(*http.Request) *http.Response {
			calls++
			return reply(429, `{}`, "Retry-After", "2")
		})).WithoutRetries().InRegion("https://us.sentry.io")
		_, err := c.Issue(t.Context(), "acme", "1")
		var e *Error
		if !errors.As(err, &e) || e.RetryAfter != 2*time.Second || calls != 1 {
			t.Errorf("err = %v after %d calls, want one that says 2s after 1", err, calls)
		}
	})
	t.Run("a write is never repeated", func(t *testing.T) {
		calls := 0
		c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response {
			calls++
			return reply(503, `{}`)
		}))
		if err := c.CreateNote(t.Context(), "acme", "1", "hello"); !errors.Is(err, ErrUnavailable) || calls != 1 {
			t.Errorf("err = %v after %d calls, want ErrUnavailable after 1", err, calls)
		}
	})
}

func TestClient_timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response { return nil }))
		start := time.Now()
		_, err := c.Whoami(t.Context())
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrUnavailable) || e.Detail != "no answer in time" {
			t.Errorf("err = %v, want no answer in time", err)
		}
		if took := time.Since(start); took != defaultTimeout {
			t.Errorf("took %v, want %v", took, defaultTimeout)
		}
	})
}

func TestClient_canceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := newTestClient(t, "https://host", answer(func(*http.Request) *http.Response {
		cancel()
		return nil
	}))
	if _, err := c.Whoami(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestClient_redirect(t *testing.T) {
	var leaked atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store(true)
	}))
	defer thief.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/0/auth/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+"/api/0/auth/", http.StatusFound)
	})
	mux.HandleFunc("GET /api/0/projects/acme/old/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/api/0/projects/acme/new/", http.StatusFound)
	})
	mux.HandleFunc("GET /api/0/projects/acme/new/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":7,"slug":"new"}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c := newTestClient(t, srv.URL, http.DefaultTransport)

	if _, err := c.Whoami(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("another host: err = %v, want ErrUnavailable", err)
	}
	if leaked.Load() {
		t.Error("the redirect to another host was followed")
	}
	p, err := c.Project(t.Context(), "acme", "old")
	if err != nil || p.Slug != "new" || p.ID != "7" {
		t.Errorf("same host: project = %+v, err = %v", p, err)
	}
}

func TestClient_InRegion(t *testing.T) {
	tests := []struct {
		region, reason string
		host           string
	}{
		{"https://us.sentry.io", "a subdomain", "us.sentry.io"},
		{"https://sentry.io", "the host itself", "sentry.io"},
		{"http://us.sentry.io", "not https", "sentry.io"},
		{"https://evil.example", "another host", "sentry.io"},
		{"https://evilsentry.io", "a suffix that is no subdomain", "sentry.io"},
		{"https://sentry.io.evil.example", "a prefix", "sentry.io"},
		{"https://us.sentry.io@evil.example", "credentials", "sentry.io"},
		{"https://us.sentry.io:444", "another port is another host", "sentry.io"},
		{"", "older servers", "sentry.io"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			hosts := map[string]string{}
			c := newTestClient(t, "https://sentry.io", answer(func(r *http.Request) *http.Response {
				hosts[r.URL.Path] = r.URL.Host
				return reply(200, `{}`)
			})).InRegion(tt.region)
			if _, err := c.Issue(t.Context(), "acme", "1"); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Whoami(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"/api/0/organizations/acme/issues/1/": tt.host, "/api/0/auth/": "sentry.io"}
			if diff := cmp.Diff(want, hosts); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

type deadToken struct{}

func (deadToken) Token(context.Context) (Token, error) { return Token{}, ErrUnauthorized }

func TestClient_tokenSource(t *testing.T) {
	c, err := NewClient(Config{BaseURL: "https://host", Tokens: deadToken{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Whoami(t.Context()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("err = %v, want ErrUnauthorized", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	tests := []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{http.Header{"Retry-After": {"0.5"}}, 500 * time.Millisecond},
		{http.Header{"Retry-After": {"Sun, 22 Nov 2026 10:00:09 GMT"}}, 9 * time.Second},
		{http.Header{"Retry-After": {"Sun, 22 Nov 2026 09:00:00 GMT"}}, 0},
		{http.Header{"Retry-After": {"1e300"}}, maxRetryAfter},
		{http.Header{"Retry-After": {"-5"}}, 0},
		{http.Header{"Retry-After": {"soon"}}, 0},
		{http.Header{"X-Sentry-Rate-Limit-Remaining": {"0"}, "X-Sentry-Rate-Limit-Reset": {"1795341603"}}, 3 * time.Second},
		{http.Header{}, 0},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.header, now); got != tt.want {
			t.Errorf("retryAfter(%v) = %v, want %v", tt.header, got, tt.want)
		}
	}
}
