package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
)

// streams are those that a run keeps open.
type streams struct {
	run *run
	all []*stream

	mu     sync.Mutex
	found  measure.Streams
	asked  map[string]*change // by URI: the latest change, until all have been told
	solved map[string]bool    // issues that the trickle has resolved, by URI
	said   bool               // that there are none
}

// stream is one. It watches an issue that its asker sees.
type stream struct {
	a      *asker
	client *client.Client
	uri    string // "": nothing is watched

	// guarded by the streams' mu
	open    bool
	granted bool
	last    string // event that came last
	end     context.CancelFunc
}

// change is one that those who watch are to be told of.
type change struct {
	sent, made time.Time // made: when the call was answered; zero: it has not been
	waiting    map[*stream]bool
}

// patience is how long a notification may take. Sentry tells nobody of changes,
// so that a server has to look, and looks less often where nothing happens.
const patience = 6 * time.Minute

const reopenPause = time.Second

// openStreams opens the scenario's streams and returns at once; each is kept
// until ctx ends.
func (r *run) openStreams(ctx context.Context, wg *sync.WaitGroup) *streams {
	s := &streams{run: r, asked: map[string]*change{}, solved: map[string]bool{}}
	if r.cfg.Scenario.Streams == nil {
		return s
	}
	askers := r.population.askers
	for i := range shareOf(r.cfg.Scenario.Streams.Count, r.cfg.Worker, r.cfg.Workers) {
		a := askers[i%len(askers)]
		c, err := a.newClient("s", i, false)
		if err != nil { // the asker's own would fail, too
			continue
		}
		st := &stream{a: a, client: c, end: func() {}}
		if a.issue != "" && a.home() != "" {
			st.uri = "sentry://" + a.home() + "/issues/" + a.issue
		}
		s.all = append(s.all, st)
		wg.Go(func() { s.keep(ctx, st) })
	}
	return s
}

// keep opens st again and again until ctx ends.
func (s *streams) keep(ctx context.Context, st *stream) {
	for first := true; ctx.Err() == nil; first = false {
		one, end := context.WithCancel(ctx)
		s.begin(st, first, end)
		sub := client.Subscription{OnOpen: func(granted []string) { s.opened(st, granted) }, OnEvent: func(e client.Event) { s.heard(st, e) }}
		if st.uri != "" {
			sub.URIs = []string{st.uri}
		}
		if st.a.era == client.Legacy {
			sub.LastEventID = s.lastOf(st)
		}
		x, _ := st.client.Listen(one, sub) // why it ended is seen when it is opened again
		cut := one.Err() != nil            // by a storm: it comes back at once
		end()
		s.ended(st, x)
		if x != nil && x.Status == http.StatusNotFound {
			_, _ = st.client.Open(ctx) // the session has ended: begin another
		}
		if !cut && !until(ctx, time.Now().Add(reopenPause)) {
			return
		}
	}
}

func (s *streams) begin(st *stream, first bool, end context.CancelFunc) {
	st.a.asked.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.end = end
	if !first {
		s.found.Reopened++
	}
}

func (s *streams) lastOf(st *stream) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.last
}

func (s *streams) opened(st *stream, granted []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.open, st.granted = true, len(granted) > 0
}

// ended: what a stream of the modern era was to be told while it is away, it is
// not told any more. One with a session is told when it comes back.
func (s *streams) ended(st *stream, x *client.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.a.era == client.Modern {
		for _, c := range s.asked {
			delete(c.waiting, st)
		}
	}
	st.open, st.granted = false, false
	if x != nil && x.Status != http.StatusOK {
		st.last = "" // perhaps that is what it does not know
		if !s.said {
			s.said = true
			s.run.cfg.Log(fmt.Sprintf("no stream: %s answers %d", st.a.url(), x.Status))
		}
	}
}

// heard takes a notification in, which has to be of what st watches.
func (s *streams) heard(st *stream, e client.Event) {
	if e.ID != "" && st.a.era == client.Legacy {
		s.run.handles.add(handle{eventHandle, e.ID, st.a})
	}
	var params struct{ URI string }
	_ = json.Unmarshal(e.Message.Params, &params) // others have none
	told := e.Message.Method == "notifications/resources/updated"
	_, v := s.run.canary.judgeMarks(st.a, e.Message.Params)
	if told && params.URI != st.uri {
		v = wrongly("notification of another", "the stream watches %q and was told of %q", st.uri, params.URI)
	}
	s.run.checked.Add(1)
	if v.wrong() {
		s.run.wrong(st.a, &client.Exchange{Method: e.Message.Method, URL: st.a.url(), Body: e.Message.Params}, v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.last = e.ID
	if !told {
		return
	}
	s.found.Notifications++
	if c := s.asked[params.URI]; c != nil && c.waiting[st] {
		delete(c.waiting, st)
		took := time.Duration(0) // told before the call was answered
		if !c.made.IsZero() {
			took = time.Since(c.made)
		}
		s.found.Latency.Add(took)
	}
}

// cut ends a share of the streams, which come back at once.
func (s *streams) cut(random *rand.Rand, share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.all {
		if random.Float64() < share {
			st.end()
		}
	}
}

// trickle changes an issue every so often.
func (s *streams) trickle(ctx context.Context, every time.Duration) {
	if s.run.cfg.Scale == nil {
		s.run.cfg.Log("no trickle: it would change issues of a server that is not the run's own")
		return
	}
	random := rand.New(rand.NewPCG(s.run.cfg.Seed, 1<<33+uint64(s.run.cfg.Worker)))
	for at := s.run.zero; until(ctx, at); at = at.Add(every) {
		if st, status := s.choose(random); st != nil {
			if err := s.change(ctx, st, status); err != nil && ctx.Err() == nil {
				s.run.cfg.Log("no change for streams to be told of: " + err.Error())
				return
			}
		}
	}
}

// choose picks an issue that somebody watches, and that is as everybody who does
// believes it is: two changes between two looks are none.
func (s *streams) choose(random *rand.Rand) (*stream, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	if len(s.all) == 0 {
		return nil, ""
	}
	for range 10 {
		st := s.all[random.IntN(len(s.all))]
		if !st.granted || s.asked[st.uri] != nil {
			continue
		}
		c := &change{sent: time.Now(), waiting: map[*stream]bool{}}
		for _, other := range s.all {
			if other.granted && other.uri == st.uri {
				c.waiting[other] = true
			}
		}
		s.asked[st.uri] = c
		s.solved[st.uri] = !s.solved[st.uri]
		if s.solved[st.uri] {
			return st, "resolved"
		}
		return st, "unresolved"
	}
	return nil, ""
}

// forget drops the changes of which all have been told, and counts who was not
// in time.
func (s *streams) forget(now time.Time) {
	for uri, c := range s.asked {
		switch {
		case len(c.waiting) == 0:
			delete(s.asked, uri)
		case now.Sub(c.sent) > patience:
			s.found.Missed += uint64(len(c.waiting))
			delete(s.asked, uri)
		}
	}
}

// change makes one, as the user of the stream.
func (s *streams) change(ctx context.Context, st *stream, status string) error {
	ctx, cancel := context.WithTimeout(ctx, s.run.cfg.Scenario.Timeout.Duration)
	defer cancel()
	arguments := map[string]string{"issueId": st.a.issue, "status": status}
	if st.a.org == "" {
		arguments[orgParameter] = st.a.home()
	}
	raw, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	c, err := st.a.connect()
	if err != nil {
		return err
	}
	res := measure.Result{Call: "update_issue", Due: time.Now(), Sent: time.Now()}
	x, err := c.Call(ctx, "update_issue", raw)
	res.Ended = time.Now()
	if err != nil {
		res.Outcome, res.Reason = lost(err)
	} else {
		res.Outcome, res.Reason = s.run.conclude(st.a, x, expected{})
		x.Release()
	}
	s.run.count(ctx)(res)
	s.mu.Lock()
	defer s.mu.Unlock()
	if res.Outcome != measure.OK {
		delete(s.asked, st.uri)
		s.solved[st.uri] = !s.solved[st.uri]
		if res.Outcome == measure.Refused {
			return errors.New(res.Reason)
		}
		return nil // Sentry may be failing
	}
	if c := s.asked[st.uri]; c != nil {
		c.made = res.Ended
	}
	return nil
}

// report is nil in a run without streams.
func (s *streams) report() *measure.Streams {
	if s.run.cfg.Scenario.Streams == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	found := s.found
	found.Latency = found.Latency.Clone()
	for _, st := range s.all {
		if st.open {
			found.Open++
		}
	}
	return &found
}
