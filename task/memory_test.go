package task_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"roundhouse/task"
	"roundhouse/task/tasktest"
)

// memory is a Store whose clock can be a bubble's. It keeps the contract, as
// the suite shows.
type memory struct {
	mu    sync.Mutex
	tasks map[string]task.Task
	err   error // of every call, while set
}

func newMemory() *memory { return &memory{tasks: map[string]task.Task{}} }

func TestMemory(t *testing.T) {
	tasktest.TestStore(t, func(*testing.T) [2]task.Store {
		m := newMemory()
		return [2]task.Store{m, m}
	})
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
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

func (m *memory) Put(_ context.Context, t task.Task, now time.Time, l task.Limits) error {
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
		return &task.LimitError{Reason: time.Duration(userWorking).String()[:1] + " tasks of this user are under way"}
	case userKept >= l.UserKept:
		return &task.LimitError{Reason: time.Duration(userKept).String()[:1] + " tasks of this user are kept"}
	case working >= l.Working, kept >= l.Kept:
		return &task.LimitError{Reason: "this server"}
	case there:
		return task.ErrConflict
	}
	m.tasks[t.ID] = clone(t)
	return nil
}

func (m *memory) Task(_ context.Context, ref task.Ref, now time.Time) (task.Task, error) {
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

func (m *memory) Swap(_ context.Context, t task.Task) error {
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

func (m *memory) Extend(_ context.Context, runner string, until time.Time) (ids []string, err error) {
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

func (m *memory) Purge(_ context.Context, now time.Time) (removed int, err error) {
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
