package measure

import "time"

// Progress is how far a run is.
type Progress struct {
	Phase    string        // "signing in", "warm-up", "measuring"
	Done, Of int           // of the phase: 12 of 100; Of is 0 if it is not counted
	Elapsed  time.Duration // since the phase began
	For      time.Duration // how long the phase will take; 0 if that is not known
	Rate     float64       // answers in the last second; 0 hides it and the latencies
	P50, P99 time.Duration // of the last second
	Bad      uint64        // so far
	Contexts int
	Wrong    uint64 // so far
}
