package tasktest

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"roundhouse/task"
)

// Memory is a Store for tests, whose clock can be a bubble's. It keeps the
// contract, as the suite shows.
type Memory struct {
	mu    sync.Mutex
	tasks map[string]task.Task
	err   error // of every call, while set
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{tasks: map[string]task.Task{}} }

// Fail makes every call fail, until it is given nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Orphan makes tasks look as if their node had died: nobody keeps their leases
// any more, and what that node comes to does not count.
func (m *Memory) Orphan(refs ...task.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		t := m.tasks[ref.ID]
		t.Runner = "a process that was killed"
		m.tasks[ref.ID] = t
	}
}

func clone(t task.Task) task.Task {
	b, err := json.Marshal(t.Content)
	if err != nil {
		panic(err)
	}
	t.Content = task.Content{}
	if err := json.Unmarshal(b, &t.Content); err != nil {
		panic(err)
	}
	return t
}

func fits(t task.Task) error {
	if b, err := json.Marshal(t.Content); err != nil || len(b) > task.MaxContent {
		return task.ErrTooLarge
	}
	return nil
}

// Put implements task.Store.
func (m *Memory) Put(_ context.Context, t task.Task, now time.Time, l task.Limits) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept, working, userKept, userWorking int
	for _, other := range m.tasks {
		if !other.Expires.After(now) {
			continue
		}
		kept++
		if !other.Status.Ended() {
			working++
		}
		if other.Key.User() == t.Key.User() {
			userKept++
			if !other.Status.Ended() {
				userWorking++
			}
		}
	}
	_, there := m.tasks[t.ID]
	switch {
	case m.err != nil:
		return m.err
	case fits(t) != nil:
		return task.ErrTooLarge
	case userWorking >= l.UserWorking:
		return &task.LimitError{Reason: strconv.Itoa(userWorking) + " tasks of this user are under way"}
	case userKept >= l.UserKept:
		return &task.LimitError{Reason: strconv.Itoa(userKept) + " tasks of this user are kept"}
	case working >= l.Working, kept >= l.Kept:
		return &task.LimitError{Reason: "this server"}
	case there:
		return task.ErrConflict
	}
	m.tasks[t.ID] = clone(t)
	return nil
}

// Task implements task.Store.
func (m *Memory) Task(_ context.Context, ref task.Ref, now time.Time) (task.Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[ref.ID]
	switch {
	case m.err != nil:
		return task.Task{}, m.err
	case !ok || t.Key != ref.Key || !t.Expires.After(now):
		return task.Task{}, task.ErrNotFound
	}
	return clone(t), nil
}

// Swap implements task.Store.
func (m *Memory) Swap(_ context.Context, t task.Task) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	have, ok := m.tasks[t.ID]
	switch {
	case m.err != nil:
		return m.err
	case fits(t) != nil:
		return task.ErrTooLarge
	case !ok || have.Key != t.Key:
		return task.ErrNotFound
	case have.Version != t.Version || have.Status.Ended():
		return task.ErrConflict
	}
	t.Created, t.Expires = have.Created, have.Expires
	t.Version++
	m.tasks[t.ID] = clone(t)
	return nil
}

// Extend implements task.Store.
func (m *Memory) Extend(_ context.Context, runner string, until time.Time) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	for id, t := range m.tasks {
		if t.Runner == runner && t.Status == task.Working {
			t.Lease = until
			m.tasks[id] = t
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Purge implements task.Store.
func (m *Memory) Purge(_ context.Context, now time.Time) (removed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, m.err
	}
	for id, t := range m.tasks {
		if !t.Expires.After(now) {
			delete(m.tasks, id)
			removed++
		}
	}
	return removed, nil
}
