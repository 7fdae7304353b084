package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/transport"
)

// The messages of an activation. They are Go values and stay on this node.
type (
	// acquire asks for the lease. ctx carries the caller whose credential an
	// activation uses; reply has room for the one answer.
	acquire struct {
		ctx   context.Context
		key   constraint.Key
		asked time.Time
		reply chan answer
	}
	// answer: a lease; or the error of an activation and the grant whose
	// credential it used; or neither, which means gone, ask the directory again.
	answer struct {
		lease *lease
		err   error
		grant string
	}
	// built brings back what the build goroutine made.
	built struct {
		server *server.MCPServer
		answer answer // err and grant

		asked  time.Time     // by the first request
		waited time.Duration // for Sentry
	}
	// checkIdle asks to passivate if nothing was served since then (Unix
	// nanoseconds).
	checkIdle struct{ since int64 }
)

// maxWaiting bounds the requests that wait for one activation.
const maxWaiting = 1024

// activation is the actor of one key. Only Receive touches its fields.
type activation struct {
	node  *Node
	key   constraint.Key
	entry *entry

	lease    *lease // nil until built
	opened   bool   // built, or failed to be
	building bool
	retired  bool // out of the directory, about to stop
	waiting  []*acquire
}

// Receive returns at once, whatever the message.
func (a *activation) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *acquire:
		a.acquire(c, m)
	case *built:
		a.built(c, m)
	case *checkIdle:
		a.checkIdle(c, m)
	case *actor.Stopping:
		a.stopping()
	case *actor.Stopped:
		a.stopped()
	}
}

func (a *activation) acquire(c actor.Context, m *acquire) {
	switch {
	case m.key != a.key:
		// Only a programming error gets here; serving it would be a leak.
		m.reply <- answer{err: fmt.Errorf("activation of another key asked: %w", constraint.ErrUnknown), grant: grantOf(m.ctx)}
	case a.retired:
		m.reply <- answer{}
	case a.lease != nil:
		m.reply <- answer{lease: a.lease}
	case len(a.waiting) >= maxWaiting:
		m.reply <- answer{err: a.node.refuse(fullWaiting), grant: grantOf(m.ctx)}
	default:
		a.waiting = append(a.waiting, m)
		if !a.building {
			a.building = true
			a.build(c, m)
		}
	}
}

// build makes the server in a goroutine, because that asks Sentry. It outlives
// the request that began it: others may be waiting by then.
func (a *activation) build(c actor.Context, first *acquire) {
	node, key, self, root := a.node, a.key, c.Self(), c.ActorSystem().Root
	node.builds.Go(func() { // ends within Config.Activation, if NewServer heeds its ctx
		ctx, cancel := context.WithTimeout(context.WithoutCancel(first.ctx), node.cfg.Activation)
		defer cancel()
		m := &built{asked: first.asked}
		m.server, m.answer.err = node.newServer(withWaited(ctx, &m.waited), key)
		m.answer.grant = grantOf(first.ctx)
		root.Send(self, m)
	})
}

func (n *Node) newServer(ctx context.Context, key constraint.Key) (s *server.MCPServer, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, &constraint.UnavailableError{Reason: "the context could not be built", Err: fmt.Errorf("panic: %v", r)}
		}
	}()
	begin := time.Now()
	select {
	case n.building <- struct{}{}:
		defer func() { <-n.building }()
	case <-ctx.Done():
		return nil, n.refuse(fullBuilding)
	}
	Waited(ctx, time.Since(begin))
	return n.cfg.NewServer(ctx, key)
}

// open is called once, when it is known whether there is such a context.
func (a *activation) open() {
	if !a.opened {
		a.opened = true
		a.node.dir.opening.end(a.key.User())
	}
}

func (a *activation) built(c actor.Context, m *built) {
	a.building = false
	a.open()
	if m.answer.err != nil {
		a.node.counts.failures.Add(1)
		a.node.cfg.Logger.Info("context not activated", "constraint", a.key.Identity(), "error", m.answer.err)
		a.retire(c) // before the answer: who asks again starts a successor
		a.reply(m.answer)
		return
	}
	if a.retired {
		a.reply(answer{})
		return
	}
	a.node.counts.activations.Add(1)
	a.node.cfg.Logger.Debug("context activated", "constraint", a.key.Identity())
	cfg := a.node.cfg.Transport
	cfg.Key = a.key
	a.lease = newLease(a.node, a.key, transport.New(m.server, cfg))
	a.entry.lease.Store(a.lease)
	a.reply(answer{lease: a.lease})
	a.node.cfg.Activated(time.Since(m.asked), m.waited)
}

func (a *activation) reply(got answer) {
	for _, m := range a.waiting {
		m.reply <- got
	}
	a.waiting = nil
}

func (a *activation) checkIdle(c actor.Context, m *checkIdle) {
	if a.lease == nil || a.lease.lastUsed.Load() >= m.since || !a.lease.fenceIdle() {
		return
	}
	a.node.counts.passivations.Add(1)
	a.node.cfg.Logger.Debug("context passivated", "constraint", a.key.Identity())
	a.lease.endStreams()
	a.lease.transport.Close()
	a.lease = nil
	a.retire(c)
}

// retire leaves the directory, so that the next caller starts a successor, and
// stops. Whoever has asked by then is told that this one is gone: by an answer,
// or by entry.ended.
func (a *activation) retire(c actor.Context) {
	a.retired = true
	a.node.dir.forget(a.key, a.entry)
	c.Poison(c.Self())
}

// stopping is the end, by passivation, shutdown or a panic in Receive.
func (a *activation) stopping() {
	a.open()
	a.retired = true
	a.node.dir.forget(a.key, a.entry)
	a.reply(answer{})
	if a.lease != nil {
		a.lease.fence()
		a.lease.endStreams()
		a.lease.transport.Close()
	}
}

func (a *activation) stopped() {
	close(a.entry.ended)
	a.node.counts.live.Add(-1)
	a.node.running.Done()
}

func grantOf(ctx context.Context) string {
	caller, _ := constraint.CallerFrom(ctx)
	return caller.Grant
}
