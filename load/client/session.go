package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Open begins a session, in place of the one there is. Modern has none: Open
// sends nothing and returns nil. The Exchange is that of initialize, unless the
// server turned the notification away that follows it.
func (c *Client) Open(ctx context.Context) (*Exchange, error) {
	if c.era == Modern {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open(ctx)
}

// open is called with mu.
func (c *Client) open(ctx context.Context) (*Exchange, error) {
	c.session.Store(nil)
	x, err := c.exchange(ctx, c.message("initialize", "", json.RawMessage(
		`{"protocolVersion":"`+string(Legacy)+`","capabilities":{},"clientInfo":`+clientInfo+`}`), true))
	if err != nil || !x.answered() {
		return x, err
	}
	id := x.Header.Get("Mcp-Session-Id")
	m := c.message("notifications/initialized", "", nil, false)
	m.session = id
	told, err := c.exchange(ctx, m)
	if err != nil {
		return nil, err
	}
	if told.Status/100 != 2 {
		return told, nil
	}
	told.Release()
	c.session.Store(&id) // "" where the server keeps none
	return x, nil
}

// inSession returns the session to send in, and begins one if there is none or
// only the one that has ended. refused is the Exchange of one that could not be
// begun.
func (c *Client) inSession(ctx context.Context, ended string) (id string, refused *Exchange, err error) {
	if id := c.session.Load(); id != nil && (ended == "" || *id != ended) {
		return *id, nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := c.session.Load(); id != nil && (ended == "" || *id != ended) { // another call was first
		return *id, nil, nil
	}
	x, err := c.open(ctx)
	if err != nil {
		return "", nil, err
	}
	begun := c.session.Load()
	if begun == nil {
		return "", x, nil
	}
	x.Release()
	return *begun, nil, nil
}

// Session is the id of the session, "" if there is none.
func (c *Client) Session() string {
	if id := c.session.Load(); id != nil {
		return *id
	}
	return ""
}

// Close ends the session. Without one it sends nothing and returns nil.
func (c *Client) Close(ctx context.Context) (*Exchange, error) {
	id := c.session.Swap(nil)
	if id == nil || *id == "" {
		return nil, nil
	}
	return c.exchange(ctx, message{verb: http.MethodDelete, session: *id})
}
