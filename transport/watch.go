package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/watch"
)

// join is where listen streams get their subscribers from.
func (t *Transport) join(ctx context.Context, changed func(uri string)) subscriber {
	return t.watcher.Join(ctx, changed)
}

// read returns what a client that asks for the resource would be sent. The
// server is asked as a client asks it: whatever narrows an answer to the key,
// the caller and their skills narrows this one. The error is watch.ErrGone
// where there is no such resource, or not for this caller.
func (t *Transport) read(ctx context.Context, uri string) ([]byte, error) {
	request, err := json.Marshal(map[string]any{
		"jsonrpc": mcp.JSONRPC_VERSION, "id": requestID(), "method": mcp.MethodResourcesRead, "params": map[string]any{"uri": uri},
	})
	if err != nil {
		return nil, fmt.Errorf("ask for resource: %w", err)
	}
	switch answer := t.mcp.HandleMessage(ctx, request).(type) {
	case mcp.JSONRPCResponse:
		return json.Marshal(answer.Result)
	case mcp.JSONRPCError:
		if answer.Error.Code == mcp.RESOURCE_NOT_FOUND {
			return nil, watch.ErrGone
		}
		return nil, fmt.Errorf("read resource: %s", answer.Error.Message)
	}
	return nil, errors.New("read resource: no answer")
}

// maxSubscribed bounds the resources that one session or stream watches.
const maxSubscribed = maxWatched

// subscriptions are the MCP resources that a legacy session has subscribed to.
// They are watched while the session has a stream to tell it on, with the
// credential of that stream, and forgotten with the session.
type subscriptions struct {
	mu     sync.Mutex // guards the rest
	uris   []string
	stream *watch.Subscriber // the newest open one's; nil: none
}

// subscribe adds a resource that the caller in ctx may read.
func (t *Transport) subscribe(ctx context.Context, to *subscriptions, uri string) error {
	content, err := t.read(ctx, uri)
	if err != nil {
		return fmt.Errorf("subscribe to %q: %w", uri, err)
	}
	return to.add(uri, content)
}

// add watches from what the client would have been sent just now.
func (s *subscriptions) add(uri string, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case slices.Contains(s.uris, uri):
		return nil
	case len(s.uris) >= maxSubscribed:
		return watch.ErrTooMany
	}
	if s.stream != nil {
		if err := s.stream.Again(uri, content); err != nil {
			return err
		}
	}
	s.uris = append(s.uris, uri)
	return nil
}

func (s *subscriptions) unsubscribe(uri string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uris = slices.DeleteFunc(s.uris, func(other string) bool { return other == uri })
	if s.stream != nil {
		s.stream.Unwatch(uri)
	}
}

// open lets a session's stream tell of its subscriptions until close is called.
// A second stream takes over from the first: a client that reconnects is told
// once.
func (s *subscriptions) open(stream *watch.Subscriber) (close func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.Leave()
	}
	s.stream = stream
	for _, uri := range s.uris {
		_ = stream.Again(uri, nil) // too many: others watch in the place of this one
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		stream.Leave()
		if s.stream == stream {
			s.stream = nil
		}
	}
}

// tellsOf lets the stream of a legacy session tell of what it has subscribed
// to. mcp-go's way would be the session's channel, from which a call that runs
// at the same time may take the notification and drop it.
func (t *Transport) tellsOf(s *session, e *exchange) (close func()) {
	return s.subscribed.open(t.watcher.Join(e.ctx, func(uri string) {
		go e.tell(updated(uri)) // ends with the write, which has a deadline
	}))
}

// SubscribeToResourceErr is called by mcp-go for resources/subscribe. Its error
// is answered with the code for a resource that does not exist.
func (s *requestSession) SubscribeToResourceErr(uri string) error {
	session := sessionFrom(s.exchange.ctx)
	if session == nil {
		return server.ErrResourceNotFound // there is no subscribing without a session
	}
	return s.t.subscribe(s.exchange.ctx, &session.subscribed, uri)
}

// UnsubscribeFromResource is called by mcp-go for resources/unsubscribe.
func (s *requestSession) UnsubscribeFromResource(uri string) {
	if session := sessionFrom(s.exchange.ctx); session != nil {
		session.subscribed.unsubscribe(uri)
	}
}

// The rest of mcp-go's interface is for servers that tell of changes
// themselves.

func (s *requestSession) SubscribeToResource(uri string)         { _ = s.SubscribeToResourceErr(uri) }
func (s *requestSession) SubscribedResources() []string          { return nil }
func (s *requestSession) IsSubscribedToResource(uri string) bool { return false }

var _ server.SessionWithResourceSubscriptionsErr = (*requestSession)(nil)
