package transport

import (
	"net/http"
	"sync"
	"time"
)

const (
	// keepAlive is shorter than the idle limit of every common proxy.
	keepAlive = 25 * time.Second

	// stalled is how long one write may take. A client that reads nothing for
	// so long is taken for gone.
	stalled = 30 * time.Second
)

// events is an answer of content type text/event-stream. Whoever writes holds
// mu, so that messages and keep-alives never run into each other. While nothing
// is written it costs a timer, and no goroutine.
type events struct {
	w     http.ResponseWriter
	every time.Duration // between keep-alives
	track *track        // what keeps the stream's events; nil: nobody does

	mu    sync.Mutex // guards the rest, and w from begin to end
	begun bool
	ended bool
	whole bool  // what has been written ends with a whole event
	err   error // of the first write that failed; nothing is written afterwards
	last  time.Time
	timer *time.Timer
}

func newEvents(w http.ResponseWriter, every time.Duration) *events {
	return &events{w: w, every: every}
}

// begin sends the header and starts the keep-alive. Under mu, as the following.
// Cache-Control says no-transform as well: a proxy that compressed would hold
// events back.
func (e *events) begin() {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events before it passes them on
	h.Del("Content-Length")
	e.w.WriteHeader(http.StatusOK)
	e.begun, e.whole, e.last = true, true, time.Now()
	e.timer = time.AfterFunc(e.every, e.beat)
}

// hurry bounds what is written to w next by stalled.
func hurry(w http.ResponseWriter) {
	for w != nil {
		switch inner := w.(type) {
		case interface{ SetWriteDeadline(time.Time) error }:
			_ = inner.SetWriteDeadline(time.Now().Add(stalled))
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default: // a recorder has none
			return
		}
	}
}

// write sends b, which need not be a whole event: mcp-go writes some in two
// parts.
func (e *events) write(b []byte) error {
	if e.err != nil {
		return e.err
	}
	hurry(e.w)
	if _, e.err = e.w.Write(b); e.err != nil {
		return e.err
	}
	e.whole = len(b) >= 2 && b[len(b)-1] == '\n' && b[len(b)-2] == '\n'
	e.last = time.Now()
	return nil
}

// send writes one message as an event and passes it on at once. Without an id it
// is a new one, and is kept where the stream is; an id that is empty then is
// left out.
func (e *events) send(id string, message []byte) error {
	if id == "" && e.track != nil {
		var mine bool
		if id, mine = e.track.add(message); !mine {
			return nil
		}
	}
	b := make([]byte, 0, len(message)+len(id)+32)
	if id != "" {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	b = append(b, "event: message\ndata: "...)
	b = append(append(b, message...), "\n\n"...)
	if err := e.write(b); err != nil {
		return err
	}
	e.err = e.flush()
	return e.err
}

func (e *events) flush() error {
	if e.err != nil {
		return e.err
	}
	return http.NewResponseController(e.w).Flush()
}

// beat runs in a goroutine of the timer.
func (e *events) beat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended || e.err != nil {
		return
	}
	quiet := time.Since(e.last)
	if quiet >= e.every && e.whole {
		if e.write([]byte(": keep-alive\n\n")) == nil {
			e.err = e.flush()
		}
		quiet = 0
	}
	e.timer.Reset(max(e.every-quiet, e.every/4))
}

// end leaves nothing behind: afterwards w belongs to net/http again.
func (e *events) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	if e.timer != nil {
		e.timer.Stop()
	}
}
