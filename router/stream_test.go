package router

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"roundhouse/constraint"
)

// held is a directory whose handlers run until their request's context ends.
type held struct{}

func (held) Acquire(context.Context, constraint.Key) (http.Handler, func(), error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isStream(r) {
			<-r.Context().Done()
			_, _ = w.Write([]byte(context.Cause(r.Context()).Error()))
		}
	}), func() {}, nil
}

func listenRequest(ctx context.Context) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://mcp.example.com/mcp", strings.NewReader(`{}`))
	r.Header.Set("Authorization", "Bearer t")
	r.Header.Set("Mcp-Method", "subscriptions/listen")
	return r
}

func TestStreams_End(t *testing.T) {
	var lookUp atomic.Pointer[error]
	verify := func(context.Context, string) (constraint.Caller, error) {
		if err := lookUp.Load(); err != nil {
			return constraint.Caller{}, *err
		}
		return constraint.Caller{User: "ann", Grant: "g1", Resource: "https://mcp.example.com/mcp"}, nil
	}
	answer := func(err error) { lookUp.Store(&err) }
	for why, tt := range map[string]struct {
		do    func(s *Streams)
		after time.Duration // the stream is open until then
		until time.Duration // and not after that
		cause error
	}{
		"the grant is revoked here":       {func(s *Streams) { s.End("g1") }, 0, 0, errTokenEnded},
		"the token ends in another place": {func(*Streams) { answer(constraint.ErrUnauthorized) }, 0, time.Minute, errTokenEnded},
		"the store is gone for good":      {func(*Streams) { answer(errors.New("connection refused")) }, 3 * time.Minute, 6 * time.Minute, errNoCheck},
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lookUp.Store(nil)
				s := new(Streams)
				h := New(Config{PublicURL: "https://mcp.example.com", Directory: held{}, Verify: verify, Streams: s})
				w, done := httptest.NewRecorder(), make(chan struct{})
				go func() { h.ServeHTTP(w, listenRequest(t.Context())); close(done) }()
				time.Sleep(10 * time.Minute) // with a good token
				synctest.Wait()
				if s.Open() != 1 {
					t.Fatalf("%d streams", s.Open())
				}
				s.End("another")
				tt.do(s)
				begin := time.Now()
				<-done
				if took := time.Since(begin); took < tt.after || took > tt.until {
					t.Errorf("ended after %s, want %s to %s", took, tt.after, tt.until)
				}
				if w.Body.String() != tt.cause.Error() {
					t.Errorf("cause: %q, want %q", w.Body, tt.cause)
				}
				if s.Open() != 0 || len(s.users) != 0 || len(s.grants) != 0 {
					t.Errorf("left: %v %v", s.users, s.grants)
				}
			})
		})
	}

	t.Run("the store is gone for a moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lookUp.Store(nil)
			s := new(Streams)
			h := New(Config{PublicURL: "https://mcp.example.com", Directory: held{}, Verify: verify, Streams: s})
			ctx, hangUp := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { h.ServeHTTP(httptest.NewRecorder(), listenRequest(ctx)); close(done) }()
			for range 10 {
				time.Sleep(2 * time.Minute)
				answer(errors.New("connection refused"))
				time.Sleep(2 * time.Minute)
				lookUp.Store(nil)
			}
			if s.Open() != 1 {
				t.Error("the stream has ended")
			}
			hangUp()
			<-done
		})
	})
}

func TestStreams_Limit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verify := func(_ context.Context, _ string) (constraint.Caller, error) {
			return constraint.Caller{User: "ann", Grant: "g1", Resource: "https://mcp.example.com/mcp"}, nil
		}
		s := &Streams{MaxPerUser: maxUserBodies + 1}
		h := New(Config{PublicURL: "https://mcp.example.com", Directory: held{}, Verify: verify, Streams: s})
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		for range maxUserBodies + 1 {
			go h.ServeHTTP(httptest.NewRecorder(), listenRequest(ctx))
		}
		synctest.Wait()
		over := httptest.NewRecorder()
		h.ServeHTTP(over, listenRequest(t.Context()))
		if over.Code != http.StatusServiceUnavailable || over.Header().Get("Retry-After") == "" {
			t.Errorf("one stream more: %d %s", over.Code, over.Body)
		}
		if s.Open() != maxUserBodies+1 || s.Refused() != 1 {
			t.Errorf("%d open, %d refused", s.Open(), s.Refused())
		}
		call := listenRequest(t.Context())
		call.Header.Set("Mcp-Method", "tools/call")
		beside := httptest.NewRecorder()
		h.ServeHTTP(beside, call)
		if beside.Code != http.StatusOK {
			t.Errorf("a call beside them: %d %s", beside.Code, beside.Body)
		}
	})
}
