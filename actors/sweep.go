package actors

import (
	"context"
	"time"
)

// sweep sends checkIdle to the contexts that look idle, and ends idle sessions in
// all, one goroutine for the node: a timer per actor would cost a third of an
// idle actor's memory, and a goroutine each when they all expire together.
func (n *Node) sweep(ctx context.Context) {
	ticker := time.NewTicker(max(n.cfg.Idle/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			n.sweepOnce(now)
		}
	}
}

func (n *Node) sweepOnce(now time.Time) {
	since := now.Add(-n.cfg.Idle).UnixNano()
	for _, e := range n.dir.entries() {
		l := e.lease.Load()
		if l == nil {
			continue
		}
		l.transport.Sweep(now)
		if l.state.Load() == 0 && l.lastUsed.Load() < since {
			n.system.Root.Send(e.pid, &checkIdle{since: since})
		}
	}
}
