//go:build !linux

package pace

import "time"

// preciseClock is known on Linux only.
type preciseClock struct{}

func newPreciseClock() *preciseClock { return nil }

func (*preciseClock) sleep(time.Duration) bool { return false }

func (*preciseClock) close() {}
