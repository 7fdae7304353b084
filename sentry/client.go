package sentry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout = 15 * time.Second
	maxBody        = 8 << 20
	maxRetries     = 2
	firstBackoff   = 250 * time.Millisecond
)

// Config is what a Client is made of.
type Config struct {
	BaseURL    string        // required: the web address, "https://sentry.io" or "http://host:9000/sub/path"
	Tokens     TokenSource   // required
	HTTPClient *http.Client  // nil: one with its own transport. Its redirect policy is replaced
	Timeout    time.Duration // of a call, retries included; zero: 15 s
	UserAgent  string        // "": "roundhouse"
}

// Client calls one Sentry.
type Client struct {
	base      *url.URL // the web address; no trailing slash in its path
	region    *url.URL // where organizations' endpoints are; base but for a regional sentry.io
	tokens    TokenSource
	http      *http.Client
	timeout   time.Duration
	userAgent string
	once      bool // a refused call is not tried again
}

// NewClient returns a Client, or an error that says what is wrong with cfg.
func NewClient(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Tokens == nil {
		return nil, errors.New("no token source")
	}
	c := &Client{
		base:      base,
		region:    base,
		tokens:    cfg.Tokens,
		timeout:   cfg.Timeout,
		userAgent: cfg.UserAgent,
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.userAgent == "" {
		c.userAgent = "roundhouse"
	}
	hc := http.Client{Transport: newTransport()}
	if cfg.HTTPClient != nil {
		hc = *cfg.HTTPClient
	}
	hc.CheckRedirect = sameOrigin
	c.http = &hc
	return c, nil
}

func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, errors.New("the base URL is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the base URL needs the scheme http or https")
	case u.Hostname() == "":
		return nil, errors.New("the base URL has no host")
	case u.User != nil:
		return nil, errors.New("the base URL must not hold credentials")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the base URL must not have a query or a fragment")
	}
	path := strings.TrimRight(u.Path, "/")
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: strings.TrimSuffix(path, "/api/0")}, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
	}
}

// sameOrigin is the redirect policy: net/http would carry the Authorization
// header along to subdomains and from https down to http.
func sameOrigin(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host || len(via) > 3 || via[0].Method != http.MethodGet {
		return http.ErrUseLastResponse
	}
	return nil
}

// InRegion returns a Client whose calls about organizations go to regionURL,
// which Sentry names in an organization's links. Only an https URL of a
// subdomain of the configured host is honored; for any other, the host itself
// included, the result is c: the URL comes from an answer and must not decide
// who gets the token.
func (c *Client) InRegion(regionURL string) *Client {
	u, err := parseBase(regionURL)
	if err != nil || u.Scheme != "https" || !strings.HasSuffix(u.Host, "."+c.base.Host) {
		return c
	}
	clone := *c
	clone.region = u
	return &clone
}

// WithoutRetries returns a Client that makes each call at most once: for who
// would rather tell its own caller to come back than hold a place while Sentry
// says when.
func (c *Client) WithoutRetries() *Client {
	clone := *c
	clone.once = true
	return &clone
}

// request is one call before it meets the client's base, token and timeout.
type request struct {
	op     string // the Op of an Error
	method string // "": GET
	base   *url.URL
	path   []string
	query  url.Values
	body   any // JSON; nil: none
	accept int // a status to be taken like 200; zero: none
}

// call sends r, decodes a good answer into out, which may be nil, and returns
// where the list goes on.
func (c *Client) call(ctx context.Context, r request, out any) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	build, err := c.prepare(ctx, r)
	if err != nil {
		return Page{}, err
	}
	for attempt := 0; ; attempt++ {
		header, err := c.attempt(r, build, out)
		if err == nil {
			return nextPage(header), nil
		}
		wait, ok := retryWait(ctx, r, err, attempt)
		if !ok || c.once || !pause(ctx, wait) {
			return Page{}, err
		}
	}
}

// prepare checks everything that can be wrong before anything is sent, and
// returns a function that makes the request anew for each attempt.
func (c *Client) prepare(ctx context.Context, r request) (func() (*http.Request, error), error) {
	path, err := apiPath(r.path...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.op, err)
	}
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("%s: %w", r.op, err)
		}
	}
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: find credential: %w", r.op, err)
	}
	base := r.base
	if base == nil {
		base = c.region
	}
	address := base.String() + path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	method := r.method
	if method == "" {
		method = http.MethodGet
	}
	return func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.op, err)
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", c.userAgent)
		if !token.IsZero() {
			req.Header.Set("Authorization", "Bearer "+token.secret)
		}
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, nil
	}, nil
}

// attempt makes one of the attempts of a call.
func (c *Client) attempt(r request, build func() (*http.Request, error), out any) (http.Header, error) {
	req, err := build()
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, networkError(r.op, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, networkError(r.op, err)
	}
	if err := judge(r, resp, body); err != nil {
		return nil, err
	}
	if out == nil {
		return resp.Header, nil
	}
	if err := decode(body, out); err != nil {
		return nil, &Error{Op: r.op, StatusCode: resp.StatusCode, Detail: "the answer is not the JSON that was expected", class: ErrUnavailable, cause: err}
	}
	return resp.Header, nil
}

// judge returns nil when the answer is to be decoded.
func judge(r request, resp *http.Response, body []byte) error {
	e := &Error{Op: r.op, StatusCode: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	ok := resp.StatusCode/100 == 2 || r.accept != 0 && resp.StatusCode == r.accept
	switch {
	case len(body) > maxBody:
		e.class = ErrUnavailable
		e.Detail = "the answer is larger than 8 MiB"
	case resp.StatusCode/100 == 3:
		e.class = ErrUnavailable
		e.Detail = "redirects elsewhere, which is not followed"
	case isHTML(resp.Header.Get("Content-Type"), body):
		// A proxy's status says nothing about the caller's rights; only 429 and
		// 5xx keep their sense.
		if resp.StatusCode != http.StatusTooManyRequests {
			e.class = ErrUnavailable
		}
		e.Detail = "answers with HTML instead of JSON"
	case ok:
		return nil
	default:
		e.Detail = detailOf(body)
	}
	return e
}

// networkError hides the URL that net/http puts into its errors: a query may
// hold what a user searched for.
func networkError(op string, err error) *Error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	detail := "the connection failed"
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		detail = "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		detail = "no answer in time"
	}
	return unavailable(op, detail, err)
}

// retryWait decides whether the call is worth another attempt, and after how
// long. Only reads are repeated, and never beyond the call's own deadline.
func retryWait(ctx context.Context, r request, err error, attempt int) (time.Duration, bool) {
	var e *Error
	if r.method != "" || attempt >= maxRetries || !errors.As(err, &e) {
		return 0, false
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	wait := e.RetryAfter
	if wait == 0 {
		wait = firstBackoff << attempt
	}
	wait += rand.N(wait/4 + time.Millisecond) // callers that were refused together return apart
	deadline, ok := ctx.Deadline()
	return wait, ok && wait < time.Until(deadline)
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const maxRetryAfter = time.Hour

// retryAfter reads Retry-After in both its forms, or Sentry's own reset time.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	raw := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(raw, 64); err == nil && seconds > 0 {
		wait = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(raw); err == nil {
		wait = at.Sub(now)
	} else if reset, err := strconv.ParseInt(h.Get("X-Sentry-Rate-Limit-Reset"), 10, 64); err == nil && h.Get("X-Sentry-Rate-Limit-Remaining") == "0" {
		wait = time.Unix(reset, 0).Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
