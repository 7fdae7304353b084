package transport

// Stats is what the contexts of a node hold together.
type Stats struct {
	Sessions   int   // legacy ones
	Watched    int   // MCP resources, once for each context that watches
	Events     int64 // kept, so that a broken stream can be resumed
	EventBytes int64

	RefusedSessions uint64 // since the start, as the following
	RefusedWatches  uint64
}

// Stats returns the numbers as they are now.
func (u *Users) Stats() Stats {
	s := Stats{
		Events:          u.events.Load(),
		EventBytes:      u.eventBytes.Load(),
		RefusedSessions: u.refusedSessions.Load(),
		RefusedWatches:  u.refusedWatches.Load(),
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s.Sessions, s.Watched = u.allSessions, u.allWatched
	return s
}
