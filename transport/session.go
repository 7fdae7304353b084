package transport

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
)

// sessions are the legacy sessions of one activation. An id is good here and
// nowhere else: not for another user, not at another URL, not after the
// activation has gone. What is not in the table is no session, so an ended one
// stays ended and costs nothing.
type sessions struct {
	key    constraint.Key
	secret []byte
	limit  int
	idle   time.Duration
	users  *Users
	drop   func(id string)

	mu     sync.Mutex          // guards the rest
	epoch  []byte              // of this activation; nil until the first session
	all    map[string]*session // nil until then, as well
	closed bool
}

// session is one client's. Its fields are fixed, but for the atomics.
type session struct {
	id     string
	owner  *sessions
	ended  context.Context // done when the session has ended
	cancel context.CancelFunc

	uses     atomic.Int64 // requests in flight; negative when ended
	lastUsed atomic.Int64 // Unix nanoseconds

	subscribed subscriptions
}

// endedSession is far below any number of requests, as in a lease.
const endedSession = -1 << 40

func newSession(owner *sessions, id string) *session {
	s := &session{id: id, owner: owner}
	s.ended, s.cancel = context.WithCancel(context.Background())
	s.uses.Store(1)
	s.lastUsed.Store(time.Now().UnixNano())
	return s
}

// An id is base64url(epoch ‖ random ‖ tag). The tag tells an id that some node
// has made for this user and URL from an invented or a foreign one, which so
// never reaches the table; the epoch tells this activation's from another's.
const (
	epochSize  = 8
	randomSize = 16
	tagSize    = 16
)

var idEncoding = base64.RawURLEncoding.Strict()

func (ss *sessions) tag(body []byte) []byte {
	mac := hmac.New(sha256.New, ss.secret)
	mac.Write([]byte("roundhouse session\x00"))
	mac.Write([]byte(ss.key.Identity())) // of fixed length
	mac.Write(body)
	return mac.Sum(nil)[:tagSize]
}

// newID is called with mu.
func (ss *sessions) newID() string {
	if ss.epoch == nil {
		ss.epoch = make([]byte, epochSize)
		rand.Read(ss.epoch)
	}
	body := make([]byte, epochSize+randomSize, epochSize+randomSize+tagSize)
	copy(body, ss.epoch)
	rand.Read(body[epochSize:])
	return idEncoding.EncodeToString(append(body, ss.tag(body)...))
}

// genuine reports whether an id was made for this user and URL, by whichever
// activation on whichever node.
func (ss *sessions) genuine(id string) bool {
	b, err := idEncoding.DecodeString(id)
	if err != nil || len(b) != epochSize+randomSize+tagSize {
		return false
	}
	body := b[:epochSize+randomSize]
	return hmac.Equal(b[len(body):], ss.tag(body))
}

var errTooManySessions = errors.New("too many sessions are in use")

// begin makes a session, with one request in flight. Over a limit, the
// context's or the user's, the least recently used session without a request or
// stream ends: clients that crash never say that they have gone, and a person
// who opens one more wants it to work. Its client, if it still is there, gets a
// 404 and initializes anew. If all of them are in use, ending one would only
// make two clients push each other out in turn.
func (ss *sessions) begin() (*session, error) {
	for {
		s, full := ss.add()
		if full == nil && s == nil {
			return nil, errTooManySessions // the activation has gone
		}
		if full == nil {
			if full = ss.users.add(ss.key.User(), s); full == nil {
				return s, nil
			}
			ss.remove(s)
		}
		if !endLeastUsed(full) {
			ss.users.refusedSessions.Add(1)
			return nil, errTooManySessions
		}
	}
}

// add returns those of the context if there is no room for one more.
func (ss *sessions) add() (s *session, full []*session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return nil, nil
	}
	if len(ss.all) >= ss.limit {
		for _, other := range ss.all {
			full = append(full, other)
		}
		return nil, full
	}
	if ss.all == nil {
		ss.all = map[string]*session{}
	}
	s = newSession(ss, ss.newID())
	ss.all[s.id] = s
	return s, nil
}

func (ss *sessions) remove(s *session) {
	ss.mu.Lock()
	delete(ss.all, s.id)
	ss.mu.Unlock()
}

// endLeastUsed reports false when all of them are in use.
func endLeastUsed(all []*session) bool {
	for {
		var oldest *session
		for _, s := range all {
			if s.uses.Load() == 0 && (oldest == nil || s.lastUsed.Load() < oldest.lastUsed.Load()) {
				oldest = s
			}
		}
		if oldest == nil {
			return false
		}
		if oldest.endIdle() {
			return true
		}
	}
}

// use finds the session of an id and counts a request in it, to be released; or
// nil, whatever is wrong with the id.
func (ss *sessions) use(id string) *session {
	if !ss.genuine(id) {
		return nil
	}
	ss.mu.Lock()
	s := ss.all[id]
	ss.mu.Unlock()
	if s == nil {
		return nil
	}
	for {
		n := s.uses.Load()
		if n < 0 {
			return nil
		}
		if s.uses.CompareAndSwap(n, n+1) {
			return s
		}
	}
}

// release ends a use. What a request has made mcp-go keep after its session had
// ended goes with the last of them.
func (s *session) release() {
	s.lastUsed.Store(time.Now().UnixNano())
	if s.uses.Add(-1) == endedSession {
		s.owner.drop(s.id)
	}
}

// end ends the session: its streams at once, its calls when they have finished.
func (s *session) end() {
	for {
		n := s.uses.Load()
		if n < 0 {
			return
		}
		if s.uses.CompareAndSwap(n, n+endedSession) {
			s.forget()
			return
		}
	}
}

// endIdle ends the session if it has no request or stream.
func (s *session) endIdle() bool {
	if !s.uses.CompareAndSwap(0, endedSession) {
		return false
	}
	s.forget()
	return true
}

func (s *session) forget() {
	s.owner.remove(s)
	s.owner.users.remove(s.owner.key.User(), s)
	s.cancel()
	s.owner.drop(s.id)
}

// list is all of them as they are now.
func (ss *sessions) list() []*session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if len(ss.all) == 0 {
		return nil
	}
	all := make([]*session, 0, len(ss.all))
	for _, s := range ss.all {
		all = append(all, s)
	}
	return all
}

// sweep ends the sessions that have been idle for too long.
func (ss *sessions) sweep(now time.Time) {
	for _, s := range ss.list() {
		if s.uses.Load() == 0 && s.lastUsed.Load() < now.Add(-ss.idle).UnixNano() {
			s.endIdle()
		}
	}
}

// close ends them all, and lets no other begin.
func (ss *sessions) close() {
	ss.mu.Lock()
	ss.closed = true
	ss.mu.Unlock()
	for _, s := range ss.list() {
		s.end()
	}
}

// Users counts what each user holds over all contexts of a node: legacy sessions,
// and MCP resources that are watched; and what all of them hold together.
type Users struct {
	limit int

	events, eventBytes              atomic.Int64
	refusedSessions, refusedWatches atomic.Uint64

	mu          sync.Mutex // guards the rest
	sessions    map[string]map[*session]struct{}
	watched     map[string]int // MCP resources
	allSessions int
	allWatched  int
}

// maxUserWatched bounds the MCP resources that are watched for a user, in all
// contexts of the node: each of them is read from Sentry again and again.
const maxUserWatched = 256

// NewUsers allows each user so many sessions; zero: 256.
func NewUsers(sessions int) *Users {
	if sessions <= 0 {
		sessions = 256
	}
	return &Users{limit: sessions, sessions: map[string]map[*session]struct{}{}, watched: map[string]int{}}
}

// watch counts one more resource that is watched for the user, until give is
// called, or reports that there is no room.
func (u *Users) watch(user string) (give func(), ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.watched[user] >= maxUserWatched {
		u.refusedWatches.Add(1)
		return nil, false
	}
	u.watched[user]++
	u.allWatched++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.allWatched--
		if u.watched[user]--; u.watched[user] == 0 {
			delete(u.watched, user)
		}
	}, true
}

// add returns those of the user if there is no room for one more.
func (u *Users) add(user string, s *session) (full []*session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.sessions[user]
	if len(all) >= u.limit {
		for other := range all {
			full = append(full, other)
		}
		return full
	}
	if all == nil {
		all = map[*session]struct{}{}
		u.sessions[user] = all
	}
	all[s] = struct{}{}
	u.allSessions++
	return nil
}

func (u *Users) remove(user string, s *session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.sessions[user]
	if _, ok := all[s]; ok {
		u.allSessions--
	}
	delete(all, s)
	if len(all) == 0 {
		delete(u.sessions, user)
	}
}

type sessionInContext struct{}

// sessionFrom returns the session that a request is in; nil in the modern era.
func sessionFrom(ctx context.Context) *session {
	s, _ := ctx.Value(sessionInContext{}).(*session)
	return s
}

// ResolveSessionIdManager lets mcp-go know of the one session that a request is
// in, which has been found before mcp-go saw it.
func (t *Transport) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return known{}
	}
	return known{sessionFrom(r.Context())}
}

// known is the session of one request; nil where mcp-go drops what it keeps.
type known struct{ session *session }

func (k known) Generate() string {
	if k.session == nil {
		return ""
	}
	return k.session.id
}

func (k known) Validate(id string) (isTerminated bool, err error) {
	if k.session == nil || k.session.id != id {
		return false, errors.New("unknown session")
	}
	return false, nil
}

func (k known) Terminate(string) (isNotAllowed bool, err error) { return false, nil }

// drop makes mcp-go forget what it keeps of a session that has ended.
func (t *Transport) drop(id string) {
	r, err := http.NewRequest(http.MethodDelete, "/", nil)
	if err != nil {
		return // never: the arguments are constant
	}
	r.Header.Set(server.HeaderKeySessionID, id)
	t.http.ServeHTTP(discard{}, r)
	t.log.purge(id)
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
