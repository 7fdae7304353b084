package sentry

import (
	"context"
	"encoding/json"
)

// Event is one occurrence of an issue.
type Event struct {
	ID          ID                        `json:"eventID"`
	GroupID     ID                        `json:"groupID"`
	ProjectID   ID                        `json:"projectID"`
	Type        Text                      `json:"type"` // error, default, transaction, generic, csp
	Title       Text                      `json:"title"`
	Message     Text                      `json:"message"`
	Culprit     Text                      `json:"culprit"`
	Platform    Text                      `json:"platform"`
	DateCreated Time                      `json:"dateCreated"`
	Tags        List[Tag]                 `json:"tags"`
	User        *EventUser                `json:"user"`
	Contexts    map[string]map[string]any `json:"contexts"`
	Extra       map[string]any            `json:"context"`
	Release     *Release                  `json:"release"`
	SDK         struct {
		Name    Text `json:"name"`
		Version Text `json:"version"`
	} `json:"sdk"`

	Exceptions  []Exception  `json:"-"` // the cause comes before what it caused
	Threads     []Thread     `json:"-"`
	Breadcrumbs []Breadcrumb `json:"-"` // oldest first
	Request     *HTTPRequest `json:"-"`
	LogMessage  string       `json:"-"` // of an event that is a message
}

// Tag is a key with its value.
type Tag struct {
	Key   Text `json:"key"`
	Value Text `json:"value"`
}

// EventUser is whom the event happened to.
type EventUser struct {
	ID        ID   `json:"id"`
	Email     Text `json:"email"`
	Username  Text `json:"username"`
	IPAddress Text `json:"ip_address"`
}

// Release is a release of a program. It may also come as its version alone.
type Release struct {
	Version Text
}

// UnmarshalJSON never returns an error.
func (r *Release) UnmarshalJSON(data []byte) error {
	var object struct {
		Version Text `json:"version"`
	}
	*r = Release{Version: Text(scalar(data))}
	if decode(data, &object) == nil {
		r.Version = object.Version
	}
	return nil
}

// Exception is one error of a chain.
type Exception struct {
	Type       Text        `json:"type"`
	Value      Text        `json:"value"`
	Mechanism  *Mechanism  `json:"mechanism"`
	Stacktrace *Stacktrace `json:"stacktrace"`
}

// Mechanism says how an exception was caught.
type Mechanism struct {
	Type    Text  `json:"type"`
	Handled *Bool `json:"handled"`
}

// Stacktrace is a list of frames, the caller first.
type Stacktrace struct {
	Frames List[Frame] `json:"frames"`
}

// Frame is one call of a stack.
type Frame struct {
	Filename Text           `json:"filename"`
	AbsPath  Text           `json:"absPath"`
	Function Text           `json:"function"`
	Module   Text           `json:"module"`
	LineNo   Count          `json:"lineNo"`
	ColNo    Count          `json:"colNo"`
	InApp    Bool           `json:"inApp"`
	Context  List[CodeLine] `json:"context"`
	Vars     map[string]any `json:"vars"`
}

// CodeLine is a pair of line number and text.
type CodeLine struct {
	No   int64
	Text string
}

// UnmarshalJSON never returns an error.
func (l *CodeLine) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if json.Unmarshal(data, &pair) != nil || len(pair) < 2 {
		return nil
	}
	var n Count
	_ = n.UnmarshalJSON(pair[0])
	l.No, l.Text = int64(n), scalar(pair[1])
	return nil
}

// Thread is one thread of a crashed process.
type Thread struct {
	ID         ID          `json:"id"`
	Name       Text        `json:"name"`
	Current    Bool        `json:"current"`
	Crashed    Bool        `json:"crashed"`
	Stacktrace *Stacktrace `json:"stacktrace"`
}

// Breadcrumb is something that happened before the event.
type Breadcrumb struct {
	Timestamp Time           `json:"timestamp"`
	Type      Text           `json:"type"`
	Category  Text           `json:"category"`
	Level     Text           `json:"level"`
	Message   Text           `json:"message"`
	Data      map[string]any `json:"data"`
}

// HTTPRequest is the request that was being served.
type HTTPRequest struct {
	Method Text `json:"method"`
	URL    Text `json:"url"`
}

type entry struct {
	Type Text            `json:"type"`
	Data json.RawMessage `json:"data"`
}

// IssueEvent returns one event of an issue: id is 32 hex digits, or latest,
// oldest or recommended.
func (c *Client) IssueEvent(ctx context.Context, org, issue, id string) (*Event, error) {
	var reply struct {
		Event
		AltID   ID          `json:"id"`
		Entries List[entry] `json:"entries"`
	}
	_, err := c.call(ctx, request{op: "get event", path: append(issuePath(org, issue), "events", id)}, &reply)
	if err != nil {
		return nil, err
	}
	e := reply.Event
	e.ID = firstText(e.ID, reply.AltID)
	e.unpack(reply.Entries)
	return &e, nil
}

// unpack spreads the entries over the typed fields. An entry that is not what
// it should be is left out.
func (e *Event) unpack(entries []entry) {
	for _, part := range entries {
		switch part.Type {
		case "exception":
			keepValues(&e.Exceptions, part.Data)
		case "threads":
			keepValues(&e.Threads, part.Data)
		case "breadcrumbs":
			keepValues(&e.Breadcrumbs, part.Data)
		case "request":
			var r HTTPRequest
			if decode(part.Data, &r) == nil {
				e.Request = &r
			}
		case "message":
			var m struct {
				Formatted Text `json:"formatted"`
				Message   Text `json:"message"`
			}
			if decode(part.Data, &m) == nil {
				e.LogMessage = string(firstText(m.Formatted, m.Message))
			}
		}
	}
}

// keepValues reads {"values": […]} or a bare list, as SDKs send both.
func keepValues[T any](into *[]T, data json.RawMessage) {
	var wrapped struct {
		Values List[T] `json:"values"`
	}
	if decode(data, &wrapped) != nil {
		_ = wrapped.Values.UnmarshalJSON(data)
	}
	if len(wrapped.Values) > 0 {
		*into = wrapped.Values
	}
}

func firstText(texts ...Text) Text {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
