// Package client sends MCP requests over streamable HTTP, in both eras of the
// protocol, and shows what came back as it came.
//
// It is lean on purpose: it shares the machine with what it measures. And it
// lets the harness do what well-behaved clients never do, such as showing the
// handles of others.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Era is a protocol version.
type Era string

const (
	Modern Era = "2026-07-28" // without sessions
	Legacy Era = "2025-11-25" // with sessions
)

// Config is one client at one URL. URL, Era and Prefix are required.
type Config struct {
	URL       string
	Era       Era
	Authorize func(context.Context) (header string, err error) // the Authorization header; nil: none is sent
	Header    http.Header                                      // further ones, which no Exchange shows
	HTTP      *http.Client                                     // nil: one of its own, from NewHTTP
	Prefix    string                                           // of request ids, which no other client of the run may have: letters, digits, and any of -_.:
	Tasks     bool                                             // say that the client knows tasks, so that tools that take long begin one; Modern only
}

// Client is safe for concurrent use. It follows no redirects.
type Client struct {
	era       Era
	authorize func(context.Context) (string, error)
	further   http.Header // Config.Header
	http      *http.Client
	blank     http.Request // that each request begins as
	header    http.Header  // that each has
	url       string
	prefix    string
	meta      string // the _meta of each request, with its name

	ids atomic.Uint64

	mu      sync.Mutex // held while a session is begun
	session atomic.Pointer[string]
}

// NewHTTP returns an HTTP client for all clients of a run. It keeps as many
// connections as were ever needed at once; its CloseIdleConnections cuts those
// on which no answer is awaited.
func NewHTTP() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 0 // no limit
	transport.MaxIdleConnsPerHost = 1 << 16
	transport.DisableCompression = true // costs both sides more than the loopback
	return &http.Client{Transport: transport, CheckRedirect: stay}
}

// New checks cfg and sends nothing.
func New(cfg Config) (*Client, error) {
	at, err := url.Parse(cfg.URL)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https":
		return nil, errors.New("the URL of the MCP server is none with http or https") // and may hold a password
	case at.User != nil:
		return nil, errors.New("the URL must hold no password: it is shown in reports")
	case cfg.Prefix == "":
		return nil, errors.New("the ids of the client need a prefix")
	case cfg.Era != Modern && cfg.Era != Legacy:
		return nil, fmt.Errorf("era %q is neither %s nor %s", cfg.Era, Modern, Legacy)
	case strings.ContainsFunc(cfg.Prefix, needsQuoting):
		return nil, fmt.Errorf("prefix %q: only letters, digits and -_.: are allowed", cfg.Prefix)
	}
	c := &Client{
		era: cfg.Era, url: cfg.URL, prefix: cfg.Prefix, authorize: cfg.Authorize, further: canonical(cfg.Header), http: cfg.HTTP,
		blank: http.Request{Method: http.MethodPost, URL: at, Host: at.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
	}
	switch {
	case cfg.Era == Legacy:
		c.header = legacyHeader
	case cfg.Tasks:
		c.header, c.meta = modernHeader, metaTasks
	default:
		c.header, c.meta = modernHeader, metaPlain
	}
	if c.http == nil {
		c.http = NewHTTP()
	}
	if c.http.CheckRedirect == nil { // a copy: others may want to follow them
		once := *c.http
		once.CheckRedirect = stay
		c.http = &once
	}
	return c, nil
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func needsQuoting(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.:", r))
}

// canonical spells the names as net/http does, who ever wrote them.
func canonical(h http.Header) http.Header {
	if len(h) == 0 {
		return nil
	}
	all := http.Header{}
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		all[name] = append(all[name], values...)
	}
	return all
}

// What does not change from one client to the next is there once: a run may
// have a million of them.
var (
	legacyHeader = http.Header{
		"User-Agent":   {"roundhouse-load"},
		"Accept":       {"application/json, text/event-stream"},
		"Content-Type": {"application/json"},
	}
	modernHeader = http.Header{
		"User-Agent":           {"roundhouse-load"},
		"Accept":               {"application/json, text/event-stream"},
		"Content-Type":         {"application/json"},
		"Mcp-Protocol-Version": {string(Modern)},
	}
	metaPlain = metaOf("{}")
	metaTasks = metaOf(`{"extensions":{"io.modelcontextprotocol/tasks":{}}}`)
)

const clientInfo = `{"name":"roundhouse-load","version":"1"}`

func metaOf(capabilities string) string {
	return `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + string(Modern) +
		`","io.modelcontextprotocol/clientCapabilities":` + capabilities +
		`,"io.modelcontextprotocol/clientInfo":` + clientInfo + `}`
}

// Call calls a tool. arguments are a JSON object; nil is an empty one.
func (c *Client) Call(ctx context.Context, tool string, arguments json.RawMessage) (*Exchange, error) {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	params := make([]byte, 0, len(tool)+len(arguments)+len(`{"name":"","arguments":}`)+8)
	params = append(params, `{"name":`...)
	params = appendString(params, tool)
	params = append(params, `,"arguments":`...)
	params = append(params, arguments...)
	params = append(params, '}')
	return c.Do(ctx, "tools/call", tool, params)
}

// Do sends a request. params are a JSON object without _meta, or nil; name is
// what Mcp-Name says, "" for a method that has none.
//
// Legacy: Do begins a session if there is none. When the server says that the
// session has ended, Do begins another, sends the request again, and sets
// Reopened of the Exchange.
//
// The error tells why there was no answer; whatever the server said is no
// error but an Exchange, and so are a refusal to begin a session and its kind.
func (c *Client) Do(ctx context.Context, method, name string, params json.RawMessage) (*Exchange, error) {
	if c.era == Modern {
		return c.exchange(ctx, c.message(method, name, params, true))
	}
	session, refused, err := c.inSession(ctx, "")
	if refused != nil || err != nil {
		return refused, err
	}
	m := c.message(method, name, params, true)
	m.session = session
	x, err := c.exchange(ctx, m)
	if err != nil || x.Status != http.StatusNotFound || session == "" {
		return x, err
	}
	if session, refused, err = c.inSession(ctx, session); refused != nil || err != nil {
		return refused, err
	}
	x.Release()
	m = c.message(method, name, params, true)
	m.session = session
	if x, err = c.exchange(ctx, m); x != nil {
		x.Reopened = true
	}
	return x, err
}

// Foreign is a request that shows handles which may be somebody else's.
type Foreign struct {
	Verb        string // GET and DELETE have no message; "": POST
	Session     string
	LastEventID string

	Method string // of JSON-RPC
	Name   string
	Params json.RawMessage
}

// peek is how long is listened to a stream that should not have opened.
const peek = 500 * time.Millisecond

// Foreign sends f with the client's own token, and leaves the client's own
// session alone. Of a stream that opens, the Body is what came first.
func (c *Client) Foreign(ctx context.Context, f Foreign) (*Exchange, error) {
	m := message{verb: f.Verb}
	if f.Verb == "" || f.Verb == http.MethodPost {
		m = c.message(f.Method, f.Name, f.Params, true)
	}
	m.session, m.lastEventID = f.Session, f.LastEventID
	if f.Verb != http.MethodGet {
		return c.exchange(ctx, m)
	}
	x, resp, err := c.send(ctx, m)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if isStream(resp) {
		timer := time.AfterFunc(peek, func() { resp.Body.Close() })
		defer timer.Stop()
		_ = x.read(resp) // it ends when the timer does
		return x, nil
	}
	return x, x.read(resp)
}
