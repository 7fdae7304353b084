package task

// watcher is told of the changes of tasks.
type watcher struct{ tell func(Task) }

// Watch calls tell after each change that this node makes to the task, until
// stop is called. tell must not block, and may be called concurrently.
func (r *Runner) Watch(id string, tell func(Task)) (stop func()) {
	w := &watcher{tell}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers[id] == nil {
		if r.watchers == nil {
			r.watchers = map[string]map[*watcher]struct{}{}
		}
		r.watchers[id] = map[*watcher]struct{}{}
	}
	r.watchers[id][w] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers[id], w)
		if len(r.watchers[id]) == 0 {
			delete(r.watchers, id)
		}
	}
}

func (r *Runner) tell(t Task) {
	r.mu.Lock()
	told := make([]*watcher, 0, len(r.watchers[t.ID]))
	for w := range r.watchers[t.ID] {
		told = append(told, w)
	}
	r.mu.Unlock()
	for _, w := range told {
		w.tell(t)
	}
}
