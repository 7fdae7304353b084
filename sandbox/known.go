package sandbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"
	"time"
)

const (
	knownFor = time.Second // to a change that another process makes
	maxKnown = 1000
)

// liveKey is a live key, with the project that it sends to.
type liveKey struct {
	project
	limit *rateLimit // nil: none
}

// knownKeys are live keys that were looked up lately: every envelope asks. Each
// write transaction but those of envelopes forgets them.
type knownKeys struct {
	mu    sync.Mutex
	keys  map[dsnKey]knownKey
	epoch int // how often they were forgotten
}

type dsnKey struct {
	public  string
	project int64
}

type knownKey struct {
	liveKey
	since time.Time
}

// get also tells the epoch, for add to know what was forgotten meanwhile.
func (k *knownKeys) get(key dsnKey, now time.Time) (found liveKey, ok bool, epoch int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.keys[key]
	age := now.Sub(known.since)
	return known.liveKey, ok && age >= 0 && age < knownFor, k.epoch
}

func (k *knownKeys) add(key dsnKey, found liveKey, now time.Time, epoch int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if epoch != k.epoch { // it may have been read before what was written then
		return
	}
	if k.keys == nil || len(k.keys) >= maxKnown {
		k.keys = map[dsnKey]knownKey{}
	}
	k.keys[key] = knownKey{found, now}
}

func (k *knownKeys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.keys)
	k.epoch++
}

// liveKey returns sql.ErrNoRows for a key that is none of the project's, or off.
func (s *Sandbox) liveKey(ctx context.Context, key dsnKey) (liveKey, error) {
	found, ok, epoch := s.known.get(key, s.now())
	if ok {
		return found, nil
	}
	var limit sql.NullString
	err := s.read().QueryRowContext(ctx, "SELECT "+projectColumns+`, d.opts -> '$.rateLimit' FROM dsn d JOIN project p ON p.id = d.project
		WHERE d.public = ? AND p.id = ? AND d.active`, key.public, key.project).Scan(append(found.fields(), &limit)...)
	if err == nil && limit.Valid {
		err = json.Unmarshal([]byte(limit.String), &found.limit)
	}
	if err == nil {
		s.known.add(key, found, s.now(), epoch)
	}
	return found, err
}
