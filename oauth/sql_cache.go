package oauth

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxKnownTokens bounds a tokenCache: some ten megabytes.
const maxKnownTokens = 10_000

// tokenCache spares a server on another machine most questions after a token,
// of which there is one with every request to a resource. What this process
// ends, it forgets at once; what another one ends, after TokenLag. A nil
// tokenCache knows nothing.
type tokenCache struct {
	now func() time.Time

	// ends counts the changes that may have ended a token. An entry is good
	// only while none has been made since before it was looked up: a count
	// taken after the lookup would let a token through that ended between.
	ends atomic.Uint64

	mu    sync.RWMutex
	known map[Hash]knownToken
}

type knownToken struct {
	access AccessToken
	grant  StoredGrant
	ends   uint64
	since  time.Time
}

func newTokenCache() *tokenCache {
	return &tokenCache{now: time.Now, known: make(map[Hash]knownToken)}
}

// look returns a token that is known; or else, to be filled in and remembered,
// what says since when it is.
func (c *tokenCache) look(access Hash) (k knownToken, ok bool) {
	if c == nil {
		return knownToken{}, false
	}
	fresh := knownToken{ends: c.ends.Load(), since: c.now()}
	c.mu.RLock()
	k, ok = c.known[access]
	c.mu.RUnlock()
	if !ok || k.ends != fresh.ends || fresh.since.Sub(k.since) >= TokenLag {
		return fresh, false
	}
	return k.clone(), true
}

// remember forgets everything when there is no more room.
func (c *tokenCache) remember(k knownToken) {
	if c == nil {
		return
	}
	k = k.clone()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnownTokens {
		clear(c.known)
	}
	c.known[k.access.Hash] = k
}

// forget makes every token unknown.
func (c *tokenCache) forget() {
	if c != nil {
		c.ends.Add(1)
	}
}

func (k knownToken) clone() knownToken {
	k.access.Scopes, k.grant.Scopes = slices.Clone(k.access.Scopes), slices.Clone(k.grant.Scopes)
	k.grant.Upstream.Sealed = bytes.Clone(k.grant.Upstream.Sealed)
	return k
}
