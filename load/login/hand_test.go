package login

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what a person sees.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	show chan string // each URL
}

var shown = regexp.MustCompile(`https?://\S+`)

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := shown.FindString(string(b)); at != "" {
		s.show <- at
	}
	return s.text.Write(b)
}

func get(t testing.TB, at string) int {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestHand(t *testing.T) {
	w := newWorld(t)
	s := &screen{show: make(chan string, 1)}
	hand, err := ByHand(s)
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Close()
	app := w.app(Config{Redirect: hand.Redirect()})
	done := make(chan error, 1)
	go func() {
		_, err := app.SignIn(t.Context(), hand)
		done <- err
	}()
	start, err := url.Parse(<-s.show)
	if err != nil {
		t.Fatal(err)
	}
	q := start.Query()
	back := url.Values{"state": {q.Get("state")}, "iss": {issuer}, "code": {"code of 1 " + q.Get("code_challenge")}}
	for _, stray := range []string{"/callback", "/callback?state=made-up&code=x", "/?" + back.Encode()} {
		if got := get(t, strings.TrimSuffix(hand.Redirect(), "/callback")+stray); got != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", stray, got)
		}
	}
	if got := get(t, hand.Redirect()+"?"+back.Encode()); got != http.StatusOK {
		t.Errorf("the browser gets %d", got)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := get(t, hand.Redirect()+"?"+back.Encode()); got != http.StatusNotFound {
		t.Errorf("a second time: %d, want 404", got)
	}
	if got := w.last("/register"); got == nil || !strings.HasPrefix(hand.Redirect(), "http://127.0.0.1:") {
		t.Errorf("registered %v for %s", got, hand.Redirect())
	}
}

func TestHand_gone(t *testing.T) {
	hand, err := ByHand(&screen{show: make(chan string, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Close()
	hand.wait = time.Millisecond
	if _, err := hand.Walk(t.Context(), nil, "https://mcp.test/authorize?state=s", hand.Redirect()); err == nil || !strings.Contains(err.Error(), "nobody signed in") {
		t.Errorf("nobody comes: %v", err)
	}
	hand.wait = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := hand.Walk(ctx, nil, "https://mcp.test/authorize?state=s", hand.Redirect()); err != context.Canceled {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := hand.Walk(t.Context(), nil, "https://mcp.test/authorize?state=s", "http://127.0.0.1:1/callback"); err == nil {
		t.Error("it waits where nobody comes back to")
	}
}
