package transport

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/jsonrpc"
)

const (
	methodInitialize = "initialize"
	methodListen     = "subscriptions/listen"
)

// refuse answers 400 to a message that is wrong in itself.
func refuse(w http.ResponseWriter, m *Message, code int, message string, data any) {
	jsonrpc.Error{Status: http.StatusBadRequest, ID: m.answerable(), Code: code, Message: message, Data: data}.Write(w)
}

// answerable is the id of the answer; null for what has none that can be one.
func (m *Message) answerable() []byte {
	if m.ID == nil || !isID(m.ID) {
		return nil
	}
	return m.ID
}

// maxID bounds an id, in bytes: an open stream holds it, and says it again with
// everything that it tells.
const maxID = 256

// isID reports whether an id is one that MCP allows and mcp-go gives back as it
// came: a string, or an integer that a float64 holds.
func isID(id []byte) bool {
	if id[0] == '"' {
		return len(id) <= maxID
	}
	digits := strings.TrimPrefix(string(id), "-")
	return digits != "" && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// refuseUnread answers for a body that could not be read.
func refuseUnread(w http.ResponseWriter, err error) {
	if errors.Is(err, errTooLarge) {
		jsonrpc.Refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	jsonrpc.Refuse(w, http.StatusRequestTimeout, "the body did not arrive whole")
}

// admitMethod: GET and DELETE are about sessions, which 2026-07-28 has not.
func admitMethod(w http.ResponseWriter, r *http.Request, m *Message) (goOn bool) {
	switch {
	case r.Method == http.MethodPost:
		return true
	case r.Method != http.MethodGet && r.Method != http.MethodDelete:
		w.Header().Set("Allow", "GET, POST, DELETE")
		jsonrpc.Refuse(w, http.StatusMethodNotAllowed, "MCP uses GET, POST and DELETE")
		return false
	case m.Modern:
		w.Header().Set("Allow", http.MethodPost)
		jsonrpc.Refuse(w, http.StatusMethodNotAllowed, r.Method+" is not part of MCP "+mcp.ProtocolVersion20260728+": to listen, send subscriptions/listen")
		return false
	}
	return true
}

// single are the headers of which the last of two could be another reader's
// first.
var single = []string{mcp.HeaderProtocolVersion, mcp.HeaderMethod, mcp.HeaderName, server.HeaderKeySessionID, mcp.HeaderLastEventID}

// admitHeaders looks at what is the same in both eras.
func admitHeaders(w http.ResponseWriter, r *http.Request, m *Message) (goOn bool) {
	for _, name := range single {
		if len(r.Header[http.CanonicalHeaderKey(name)]) > 1 {
			refuse(w, m, jsonrpc.HeaderMismatch, name+" is there more than once", nil)
			return false
		}
	}
	if r.Method == http.MethodPost {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			jsonrpc.Refuse(w, http.StatusUnsupportedMediaType, "the Content-Type of a message is application/json")
			return false
		}
	}
	events := accepts(r, "text/event-stream")
	if needsEvents := r.Method == http.MethodGet || m.Method == methodListen; needsEvents && !events ||
		r.Method == http.MethodPost && !events && !accepts(r, "application/json") {
		jsonrpc.Error{Status: http.StatusNotAcceptable, ID: m.answerable(), Message: "Accept must allow application/json and text/event-stream"}.Write(w)
		return false
	}
	return true
}

// accepts is generous: without the header everything is accepted, and weights
// are not looked at.
func accepts(r *http.Request, media string) bool {
	values := r.Header["Accept"]
	if len(values) == 0 {
		return true
	}
	kind, _, _ := strings.Cut(media, "/")
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item, _, _ = strings.Cut(item, ";")
			switch item = strings.TrimSpace(item); {
			case item == "*/*", strings.EqualFold(item, media), strings.EqualFold(item, kind+"/*"):
				return true
			}
		}
	}
	return false
}

// admitForm refuses what is no message, and what mcp-go would take for one.
func admitForm(w http.ResponseWriter, m *Message) (goOn bool) {
	wrong := ""
	switch {
	case m.Form == None:
		return true
	case m.Form == Broken:
		refuse(w, m, jsonrpc.ParseError, "the body is not a JSON object", nil)
		return false
	case m.Form == Batch:
		wrong = "batches are not served: send one message at a time"
	case m.Twice != "":
		wrong = "the message has more than one " + m.Twice
	case m.Method == "": // an answer
		return true
	case m.ID != nil && !isID(m.ID):
		wrong = "the id of a request is a string of at most 254 bytes or an integer of at most 15 digits"
	case len(m.ProgressToken) > maxID: // every report repeats it
		wrong = "the progressToken is longer than 254 bytes"
	case m.Method == methodInitialize && m.ID == nil:
		wrong = "initialize is a request and needs an id"
	default:
		return true
	}
	refuse(w, m, jsonrpc.InvalidRequest, wrong, nil)
	return false
}

// maxListen bounds what a stream is asked for with, in bytes: all of it is held
// while the stream is open.
const maxListen = 32 << 10

// admitStream refuses what would be counted as a stream and is none: streams
// and calls have limits of their own. In the modern era mcp-go holds the header
// against the body; before that it does not look at it.
func admitStream(w http.ResponseWriter, r *http.Request, m *Message) (goOn bool) {
	switch {
	case !isListen(r):
		return true
	case !m.Modern:
		refuse(w, m, jsonrpc.HeaderMismatch, mcp.HeaderMethod+" tells of a stream that only MCP "+mcp.ProtocolVersion20260728+" has", nil)
		return false
	case len(m.Body) > maxListen:
		jsonrpc.Error{Status: http.StatusRequestEntityTooLarge, ID: m.answerable(), Message: "this is too much to ask a stream for"}.Write(w)
		return false
	}
	return true
}

// admitVersion looks at the version of the era with sessions; mcp-go at the
// other's. The one in an initialize is negotiated.
func admitVersion(w http.ResponseWriter, m *Message) (goOn bool) {
	if m.Modern || m.Header == "" || m.Method == methodInitialize || served(m.Header) {
		return true
	}
	refuse(w, m, jsonrpc.UnsupportedVersion, "MCP "+m.Header+" is not served",
		map[string]any{"supported": Versions, "requested": m.Header})
	return false
}

func served(version string) bool { return slices.Contains(Versions, version) }

// capVersion lets mcp-go negotiate. It would agree to 2024-11-05, which is
// another transport: a client that asks for that is offered what one gets that
// asks for a version nobody knows.
func (m *Message) capVersion(r *http.Request) {
	if m.Method != methodInitialize || text(m.Initialize) != "2024-11-05" {
		return
	}
	at := cap(m.Body) - cap(m.Initialize) // both end where the array does
	body := slices.Concat(m.Body[:at], []byte(`"`+mcp.LATEST_LEGACY_PROTOCOL_VERSION+`"`), m.Body[at+len(m.Initialize):])
	m.parse(body)
	m.putBack(r)
}

// ignored reports a notification of the modern era that has nothing to say: a
// client there cancels by hanging up, and mcp-go would cancel by an id that all
// clients of a context share.
func (m *Message) ignored() bool {
	return m.Modern && m.Form == Object && m.Method != "" && m.ID == nil && served(m.Header) && (m.Version == "" || m.Version == m.Header)
}

// withoutLastEventID: in the modern era the header means nothing, and mcp-go
// refuses it.
func withoutLastEventID(r *http.Request) {
	if r.Header.Get(mcp.HeaderLastEventID) != "" {
		r.Header = r.Header.Clone()
		r.Header.Del(mcp.HeaderLastEventID)
	}
}
