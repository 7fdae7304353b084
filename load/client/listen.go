package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Subscription is what a stream is to tell of.
type Subscription struct {
	URIs        []string // of MCP resources
	Tasks       []string // ids; Modern only
	LastEventID string   // Legacy: go on after this event, with what the session has subscribed to

	// OnOpen is told once what was granted, when the stream is open: from then on
	// nothing is missed. OnEvent is given each event that has a message, in
	// order. Neither may keep the stream waiting for long; both may be nil.
	OnOpen  func(granted []string)
	OnEvent func(Event)
}

// Event is one that came on a stream.
type Event struct {
	ID      string // to go on after; "" if it has none
	Message Message
}

// maxEvent bounds one event.
const maxEvent = 1 << 20

// Listen opens a stream and returns when it has ended: without an error if the
// server ended it, or would not open it, which Status tells; of a stream that
// broke off there is an Exchange as well. To open it again, after its
// LastEventID if it has one, is the caller's business.
//
// Legacy: the stream is the session's, which is begun if need be; subscriptions
// that are refused are missing in what OnOpen is told.
func (c *Client) Listen(ctx context.Context, s Subscription) (*Exchange, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m, refused, err := c.listening(ctx, s)
	if refused != nil || err != nil {
		return refused, err
	}
	x, resp, err := c.send(ctx, m)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if x.Status != http.StatusOK || !isStream(resp) {
		return x, x.read(resp)
	}
	if c.era == Legacy {
		granted, err := c.subscribe(ctx, m.session, s)
		if err != nil {
			return nil, err
		}
		s.opened(granted)
	}
	return x, x.follow(resp.Body, s)
}

// listening is the message that opens the stream.
func (c *Client) listening(ctx context.Context, s Subscription) (m message, refused *Exchange, err error) {
	if c.era == Legacy {
		session, refused, err := c.inSession(ctx, "")
		return message{verb: http.MethodGet, session: session, lastEventID: s.LastEventID}, refused, err
	}
	params, err := json.Marshal(map[string]any{"notifications": wanted{s.URIs, s.Tasks}})
	if err != nil {
		return m, nil, fmt.Errorf("listen: %w", err)
	}
	return c.message("subscriptions/listen", "", params, true), nil, nil
}

// wanted is the filter of subscriptions/listen.
type wanted struct {
	URIs  []string `json:"resourceSubscriptions,omitempty"`
	Tasks []string `json:"taskIds,omitempty"`
}

func (s Subscription) opened(granted []string) {
	if s.OnOpen != nil {
		s.OnOpen(granted)
	}
}

// subscribe makes the subscriptions of a legacy session, which has them still
// when its stream is resumed. It begins no other session: the stream would not
// be that one's.
func (c *Client) subscribe(ctx context.Context, session string, s Subscription) (granted []string, err error) {
	if s.LastEventID != "" {
		return s.URIs, nil
	}
	for _, uri := range s.URIs {
		m := c.message("resources/subscribe", "", append(appendString([]byte(`{"uri":`), uri), '}'), true)
		m.session = session
		x, err := c.exchange(ctx, m)
		if err != nil {
			return nil, err
		}
		if x.answered() {
			granted = append(granted, uri)
		}
		x.Release()
	}
	return granted, nil
}

// follow hands on what comes until the stream ends.
func (x *Exchange) follow(body io.Reader, s Subscription) error {
	events := bufio.NewScanner(body)
	events.Buffer(nil, maxEvent)
	events.Split(splitEvents)
	for events.Scan() {
		id, data, _ := cutEvent(events.Bytes())
		if id != "" {
			x.LastEventID = id
		}
		if len(data) == 0 {
			continue
		}
		m, err := parse(bytes.Clone(data)) // the next event is written over this one
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		switch {
		case m.Method == "notifications/subscriptions/acknowledged":
			var params struct{ Notifications wanted }
			if err := json.Unmarshal(m.Params, &params); err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			s.opened(append(params.Notifications.URIs, params.Notifications.Tasks...))
		case m.Method == "":
			x.Answer = m
		case s.OnEvent != nil:
			s.OnEvent(Event{id, m})
		}
	}
	switch err := events.Err(); {
	case err != nil:
		return fmt.Errorf("listen: %w", bare(err))
	case x.ID != "" && x.Answer.Result == nil:
		return errBrokeOff
	}
	return nil
}

var errBrokeOff = fmt.Errorf("listen: the stream ended without a result: %w", io.ErrUnexpectedEOF)

// splitEvents cuts a stream after each empty line.
func splitEvents(b []byte, atEOF bool) (advance int, token []byte, err error) {
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		line := bytes.TrimSuffix(b[at:at+end], []byte("\r"))
		at += end + 1
		if len(line) == 0 {
			return at, b[:at], nil
		}
	}
	if atEOF && len(b) > 0 {
		return len(b), nil, nil // what broke off is no event
	}
	if len(b) >= maxEvent {
		return 0, nil, errors.New("an event has more than 1 MiB")
	}
	return 0, nil, nil
}
