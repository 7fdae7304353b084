package actors

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"roundhouse/constraint"
)

const shards = 64

// directory maps a key to its activation on this node. Its locks are held for
// map operations and a spawn, never while anybody is asked.
type directory struct {
	seed  maphash.Seed
	max   int64
	spawn func(constraint.Key, *entry) *actor.PID

	size    atomic.Int64
	opening opening
	shards  [shards]shard
}

// opening counts, per user, the activations that have not been built yet. It
// keeps one user who asks for contexts that do not exist from taking the places
// of all others; what has been built is known to exist.
type opening struct {
	max int

	mu    sync.Mutex // taken inside shard.mu
	users map[string]*userOpening
}

type userOpening struct {
	n    int
	free chan struct{} // closed when one of them ends
}

// begin counts one more, or returns what to wait for before asking again.
func (o *opening) begin(user string) (wait <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := o.users[user]
	if u == nil {
		u = &userOpening{free: make(chan struct{})}
		o.users[user] = u
	}
	if u.n >= o.max {
		return u.free
	}
	u.n++
	return nil
}

func (o *opening) end(user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := o.users[user]
	close(u.free)
	u.free = make(chan struct{})
	if u.n--; u.n == 0 {
		delete(o.users, user)
	}
}

type shard struct {
	mu     sync.RWMutex // guards the rest
	m      map[constraint.Key]*entry
	closed bool
}

// entry is one incarnation's place in the directory. A fenced incarnation may
// still be draining while its successor has an entry of its own.
type entry struct {
	pid   *actor.PID    // fixed before anybody else sees the entry
	ended chan struct{} // closed when the activation has stopped

	lease atomic.Pointer[lease] // nil until the server is built
}

func newDirectory(limit, perUser int, spawn func(constraint.Key, *entry) *actor.PID) *directory {
	d := &directory{seed: maphash.MakeSeed(), max: int64(limit), spawn: spawn, opening: opening{max: perUser, users: map[string]*userOpening{}}}
	for i := range d.shards {
		d.shards[i].m = map[constraint.Key]*entry{}
	}
	return d
}

func (d *directory) shard(key constraint.Key) *shard {
	return &d.shards[maphash.Comparable(d.seed, key)%shards]
}

// cached returns the lease of a built activation, which may be fenced, or nil.
func (d *directory) cached(key constraint.Key) *lease {
	s := d.shard(key)
	s.mu.RLock()
	e := s.m[key]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	return e.lease.Load()
}

// place returns key's activation and starts one where there is none, or what to
// wait for before asking again, or why there is none. Whoever starts one calls
// opening.end when it has been built or has failed.
func (d *directory) place(key constraint.Key) (e *entry, wait <-chan struct{}, refused refusal) {
	s := d.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.m[key]; e != nil {
		return e, nil, none
	}
	if s.closed {
		return nil, nil, ending
	}
	if wait := d.opening.begin(key.User()); wait != nil {
		return nil, wait, none
	}
	if d.size.Add(1) > d.max {
		d.size.Add(-1)
		d.opening.end(key.User())
		return nil, nil, fullNode
	}
	e = &entry{ended: make(chan struct{})}
	e.pid = d.spawn(key, e)
	s.m[key] = e
	return e, nil, none
}

// close lets place start nothing more: afterwards entries are all there will be.
func (d *directory) close() {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
}

// forget removes e, but not a successor that has taken its place.
func (d *directory) forget(key constraint.Key, e *entry) {
	s := d.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[key] == e {
		delete(s.m, key)
		d.size.Add(-1)
	}
}

// entries returns all of them as they were, shard by shard.
func (d *directory) entries() []*entry {
	all := make([]*entry, 0, d.size.Load())
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.RLock()
		for _, e := range s.m {
			all = append(all, e)
		}
		s.mu.RUnlock()
	}
	return all
}
