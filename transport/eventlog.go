package transport

import (
	"bytes"
	"crypto/rand"
	"sync"
	"time"
)

// What is kept of the events of legacy streams. The oldest go first, so that of
// a session's log always the end is there: after an event that is known, none
// is missing.
const (
	maxSessionEvents     = 256
	maxSessionEventBytes = 1 << 20
	maxEvents            = 1024 // of a context
	maxEventBytes        = 4 << 20
	maxEventAge          = 10 * time.Minute
)

// eventLog keeps what the streams of legacy sessions have sent, so that a client
// whose connection broke can ask for what it missed. It belongs to one
// activation. An event id is random and is looked for among the events of the
// session that asks: it means nothing in another one.
type eventLog struct {
	users *Users // counts what all logs of the node keep; nil: nobody counts

	mu       sync.Mutex             // guards the rest
	sessions map[string]*sessionLog // nil until the first event
	events   int32
	bytes    int32
}

type sessionLog struct {
	events []event // oldest first
	bytes  int
}

type event struct {
	id      string
	of      *track
	message []byte
	at      time.Time
}

// track is one stream in the log, whichever connection it is sent on.
type track struct {
	log     *eventLog
	session string
	listens bool // the stream of a GET, not the answer to a POST

	moved bool          // guarded by log.mu, as the following: another connection has taken it over
	over  bool          // nobody adds to it any more
	news  chan struct{} // closed at the next event, or the end; nil if nobody waits
}

// begin begins a stream of a session. It costs nothing until it has an event.
func (l *eventLog) begin(session string, listens bool) *track {
	return &track{log: l, session: session, listens: listens}
}

// add keeps a message and returns the id of its event, and whether to send it on
// the connection that the stream began on.
func (s *track) add(message []byte) (id string, send bool) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[string]*sessionLog{}
	}
	of := l.sessions[s.session]
	if of == nil {
		of = &sessionLog{}
		l.sessions[s.session] = of
	}
	now := time.Now()
	e := event{id: rand.Text(), of: s, message: bytes.Clone(message), at: now}
	of.events = append(of.events, e)
	of.bytes += len(message)
	l.count(1, len(message))
	l.trim(s.session, of, now)
	for l.events > maxEvents || l.bytes > maxEventBytes {
		l.dropOldest()
	}
	s.wake()
	return e.id, !s.moved
}

// end says that nothing more will come.
func (s *track) end() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.over = true
	s.wake()
}

// wake is called with mu.
func (s *track) wake() {
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

// trim is called with mu, as the following.
func (l *eventLog) trim(session string, of *sessionLog, now time.Time) {
	for len(of.events) > 0 && (len(of.events) > maxSessionEvents || of.bytes > maxSessionEventBytes || now.Sub(of.events[0].at) > maxEventAge) {
		l.dropFirst(session, of)
	}
}

func (l *eventLog) count(events, bytes int) {
	l.events += int32(events)
	l.bytes += int32(bytes)
	if l.users != nil {
		l.users.events.Add(int64(events))
		l.users.eventBytes.Add(int64(bytes))
	}
}

func (l *eventLog) dropFirst(session string, of *sessionLog) {
	size := len(of.events[0].message)
	of.events[0] = event{} // the array stays until append moves on
	of.events = of.events[1:]
	of.bytes -= size
	l.count(-1, -size)
	if len(of.events) == 0 {
		delete(l.sessions, session)
	}
}

func (l *eventLog) dropOldest() {
	var session string
	var oldest *sessionLog
	for name, of := range l.sessions {
		if oldest == nil || of.events[0].at.Before(oldest.events[0].at) {
			session, oldest = name, of
		}
	}
	l.dropFirst(session, oldest)
}

// after returns the stream of an event and what came on it after the event. It
// does not say why there is none: never there, gone, or another session's.
func (l *eventLog) after(session, id string) (s *track, missed []event, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.sessions[session]
	if of == nil {
		return nil, nil, false
	}
	l.trim(session, of, time.Now())
	for i, e := range of.events {
		if e.id != id {
			continue
		}
		for _, later := range of.events[i+1:] {
			if later.of == e.of {
				missed = append(missed, later)
			}
		}
		return e.of, missed, true
	}
	return nil, nil, false
}

// take makes the stream that of the connection that asks: what comes from now on
// is not sent on the one that it began on. It returns how to wait for it; nil if
// nothing more will come.
func (s *track) take() (news <-chan struct{}) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.over {
		return nil
	}
	s.moved = true
	if s.news == nil {
		s.news = make(chan struct{})
	}
	return s.news
}

// again lets the stream of a GET go on, if its connection has gone, on the one
// that asks.
func (s *track) again() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if !s.over || !s.listens {
		return false
	}
	s.over, s.moved = false, false
	return true
}

// purge forgets what a session has sent.
func (l *eventLog) purge(session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of := l.sessions[session]; of != nil {
		l.count(-len(of.events), -of.bytes)
		delete(l.sessions, session)
	}
}

// sweep forgets what is too old.
func (l *eventLog) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for session, of := range l.sessions {
		l.trim(session, of, now)
	}
}
