package router

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// bodyTime is how long a client may take to send its body, on every route.
const bodyTime = 30 * time.Second

// bodies bounds what is held in memory of requests: in all, and per user.
type bodies struct {
	maxBytes   int64
	maxPerUser int

	mu      sync.Mutex // guards the rest
	bytes   int64
	perUser map[string]int
}

func (b *bodies) begin(user string, size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+size > b.maxBytes || b.perUser[user] >= b.maxPerUser {
		return false
	}
	b.bytes += size
	b.perUser[user]++
	return true
}

func (b *bodies) end(user string, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= size
	if b.perUser[user]--; b.perUser[user] <= 0 {
		delete(b.perUser, user)
	}
}

// readBody reads the whole body before anything is activated for it, or answers
// itself. mcp-go would read it without any bound. The body is nil where there is
// none to read; its memory is given back by done, which is never nil and may be
// called again.
func (rt *router) readBody(w http.ResponseWriter, r *http.Request, user string) (body []byte, done func(), ok bool) {
	if r.Method != http.MethodPost {
		return nil, func() {}, true
	}
	size := r.ContentLength
	if size < 0 {
		size = rt.MaxBody // not told: the most it can become
	}
	if size > rt.MaxBody {
		rt.tooLarge(w)
		return nil, func() {}, false
	}
	if !rt.bodies.begin(user, size) {
		retryAfter(w, time.Second)
		writeError(w, http.StatusServiceUnavailable, "too many requests are being received at once")
		return nil, func() {}, false
	}
	done = sync.OnceFunc(func() { rt.bodies.end(user, size) })
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rt.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		rt.tooLarge(w)
		return nil, done, false
	case err != nil:
		writeError(w, http.StatusRequestTimeout, "the body did not arrive whole")
		return nil, done, false
	}
	// Left in place, the deadline would look like a disconnect to a long call.
	// It is lifted only now: an answer to half a body is sent after the rest has
	// been read away, for which the deadline must still hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, done, true
}

// limitBodyTime sets the deadline for all routes, those included that never
// look at the body: net/http reads it away before it answers.
func limitBodyTime(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // not every ResponseWriter can
	}
}

func (rt *router) tooLarge(w http.ResponseWriter) {
	writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", rt.MaxBody))
}
