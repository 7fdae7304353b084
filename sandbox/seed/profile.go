package seed

import (
	"slices"
	"time"
)

// work is a stack in which a request was seen so many times, one after the
// other.
type work struct {
	times int
	stack []frame // the caller first
}

// profileEvery is of how many times that a request is served one is profiled.
const profileEvery = 3

// profile sends what a profiler saw while a request was served, and returns the
// context by which the transaction names it.
func (t *teller) profile(r request, s served, end time.Time) object {
	id := t.hex(32, "profile "+s.name, s.n)
	total := 0
	for _, w := range r.work {
		total += w.times
	}
	apart := end.Sub(s.start) / time.Duration(total)
	index := map[frame]int{}
	var frames, stacks, samples []any
	for i, w := range r.work {
		var innermostFirst []any
		for _, f := range slices.Backward(w.stack) {
			if _, ok := index[f]; !ok {
				index[f] = len(frames)
				frames = append(frames, stack([]frame{f})...)
			}
			innermostFirst = append(innermostFirst, index[f])
		}
		stacks = append(stacks, innermostFirst)
		for range w.times {
			samples = append(samples, object{"stack_id": i, "thread_id": "0", "elapsed_since_start_ns": int64(apart) * int64(len(samples))})
		}
	}
	t.send(end, "profile", id, nil, object{
		"version": "1", "event_id": id, "platform": t.platform(), "release": t.running(end), "environment": "production", "runtime": t.runtime(),
		"timestamp":   s.start.Format(time.RFC3339Nano),
		"transaction": object{"id": t.hex(32, s.name, s.n), "name": r.name, "trace_id": s.trace, "active_thread_id": "0"}, "transaction_tags": object{"mark": t.mark},
		"profile": object{"frames": frames, "stacks": stacks, "samples": samples, "thread_metadata": object{"0": object{"name": "main"}}},
	})
	return object{"profile_id": id}
}
