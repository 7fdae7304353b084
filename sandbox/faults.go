package sandbox

import (
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
	"sync"
	"time"
)

const (
	faultsPath    = "/_sandbox/faults/"
	maxFaultRules = 100
	maxFaultDelay = 5 * time.Minute
)

// Faults are what goes wrong on purpose, for tests and load runs. All rules that
// apply to a request add their delays; the first with an answer gives it. Each
// rule counts the requests that it is for, and with the same seed and rules the
// nth of them meets the same fate again.
type Faults struct {
	Seed  uint64  `json:"seed"`
	Rules []Fault `json:"rules"`
}

// Fault is one rule: for which requests, how often, and what happens to them.
// With neither Probability nor Every it is all of them.
type Fault struct {
	Pattern     string  `json:"pattern,omitempty"`     // as of http.ServeMux, so all below "GET /api/0/organizations/{org}/issues/", or that alone with {$}; "": any
	Org         string  `json:"org,omitempty"`         // slug of the organization, or of the project's in ingest, that the path names; "": any
	Probability float64 `json:"probability,omitempty"` // at most 1
	Every       int     `json:"every,omitempty"`       // each nth

	DelayMS    int  `json:"delayMs,omitempty"`
	Status     int  `json:"status,omitempty"`     // 4xx or 5xx; with HTML or Drop also 200
	RetryAfter int  `json:"retryAfter,omitempty"` // seconds; without a Status it is 429
	HTML       bool `json:"html,omitempty"`       // the body is a page, as of a proxy in front; without a Status it is 200
	Drop       bool `json:"drop,omitempty"`       // the connection ends without an answer, or with a Status in the middle of it: a panic with http.ErrAbortHandler, for the HTTP server to catch
}

// faultPlan is faults at work.
type faultPlan struct {
	mu    sync.Mutex
	rules []*faultRule
}

type faultRule struct {
	Fault
	mux *http.ServeMux // with the one pattern

	// guarded by the plan's mu
	rand *rand.Rand
	Seen int `json:"seen"` // requests that the rule is for
	Hit  int `json:"hit"`  // those it did something to
}

// ReadFaults reads JSON. It refuses members that it does not know: a misspelt one
// would widen a rule to every request.
func ReadFaults(from io.Reader) (f Faults, err error) {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("read sandbox faults: %w", err)
	}
	return f, nil
}

// SetFaults replaces what goes wrong from the next request on; the zero value
// ends it. It refuses a rule that could never do anything.
func (s *Sandbox) SetFaults(f Faults) error {
	if len(f.Rules) > maxFaultRules {
		return fmt.Errorf("sandbox faults: more than %d rules", maxFaultRules)
	}
	plan := &faultPlan{}
	for i, rule := range f.Rules {
		mux, err := rule.check()
		if err != nil {
			return fmt.Errorf("sandbox faults: rule %d: %w", i+1, err)
		}
		plan.rules = append(plan.rules, &faultRule{Fault: rule.explicit(), mux: mux, rand: rand.New(rand.NewPCG(f.Seed, uint64(i)))})
	}
	s.faults.Store(plan)
	return nil
}

func (f Fault) check() (*http.ServeMux, error) {
	switch {
	case f.Probability < 0 || f.Probability > 1 || f.Every < 0 || f.Probability > 0 && f.Every > 0:
		return nil, errors.New("give a probability up to 1 or every nth, not both")
	case f.DelayMS < 0 || f.DelayMS > int(maxFaultDelay.Milliseconds()):
		return nil, fmt.Errorf("the delay is not between 0 and %s", maxFaultDelay)
	case f.RetryAfter < 0 || f.Status != 0 && (f.Status < 400 || f.Status > 599) && !(f.Status == http.StatusOK && (f.HTML || f.Drop)):
		return nil, fmt.Errorf("no error has the status %d", f.Status)
	case f.DelayMS == 0 && !f.answers():
		return nil, errors.New("it does nothing")
	}
	return muxOf(f.Pattern)
}

// answers tells whether the request never reaches the sandbox proper.
func (f Fault) answers() bool { return f.Status != 0 || f.RetryAfter != 0 || f.HTML || f.Drop }

// explicit fills in the status that is left out.
func (f Fault) explicit() Fault {
	switch {
	case f.Status != 0 || f.Drop:
	case f.RetryAfter > 0:
		f.Status = http.StatusTooManyRequests
	case f.HTML:
		f.Status = http.StatusOK
	}
	return f
}

// muxOf makes the pattern a mux, which panics at a bad one.
func muxOf(pattern string) (mux *http.ServeMux, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("pattern: %v", reason)
		}
	}()
	if pattern == "" {
		pattern = "/"
	}
	mux = http.NewServeMux()
	mux.Handle(pattern, http.NotFoundHandler())
	return mux, nil
}

// fail does to the request what the faults say, and reports whether that was
// the answer.
func (s *Sandbox) fail(w http.ResponseWriter, r *http.Request) bool {
	plan := s.faults.Load()
	if plan == nil || len(plan.rules) == 0 {
		return false
	}
	delay, answer := plan.draw(r, sync.OnceValue(func() string { return s.orgInPath(r) }))
	pause(r.Context(), delay)
	if answer == nil {
		return false
	}
	answer.write(w, r)
	return true
}

// draw lets every rule decide, or what one does would depend on the others.
func (p *faultPlan) draw(r *http.Request, org func() string) (delay time.Duration, answer *Fault) {
	for _, rule := range p.rules {
		if _, pattern := rule.mux.Handler(r); pattern == "" || rule.Org != "" && !strings.EqualFold(rule.Org, org()) {
			continue
		}
		if !p.hits(rule) {
			continue
		}
		delay += time.Duration(rule.DelayMS) * time.Millisecond
		if answer == nil && rule.answers() {
			answer = &rule.Fault
		}
	}
	return delay, answer
}

func (p *faultPlan) hits(rule *faultRule) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	rule.Seen++
	if rule.Every > 0 && rule.Seen%rule.Every != 0 || rule.Probability > 0 && rule.rand.Float64() >= rule.Probability {
		return false
	}
	rule.Hit++
	return true
}

// orgInPath is the slug of the organization that the path names, itself or by a
// project's number; "" if it names none.
func (s *Sandbox) orgInPath(r *http.Request) (slug string) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, apiRoot), "/")
	if len(parts) < 3 {
		return ""
	}
	search, args := "SELECT slug FROM org WHERE slug = ? COLLATE NOCASE OR id = ? ORDER BY id = ? LIMIT 1", []any{parts[2], asID(parts[2]), asID(parts[2])}
	switch parts[1] {
	case "organizations", "projects", "teams":
	case "api":
		search, args = "SELECT o.slug FROM project p JOIN org o ON o.id = p.org WHERE p.id = ?", args[1:2]
	default:
		return ""
	}
	if err := s.read().QueryRowContext(r.Context(), search, args...).Scan(&slug); err != nil {
		return "" // the request itself will say why
	}
	return slug
}

// pause waits in real time, whatever the sandbox's clock says.
func pause(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *Fault) write(w http.ResponseWriter, r *http.Request) {
	if f.Drop {
		if f.Status == 0 {
			panic(http.ErrAbortHandler)
		}
		w = half{w}
	}
	f.writeHeader(w.Header(), r)
	f.writeBody(w)
}

// half ends the connection in the middle of the body, which is one Write.
type half struct{ http.ResponseWriter }

func (h half) Write(b []byte) (int, error) {
	h.ResponseWriter.Write(b[:len(b)/2])
	http.NewResponseController(h.ResponseWriter).Flush() // or it would not be sent
	panic(http.ErrAbortHandler)
}

func (f *Fault) writeHeader(h http.Header, r *http.Request) {
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if ingest := strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, apiRoot+"/"); ingest {
		allowAnyOrigin(h)
		if f.RetryAfter > 0 {
			h.Set("X-Sentry-Rate-Limits", strconv.Itoa(f.RetryAfter)+"::organization")
		}
	}
}

func (f *Fault) writeBody(w http.ResponseWriter) {
	what := strings.TrimSpace(strconv.Itoa(f.Status) + " " + http.StatusText(f.Status))
	if !f.HTML {
		writeJSON(w, f.Status, map[string]string{"detail": what + ", as the sandbox was told to answer"})
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<title>%[1]s</title>\n<h1>%[1]s</h1>\n", what)
}

// serveControl lets this machine read and set the faults, where the options
// allow it. Anybody else is answered as if there were nothing here; and no fault
// applies, or one for all requests could not be taken back.
func (s *Sandbox) serveControl(w http.ResponseWriter, r *http.Request) bool {
	if !s.control || r.URL.Path != faultsPath || !fromHere(r) {
		return false
	}
	switch r.Method {
	case http.MethodGet:
		s.writeFaults(w)
	case http.MethodPut:
		f, err := ReadFaults(http.MaxBytesReader(w, r.Body, maxRequestBody))
		if err == nil {
			err = s.SetFaults(f)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"detail": err.Error()})
			return true
		}
		s.writeFaults(w)
	case http.MethodDelete:
		s.faults.Store(nil)
		s.writeFaults(w)
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method \"" + r.Method + "\" not allowed."})
	}
	return true
}

// writeFaults tells the rules and how often each has been met.
func (s *Sandbox) writeFaults(w http.ResponseWriter) {
	out := []faultRule{}
	if plan := s.faults.Load(); plan != nil {
		plan.mu.Lock()
		for _, rule := range plan.rules {
			out = append(out, *rule)
		}
		plan.mu.Unlock()
	}
	writeJSON(w, http.StatusOK, map[string]any{"rules": out})
}

// fromHere tells whether a program on this machine asks: not a proxy for somebody
// else, and not a web page in a browser.
func fromHere(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", "Origin"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return isLoopback(&url.URL{Scheme: "http", Host: r.Host}) && net.ParseIP(remoteIP(r)).IsLoopback()
}
