package router

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// bodyTime is how long a client may take to send its body, on every route.
const bodyTime = 30 * time.Second

const (
	maxBodies     = 256 << 20 // bytes
	maxUserBodies = 64
)

// Bodies bounds what is held in memory of requests on MCP URLs until they have
// been answered: in all, and per user. The zero value is ready; it may be used by several goroutines at once.
type Bodies struct {
	MaxBytes   int64 // zero: 256 MiB
	MaxPerUser int   // zero: 64

	mu      sync.Mutex // guards the rest
	bytes   int64
	perUser map[string]int
	refused uint64
}

// Held returns how many bytes are held, and how many requests have been refused
// since the start because that would have been too much.
func (b *Bodies) Held() (bytes int64, refused uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes, b.refused
}

func (b *Bodies) begin(user string, size int64) bool {
	maxBytes, maxPerUser := cmp.Or(b.MaxBytes, maxBodies), cmp.Or(b.MaxPerUser, maxUserBodies)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+size > maxBytes || b.perUser[user] >= maxPerUser {
		b.refused++
		return false
	}
	if b.perUser == nil {
		b.perUser = map[string]int{}
	}
	b.bytes += size
	b.perUser[user]++
	return true
}

func (b *Bodies) end(user string, size int64) {
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
	if !rt.Bodies.begin(user, size) {
		retryAfter(w, time.Second)
		writeError(w, http.StatusServiceUnavailable, "too many requests are being received at once")
		return nil, func() {}, false
	}
	done = sync.OnceFunc(func() { rt.Bodies.end(user, size) })
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
