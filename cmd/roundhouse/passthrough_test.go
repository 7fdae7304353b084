package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"roundhouse/constraint"
	"roundhouse/router"
)

// sandboxTokenFor makes a token in the sandbox as a person does.
func sandboxTokenFor(t *testing.T, data, email, skills string) string {
	t.Helper()
	var out strings.Builder
	if err := run(t.Context(), []string{"sandbox", "token", "--data", data, "--sandbox-user", email, "--skills", skills},
		func(string) string { return "" }, nil, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// whoami calls a tool with an Authorization header and returns the status and
// the answer.
func (r *runner) whoami(place, authorization string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/mcp"+place, bytes.NewReader(whoamiBody))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": authorization, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "whoami",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestSentryBearer(t *testing.T) {
	data := t.TempDir()
	r := start(t, data, nil)
	jons := sandboxTokenFor(t, data, jon, "inspect,triage")
	for _, tt := range []struct {
		what, place, authorization string
		status                     int
		says                       string
	}{
		{"everything", "", "Sentry-Bearer " + jons, 200, jon},
		{"an organization of his", "/acme-outdoors", "Sentry-Bearer " + jons, 200, jon},
		{"another organization", "/globex-labs", "Sentry-Bearer " + jons, 404, constraint.ErrUnknown.Error()},
		{"an organization that does not exist", "/no-such-org", "Sentry-Bearer " + jons, 404, constraint.ErrUnknown.Error()},
		{"as one of ours", "", "Bearer " + jons, 401, "unknown"},
		{"an invented one", "", "Sentry-Bearer sntryu_" + strings.Repeat("0", 64), 401, "unknown"},
		{"one of great length", "", "Sentry-Bearer " + strings.Repeat("x", 5000), 401, "unknown"},
		{"one with a space", "", "Sentry-Bearer " + jons + " x", 401, "unknown"},
	} {
		if status, answer := r.whoami(tt.place, tt.authorization); status != tt.status || !strings.Contains(answer, tt.says) {
			t.Errorf("%s: %d, want %d and %q: %s", tt.what, status, tt.status, tt.says, answer)
		}
	}

	// Somebody with a token of ours beside it: neither sees by the other's right.
	ours := r.login(mara, "")
	if _, answer := r.whoami("/acme-outdoors", "Bearer "+ours.token(t)); !strings.Contains(answer, mara) {
		t.Errorf("mara's own sign-in: %s", answer)
	}
	r.stop()

	refused := start(t, data, nil, "--sentry-bearer", "off")
	if status, _ := refused.whoami("", "Sentry-Bearer "+jons); status != 401 {
		t.Errorf("turned off: %d, want 401", status)
	}
}

func TestPassthrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answer := func() (constraint.Caller, error) {
			return constraint.Caller{User: "1", Skills: []string{"inspect"}}, nil
		}
		p := newPassthrough("https://host/mcp", router.Source(nil), func(context.Context, string) (constraint.Caller, error) {
			asked++
			return answer()
		})
		verify := func(token, source string) (caller constraint.Caller, err error) {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", "/mcp", nil)
			r.RemoteAddr = net.JoinHostPort(source, "1234")
			r.Header.Set("Authorization", "Sentry-Bearer "+token)
			p.carry(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				caller, err = p.verify(r.Context(), token)
			})).ServeHTTP(nil, r)
			return caller, err
		}
		want := func(what string, n int) {
			t.Helper()
			if asked != n {
				t.Errorf("%s: Sentry was asked %d times, want %d", what, asked, n)
			}
		}

		caller, err := verify("good", "192.0.2.1")
		if err != nil || caller.User != "1" || caller.Resource != "https://host/mcp" || strings.Contains(caller.Grant, "good") || caller.Expires.IsZero() {
			t.Errorf("caller %+v, %v", caller, err)
		}
		other, _ := verify("other", "192.0.2.1")
		if other.Grant == caller.Grant {
			t.Error("two tokens share a grant")
		}
		want("two tokens", 2)
		time.Sleep(knownLife - time.Second)
		verify("good", "192.0.2.1")
		want("within a minute", 2)

		answer = func() (constraint.Caller, error) { return constraint.Caller{}, constraint.ErrUnauthorized }
		time.Sleep(time.Second)
		for range 3 {
			if _, err := verify("good", "192.0.2.1"); !errors.Is(err, constraint.ErrUnauthorized) {
				t.Errorf("revoked in Sentry: %v", err)
			}
		}
		want("after a minute", 3)
		p.forget(other.Grant)
		verify("other", "192.0.2.1")
		want("after Sentry refused a call", 4)

		down := &constraint.UnavailableError{Reason: "down"}
		answer = func() (constraint.Caller, error) { return constraint.Caller{}, down }
		time.Sleep(time.Hour)
		for range 2 {
			if _, err := verify("good", "192.0.2.1"); !errors.Is(err, down) {
				t.Errorf("Sentry down: %v", err)
			}
		}
		want("while Sentry is down, which is not remembered", 6)

		answer = func() (constraint.Caller, error) { return constraint.Caller{}, constraint.ErrUnauthorized }
		time.Sleep(time.Hour)
		asked = 0
		var limited *constraint.UnavailableError
		for i := range 2 * checksPerMinute {
			_, err = verify(fmt.Sprint("guess", i), "192.0.2.1")
		}
		if !errors.As(err, &limited) || limited.RetryAfter == 0 {
			t.Errorf("a flood of guesses: %v", err)
		}
		want("a flood of guesses", checksPerMinute)
		if _, err := verify("mine", "192.0.2.2"); errors.As(err, &limited) {
			t.Errorf("another address: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := verify("mine", "192.0.2.1"); errors.As(err, &limited) {
			t.Errorf("a minute later: %v", err)
		}

		asked = 0
		for i := range 2 * checksPerMinute {
			_, err = verify(fmt.Sprint("guess", i), fmt.Sprintf("2001:db8::%x", i))
		}
		if !errors.As(err, &limited) {
			t.Errorf("guesses from everywhere in one network: %v", err)
		}
		want("guesses from everywhere in one network", checksPerMinute)

		if _, err := p.verify(t.Context(), "good"); !errors.Is(err, constraint.ErrUnauthorized) {
			t.Errorf("a token that no request brought: %v", err)
		}
	})
}

func TestSkillsWithin(t *testing.T) {
	for scopes, want := range map[string][]string{
		"":                                    nil,
		"org:ci":                              nil,
		"org:read project:read":               nil,
		"org:read project:read event:read":    {"inspect"},
		"org:admin project:write event:read":  {"inspect"},
		"org:read project:read event:admin":   {"inspect", "triage", "analyze"},
		"event:write org:read project:read":   {"inspect", "triage", "analyze"},
		"event:writer org:readx project:read": nil,
	} {
		if got := skillsWithin(strings.Fields(scopes)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", scopes, got, want)
		}
	}
}
