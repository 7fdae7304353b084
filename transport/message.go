package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"roundhouse/jsonrpc"
)

// Message is what a request says about itself, read once: all that is decided
// before mcp-go sees it is decided from here. Arguments are not looked at.
//
// A body is taken as mcp-go's decoder takes it, which knows names in whatever
// case and lets the last of two win. One that would let two readers see two
// things is told by Twice, and refused.
type Message struct {
	Body  []byte // nil if the request is no POST
	Form  Form
	Twice string // a member that is there twice, or in a case of its own; "" if none is

	ID      json.RawMessage // as it came; nil if there is none
	Method  string
	Answers bool // has a result or an error

	Name, URI, TaskID string          // of params
	Initialize        json.RawMessage // params.protocolVersion, as it came
	Input             bool            // params has inputResponses or requestState

	Version       string          // of params._meta, as the following
	Capabilities  json.RawMessage // the client's; nil if there are none
	ProgressToken json.RawMessage // nil if there is none
	LogLevel      string
	Huge          bool // a number in it is one that perhaps no float64 holds

	Header string // the version that the header names
	Modern bool   // 2026-07-28 or later, by the header or by _meta
}

// Form is what a body is.
type Form int

// The forms of a body.
const (
	None   Form = iota // no POST
	Object             // one message
	Batch              // an array
	Broken             // no JSON, or neither
)

// Request reports whether the message wants an answer; what has a method and no
// id is a notification.
func (m *Message) Request() bool { return m.Method != "" && m.ID != nil }

// maxBody bounds a body whoever is in front. The router's own limit is lower.
const maxBody = 4 << 20

type messageInContext struct{}

// Read returns what r says about itself, and r with that in its context and the
// body to be read again. Whoever needs it first reads it, once.
func Read(r *http.Request) (*http.Request, *Message, error) {
	if m, ok := MessageFrom(r.Context()); ok {
		return r, m, nil
	}
	m := &Message{}
	if r.Method == http.MethodPost {
		body, err := readBody(r)
		if err != nil {
			return r, nil, err
		}
		m.parse(body)
	}
	m.Header = r.Header.Get(mcp.HeaderProtocolVersion)
	m.Modern = mcp.IsModernProtocol(m.Version) || mcp.IsModernProtocol(m.Header)
	r = r.WithContext(context.WithValue(r.Context(), messageInContext{}, m))
	m.putBack(r)
	return r, m, nil
}

// MessageFrom returns what Read has put into a request's context.
func MessageFrom(ctx context.Context) (*Message, bool) {
	m, ok := ctx.Value(messageInContext{}).(*Message)
	return m, ok
}

// putBack makes Body what the next reader of r reads.
func (m *Message) putBack(r *http.Request) {
	if m.Form != None {
		r.Body = jsonrpc.NewBody(m.Body)
		r.ContentLength = int64(len(m.Body))
	}
}

var errTooLarge = errors.New("the body is too large")

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errTooLarge
	}
	if body, ok := r.Body.(*jsonrpc.Body); ok && len(body.Whole) <= maxBody {
		return body.Whole, nil
	}
	if r.Body == nil {
		return nil, nil
	}
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead) // room to see the end as well
	}
	if _, err := body.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return nil, err
	}
	if body.Len() > maxBody {
		return nil, errTooLarge
	}
	return body.Bytes(), nil
}

func (m *Message) parse(body []byte) {
	m.Body, m.Form = body, Broken
	start := skipSpace(body, 0)
	switch {
	case start == len(body) || !json.Valid(body):
	case body[start] == '[':
		m.Form = Batch
	case body[start] == '{':
		m.Form = Object
		m.read(body[start:])
	}
}

// Names that must be there once: mcp-go's decoder would take them in any case.
var (
	topNames   = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramNames = []string{"_meta", "name", "uri", "arguments", "taskId", "inputResponses", "requestState", "notifications", "protocolVersion", "requestId", "level"}
)

func (m *Message) read(object []byte) {
	seen := 0
	members(object, func(key, value []byte) {
		m.once(&seen, topNames, key)
		switch string(key) {
		case "id":
			m.ID = value
		case "method":
			m.Method = text(value)
		case "result", "error":
			m.Answers = true
		case "params":
			m.readParams(value)
		}
	})
}

func (m *Message) readParams(params []byte) {
	if params[0] != '{' {
		return
	}
	seen := 0
	members(params, func(key, value []byte) {
		m.once(&seen, paramNames, key)
		switch string(key) {
		case "name":
			m.Name = text(value)
		case "uri":
			m.URI = text(value)
		case "taskId":
			m.TaskID = text(value)
		case "protocolVersion":
			m.Initialize = value
		case "inputResponses", "requestState":
			m.Input = true
		case "_meta":
			m.readMeta(value)
		}
	})
}

// readMeta reads what mcp-go reads into a map: there the case counts, and the
// last of two wins, here as well.
func (m *Message) readMeta(meta []byte) {
	if meta[0] != '{' {
		return
	}
	m.Huge = mayOverflow(meta)
	members(meta, func(key, value []byte) {
		switch string(key) {
		case mcp.MetaKeyProtocolVersion:
			m.Version = text(value)
		case mcp.MetaKeyClientCapabilities:
			m.Capabilities = value
		case mcp.MetaKeyLogLevel:
			m.LogLevel = text(value)
		case "progressToken":
			m.ProgressToken = value
		}
	})
}

// once notes in Twice a name that another reader could miss.
func (m *Message) once(seen *int, names []string, key []byte) {
	for i, name := range names {
		if len(key) < len(name) || !strings.EqualFold(string(key), name) {
			continue // len: folding only ever makes longer ones equal
		}
		if *seen&(1<<i) != 0 || string(key) != name {
			m.Twice = name
		}
		*seen |= 1 << i
	}
}

// text is a string's value; "" for everything else.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	if plain := value[1 : len(value)-1]; isPlain(plain) {
		return string(plain)
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// isPlain reports whether a string is spelled as it reads.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// members calls f with each member of an object that is known to be valid JSON.
func members(object []byte, f func(key, value []byte)) {
	i := skipSpace(object, 1)
	for object[i] != '}' {
		if object[i] == ',' {
			i = skipSpace(object, i+1)
		}
		end := skipValue(object, i)
		key := object[i+1 : end-1]
		if !isPlain(key) {
			key = []byte(text(object[i:end]))
		}
		i = skipSpace(object, skipSpace(object, end)+1) // the colon
		end = skipValue(object, i)
		f(key, object[i:end])
		i = skipSpace(object, end)
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends.
func skipValue(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of what holds the value, a number or a word
			}
			depth--
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}
