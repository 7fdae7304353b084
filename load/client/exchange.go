package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// maxBody bounds an answer.
const maxBody = 4 << 20

// Exchange is a request and its answer.
type Exchange struct {
	ID      string // of the request; "" of a notification
	Method  string // of JSON-RPC; "" of GET and DELETE
	URL     string
	Sent    http.Header // without Authorization and Config.Header, which hold secrets
	Request []byte
	Status  int
	Header  http.Header
	Body    []byte // as it came, at most 4 MiB; of a stream, all of its events

	Answer        Message   // the response, if there is one
	Notifications []Message // those before it
	Extra         []Message // whatever came after it. There should be nothing
	Malformed     error     // why Body could not be read to its end as messages
	Reopened      bool      // the session had ended, and this was sent again in a new one

	LastEventID string // of a stream that can be resumed after it

	buffer *bytes.Buffer
}

// Message is a JSON-RPC message, as far as the harness reads it.
type Message struct {
	ID     json.RawMessage `json:"id"` // raw, because a wrong one may be of any type
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *RPCError       `json:"error,omitempty"`
}

// RPCError is JSON-RPC's.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer that is kept for another answer.
const maxPooled = 256 << 10

// Release gives back the memory of the answer, for the next one. It is for
// those who are done with x: Body, Answer, Notifications and Extra must not be
// used afterwards, nor anything cut from them. Without it, the garbage collector
// does the same later.
func (x *Exchange) Release() {
	if x.buffer == nil || x.buffer.Cap() > maxPooled {
		return
	}
	x.buffer.Reset()
	buffers.Put(x.buffer)
	x.buffer, x.Body, x.Answer, x.Notifications, x.Extra = nil, nil, Message{}, nil, nil
}

// answered reports whether the request succeeded.
func (x *Exchange) answered() bool { return x.Status == http.StatusOK && x.Answer.Result != nil }

// TaskID is the id of the task that the server has begun in place of an answer;
// "" if it has not.
func (x *Exchange) TaskID() string {
	var made struct {
		ResultType string `json:"resultType"`
		TaskID     string `json:"taskId"`
	}
	if x.Answer.Result == nil || json.Unmarshal(x.Answer.Result, &made) != nil || made.ResultType != "task" {
		return ""
	}
	return made.TaskID
}

// message is what will be sent.
type message struct {
	verb         string // "": POST
	id           string
	method, name string
	body         []byte

	session, lastEventID string
}

// message makes a request or a notification. The body is put together anew each
// time: it is one copy, and a table of bodies would be larger than what it
// saves.
func (c *Client) message(method, name string, params json.RawMessage, request bool) message {
	m := message{method: method, name: name}
	body := make([]byte, 0, len(c.prefix)+len(method)+len(params)+len(c.meta)+72)
	body = append(body, `{"jsonrpc":"2.0",`...)
	if request {
		digits := strconv.AppendUint(append(make([]byte, 0, len(c.prefix)+20), c.prefix...), c.ids.Add(1), 10)
		m.id = string(digits)
		body = append(append(append(body, `"id":"`...), digits...), `",`...)
	}
	body = appendString(append(body, `"method":`...), method)
	body = c.appendParams(body, params)
	m.body = append(body, '}')
	return m
}

func (c *Client) appendParams(body []byte, params json.RawMessage) []byte {
	inner := bytes.TrimSpace(params)
	inner = bytes.TrimSuffix(bytes.TrimPrefix(inner, []byte("{")), []byte("}"))
	inner = bytes.TrimSpace(inner)
	if len(inner) == 0 && c.meta == "" {
		return body
	}
	body = append(body, `,"params":{`...)
	body = append(body, inner...)
	if len(inner) > 0 && c.meta != "" {
		body = append(body, ',')
	}
	body = append(body, c.meta...)
	return append(body, '}')
}

// appendString quotes s, which hardly ever has to be escaped.
func appendString(b []byte, s string) []byte {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		quoted, _ := json.Marshal(s) // a string always can be
		return append(b, quoted...)
	}
	return append(append(append(b, '"'), s...), '"')
}

// exchange sends m and reads the answer.
func (c *Client) exchange(ctx context.Context, m message) (*Exchange, error) {
	x, resp, err := c.send(ctx, m)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := x.read(resp); err != nil {
		return nil, err
	}
	return x, nil
}

// send returns as soon as the header of the answer is there. The caller closes
// the body.
func (c *Client) send(ctx context.Context, m message) (*Exchange, *http.Response, error) {
	x := &Exchange{ID: m.id, Method: m.method, URL: c.url, Sent: c.headerOf(m), Request: m.body}
	r := c.blank.WithContext(ctx)
	header, err := c.withSecrets(ctx, x.Sent)
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	if m.verb != "" {
		r.Method = m.verb
	}
	if m.body != nil {
		r.ContentLength = int64(len(m.body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.body)), nil }
		r.Body, _ = r.GetBody()
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("send: %w", bare(err))
	}
	x.Status, x.Header = resp.StatusCode, resp.Header
	return x, resp, nil
}

// withSecrets is what goes over the wire.
func (c *Client) withSecrets(ctx context.Context, sent http.Header) (http.Header, error) {
	all := make(http.Header, len(sent)+len(c.further)+1)
	maps.Copy(all, sent)
	maps.Copy(all, c.further)
	if c.authorize != nil {
		authorization, err := c.authorize(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errSignIn, err)
		}
		all["Authorization"] = []string{authorization}
	}
	return all, nil
}

var errSignIn = errors.New("authorize")

// bare takes off the method and the URL, which the report has elsewhere.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func (c *Client) headerOf(m message) http.Header {
	all := make(http.Header, len(c.header)+4)
	maps.Copy(all, c.header)
	if c.era == Modern && m.method != "" {
		all["Mcp-Method"] = []string{m.method}
		if m.name != "" {
			all["Mcp-Name"] = []string{headerValue(m.name)}
		}
	}
	if c.era == Legacy && m.method != "initialize" {
		all["Mcp-Protocol-Version"] = []string{string(Legacy)}
	}
	if m.session != "" {
		all["Mcp-Session-Id"] = []string{m.session}
	}
	if m.lastEventID != "" {
		all["Last-Event-Id"] = []string{m.lastEventID}
	}
	return all
}
