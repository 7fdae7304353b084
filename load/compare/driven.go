package compare

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
	"roundhouse/load/pace"
)

// driven is a side, its clients and what it has done in this round.
type driven struct {
	Side
	duel    *duel
	clients []*client.Client // by place
	next    int              // whose turn it is
	side    measure.Side
	reason  string                 // of a call that did not go well; "": all did
	wrong   atomic.Pointer[string] // what was; nil: nothing
}

// Next is a call in the next of the contexts.
func (s *driven) Next() pace.Call {
	c := s.clients[s.next%len(s.clients)]
	s.next++
	return pace.Call{Name: s.duel.Tool, Do: func(ctx context.Context) (measure.Outcome, string) { return s.call(ctx, c) }}
}

func (s *driven) call(ctx context.Context, c *client.Client) (measure.Outcome, string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	x, err := c.Call(ctx, s.duel.Tool, s.duel.Arguments)
	if err != nil {
		return measure.Lost, client.Reason(err)
	}
	defer x.Release()
	outcome, reason := s.duel.judge(x)
	if outcome == measure.Wrong {
		text := fmt.Sprintf("%s. Asked: %s Answered: %s", reason, clip(x.Request), clip(x.Body))
		s.wrong.CompareAndSwap(nil, &text)
	}
	return outcome, reason
}

// clip makes a short copy.
func clip(text []byte) string {
	const most = 2000
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}

// seen gathers what a loop brings.
type seen struct {
	mu      sync.Mutex // guards the rest
	latency measure.Histogram
	good    uint64
	bad     uint64
	reason  string // of the last bad one
}

func (s *seen) add(r measure.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Outcome != measure.OK {
		s.bad++
		s.reason = r.Reason
		return
	}
	s.good++
	s.latency.Add(r.Latency())
}

// closed is the closed loop.
func (s *driven) closed(ctx context.Context, length time.Duration) (measure.Side, error) {
	var got seen
	cpu, err := s.used()
	if err != nil {
		return measure.Side{}, err
	}
	began := time.Now()
	if err := pace.Closed(ctx, s.duel.Callers, length, s, got.add); err != nil {
		return measure.Side{}, err
	}
	took := time.Since(began)
	s.note(&got)
	after, err := s.used()
	if err != nil {
		return measure.Side{}, err
	}
	return measure.Side{
		Throughput: float64(got.good) / took.Seconds(),
		CPU:        (after - cpu).Seconds() / float64(max(1, got.good+got.bad)),
		Bad:        got.bad,
	}, nil
}

func (s *driven) note(got *seen) {
	if got.reason != "" {
		s.reason = got.reason
	}
}

func (s *driven) used() (time.Duration, error) {
	if s.CPU == nil {
		return 0, nil
	}
	return s.CPU()
}

// open is the open loop.
func (s *driven) open(ctx context.Context, rate float64, length time.Duration) error {
	var got seen
	err := pace.Open(ctx, pace.Constant(rate, length), s, pace.Options{MaxInFlight: inFlight, Grace: timeout}, got.add)
	s.note(&got)
	s.side.P50, s.side.P99 = got.latency.Quantile(0.5).Seconds(), got.latency.Quantile(0.99).Seconds()
	s.side.Bad += got.bad
	return err
}
