package oauth

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxKnown = 10_000 // bounds a cache: some ten megabytes
	fewKnown = 256    // below this nobody looks for what is too old
)

// cache spares a store most questions of a kind that comes with every request.
// What this process changes, it forgets at once; what another one changes, when
// others tells of it, and after TokenLag in any case. A nil cache knows nothing.
type cache[K comparable, V any] struct {
	now    func() time.Time
	clone  func(V) V
	others *otherWriters // nil: nobody tells

	// forgets counts the changes that may have made untrue what is known. An
	// entry is good only while none has been made since before it was looked
	// up: a count taken after the lookup would let a token through that ended
	// between.
	forgets atomic.Uint64

	remembered, asked atomic.Uint64 // what look has found, and what it has not

	mu    sync.RWMutex // guards known and room
	known map[K]known[V]
	room  int // so many may be known until the old ones are looked for
}

type known[V any] struct {
	value   V
	changes uint64 // those of this process and of others; neither count ever goes down
	since   time.Time
}

func newCache[K comparable, V any](clone func(V) V, others *otherWriters) *cache[K, V] {
	return &cache[K, V]{now: time.Now, clone: clone, others: others, known: make(map[K]known[V]), room: fewKnown}
}

// look returns what is known; or else, to be filled in and remembered, what
// says since when it is.
func (c *cache[K, V]) look(key K) (k known[V], ok bool) {
	if c == nil {
		return known[V]{}, false
	}
	fresh := known[V]{since: c.now()}
	fresh.changes = c.forgets.Load() + c.others.changes(fresh.since)
	c.mu.RLock()
	k, ok = c.known[key]
	c.mu.RUnlock()
	if !ok || k.changes != fresh.changes || fresh.since.Sub(k.since) >= TokenLag {
		c.asked.Add(1)
		return fresh, false
	}
	c.remembered.Add(1)
	k.value = c.clone(k.value)
	return k, true
}

// remember makes room by what is too old to be used, such as tokens that have
// been refreshed since, and forgets everything when that is not enough.
func (c *cache[K, V]) remember(key K, k known[V]) {
	if c == nil {
		return
	}
	k.value = c.clone(k.value)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= c.room {
		maps.DeleteFunc(c.known, func(_ K, old known[V]) bool { return k.since.Sub(old.since) >= TokenLag })
		if len(c.known) >= maxKnown {
			clear(c.known)
		}
		c.room = min(max(2*len(c.known), fewKnown), maxKnown)
	}
	c.known[key] = k
}

// forget makes everything unknown.
func (c *cache[K, V]) forget() {
	if c != nil {
		c.forgets.Add(1)
	}
}

// TokenLookups counts, since the start, the access tokens that the store still
// knew from before, and those that the database had to be asked for.
func (s *SQLStore) TokenLookups() (remembered, asked uint64) {
	if s.tokens == nil {
		return 0, 0
	}
	return s.tokens.remembered.Load(), s.tokens.asked.Load()
}

// grantedToken is what a store tells of an access token.
type grantedToken struct {
	access AccessToken
	grant  StoredGrant
}

func (t grantedToken) clone() grantedToken {
	t.access.Scopes = slices.Clone(t.access.Scopes)
	t.grant = t.grant.clone()
	return t
}

func (g StoredGrant) clone() StoredGrant {
	g.Scopes, g.Upstream.Sealed = slices.Clone(g.Scopes), bytes.Clone(g.Upstream.Sealed)
	return g
}
