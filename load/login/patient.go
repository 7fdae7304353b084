package login

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	longestWait   = 2 * time.Minute // that a limit may ask for at a time
	answerTimeout = 30 * time.Second
)

// patient sends what one user sends, and comes again when the server says so.
type patient struct {
	send http.RoundTripper
	from string // an address, for the server's eyes only; "" is none
	app  *App
}

func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.from != "" && p.isServer(r.URL) {
		r = r.Clone(r.Context())
		r.Header.Set("X-Forwarded-For", p.from)
	}
	for {
		resp, err := p.once(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || r.Body != nil && r.GetBody == nil {
			return resp, err
		}
		wait := retryAfter(resp.Header)
		if wait > longestWait {
			return resp, nil
		}
		resp.Body.Close()
		p.app.tellWait(wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			timer.Stop()
			return nil, r.Context().Err()
		}
		r = r.Clone(r.Context())
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// once sends r and bounds how long the answer may take to arrive whole.
func (p *patient) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	resp, err := p.send.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Request = r // a redirect goes on with its context, which must not end with this answer
	resp.Body = &untilClosed{resp.Body, cancel}
	return resp, nil
}

type untilClosed struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (u *untilClosed) Close() error {
	defer u.cancel()
	return u.ReadCloser.Close()
}

// isServer reports whether a URL is of the server that Spread is about: the
// upstream that users sign in at, if it is elsewhere, has nothing to do with it.
func (p *patient) isServer(u *url.URL) bool {
	at, err := url.Parse(p.app.cfg.URL)
	return err == nil && at.Host == u.Host
}

// retryAfter reads RFC 9110 §10.2.3.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 5 * time.Second
}
