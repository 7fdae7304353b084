package router

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// bodyTime is how long a client may take to send its body.
const bodyTime = 30 * time.Second

// readBody reads the whole body, at most MaxBody bytes in at most bodyTime,
// before anything is activated for it, or answers itself. mcp-go would read it
// without either bound.
func (rt *router) readBody(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	if r.Method != http.MethodPost {
		return r, true
	}
	if r.ContentLength > rt.MaxBody {
		rt.tooLarge(w)
		return nil, false
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // not every ResponseWriter can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rt.MaxBody))
	// A deadline left in place would look like a disconnect to a long call.
	_ = control.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		rt.tooLarge(w)
		return nil, false
	case err != nil:
		writeError(w, http.StatusRequestTimeout, "the body did not arrive whole")
		return nil, false
	}
	read := r.WithContext(r.Context())
	read.Body = io.NopCloser(bytes.NewReader(body))
	return read, true
}

func (rt *router) tooLarge(w http.ResponseWriter) {
	writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", rt.MaxBody))
}
