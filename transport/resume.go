package transport

import (
	"bytes"
	"context"
	"net/http"

	"roundhouse/jsonrpc"
)

// resume answers a GET that says which event its client has seen last: with
// what came after it on that stream, and then with what still comes. An id that
// is unknown, forgotten or another session's gets one and the same refusal; the
// client listens anew, without it.
//
// mcp-go can resume as well, and then keeps something of every stream until its
// session ends, a goroutine for every session, and writes each event in two
// parts.
func (t *Transport) resume(w http.ResponseWriter, r *http.Request, m *Message, s *session, last string) {
	stream, missed, ok := t.log.after(s.id, last)
	switch {
	case !ok:
		refuse(w, m, jsonrpc.InvalidRequest, "this Last-Event-ID is not known here, or not any more: listen without it", nil)
	case stream.again():
		ctx := context.WithValue(r.Context(), resumedInContext{}, &resumed{stream, missed})
		t.serve(w, r.WithContext(ctx), m)
	default:
		t.follow(w, r.Context(), s, stream, last)
	}
}

// follow sends a stream that another request fills, or has filled.
func (t *Transport) follow(w http.ResponseWriter, ctx context.Context, s *session, stream *track, last string) {
	e := newEvents(w, t.keepAlive)
	defer e.end()
	e.replay(nil)
	for {
		news := stream.take() // before it is looked for: nothing comes unseen in between
		_, missed, ok := t.log.after(s.id, last)
		if !ok || e.replay(missed) != nil || news == nil {
			return // forgotten meanwhile, gone, or all there will be
		}
		if n := len(missed); n > 0 {
			last = missed[n-1].id
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

type resumedInContext struct{}

// resumed is the stream that a GET goes on with.
type resumed struct {
	stream *track
	missed []event
}

// keep lets the log keep what e sends in a legacy session, on the stream that r
// resumes or on a new one. What was missed is sent first.
func (t *Transport) keep(e *exchange, r *http.Request) {
	if old, ok := r.Context().Value(resumedInContext{}).(*resumed); ok {
		e.track = old.stream
		_ = e.replay(old.missed)
		return
	}
	if s := sessionFrom(r.Context()); s != nil {
		e.track = t.log.begin(s.id, r.Method == http.MethodGet)
	}
}

// replay sends events under the ids that they have, and begins the stream if
// need be.
func (e *events) replay(missed []event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.begun {
		e.begin()
	}
	for _, m := range missed {
		if err := e.send(m.id, m.message); err != nil {
			return err
		}
	}
	return e.flush()
}

// writeEvent writes what mcp-go has framed as an event, which it does in one
// piece. The message in it is kept like every other.
func (e *events) writeEvent(b []byte) error {
	message, framed := bytes.CutPrefix(b, []byte("event: message\ndata: "))
	message, whole := bytes.CutSuffix(message, []byte("\n\n"))
	if e.track == nil || !framed || !whole {
		return e.write(b)
	}
	return e.send("", message)
}
