// Package compare sets one server beside another. Both run all the time, one at
// a time is driven, and they take turns; what counts is the ratio within a
// round, because the machine is another one a minute later.
//
// A turn has two halves. In the closed loop a few callers ask as fast as they
// are answered: throughput, and what a call costs the server's process in CPU
// time. In the open loop calls are due at one rate for both, half of what the
// slower one managed in the first round: the latencies of a server that is not
// overrun.
package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
	"roundhouse/load/pace"
)

// Side is one of the servers.
type Side struct {
	Name      string
	URL       string                                           // …/mcp; below it are the places
	Authorize func(context.Context) (header string, err error) // nil: nothing is shown
	CPU       func() (time.Duration, error)                    // that its process has used since it began; nil: not known
}

// Case is what is asked of both. Tool, Places and Closed are required.
type Case struct {
	What      string   // in words
	Places    []string // the contexts, in turn: "", "org", "org/project"
	Tool      string
	Arguments json.RawMessage
	Contains  string        // what every answer has to have in it; "": not checked
	Callers   int           // of the closed loop; 8
	Closed    time.Duration // length of the closed loop of each turn
	Open      time.Duration // of the open loop; 0: as long
	Rounds    int           // 5
}

const (
	timeout  = 30 * time.Second
	warmup   = 300 * time.Millisecond
	slowest  = 10  // calls per second of the open loop, at the least
	share    = 0.5 // of the slower side's throughput
	inFlight = 48  // calls at once, fewer than Roundhouse allows one user; others wait, and their latency counts
)

// ErrWrong is matched by the error of Run if an answer was not that of its
// request, or lacked what the case says that it contains.
var ErrWrong = errors.New("wrong answer")

// Run drives both sides. progress is told what goes on, and note what went wrong.
func Run(ctx context.Context, ours, theirs Side, c Case, progress, note func(string)) (measure.Comparison, error) {
	if c.Callers <= 0 {
		c.Callers = 8
	}
	if c.Rounds <= 0 {
		c.Rounds = 5
	}
	if c.Open <= 0 {
		c.Open = c.Closed
	}
	result := measure.Comparison{Ours: ours.Name, Theirs: theirs.Name, What: c.What}
	d := &duel{Case: c, progress: progress, http: client.NewHTTP()}
	defer d.http.CloseIdleConnections()
	for i, side := range []Side{ours, theirs} {
		driven, err := d.begin(side, i)
		if err != nil {
			return result, err
		}
		d.sides[i] = driven
	}
	err := d.run(ctx, &result)
	for _, s := range d.sides {
		if s.reason != "" {
			note(fmt.Sprintf("%s: not all calls of %s were answered well: %s", d.What, s.Name, s.reason))
		}
	}
	return result, errors.Join(err, d.wrong())
}

// duel is a comparison at work.
type duel struct {
	Case
	sides    [2]*driven // ours, theirs
	http     *http.Client
	rate     float64 // of the open loop; 0: not known yet
	progress func(string)
}

func (d *duel) run(ctx context.Context, result *measure.Comparison) error {
	for _, side := range d.sides { // contexts are activated here
		d.progress(side.Name + ": warm-up")
		if _, err := side.closed(ctx, warmup); err != nil {
			return err
		}
	}
	for n := range d.Rounds {
		first, second := d.sides[0], d.sides[1]
		if n%2 == 1 { // A B, B A, A B…
			first, second = second, first
		}
		round, err := d.round(ctx, n, first, second)
		if err != nil {
			return err
		}
		result.Rounds = append(result.Rounds, round)
	}
	return nil
}

// round lets both take their turn. In the first one nobody knows the rate until
// both have shown what they manage.
func (d *duel) round(ctx context.Context, n int, first, second *driven) (measure.Round, error) {
	order := []*driven{first, second}
	steps := []struct {
		what string
		do   func(*driven) error
	}{
		{"closed loop", func(s *driven) (err error) { s.side, err = s.closed(ctx, d.Closed); return err }},
		{"open loop", func(s *driven) error { return s.open(ctx, d.rate, d.Open) }},
	}
	do := func(s *driven, step int) error {
		d.progress(fmt.Sprintf("%s, %s, round %d of %d", s.Name, steps[step].what, n+1, d.Rounds))
		if err := steps[step].do(s); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		return ctx.Err()
	}
	plan := [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}} // whose turn it is, and which half of it
	if d.rate == 0 {
		plan = [][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}}
	}
	for i, p := range plan {
		if i == 2 && d.rate == 0 {
			d.rate = max(slowest, share*min(first.side.Throughput, second.side.Throughput))
		}
		if err := do(order[p[0]], p[1]); err != nil {
			return measure.Round{}, err
		}
	}
	return measure.Round{Ours: d.sides[0].side, Theirs: d.sides[1].side}, nil
}

func (d *duel) wrong() error {
	for _, s := range d.sides {
		if s != nil && s.wrong.Load() != nil {
			return fmt.Errorf("%w of %s: %s", ErrWrong, s.Name, *s.wrong.Load())
		}
	}
	return nil
}

func (d *duel) begin(side Side, n int) (*driven, error) {
	s := &driven{Side: side, duel: d}
	for i, place := range d.Places {
		c, err := client.New(client.Config{
			URL: strings.TrimSuffix(side.URL+"/"+place, "/"), Era: client.Modern, Authorize: side.Authorize,
			HTTP: d.http, Prefix: fmt.Sprintf("compare-%d-%d-", n, i),
		})
		if err != nil {
			return nil, err
		}
		s.clients = append(s.clients, c)
	}
	return s, nil
}

// judge says how a call ended.
func (d *duel) judge(x *client.Exchange) (outcome measure.Outcome, reason string) {
	switch {
	case x.Status != http.StatusOK:
		return measure.Refused, fmt.Sprint(x.Status)
	case string(x.Answer.ID) != `"`+x.ID+`"` || x.Malformed != nil:
		return measure.Wrong, "the id is another request's"
	case x.Answer.Error != nil:
		return measure.Refused, fmt.Sprint(x.Answer.Error.Code)
	case bytes.Contains(x.Answer.Result, []byte(`"isError":true`)):
		return measure.Failed, "isError"
	case !bytes.Contains(x.Answer.Result, []byte(d.Contains)):
		return measure.Wrong, fmt.Sprintf("%q is not in it", d.Contains)
	}
	return measure.OK, ""
}

var _ pace.Source = (*driven)(nil)
