package oauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"roundhouse/oauth"
)

// crash is what a process of its own does until it kills itself, as kill -9
// would: at a call of its store, before that has happened or after.
type crash struct {
	URL, Path, Upstream, Secret string
	Now                         time.Time
	Form                        string // for the token endpoint; empty: ask for the upstream token of Grant
	Grant                       string
	At                          int // counted from 1
	After                       bool
}

const crashVariable = "ROUNDHOUSE_TEST_CRASH"

func TestMain(m *testing.M) {
	if plan := os.Getenv(crashVariable); plan != "" {
		if err := runCrash(plan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runCrash(plan string) error {
	var c crash
	if err := json.Unmarshal([]byte(plan), &c); err != nil {
		return err
	}
	ctx := context.Background()
	open := oauth.OpenSQLite
	if isURL(c.Path) {
		open = oauth.OpenPostgres
	}
	store, err := open(ctx, c.Path)
	if err != nil {
		return err
	}
	defer store.Close()
	w := &world{URL: c.URL, Upstream: &fakeUpstream{URL: c.Upstream, secret: c.Secret}, Clock: &clock{now: c.Now}, log: new(bytes.Buffer)}
	s, err := oauth.NewServer(w.Config(&fatalStore{Store: store, crash: c}))
	if err != nil {
		return err
	}
	if c.Form == "" {
		_, err := s.UpstreamToken(ctx, c.Grant)
		return err
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/oauth/token", strings.NewReader(c.Form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	if s.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		return fmt.Errorf("status %d: %s", answer.Code, answer.Body)
	}
	return nil
}

// fatalStore kills its process. The calls that it counts are those of a code's
// exchange and of both kinds of refresh.
type fatalStore struct {
	oauth.Store
	crash crash
	calls int
}

// at runs a call, and does not come back from the one that is fatal.
func (s *fatalStore) at(call func()) {
	s.calls++
	if s.calls != s.crash.At {
		call()
		return
	}
	if s.crash.After {
		call()
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (s *fatalStore) Client(ctx context.Context, id string) (c oauth.Client, err error) {
	s.at(func() { c, err = s.Store.Client(ctx, id) })
	return c, err
}

func (s *fatalStore) TakeTicket(ctx context.Context, key oauth.Hash, now time.Time) (t oauth.Ticket, err error) {
	s.at(func() { t, err = s.Store.TakeTicket(ctx, key, now) })
	return t, err
}

func (s *fatalStore) Grant(ctx context.Context, id string) (g oauth.StoredGrant, err error) {
	s.at(func() { g, err = s.Store.Grant(ctx, id) })
	return g, err
}

func (s *fatalStore) RecentGrant(ctx context.Context, id string) (g oauth.StoredGrant, err error) {
	s.at(func() { g, err = s.Store.RecentGrant(ctx, id) })
	return g, err
}

func (s *fatalStore) Issue(ctx context.Context, i oauth.Issuance) (err error) {
	s.at(func() { err = s.Store.Issue(ctx, i) })
	return err
}

func (s *fatalStore) SwapUpstream(ctx context.Context, grant string, generation int64, next oauth.Upstream) (err error) {
	s.at(func() { err = s.Store.SwapUpstream(ctx, grant, generation, next) })
	return err
}

// everyCrash runs what prepare plans once for each call of the store, twice:
// with the process killed before the call and after it. Then the server is
// restarted, and recovered looks at what is left. It wants so many calls.
func everyCrash(t *testing.T, calls int, prepare func(*world) crash, recovered func(*world, crash)) {
	for at := 1; ; at++ {
		for _, after := range []bool{false, true} {
			w := newWorld(t)
			c := prepare(w)
			c.URL, c.Path, c.Upstream, c.Secret, c.Now = w.URL, w.Path, w.Upstream.URL, w.Upstream.secret, w.Clock.Now()
			c.At, c.After = at, after
			if !w.kill(c) {
				if at != calls+1 {
					t.Errorf("the store was called %d times, want %d", at-1, calls)
				}
				return
			}
			w.Start()
			recovered(w, c)
		}
	}
}

// kill reports whether the process got as far as to kill itself.
func (w *world) kill(c crash) bool {
	w.Helper()
	plan, err := json.Marshal(c)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+string(plan))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && ctx.Err() == nil {
		return true
	}
	if err != nil {
		w.Fatalf("call %d, after %v: %v\n%s", c.At, c.After, err, out)
	}
	return false
}

func (c crash) String() string {
	when := "before"
	if c.After {
		when = "after"
	}
	return fmt.Sprintf("killed %s call %d", when, c.At)
}

// A client whose code was spent by a server that died is told so, and signs in
// again; nobody is given tokens twice, and earlier sign-ins go on.
func TestCrash_code(t *testing.T) {
	const take, issue = 2, 4
	var earlier tokens
	everyCrash(t, issue, func(w *world) crash {
		earlier = w.SignIn("inspect")
		return crash{Form: w.CodeForm(w.Code(w.Request(), "inspect")).Encode()}
	}, func(w *world, c crash) {
		status, _, body := w.post("/oauth/token", "application/x-www-form-urlencoded", c.Form, nil)
		spent := c.At > take || c.At == take && c.After
		switch {
		case !spent && status != http.StatusOK:
			t.Errorf("%v: the code is not spent, but answered with %d: %s", c, status, body)
		case spent && (status != http.StatusBadRequest || !strings.Contains(body, `"invalid_grant"`)):
			t.Errorf("%v: a spent code is answered with %d: %s", c, status, body)
		}
		want := 2 // of the earlier sign-in and of this
		if spent {
			want = 1
		}
		if n := count(t, w.Path, `SELECT count(*) FROM access_tokens`); n != want {
			t.Errorf("%v: %d access tokens, want %d", c, n, want)
		}
		w.Grant(earlier)
		w.Exchange(w.RefreshForm(earlier.Refresh))
		w.SignIn("inspect")
	})
}

// A client whose refresh was cut short asks again with what it has.
func TestCrash_refresh(t *testing.T) {
	var held tokens
	everyCrash(t, 3, func(w *world) crash {
		held = w.SignIn("inspect")
		return crash{Form: w.RefreshForm(held.Refresh).Encode()}
	}, func(w *world, c crash) {
		next := w.Exchange(w.RefreshForm(held.Refresh))
		w.Grant(next)
		again := w.Exchange(w.RefreshForm(held.Refresh))
		if again.Refresh != next.Refresh {
			t.Errorf("%v: two live successors", c)
		}
		w.Exchange(w.RefreshForm(next.Refresh))
		if n := count(t, w.Path, `SELECT count(*) FROM grants`); n != 1 {
			t.Errorf("%v: %d grants, want one", c, n)
		}
	})
}

// A server that dies while it refreshes upstream leaves a lease, which another
// takes over in time. Only when it dies with the upstream's answer in hand is
// the sign-in lost: the upstream has killed the old token, and nobody else was
// told the new one. Then the client is asked to sign in again, once.
func TestCrash_upstream(t *testing.T) {
	const answered = 4 // the call that keeps the answer
	var tk tokens
	var id string
	everyCrash(t, answered, func(w *world) crash {
		tk = w.SignIn("inspect")
		id = w.Grant(tk).ID
		w.Clock.Advance(time.Hour)
		return crash{Grant: id}
	}, func(w *world, c crash) {
		w.Clock.Advance(31 * time.Second) // the lease is over
		got, err := w.Server.UpstreamToken(t.Context(), id)
		if c.At == answered && !c.After {
			if !errors.Is(err, oauth.ErrInvalidToken) {
				t.Errorf("%v: UpstreamToken = %q, %v, want ErrInvalidToken", c, got, err)
			}
			w.Refused("the refresh token of a lost sign-in", w.RefreshForm(tk.Refresh), "invalid_grant")
			return
		}
		if err != nil || got != secondUpstream || w.Upstream.refreshes != 1 {
			t.Errorf("%v: UpstreamToken = %q, %v after %d refreshes, want the second after one", c, got, err, w.Upstream.refreshes)
		}
		w.Exchange(w.RefreshForm(tk.Refresh))
	})
}
