package login

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func pageOf(t testing.TB, status int, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://sentry.test/authorize?state=secret-state", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Request: r, Body: io.NopCloser(strings.NewReader(body))}
}

// Nothing is typed where the page is none of those that are known.
func TestWalker_Answer_unknown(t *testing.T) {
	const consent = `<input name=request type=hidden value=r><input type=checkbox name=skill value=inspect checked><button name=answer value=approve>`
	for why, body := range map[string]string{
		"no form":              `<p>Hello`,
		"a password":           `<form method=post><input name=username><input name=password type=password><button>Sign in</button></form>`,
		"a password besides":   `<form method=post>` + consent + `<input name=password type=password></form>`,
		"another's approval":   `<form method=post><input type=hidden name=csrfmiddlewaretoken value=x><button name=op value=approve>Approve</button></form>`,
		"to another host":      `<form method=post action="https://evil.test/x">` + consent + `</form>`,
		"a single-sign-on":     `<form method=post action="/auth/sso/"><input name=organization_slug></form>`,
		"consent without ours": `<form method=post><input name=request value=r><button name=answer value=approve></form>`,
	} {
		w := &Walker{Email: "mara@example.test"}
		next, err := w.Answer(pageOf(t, 200, body))
		if !errors.Is(err, ErrUnknownPage) || next != nil || w.Pages != 0 {
			t.Errorf("%s: %v, %v", why, next, err)
		} else if !strings.Contains(err.Error(), "--token-file") || strings.Contains(err.Error(), "secret-state") {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestWalker_Answer(t *testing.T) {
	const people = `<form method=post action="/login"><input type=hidden name=form_token value=f>
		<label><input type=radio name=user value=1 checked>Ann <small>ann@example.test</small></label>`
	for _, tt := range []struct{ why, email, body, want string }{
		{"who is listed", "ann@example.test", people + `<button name=op value=approve></form>`, "form_token=f&op=approve&user=1"},
		{"who is not listed", "bob@example.test", people + `<input type=email name=email><button name=op value=approve></form>`, "email=bob%40example.test&form_token=f&op=approve"},
		{"whose address ends another's", "n@example.test", people + `<input type=email name=email></form>`, "email=n%40example.test&form_token=f"},
	} {
		next, err := (&Walker{Email: tt.email}).Answer(pageOf(t, 200, tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.why, err)
			continue
		}
		got, err := io.ReadAll(next.Body)
		if err != nil || string(got) != tt.want || next.URL.String() != "https://sentry.test/login" || next.Header.Get("Origin") != "https://sentry.test" {
			t.Errorf("%s: %v, %s to %s, want %s", tt.why, err, got, next.URL, tt.want)
		}
	}
	if _, err := (&Walker{}).Answer(pageOf(t, 403, "<p>You may not.")); err == nil || !strings.Contains(err.Error(), "403: You may not.") {
		t.Errorf("a page that refuses: %v", err)
	}
}

// Pages that lead in a circle come to an end.
func TestWalker_circle(t *testing.T) {
	w := newWorld(t)
	endless := roundTrip(func(r *http.Request) (*http.Response, error) {
		resp := pageOf(t, 200, `<form method=post><input name=form_token value=f><input name=user type=hidden value=1></form>`)
		resp.Request = r
		return resp, nil
	})
	app := w.app(Config{})
	app.http = endless
	if _, err := app.SignIn(t.Context(), &Walker{}); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("got %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzWalker(f *testing.F) {
	f.Add(`<form method=post action="/x"><input name=form_token><input type=radio name=user value=1>ann@example.test</form>`)
	f.Add(`<form action="%zz"><input name=request><input name=skill><button name=answer value=approve></form>`)
	f.Fuzz(func(t *testing.T, body string) {
		next, err := (&Walker{Email: "ann@example.test"}).Answer(pageOf(t, 200, body))
		if (next == nil) == (err == nil) {
			t.Fatalf("%v and %v", next, err)
		}
		if next != nil && next.URL.Host != "sentry.test" {
			t.Errorf("the form goes to %s", next.URL)
		}
	})
}
