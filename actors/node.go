package actors

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/mark3labs/mcp-go/server"

	"roundhouse/constraint"
	"roundhouse/transport"
)

// Kind is the kind of our virtual actors; an identity is unique within it.
const Kind = "constraint"

// Config is what a Node needs. Zero values mean the defaults that the fields
// tell.
type Config struct {
	// NewServer builds the MCP server for key, once per activation, with the
	// credential of the caller in ctx. It returns an error of package
	// constraint where the caller may not enter. Required.
	NewServer func(ctx context.Context, key constraint.Key) (*server.MCPServer, error)

	Idle        time.Duration // without a request for so long, a context passivates; 15 minutes
	Activation  time.Duration // the longest that NewServer may take; 20 seconds
	MaxContexts int           // contexts in memory; 100 000. One more is refused
	MaxInFlight int           // requests at once in one context, without streams; 256. One more is refused
	MaxStreams  int           // open streams in one context; 64. One more is refused
	MaxBuilding int           // activations that ask Sentry at the same time; 64. One more waits
	MaxOpening  int           // contexts that one user may be opening at the same time; 8. One more waits
	Logger      *slog.Logger  // nil: nothing is logged

	// Activated is told how long an activation took, from its first request on,
	// and how much of it was waiting: what Waited was told of, and for a turn to
	// ask Sentry. It must not block. Nil: nobody is told.
	Activated func(whole, waited time.Duration)

	// Transport bounds what MCP over HTTP keeps for each context. Key and
	// Logger are set here; Secret and Users, if none are given, are the node's own.
	Transport transport.Config
}

func (cfg Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	limit := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&cfg.Idle, 15*time.Minute)
	set(&cfg.Activation, 20*time.Second)
	limit(&cfg.MaxContexts, 100_000)
	limit(&cfg.MaxInFlight, 256)
	limit(&cfg.MaxStreams, 64)
	limit(&cfg.MaxBuilding, 64)
	limit(&cfg.MaxOpening, 8)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Transport.Secret == nil {
		cfg.Transport.Secret = transport.NewSecret()
	}
	if cfg.Transport.Users == nil {
		cfg.Transport.Users = transport.NewUsers(0)
	}
	if cfg.Activated == nil {
		cfg.Activated = func(time.Duration, time.Duration) {}
	}
	cfg.Transport.Logger = cfg.Logger
	return cfg
}

// Node is this process's share of the contexts. All methods are safe for
// concurrent use.
type Node struct {
	cfg      Config
	system   *actor.ActorSystem
	dir      *directory
	counts   counts
	mail     mail
	mailbox  actor.MailboxProducer
	building chan struct{} // one slot per activation that asks Sentry

	closing atomic.Bool
	stop    context.CancelFunc // ends the sweeper
	sweeper sync.WaitGroup     // the sweeper
	builds  sync.WaitGroup     // goroutines in activation.build
	running sync.WaitGroup     // actors, from spawn to Stopped
}

// Start makes a node of one: an actor system, and nothing that listens.
func Start(cfg Config) (*Node, error) {
	if cfg.NewServer == nil {
		return nil, errors.New("actors: Config.NewServer is required")
	}
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node{
		cfg:      cfg,
		system:   newSystem(cfg.Logger),
		building: make(chan struct{}, cfg.MaxBuilding),
		stop:     cancel,
	}
	n.mailbox = actor.Unbounded(&n.mail)
	n.dir = newDirectory(cfg.MaxContexts, cfg.MaxOpening, n.spawn)
	n.sweeper.Go(func() { n.sweep(ctx) }) // ends with Shutdown
	return n, nil
}

// newSystem passes on what an operator can act on; at Info, Proto.Actor tells
// that it has started.
func newSystem(logger *slog.Logger) *actor.ActorSystem {
	quiet := slog.New(atLeastWarn{logger.Handler()})
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
	narrowRegistry(system.ProcessRegistry.LocalPIDs)
	return system
}

// registryBuckets times the 32 shards that each of them has are enough locks for
// any machine.
const registryBuckets = 32

// narrowRegistry leaves the registry of a system that nobody uses yet fewer
// buckets. It comes with 1024, which is 32 768 maps: 3 MB, and 9 MB more once
// each of them has held something, so that the heap of a node whose contexts
// come and go rises for a hundred thousand activations.
func narrowRegistry(registry *actor.SliceMap) {
	all := registry.LocalPIDs
	registry.LocalPIDs = slices.Clone(all[:registryBuckets])
	for _, bucket := range all {
		for id, process := range bucket.Items() {
			bucket.Remove(id)
			registry.GetBucket(id).Set(id, process)
		}
	}
}

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// maxRounds bounds how often Acquire tries again after meeting an activation
// that was just leaving. One round is rare and two in a row have not been seen,
// except in the test that passivates whatever is not in use at that moment.
const maxRounds = 64

// Acquire returns the handler of key's context, activating it with the
// credential in ctx where it is not in memory. The context stays in memory
// until release is called, which must happen exactly once, after the handler
// has returned.
//
// The error is constraint.ErrUnknown, constraint.ErrUnauthorized, a
// *constraint.MovedError, a *constraint.UnavailableError, or ctx's own.
func (n *Node) Acquire(ctx context.Context, key constraint.Key) (h http.Handler, release func(), err error) {
	l, err := n.lease(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	return l, l.releaser, nil
}

func (n *Node) lease(ctx context.Context, key constraint.Key) (*lease, error) {
	if n.closing.Load() {
		return nil, n.refuse(ending)
	}
	if l := n.dir.cached(key); l != nil {
		switch l.tryAcquire() {
		case acquired:
			return l, nil
		case full:
			return nil, n.refuse(fullContext)
		}
	}
	return n.leaseFromActor(ctx, key)
}

func (n *Node) leaseFromActor(ctx context.Context, key constraint.Key) (*lease, error) {
	caller, _ := constraint.CallerFrom(ctx)
	for range maxRounds {
		e, err := n.place(ctx, key)
		if err != nil {
			return nil, err
		}
		got, err := n.ask(ctx, e, key)
		switch {
		case err != nil:
			return nil, err
		case got.err != nil && got.grant == caller.Grant:
			return nil, got.err
		case got.lease == nil: // gone, or somebody else's credential failed
			continue
		}
		switch got.lease.tryAcquire() {
		case acquired:
			return got.lease, nil
		case full:
			return nil, n.refuse(fullContext)
		}
	}
	return nil, n.refuse(handover)
}

// place waits, as long as an activation may take, for the user's turn to open
// another context.
func (n *Node) place(ctx context.Context, key constraint.Key) (*entry, error) {
	var enough <-chan time.Time
	for {
		e, wait, refused := n.dir.place(key)
		switch {
		case refused != none:
			return nil, n.refuse(refused)
		case wait == nil:
			return e, nil
		}
		if enough == nil {
			timer := time.NewTimer(n.cfg.Activation)
			defer timer.Stop()
			enough = timer.C
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-enough:
			return nil, n.refuse(fullOpening)
		}
	}
}

// ask sends acquire and waits for the answer, the end of the activation or the
// end of ctx. A message that meets a stopping mailbox vanishes without a trace,
// which is why the end of the activation is waited for as well. A reply channel
// rather than a Proto.Actor future: futures know no ctx, and have a timeout.
func (n *Node) ask(ctx context.Context, e *entry, key constraint.Key) (answer, error) {
	m := &acquire{ctx: ctx, key: key, asked: time.Now(), reply: make(chan answer, 1)}
	n.system.Root.Send(e.pid, m)
	select {
	case got := <-m.reply:
		return got, nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-e.ended:
		select {
		case got := <-m.reply: // it answered before it ended
			return got, nil
		default:
			return answer{}, nil
		}
	}
}

// spawn starts the activation of key. It is called by the directory under its
// lock, which alone publishes the PID: a PID that others could guess before
// SpawnPrefix returned would meet a mailbox without a dispatcher.
func (n *Node) spawn(key constraint.Key, e *entry) *actor.PID {
	n.running.Add(1)
	n.counts.live.Add(1)
	props := actor.PropsFromProducer(
		func() actor.Actor { return &activation{node: n, key: key, entry: e} },
		actor.WithMailbox(n.mailbox),
		actor.WithGuardian(stopOnPanic))
	return n.system.Root.SpawnPrefix(props, Kind+"/"+key.Identity())
}

// stopOnPanic ends an activation whose Receive panicked: all that it held is
// derived, and the next request builds it anew. A restart would leave its old
// lease in the directory.
var stopOnPanic = actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })

// Shutdown refuses new requests, ends open streams, lets running calls finish
// and stops every actor. When ctx ends first, running calls are canceled and
// ctx's error is returned.
func (n *Node) Shutdown(ctx context.Context) error {
	if n.closing.Swap(true) {
		return errors.New("actors: the node is already shut down")
	}
	n.dir.close()
	n.stop()
	n.sweeper.Wait()

	err := n.drain(ctx)
	for _, e := range n.dir.entries() {
		n.system.Root.Poison(e.pid)
	}

	stopped := make(chan struct{})
	go func() { // ends when the last actor and the last build have ended
		n.running.Wait()
		n.builds.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		n.system.Shutdown()
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// drain fences every lease, ends the streams and waits for the calls.
func (n *Node) drain(ctx context.Context) error {
	var leases []*lease
	for _, e := range n.dir.entries() {
		if l := e.lease.Load(); l != nil {
			l.fence()
			l.endStreams()
			leases = append(leases, l)
		}
	}
	for _, l := range leases {
		select {
		case <-l.drained:
		case <-ctx.Done():
			for _, l := range leases {
				l.endCalls()
			}
			return ctx.Err()
		}
	}
	return nil
}
