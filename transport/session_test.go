package transport

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// at is the transport of one context on a node with that secret and users.
func at(t *testing.T, key string, cfg Config) *world {
	t.Helper()
	var err error
	if cfg.Key, err = constraint.Parse(key); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, talker(), cfg)
}

// status sends a legacy request and returns the answer's status and body. A
// stream is not read.
func (w *world) status(method, session, lastEvent string) (int, string) {
	w.t.Helper()
	body := ""
	if method == http.MethodPost {
		body = legacyAsk
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	r := w.legacy(ctx, method, session, body)
	if lastEvent != "" {
		r.Header.Set("Last-Event-ID", lastEvent)
	}
	resp := w.do(r)
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		return resp.StatusCode, ""
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

func TestSessions_Ownership(t *testing.T) {
	node := Config{Secret: NewSecret(), Users: NewUsers(0)}
	ann, bob, api := at(t, "ann:acme:web", node), at(t, "bob:acme:web", node), at(t, "ann:acme:api", node)
	moved, above := at(t, "ann:acme:web", node), at(t, "ann:acme:", node)
	session := ann.session()
	blob, err := base64.RawURLEncoding.DecodeString(session)
	if err != nil {
		t.Fatal(err)
	}
	blob[epochSize] ^= 1
	changed := base64.RawURLEncoding.EncodeToString(blob)

	_, unknown := ann.status(http.MethodPost, "mcp-session-00000000-0000-4000-8000-000000000000", "")
	refused := func(why string, w *world, session string) {
		t.Helper()
		for _, tt := range []struct{ method, lastEvent string }{
			{http.MethodPost, ""}, {http.MethodGet, ""}, {http.MethodGet, "1"}, {http.MethodDelete, ""},
		} {
			status, body := w.status(tt.method, session, tt.lastEvent)
			want := unknown
			if tt.method != http.MethodPost {
				want = strings.Replace(unknown, `"id":1`, `"id":null`, 1)
			}
			if status != http.StatusNotFound || body != want {
				t.Errorf("%s: %s (Last-Event-ID %q) = %d %s, want 404 %s", why, tt.method, tt.lastEvent, status, body, want)
			}
		}
	}
	works := func(why string) {
		t.Helper()
		if status, body := ann.status(http.MethodPost, session, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", why, status, body)
		}
	}
	works("her own")
	refused("another user", bob, session)
	refused("another project of hers", api, session)
	refused("the organization above", above, session)
	refused("the same context, activated anew", moved, session)
	refused("a changed one", ann, changed)
	refused("one with something behind it", ann, session+"A")
	works("after all that")
	if status, _ := ann.status(http.MethodDelete, session, ""); status != http.StatusOK {
		t.Errorf("she ends it: %d", status)
	}
	refused("ended", ann, session)
	late := ann.session()
	ann.tr.Close()
	refused("after the activation", ann, late)
}

// An id's tag is good for one user, one URL and one node secret, and for
// nothing else that is made with that secret.
func TestSessions_genuine(t *testing.T) {
	secret := NewSecret()
	of := func(key string, secret []byte) *sessions {
		k, err := constraint.Parse(key)
		if err != nil {
			t.Fatal(err)
		}
		return &sessions{key: k, secret: secret}
	}
	ann := of("ann:acme:web", secret)
	id := ann.newID()
	for _, tt := range []struct {
		why string
		ss  *sessions
		id  string
		ok  bool
	}{
		{"her own", ann, id, true},
		{"another node of hers", of("ann:acme:web", secret), id, true},
		{"another user", of("bob:acme:web", secret), id, false},
		{"another project", of("ann:acme:api", secret), id, false},
		{"another secret", of("ann:acme:web", NewSecret()), id, false},
		{"cut", ann, id[:len(id)-2], false},
		{"empty", ann, "", false},
		{"no base64", ann, strings.Repeat("!", len(id)), false},
		{"zeros", ann, strings.Repeat("A", len(id)), false},
	} {
		if got := tt.ss.genuine(tt.id); got != tt.ok {
			t.Errorf("%s: %v", tt.why, got)
		}
	}
}

func TestSessions_Limits(t *testing.T) {
	t.Run("of a user, over all contexts", func(t *testing.T) {
		node := Config{Secret: NewSecret(), Users: NewUsers(3)}
		web, api, bob := at(t, "ann:acme:web", node), at(t, "ann:acme:api", node), at(t, "bob:acme:web", node)
		first, second, his := web.session(), web.session(), bob.session()
		web.status(http.MethodPost, first, "") // now second is the least recently used
		third, fourth := api.session(), api.session()
		for _, tt := range []struct {
			w    *world
			id   string
			want int
		}{{web, first, 200}, {web, second, 404}, {api, third, 200}, {api, fourth, 200}, {bob, his, 200}} {
			if got, body := tt.w.status(http.MethodPost, tt.id, ""); got != tt.want {
				t.Errorf("session %q: %d %s, want %d", tt.id, got, body, tt.want)
			}
		}
		if got := node.Users.Stats(); got.Sessions != 4 || got.RefusedSessions != 0 {
			t.Errorf("%+v, want four sessions", got)
		}
	})
	t.Run("all in use", func(t *testing.T) {
		w := at(t, "ann:acme:web", Config{MaxSessions: 2})
		first, second := w.session(), w.session()
		w.open(w.legacy(t.Context(), http.MethodGet, first, ""))
		stream := w.open(w.legacy(t.Context(), http.MethodGet, second, ""))
		resp := w.do(w.legacy(t.Context(), http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`))
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a third: %s", resp.Status)
		}
		if status, _ := w.status(http.MethodDelete, second, ""); status != http.StatusOK {
			t.Errorf("end one: %d", status)
		}
		if left := stream.all(); len(left) != 0 {
			t.Errorf("the stream of an ended session went on: %q", left)
		}
		w.session()
	})
	t.Run("a failed initialize is none", func(t *testing.T) {
		w := at(t, "ann:acme:web", Config{MaxSessions: 1})
		session := w.session()
		w.open(w.legacy(t.Context(), http.MethodGet, session, "")) // cannot give way
		other := at(t, "ann:acme:web", Config{MaxSessions: 1})
		for range 3 {
			resp := other.do(other.legacy(t.Context(), http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}`))
			resp.Body.Close()
			if got := resp.Header.Get(server.HeaderKeySessionID); got != "" {
				t.Errorf("a session %q", got)
			}
		}
		if left := other.tr.sessions.list(); len(left) != 0 {
			t.Errorf("%d sessions are left", len(left))
		}
	})
}

func TestSessions_Idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, err := constraint.Parse("ann:acme:web")
		if err != nil {
			t.Fatal(err)
		}
		dropped := map[string]bool{}
		users := NewUsers(0)
		ss := &sessions{key: key, secret: NewSecret(), limit: 9, idle: 30 * time.Minute, users: users, drop: func(id string) { dropped[id] = true }}
		begin := func() *session {
			s, err := ss.begin()
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		left, used, streaming := begin(), begin(), begin()
		left.release()
		used.release()
		time.Sleep(20 * time.Minute)
		ss.use(used.id).release()
		time.Sleep(11 * time.Minute)
		ss.sweep(time.Now())
		if ss.use(left.id) != nil || !dropped[left.id] {
			t.Error("a session that was left 31 minutes ago is still there")
		}
		if s := ss.use(used.id); s == nil {
			t.Error("a session that was used 11 minutes ago has ended")
		} else {
			s.release()
		}
		if ss.use(streaming.id) == nil {
			t.Error("a session with an open stream has ended")
		}
		if n := len(users.sessions["ann"]); n != 2 {
			t.Errorf("the user has %d sessions, want 2", n)
		}
		ss.close()
		if _, err := ss.begin(); err == nil || len(users.sessions) != 0 || streaming.ended.Err() == nil {
			t.Errorf("after the end: %v, %v, %v", err, users.sessions, streaming.ended.Err())
		}
	})
}

// What mcp-go keeps of a session goes with it, and so do goroutines.
func TestSessions_LeaveNothing(t *testing.T) {
	w := at(t, "ann:acme:web", Config{MaxSessions: 4})
	before := runtime.NumGoroutine()
	var ids []string
	for i := range 32 {
		id := w.session()
		ids = append(ids, id)
		ctx, cancel := context.WithCancel(t.Context())
		resp := w.do(w.legacy(ctx, http.MethodGet, id, ""))
		cancel()
		resp.Body.Close()
		if i%2 == 0 {
			w.status(http.MethodDelete, id, "")
		}
	}
	w.tr.Close()
	for _, id := range ids {
		if err := w.tr.mcp.SendNotificationToSpecificClient(id, "notifications/message", nil); !errors.Is(err, server.ErrSessionNotFound) {
			t.Errorf("mcp-go still knows %q: %v", id, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		runtime.Gosched()
		<-time.After(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// Many clients begin, use and end sessions at once; the counts come back.
func TestSessions_AtOnce(t *testing.T) {
	key, err := constraint.Parse("ann:acme:web")
	if err != nil {
		t.Fatal(err)
	}
	users := NewUsers(6)
	contexts := []*sessions{}
	for range 3 {
		contexts = append(contexts, &sessions{key: key, secret: NewSecret(), limit: 4, idle: time.Hour, users: users, drop: func(string) {}})
	}
	done := make(chan error)
	for i := range 8 {
		go func() {
			ss := contexts[i%len(contexts)]
			var failed error
			for range 200 {
				s, err := ss.begin()
				if err != nil {
					continue // all six in use
				}
				if again := ss.use(s.id); again == nil {
					failed = fmt.Errorf("a session in use has ended")
				} else {
					again.release()
				}
				if i%2 == 0 {
					s.end()
				}
				s.release()
				ss.sweep(time.Now())
			}
			done <- failed
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, ss := range contexts {
		if n := len(ss.list()); n > 4 {
			t.Errorf("%d sessions in a context, at most 4", n)
		}
		ss.close()
	}
	if len(users.sessions) != 0 || users.Stats().Sessions != 0 {
		t.Errorf("sessions are counted that are not there: %v", users.sessions)
	}
}

func BenchmarkSessions_use(b *testing.B) {
	key, err := constraint.Parse("ann:acme:web")
	if err != nil {
		b.Fatal(err)
	}
	ss := &sessions{key: key, secret: NewSecret(), limit: 9, idle: time.Hour, users: NewUsers(0), drop: func(string) {}}
	s, err := ss.begin()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ss.use(s.id).release()
	}
}

// TestUsers_watch: a user's contexts share the room for what is watched, and
// another user's have their own.
func TestUsers_watch(t *testing.T) {
	users := NewUsers(0)
	var gives []func()
	for {
		give, ok := users.watch("ann")
		if !ok {
			break
		}
		gives = append(gives, give)
	}
	if len(gives) != maxUserWatched {
		t.Errorf("ann may watch %d, want %d", len(gives), maxUserWatched)
	}
	if give, ok := users.watch("bob"); !ok {
		t.Error("ann keeps bob from watching")
	} else {
		give()
	}
	gives[0]()
	if give, ok := users.watch("ann"); !ok {
		t.Error("what ann gave back is not there")
	} else {
		give()
	}
	for _, give := range gives[1:] {
		give()
	}
	if len(users.watched) != 0 {
		t.Errorf("%v are left", users.watched)
	}
}
