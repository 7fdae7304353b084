package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Hand is the browser of a person, who is told where to go and whose answer is
// waited for on this machine (RFC 8252 §7.3). One sign-in is made at a time.
type Hand struct {
	out    io.Writer
	wait   time.Duration
	server *http.Server
	at     string
	turn   chan struct{} // held while somebody signs in

	mu      sync.Mutex // guards the rest
	state   string     // of the sign-in that is waited for; "" if none is
	arrived chan url.Values
}

const handWait = 5 * time.Minute

// ByHand listens on a free port until Close. What the person must do is written
// to out.
func ByHand(out io.Writer) (*Hand, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	h := &Hand{out: out, wait: handWait, at: "http://" + l.Addr().String() + "/callback", turn: make(chan struct{}, 1)}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go func() { _ = h.server.Serve(l) }() // until Close
	return h, nil
}

// Redirect is where the browser comes back to: Config.Redirect of the App.
func (h *Hand) Redirect() string { return h.at }

// Close ends the listening.
func (h *Hand) Close() error { return h.server.Close() }

// Walk is a Browser's.
func (h *Hand) Walk(ctx context.Context, _ http.RoundTripper, start, callback string) (url.Values, error) {
	u, err := url.Parse(start)
	if err != nil || callback != h.at {
		return nil, errors.New("this browser comes back to " + h.at)
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.wait, fmt.Errorf("nobody signed in within %s", h.wait))
	defer cancel()
	arrived := h.expect(u.Query().Get("state"))
	defer h.expect("")
	fmt.Fprintf(h.out, "Sign in with a browser on this machine, within %s:\n\n  %s\n\n", h.wait, start)
	select {
	case q := <-arrived:
		return q, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (h *Hand) expect(state string) chan url.Values {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state, h.arrived = state, make(chan url.Values, 1)
	return h.arrived
}

// ServeHTTP takes the browser back. Any page on the machine can send a browser
// here: what does not know the state changes nothing.
func (h *Hand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet || r.URL.Path != "/callback" || !h.take(r.URL.Query()) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "No sign-in of this kind is under way.")
		return
	}
	fmt.Fprintln(w, "You can close this page and go back to the terminal.")
}

func (h *Hand) take(q url.Values) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state == "" || q.Get("state") != h.state {
		return false
	}
	h.state = "" // once
	h.arrived <- q
	return true
}
