package task

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"roundhouse/constraint"
)

// Config is what a Runner needs. Zero values mean the defaults that the fields
// tell.
type Config struct {
	Store  Store // required
	Limits Limits

	TTL   time.Duration // of a task, from its beginning; 1 hour
	Poll  time.Duration // how often clients should ask; 3 seconds
	Lease time.Duration // after which a task of a dead process is taken up; 10 seconds
	Work  time.Duration // the longest that one round of work may take; 20 minutes

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: nothing is logged
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
	limit(&cfg.Limits.Working, 500)
	limit(&cfg.Limits.UserWorking, 16)
	limit(&cfg.Limits.Kept, 10_000)
	limit(&cfg.Limits.UserKept, 100)
	set(&cfg.TTL, time.Hour)
	set(&cfg.Poll, 3*time.Second)
	set(&cfg.Lease, 10*time.Second)
	set(&cfg.Work, 20*time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// maxAttempts bounds how often work is begun: work that ends the process, or
// that never gets through, is given up.
const maxAttempts = 5

// Work is what a task does. It heeds ctx. With say, from one goroutine, it tells
// people how it goes; what comes too soon after the last is left out.
type Work struct {
	Do func(ctx context.Context, t Task, say func(message string)) Outcome

	// Repeatable: begun anew, it joins what it began before, or it does no harm
	// twice. Other work that is cut off has failed.
	Repeatable bool
}

// Outcome is a result, an error, or questions that must be answered first.
type Outcome struct {
	Result json.RawMessage
	Error  json.RawMessage // a JSON-RPC error
	Asks   map[string]json.RawMessage
	State  string // for the next round, with the answers
}

// Runner does the work of tasks on this node. All methods are safe for
// concurrent use.
type Runner struct {
	cfg Config
	id  string // a process's; another one's tasks are never this one's

	work, keeper sync.WaitGroup // the goroutines of running, and the one that keeps their leases

	refused atomic.Uint64 // by Limits

	mu       sync.Mutex // guards the rest
	running  map[string]*run
	watchers map[string]map[*watcher]struct{} // by task id
	keeping  chan struct{}                    // closed to end the goroutine that keeps the leases; nil: there is none
	closed   bool
}

// run is the work of one task.
type run struct {
	cancel     context.CancelCauseFunc
	repeatable bool
}

// Why work ends early.
var (
	errCanceled = errors.New("the task was canceled")
	errLost     = errors.New("another node has the task")
	errShutdown = errors.New("the server is shutting down")
)

// NewRunner returns a Runner, which must be shut down.
func NewRunner(cfg Config) *Runner {
	return &Runner{cfg: cfg.withDefaults(), id: rand.Text(), running: map[string]*run{}}
}

// Poll is how often clients should ask.
func (r *Runner) Poll() time.Duration { return r.cfg.Poll }

// Stats is what a Runner does.
type Stats struct {
	Running int    // tasks whose work is under way here
	Refused uint64 // since the start, because of Limits
}

// Stats returns the numbers as they are now.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Running: len(r.running), Refused: r.refused.Load()}
}

// TTL is how long a task is kept from its beginning.
func (t Task) TTL() time.Duration { return t.Expires.Sub(t.Created) }

// Create keeps a task and begins its work, which goes on when ctx has ended and
// sees the values of ctx. The error is a *LimitError, ErrTooLarge, or the
// store's.
func (r *Runner) Create(ctx context.Context, key constraint.Key, c Content, w Work) (Task, error) {
	now := r.cfg.Now()
	c.Attempts = 1
	t := Task{
		Ref: Ref{key, rand.Text()}, Status: Working,
		Created: now, Updated: now, Expires: now.Add(r.cfg.TTL),
		Runner: r.id, Lease: now.Add(r.cfg.Lease),
		Content: c,
	}
	if r.isClosed() {
		return Task{}, &LimitError{errShutdown.Error()}
	}
	if err := r.cfg.Store.Put(ctx, t, now, r.cfg.Limits); err != nil {
		if limit := (*LimitError)(nil); errors.As(err, &limit) {
			r.refused.Add(1)
		}
		return Task{}, err
	}
	r.begin(ctx, t, w)
	return t, nil
}

// Revive makes the work of a task for whoever asks for it, and tells whether
// they may do it.
type Revive func(Task) (w Work, may bool)

// Task returns a task. One that nobody works on any more is taken up first, if
// whoever asks may do the work; it sees the values of ctx.
func (r *Runner) Task(ctx context.Context, ref Ref, revive Revive) (Task, error) {
	t, err := r.read(ctx, ref)
	if err != nil || t.Status != Working || !r.cfg.Now().After(t.Lease) || r.has(ref.ID) {
		return t, err
	}
	w, may := revive(t)
	if !may {
		return t, nil
	}
	t, err = r.change(ctx, ref, func(t *Task) error {
		switch {
		case t.Status != Working || !r.cfg.Now().After(t.Lease):
			return errUnchanged // somebody else was first
		case !w.Repeatable:
			t.fail("The server was stopped while this was being done. Whether it took effect is not known: look, before you call again.")
		case t.Attempts >= maxAttempts:
			t.fail("This was begun several times and never came to an end. It is not begun again.")
		default:
			t.Attempts++
			r.take(t)
		}
		return nil
	})
	if err == nil && t.Runner == r.id && t.Status == Working {
		r.begin(ctx, t, w)
	}
	return t, ignoreUnchanged(err)
}

// Answer gives a task what it asked for. What it has not asked for, or not any
// more, is ignored. With the last answer the work goes on, as in Task.
func (r *Runner) Answer(ctx context.Context, ref Ref, answers map[string]json.RawMessage, revive Revive) error {
	var w Work
	t, err := r.change(ctx, ref, func(t *Task) error {
		var may bool
		if w, may = revive(*t); !may || t.Status != InputRequired || !t.answer(answers) {
			return errUnchanged
		}
		if len(t.Asks) == 0 {
			t.Attempts = 1
			t.Status = Working
			r.take(t)
		}
		return nil
	})
	if err == nil && t.Status == Working {
		r.begin(ctx, t, w)
	}
	return ignoreUnchanged(err)
}

// Cancel ends a task, if it has not ended.
func (r *Runner) Cancel(ctx context.Context, ref Ref) error {
	_, err := r.change(ctx, ref, func(t *Task) error {
		if t.Status.Ended() {
			return errUnchanged
		}
		t.end(Canceled, "Canceled by the client.")
		return nil
	})
	if err = ignoreUnchanged(err); err == nil {
		r.stop(ref.ID, errCanceled)
	}
	return err
}

func (r *Runner) take(t *Task) { t.Runner, t.Lease = r.id, r.cfg.Now().Add(r.cfg.Lease) }

// errUnchanged makes change leave the task as it is.
var errUnchanged = errors.New("nothing to change")

func ignoreUnchanged(err error) error {
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// change reads a task, lets edit change it and keeps that, until nobody was in
// between. With an error, also edit's, it returns the task as it was read.
func (r *Runner) change(ctx context.Context, ref Ref, edit func(*Task) error) (Task, error) {
	const attempts = 20
	var err error
	for range attempts {
		var t Task
		if t, err = r.read(ctx, ref); err != nil {
			return t, err
		}
		next := t
		if err := edit(&next); err != nil {
			return t, err
		}
		next.Updated = r.cfg.Now()
		if err = r.cfg.Store.Swap(ctx, next); err == nil {
			next.Version++
			r.tell(next)
			return next, nil
		}
		if !errors.Is(err, ErrConflict) {
			return t, err
		}
	}
	return Task{}, err
}

// read shows a task whose content cannot be opened as one that failed: there is
// nothing left of it to work on.
func (r *Runner) read(ctx context.Context, ref Ref) (Task, error) {
	t, err := r.cfg.Store.Task(ctx, ref, r.cfg.Now())
	if errors.Is(err, ErrSealed) {
		r.cfg.Logger.Warn("task not opened", "constraint", ref.Key.Identity(), "error", err)
		t.Content = Content{}
		t.fail("The keys that this was kept with have been replaced since. Call again.")
		return t, nil
	}
	return t, err
}

// Purge removes what has expired, all of it.
func (r *Runner) Purge(ctx context.Context) error {
	for {
		removed, err := r.cfg.Store.Purge(ctx, r.cfg.Now())
		if err != nil || removed == 0 {
			return err
		}
	}
}
