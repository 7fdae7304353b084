package sandbox

import (
	"os"
	"runtime/debug"
)

// What a process may use that serves a sandbox and little else. The collector
// works in proportion to what it leaves in use, and the sandbox has little of
// that: by default it takes a third of the time of ingest.
const (
	garbage   = 400      // percent of what is in use
	heapLimit = 72 << 20 // above it there is less garbage; the rest of 100 MB is SQLite's
)

// OwnProcess spends memory on speed, for a process that serves a sandbox and
// little else, as far as GOGC and GOMEMLIMIT do not say otherwise. It is for the
// whole process, so New does not do it. restore takes it back.
func OwnProcess() (restore func()) {
	percent, limit := -1, int64(-1) // a limit below 0 changes nothing
	if os.Getenv("GOGC") == "" {
		percent = debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		limit = debug.SetMemoryLimit(heapLimit)
	}
	return func() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(percent)
		}
		debug.SetMemoryLimit(limit)
	}
}
