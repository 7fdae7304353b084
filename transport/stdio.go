package transport

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// WithSubscriptions is for a transport with a single client, such as stdio: it
// puts a session into ctx that the client can subscribe to MCP resources with,
// until ctx is done. What it subscribes to is read with ctx.
func (t *Transport) WithSubscriptions(ctx context.Context) context.Context {
	s, ok := server.ClientSessionFromContext(ctx).(soleSession)
	if !ok {
		return ctx
	}
	sole := &subscribingSession{soleSession: s, t: t, ctx: ctx}
	stream := t.watcher.Join(ctx, func(uri string) {
		select {
		case s.NotificationChannel() <- updated(uri):
		default: // a client that reads nothing is not told more
		}
	})
	context.AfterFunc(ctx, sole.subscribed.open(stream))
	return t.mcp.WithContext(ctx, sole)
}

// soleSession is all that mcp-go's session over stdio can do.
type soleSession interface {
	server.SessionWithLogging
	server.SessionWithClientInfo
	server.SessionWithSampling
	server.SessionWithElicitation
	server.SessionWithRoots
}

type subscribingSession struct {
	soleSession
	t          *Transport
	ctx        context.Context
	subscribed subscriptions
}

var _ server.SessionWithResourceSubscriptionsErr = (*subscribingSession)(nil)

func (s *subscribingSession) SubscribeToResourceErr(uri string) error {
	return s.t.subscribe(s.ctx, &s.subscribed, uri)
}

func (s *subscribingSession) UnsubscribeFromResource(uri string) { s.subscribed.unsubscribe(uri) }

func (s *subscribingSession) SubscribeToResource(uri string)         { _ = s.SubscribeToResourceErr(uri) }
func (s *subscribingSession) SubscribedResources() []string          { return nil }
func (s *subscribingSession) IsSubscribedToResource(uri string) bool { return false }

// updated is what a subscriber is told.
func updated(uri string) mcp.JSONRPCNotification {
	return mcp.JSONRPCNotification{JSONRPC: mcp.JSONRPC_VERSION, Notification: mcp.Notification{
		Method: mcp.MethodNotificationResourceUpdated,
		Params: mcp.NotificationParams{AdditionalFields: map[string]any{"uri": uri}},
	}}
}
