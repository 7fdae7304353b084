package login

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Before a token ends it is refreshed, once for all who ask, and nobody waits.
func TestTokens_refresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hold = 3 * time.Second
		app := w.app(Config{})
		user := w.signIn(app)
		first := w.header(user)
		time.Sleep(44 * time.Minute)
		if got := w.header(user); got != first || w.times("/token") != 1 {
			t.Errorf("after three quarters of an hour it was refreshed, which is too early")
		}
		time.Sleep(8 * time.Minute)
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := w.header(user); got != first {
					t.Errorf("while it is refreshed: %q, want the old one", got)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("callers with a good token waited %s", took)
		}
		time.Sleep(4 * time.Second)
		if got := w.header(user); got == first || w.times("/token") != 2 || app.Counts().Refreshes != 1 {
			t.Errorf("afterwards: %q, %d requests, %+v", got, w.times("/token"), app.Counts())
		}
		app.Close()
	})
}

// Once a token has ended, all wait for one refresh, and each only as long as it
// wants to.
func TestTokens_ended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hold = 3 * time.Second
		app := w.app(Config{})
		user := w.signIn(app)
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := user.Authorization(ctx); err != context.DeadlineExceeded {
			t.Errorf("who waits for a second gets %v", err)
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := w.header(user); got != "Bearer secret-access-1-2" {
					t.Errorf("got %q", got)
				}
			})
		}
		all.Wait()
		if n := w.times("/token"); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
		app.Close()
	})
}

// A refresh that fails is tried again later and later; the old token is used as
// long as it is good. One that is refused for good is not tried again.
func TestTokens_failure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		app := w.app(Config{})
		user := w.signIn(app)
		time.Sleep(52 * time.Minute)
		w.mu.Lock()
		w.refuse["/token"] = []int{http.StatusBadGateway, http.StatusBadGateway, http.StatusBadGateway}
		w.mu.Unlock()
		for range 120 {
			w.header(user)
			time.Sleep(100 * time.Millisecond)
		}
		if got := app.Counts(); got.Failures != 3 || got.Refreshes != 1 {
			t.Errorf("in 12 seconds with three bad answers: %+v", got)
		}
		w.mu.Lock()
		clear(w.current) // the grant was revoked
		w.mu.Unlock()
		time.Sleep(time.Hour)
		for range 5 {
			_, err := user.Authorization(t.Context())
			if err == nil || !strings.Contains(err.Error(), "invalid_grant") {
				t.Errorf("after the grant has ended: %v", err)
			}
			noSecret(t, err)
			time.Sleep(2 * time.Minute)
		}
		if got := app.Counts(); got.Failures != 4 {
			t.Errorf("what was refused for good was asked again: %+v", got)
		}
		app.Close()
	})
}

// Life makes for more refreshes, and shortens no token.
func TestTokens_life(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		app := w.app(Config{Life: 10 * time.Second})
		user := w.signIn(app)
		for range 100 {
			w.header(user)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := app.Counts().Refreshes; n < 10 || n > 13 {
			t.Errorf("%d refreshes in 100 s with a life of 10 s", n)
		}
		app.Close()
		time.Sleep(10 * time.Minute)
		before := w.times("/token")
		w.header(user) // still good
		synctest.Wait()
		if w.times("/token") != before {
			t.Error("a closed app refreshes")
		}
	})
}
