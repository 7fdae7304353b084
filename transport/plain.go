package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// plainMethods are the methods that a plain call may have.
var plainMethods = map[string]bool{
	string(mcp.MethodServerDiscover):         true,
	string(mcp.MethodToolsList):              true,
	string(mcp.MethodToolsCall):              true,
	string(mcp.MethodPromptsList):            true,
	string(mcp.MethodPromptsGet):             true,
	string(mcp.MethodResourcesList):          true,
	string(mcp.MethodResourcesTemplatesList): true,
	string(mcp.MethodResourcesRead):          true,
}

// isPlain reports whether mcp-go's HTTP server would hand a request on as it is,
// to be answered with one JSON message. Everything of which this is not certain
// goes through that server: what might be refused, or be told of progress, and
// all of before 2026-07-28, when a handler may ask its client.
func (t *Transport) isPlain(r *http.Request, m *Message) bool {
	switch {
	case !t.plainMethods[m.Method], m.Form != Object, m.ID == nil, m.ProgressToken != nil, m.LogLevel != "", m.Huge,
		m.Header != mcp.ProtocolVersion20260728, m.Version != m.Header, r.Header.Get(mcp.HeaderMethod) != m.Method:
		return false
	case m.Method == string(mcp.MethodToolsCall):
		return t.plainTool != nil && t.plainTool(m.Name) && isNamed(r, m.Name)
	case m.Method == string(mcp.MethodPromptsGet):
		return isNamed(r, m.Name)
	case m.Method == string(mcp.MethodResourcesRead):
		return isNamed(r, m.URI)
	}
	return true
}

// isNamed reports whether the header that names what a request is about says
// name.
func isNamed(r *http.Request, name string) bool {
	named, ok := mcp.DecodeHeaderValue(r.Header.Get(mcp.HeaderName))
	return ok && name != "" && named == name
}

// mayOverflow reports whether JSON has a number that perhaps no float64 holds.
// mcp-go takes _meta with one for no _meta.
func mayOverflow(b []byte) bool {
	digits := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			i, digits = skipString(b, i)-1, 0
		case c >= '0' && c <= '9':
			if digits++; digits > 300 {
				return true
			}
		case (c == 'e' || c == 'E') && digits > 0:
			return true
		default:
			digits = 0
		}
	}
	return false
}

// answerPlain answers as mcp-go's HTTP server does, without what that has ready
// for other requests: a goroutine and channels for notifications and questions.
func (t *Transport) answerPlain(w http.ResponseWriter, r *http.Request, m *Message) {
	ctx := r.Context()
	call := &plainCall{events: events{w: w, every: t.keepAlive}}
	e := &call.exchange
	e.events, e.ctx = &call.events, ctx
	defer e.finish()
	call.session = t.requestSession(&call.light, e)
	ctx = server.WithSupportedProtocolVersions(t.mcp.WithContext(ctx, &call.session), Versions)
	answer := t.mcp.HandleMessage(ctx, m.Body)
	to := e.last(w)
	switch {
	case answer == nil:
		to.WriteHeader(http.StatusAccepted)
		return
	case ctx.Err() != nil:
		return
	}
	to.Header().Set("Content-Type", "application/json")
	to.WriteHeader(plainStatus(answer))
	if err := json.NewEncoder(to).Encode(answer); err != nil {
		t.logger.Error("write response", "err", err)
	}
}

// plainCall is all that a plain call needs, in one piece.
type plainCall struct {
	exchange exchange
	events   events
	session  requestSession
	light    lightSession
}

// last returns what the result is written to: w itself, unless its handler has
// told something and the answer is a stream.
func (e *exchange) last(w http.ResponseWriter) http.ResponseWriter {
	e.notes.flush()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun {
		e.header = http.Header{}
		return e
	}
	e.status = http.StatusOK // nothing is told from here on
	return w
}

// plainStatus is an answer's HTTP status.
func plainStatus(answer mcp.JSONRPCMessage) int {
	failed, ok := answer.(mcp.JSONRPCError)
	if !ok {
		return http.StatusOK
	}
	switch failed.Error.Code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION,
		mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.PARSE_ERROR:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// lightSession stands in for mcp-go's session of a modern request, which makes
// 9 KB of channels. It knows what the request says about its client.
type lightSession struct {
	info         atomic.Pointer[mcp.Implementation]
	capabilities atomic.Pointer[mcp.ClientCapabilities]
}

var errNotAsked = errors.New("a request of this protocol version asks its client with its result")

func (s *lightSession) GetClientInfo() (info mcp.Implementation) {
	if p := s.info.Load(); p != nil {
		info = *p
	}
	return info
}

func (s *lightSession) GetClientCapabilities() (capabilities mcp.ClientCapabilities) {
	if p := s.capabilities.Load(); p != nil {
		capabilities = *p
	}
	return capabilities
}

func (s *lightSession) SetClientInfo(info mcp.Implementation) { s.info.Store(&info) }
func (s *lightSession) SetClientCapabilities(capabilities mcp.ClientCapabilities) {
	s.capabilities.Store(&capabilities)
}

func (s *lightSession) SessionID() string                                        { return "" }
func (s *lightSession) Initialize()                                              {}
func (s *lightSession) Initialized() bool                                        { return true }
func (s *lightSession) NotificationChannel() chan<- mcp.JSONRPCNotification      { return nil } // requestSession's
func (s *lightSession) SetLogLevel(mcp.LoggingLevel)                             {}
func (s *lightSession) GetLogLevel() mcp.LoggingLevel                            { return mcp.LoggingLevelError }
func (s *lightSession) GetSessionTools() map[string]server.ServerTool            { return nil }
func (s *lightSession) SetSessionTools(map[string]server.ServerTool)             {}
func (s *lightSession) GetSessionResources() map[string]server.ServerResource    { return nil }
func (s *lightSession) SetSessionResources(map[string]server.ServerResource)     {}
func (s *lightSession) SetSubscriptionFilter(mcp.SubscriptionFilter)             {}
func (s *lightSession) SubscriptionFilter() (f mcp.SubscriptionFilter, own bool) { return f, false }

func (s *lightSession) GetSessionResourceTemplates() map[string]server.ServerResourceTemplate {
	return nil
}
func (s *lightSession) SetSessionResourceTemplates(map[string]server.ServerResourceTemplate) {}

func (s *lightSession) RequestElicitation(context.Context, mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	return nil, errNotAsked
}

func (s *lightSession) RequestSampling(context.Context, mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	return nil, errNotAsked
}

func (s *lightSession) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	return nil, errNotAsked
}
