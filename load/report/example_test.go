package report

import (
	"math"
	"math/rand/v2"
	"time"

	"roundhouse/load/measure"
)

const ms = time.Millisecond

// example is a report with something of everything, the same each time: a
// minute after a warm-up of ten seconds, with a stall in the middle.
func example(seed uint64) measure.Report {
	rnd := rand.New(rand.NewPCG(seed, 6))
	r := measure.Report{
		Format: measure.FormatVersion, Scenario: "mixed", About: "many tools, both eras", Target: "roundhouse",
		Command: "roundhouse load mixed --rate 200", Arrivals: "open, 200/s",
		Machine: measure.Machine{CPUs: 2, OS: "linux", Arch: "amd64", Go: "go1.26.0", Version: "0.1.0"},
		Began:   time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC), Warmup: 10, Seconds: 60,
		Users: 50, Contexts: 1000, Workers: 1, Calls: map[string]measure.Tally{},
		Moments: []measure.Moment{{At: 20, What: "Sentry answers 503"}, {At: 30, What: "Sentry is well again"}},
	}
	for second := -10; second < 60; second++ {
		w := measure.Window{At: float64(second), Seconds: 1}
		for range 200 {
			kind := []string{"whoami", "search_events", "search_events", "get_issue_details"}[rnd.IntN(4)]
			took := time.Duration(float64(2*ms) * math.Exp(rnd.NormFloat64()/2))
			if second >= 20 && second < 24 {
				took += time.Duration(24-second) * 200 * ms
			}
			outcome, reason := measure.OK, ""
			if second >= 20 && second < 30 && rnd.IntN(10) == 0 {
				outcome, reason = measure.Refused, "503"
			}
			w.Count++
			if outcome.Bad() {
				w.Bad++
			} else {
				w.Latency.Add(took)
			}
			if second < 0 {
				if rnd.IntN(2) == 0 {
					r.Activations.Add(took + ms)
				}
				continue
			}
			tally := r.Calls[kind]
			add(&tally, outcome, reason, took)
			add(&r.Total, outcome, reason, took)
			r.Calls[kind] = tally
			r.Late.Add(time.Duration(rnd.IntN(200)) * time.Microsecond)
		}
		r.Series = append(r.Series, w)
		known := min(1000, float64(second+11)*100)
		r.Server = append(r.Server, measure.Sample{
			At: float64(second), Contexts: known, HeapInUse: 20e6 + 6100*known + 2e6*rnd.Float64(), Resident: 60e6 + 7000*known,
			Goroutines: 40 + float64(rnd.IntN(20)), CPU: 0.7 * float64(second+10), GCPause: 0.0004 * float64(second+10),
			Mailbox: float64(rnd.IntN(3)), Upstream: 150 * float64(second+10), Activations: known, ActivationP99: 0.00042,
		})
	}
	r.Canaries = measure.Canaries{Checked: 1234567, Marked: 1200000, Tried: map[string]uint64{"session": 1500, "task": 500, "event": 345}}
	r.Streams = &measure.Streams{Open: 100, Notifications: 4200, Missed: 0, Reopened: 3}
	for range 4200 {
		r.Streams.Latency.Add(time.Duration(rnd.IntN(900)) * ms)
	}
	r.Limit = &measure.Limit{Rate: 3200, Bound: "p99 at most 50 ms, no call turned away", Steps: []measure.LimitStep{
		{Rate: 200, P99: 0.004, Held: true}, {Rate: 400, P99: 0.0042, Held: true}, {Rate: 800, P99: 0.005, Held: true},
		{Rate: 1600, P99: 0.009, Held: true}, {Rate: 3200, P99: 0.031, Held: true}, {Rate: 6400, P99: 2.4, Bad: 0.12},
		{Rate: 4800, P99: 0.4, Bad: 0.002},
	}}
	r.Comparisons = []measure.Comparison{
		duel(rnd, "reconfigure", "eight contexts of one user in turn", 0.09, 8),
		duel(rnd, "per-request", "one context", 0.31, 2.5),
		duel(rnd, "bare", "one context", 1.12, 0.93),
	}
	return r
}

func add(t *measure.Tally, o measure.Outcome, reason string, took time.Duration) {
	if t.Outcomes == nil {
		t.Outcomes, t.Reasons = map[string]uint64{}, map[string]uint64{}
	}
	t.Count++
	t.Outcomes[o.String()]++
	if o.Bad() {
		t.Reasons[reason]++
	} else {
		t.Latency.Add(took)
	}
}

// duel is against a design with so many times the throughput and the latency.
func duel(rnd *rand.Rand, theirs, what string, throughput, latency float64) measure.Comparison {
	c := measure.Comparison{Ours: "roundhouse", Theirs: theirs, What: what}
	for range 5 {
		noise := func() float64 { return 0.95 + rnd.Float64()/10 }
		c.Rounds = append(c.Rounds, measure.Round{
			Ours:   measure.Side{Throughput: 4300 * noise(), P50: 0.0011 * noise(), P99: 0.0048 * noise(), CPU: 0.00031 * noise()},
			Theirs: measure.Side{Throughput: 4300 * throughput * noise(), P50: 0.0011 * latency * noise(), P99: 0.0048 * latency * noise(), CPU: 0.00031 / throughput * noise()},
		})
	}
	return c
}
