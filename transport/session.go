package transport

import (
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

var errUnknownSession = errors.New("unknown session")

// sessions are the legacy sessions of one activation, and mcp-go's
// SessionIdManager. An id is good here and nowhere else: not for another user,
// not at another URL, not after the activation has gone.
type sessions struct {
	limit int
	drop  func(id string) // called without mu

	mu   sync.Mutex           // guards last
	last map[string]time.Time // id to last use; nil until the first initialize
}

func newSessions(limit int, drop func(string)) *sessions {
	return &sessions{limit: limit, drop: drop}
}

// Generate makes a session. Over the limit the least recently used one ends;
// its client gets a 404 and initializes anew.
func (s *sessions) Generate() string {
	id := rand.Text()
	s.mu.Lock()
	oldest := ""
	if len(s.last) >= s.limit {
		for other, at := range s.last {
			if oldest == "" || at.Before(s.last[oldest]) {
				oldest = other
			}
		}
	}
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[id] = time.Now()
	s.mu.Unlock()
	if oldest != "" {
		s.drop(oldest)
	}
	return id
}

// Validate answers an unknown id with an error, which mcp-go turns into a 404.
func (s *sessions) Validate(id string) (isTerminated bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.last[id]; !ok {
		return false, errUnknownSession
	}
	s.last[id] = time.Now()
	return false, nil
}

func (s *sessions) Terminate(id string) (isNotAllowed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, id)
	return false, nil
}
