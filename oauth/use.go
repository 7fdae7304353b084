package oauth

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	useStep     = time.Minute // a grant's last use is kept no finer than this
	maxUseNotes = 100_000     // grants whose last note is remembered
)

// useNotes thins out the uses of grants to one a minute each. It forgets all
// when it is full: then some are noted a little sooner.
type useNotes struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether a use of the grant now is worth noting.
func (u *useNotes) due(grant string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.last[grant]) < useStep {
		return false
	}
	if u.last == nil || len(u.last) >= maxUseNotes {
		u.last = make(map[string]time.Time)
	}
	u.last[grant] = now
	return true
}

// noteUse keeps when a grant was last used, at most once a minute.
func (s *Server) noteUse(grant string) {
	if now := s.now(); s.noted.due(grant, now) {
		s.uses.add(Use{Grant: grant, Time: now})
	}
}

func (s *Server) newUses() *batch[Use] {
	return &batch[Use]{
		write: s.store.PutUses,
		most:  maxUseNotes,
		fail: func(err error, lost int) {
			s.log.LogAttrs(context.Background(), slog.LevelWarn, "last uses not kept", slog.Int("lost", lost), slog.Any("error", err))
		},
	}
}
