package oauth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// The kinds of events.
const (
	EventRegistration = "registration" // a client was registered
	EventConsent      = "consent"      // a user answered the consent page
	EventSignIn       = "sign-in"      // a user signed in to the account page
	EventGrant        = "grant"        // a grant was made
	EventRefresh      = "refresh"      // its refresh token was replaced
	EventReuse        = "reuse"        // a spent code or refresh token came again, or from another client
	EventRevocation   = "revocation"   // a grant was ended
	EventRefusal      = "refusal"      // somebody was turned away
)

// OutcomeOK is the Outcome of what was done.
const OutcomeOK = "ok"

const (
	// MaxEvents bounds the events of one kind; the oldest gives way. A flood of
	// refusals cannot push out what else was recorded.
	MaxEvents = 100_000

	// MaxUserEvents bounds those of one kind and one user: nobody can push out
	// what others did by doing much, such as refreshing all day.
	MaxUserEvents = 10_000

	// EventMemory is how long an event is kept.
	EventMemory = 180 * 24 * time.Hour

	maxWaitingEvents   = 4096
	maxWaitingRefusals = 1024 // of them, or a flood would leave no room for what was granted
	maxEventText       = 256  // bytes of each field
)

// Event is one line of the audit record. It holds no secret: of tokens and
// codes it knows only the grant.
type Event struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Outcome  string    `json:"outcome"` // OutcomeOK, or why not
	Client   string    `json:"client,omitempty"`
	User     string    `json:"user,omitempty"`
	By       string    `json:"by,omitempty"` // who did it, if that is not the user
	Grant    string    `json:"grant,omitempty"`
	Source   string    `json:"source,omitempty"`  // the address that the request came from
	Resource string    `json:"context,omitempty"` // the URL of the context
	Detail   string    `json:"detail,omitempty"`
}

// EventQuery says which events to read.
type EventQuery struct {
	User   string    // the user's only; empty: everybody's
	Since  time.Time // this one and later
	Newest bool      // newest first; else oldest first
	After  *Event    // go on after this one, in that order
	Limit  int       // at most so many, and at most 1000
}

// EventStore keeps the audit record. It only ever grows, except that Purge
// drops what is older than EventMemory, and AppendEvents what is beyond
// MaxUserEvents and MaxEvents.
type EventStore interface {
	// AppendEvents keeps the events. An id that is kept already is passed over.
	AppendEvents(ctx context.Context, events []Event) error

	// Events returns what matches, ordered by time and id.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}

// record adds an event to the audit record, at the latest a moment after the
// answer. A store that fails must not lock everybody out, so that is logged.
func (s *Server) record(ctx context.Context, e Event) {
	e.Outcome = cmp.Or(e.Outcome, OutcomeOK)
	s.observed(e.Kind, e.Outcome)
	e.ID, e.Time, e.Source = newID(), s.now(), sourceText(ctx)
	for _, field := range []*string{&e.Client, &e.User, &e.By, &e.Grant, &e.Source, &e.Resource, &e.Detail, &e.Outcome} {
		*field = clip(*field)
	}
	most := maxWaitingEvents
	if e.Kind == EventRefusal {
		most = maxWaitingRefusals
	}
	s.events.addBelow(most, e)
}

// recordNoise is record for what a stranger can have recorded as often as they
// like: one of them must not push the traces of another, or their own, out of
// the record.
func (s *Server) recordNoise(ctx context.Context, e Event) {
	if s.limits.noise.Take(sourceFrom(ctx)) > 0 {
		s.observed(e.Kind, cmp.Or(e.Outcome, OutcomeOK))
		return
	}
	s.record(ctx, e)
}

// clip shortens what strangers chose, and keeps of it what prints: no line of
// the record can look like two, or steer the terminal that shows it.
func clip(text string) string {
	return printing(strings.ToValidUTF8(text[:min(len(text), maxEventText)], ""))
}

// refused records an error that somebody outside was told. The rest is in the
// log.
func (s *Server) refused(r *http.Request, client string, err error) {
	var known *Error
	if errors.As(err, &known) && known.RetryAfter == 0 && !known.waiting() { // a flood shall not fill the record
		s.recordNoise(r.Context(), Event{Kind: EventRefusal, Outcome: known.Code, Client: client, Detail: r.URL.Path + ": " + known.Description})
	}
}

// refuse answers a program with an error, and records it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, client string, err error) {
	s.refused(r, client, err)
	s.writeError(w, r, err)
}

func (s *Server) newEvents() *batch[Event] {
	return &batch[Event]{
		write: s.store.AppendEvents,
		most:  maxWaitingEvents,
		fail: func(err error, lost int) {
			s.log.LogAttrs(context.Background(), slog.LevelError, "audit record incomplete", slog.Int("lost", lost), slog.Any("error", err))
		},
	}
}

// Wait returns when what is being done in the background has been done: upstream
// tokens refreshed and stored, though nobody waits for them any more, and others
// revoked, the audit record written. Call it before the store is closed.
func (s *Server) Wait(ctx context.Context) error {
	return errors.Join(s.rotating.wait(ctx), s.farewells.wait(ctx), s.uses.wait(ctx), s.events.wait(ctx))
}
