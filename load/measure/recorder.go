package measure

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxWindows = 600 // then neighbors are merged, and windows are twice as long
	maxNames   = 64  // kinds of calls, and reasons of each; the rest is otherName
	maxName    = 80  // bytes
	otherName  = "other"

	heldWindows = 32 // of a shard, before they are handed in; after a stall calls of many come at once
)

// Recorder counts the results of a run while it runs. It is safe for concurrent
// use.
//
// A result belongs to the moment when its call was due. Calls due in the warm-up
// are in the windows before 0 and in Activations, which are mostly made then, and
// in nothing else of the report.
type Recorder struct {
	start  time.Time     // of the warm-up
	zero   time.Time     // its end
	length time.Duration // of a window at first
	shards []shard

	mu     sync.Mutex // taken with that of a shard held
	series series
}

// shard is a part of what was counted. There are more of them than processors, so
// that an Add hardly ever waits for another.
type shard struct {
	mu          sync.Mutex
	calls       map[string]*Tally
	activations Histogram
	late        Histogram
	windows     map[int64]*Window // by number, the latest few
	seconds     [3]second         // by unix second modulo their number
	live        Live              // only its counts

	_ [64]byte // a cache line between neighbors
}

// second is what ended within one.
type second struct {
	unix    int64
	ended   uint64
	latency Histogram
}

// NewRecorder makes one for a run whose warm-up begins at start. Windows have the
// given length at first, and a second if it is 0.
func NewRecorder(start time.Time, warmup, window time.Duration) *Recorder {
	if window <= 0 {
		window = time.Second
	}
	r := &Recorder{start: start, zero: start.Add(warmup), length: window, shards: make([]shard, 4*runtime.GOMAXPROCS(0))}
	r.series.windows = map[int64]*Window{}
	for i := range r.shards {
		r.shards[i].calls = map[string]*Tally{}
		r.shards[i].windows = map[int64]*Window{}
	}
	return r
}

// Add counts one result. A call that was due before the start is counted as if it
// had been due then.
func (r *Recorder) Add(res Result) {
	due := max(res.Due.Sub(r.zero), r.start.Sub(r.zero))
	number := floorDiv(due, r.length)
	s := r.lockShard()
	defer s.mu.Unlock()
	if s.windows[number] == nil && len(s.windows) == heldWindows {
		r.handIn(s)
	}
	s.count(res, number)
	if due >= 0 {
		s.measure(res)
	}
}

// lockShard locks any shard that is free.
func (r *Recorder) lockShard() *shard {
	n := uint(len(r.shards))
	first := rand.Uint()
	for i := range n {
		if s := &r.shards[(first+i)%n]; s.mu.TryLock() {
			return s
		}
	}
	s := &r.shards[first%n]
	s.mu.Lock()
	return s
}

// handIn adds the windows of a shard, whose lock is held, to those of all.
func (r *Recorder) handIn(s *shard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for number, w := range s.windows {
		r.series.merge(number, *w)
	}
	clear(s.windows)
}

// count counts what is counted in the warm-up too.
func (s *shard) count(res Result, number int64) {
	w := s.windows[number]
	if w == nil {
		w = &Window{Latency: newWindow()}
		s.windows[number] = w
	}
	now := s.second(res.Ended.Unix())
	w.Count++
	now.ended++
	s.live.Count++
	if res.Outcome.Bad() {
		w.Bad++
		s.live.Bad++
	}
	if res.Outcome == Wrong {
		s.live.Wrong++
	}
	if !res.Outcome.Answered() {
		return
	}
	latency := res.Latency()
	w.Latency.Add(latency)
	now.latency.Add(latency)
	if res.First {
		s.activations.Add(latency)
	}
}

// second is where to count what ended then. A straggler of a second that is no
// longer kept goes to the one that took its place.
func (s *shard) second(unix int64) *second {
	at := &s.seconds[uint64(unix)%uint64(len(s.seconds))]
	if at.unix < unix {
		*at = second{unix: unix, latency: newWindow()}
	}
	return at
}

// measure counts what is not of the warm-up.
func (s *shard) measure(res Result) {
	name := res.Call
	call := s.calls[name]
	if call == nil {
		name = bounded(name, len(s.calls))
		if call = s.calls[name]; call == nil {
			call = &Tally{}
			s.calls[name] = call
		}
	}
	call.add(res)
	if !res.Sent.IsZero() {
		s.late.Add(res.Sent.Sub(res.Due))
	}
}

// bounded is the name under which a new one is counted beside so many others.
func bounded(name string, others int) string {
	if others >= maxNames {
		return otherName
	}
	if len(name) > maxName {
		return strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}

// Live is how a run goes.
type Live struct {
	Rate     float64       // calls that ended in the last whole second
	P50, P99 time.Duration // of those that were answered
	Count    uint64        // calls that ended since the beginning, those of the warm-up included
	Bad      uint64        // of these, refused, lost or wrong
	Wrong    uint64
}

// Live returns how the run goes now.
func (r *Recorder) Live(now time.Time) Live {
	var live Live
	latency, last := newWindow(), now.Unix()-1
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		live.Count += s.live.Count
		live.Bad += s.live.Bad
		live.Wrong += s.live.Wrong
		if at := s.seconds[uint64(last)%uint64(len(s.seconds))]; at.unix == last {
			live.Rate += float64(at.ended)
			latency.Merge(at.latency)
		}
		s.mu.Unlock()
	}
	live.P50, live.P99 = latency.Quantile(0.5), latency.Quantile(0.99)
	return live
}

// Fill writes what was counted so far: Began, Warmup, Total, Calls, Activations,
// Late and Series. If Seconds is set, the last window ends there.
func (r *Recorder) Fill(rep *Report) {
	rep.Began, rep.Warmup = r.start, r.zero.Sub(r.start).Seconds()
	rep.Total, rep.Calls = Tally{}, map[string]Tally{}
	rep.Activations, rep.Late = Histogram{}, Histogram{}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, name := range slices.Sorted(maps.Keys(s.calls)) {
			addTally(rep.Calls, name, *s.calls[name])
		}
		rep.Activations.Merge(s.activations)
		rep.Late.Merge(s.late)
		r.handIn(s)
		s.mu.Unlock()
	}
	for _, name := range slices.Sorted(maps.Keys(rep.Calls)) {
		rep.Total.merge(rep.Calls[name])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rep.Series = r.series.list(r.length, r.start.Sub(r.zero), time.Duration(rep.Seconds*float64(time.Second)))
}
