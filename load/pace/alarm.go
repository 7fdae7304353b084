package pace

import (
	"context"
	"time"
)

// lastStretch is how long before a call is due the more precise clock is asked.
// The runtime's timers fire up to a millisecond late while a process is idle,
// since it waits for them in whole milliseconds.
const lastStretch = 2 * time.Millisecond

// alarm waits until calls are due.
type alarm struct {
	timer   *time.Timer
	precise *preciseClock // nil: there is none
}

func newAlarm() *alarm {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &alarm{timer: timer, precise: newPreciseClock()}
}

func (a *alarm) close() {
	a.timer.Stop()
	a.precise.close()
}

// wait returns true when it is that late, and false if ctx has ended.
func (a *alarm) wait(ctx context.Context, due time.Time) bool {
	for ctx.Err() == nil {
		left := time.Until(due)
		switch {
		case left <= 0:
			return true
		case a.precise == nil:
			a.sleep(ctx, left)
		case left > lastStretch:
			a.sleep(ctx, left-lastStretch)
		case !a.precise.sleep(left):
			a.precise = nil
		}
	}
	return false
}

func (a *alarm) sleep(ctx context.Context, d time.Duration) {
	a.timer.Reset(d)
	select {
	case <-a.timer.C:
	case <-ctx.Done():
	}
}
