package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

func (r *Runner) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// begin starts the work of a task that the store says is ours. After a shutdown
// it starts nothing: the lease lapses, and another process takes the task up.
func (r *Runner) begin(ctx context.Context, t Task, w Work) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		cancel(nil)
		return
	}
	// There may be one of that id that has asked its questions, and has only to
	// be forgotten: the answers can be that quick.
	this := &run{cancel, w.Repeatable}
	r.running[t.ID] = this
	r.work.Go(func() { // ends when the work does, which Shutdown cancels
		defer cancel(nil)
		defer r.forget(t.ID, this)
		r.finish(ctx, t, w, r.do(ctx, t, w))
	})
	if r.keeping == nil {
		r.keeping = make(chan struct{})
		stop := r.keeping
		r.keeper.Go(func() { r.keepLeases(stop) }) // ends when nothing is running, or with Shutdown
	}
}

func (r *Runner) forget(id string, this *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[id] == this {
		delete(r.running, id)
	}
}

func (r *Runner) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running[id] != nil
}

func (r *Runner) stop(id string, cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run, ok := r.running[id]; ok {
		run.cancel(cause)
	}
}

// do works until the outcome, the bound on work or the end of ctx.
func (r *Runner) do(ctx context.Context, t Task, w Work) (out Outcome) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Work, errTooLong)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			r.cfg.Logger.Error("task panicked", "constraint", t.Key.Identity(), "tool", t.Tool, "panic", fmt.Sprint(v))
			out = Outcome{Error: internalError("Something went wrong in this server; the details are in its log.")}
		}
	}()
	var said time.Time
	out = w.Do(ctx, t, func(message string) {
		if now := r.cfg.Now(); now.Sub(said) >= sayPause {
			said = now
			r.say(ctx, t.Ref, message)
		}
	})
	if errors.Is(context.Cause(ctx), errTooLong) {
		out = Outcome{Error: internalError(fmt.Sprintf("This took longer than %s and was given up.", r.cfg.Work))}
	}
	return out
}

// sayPause is the least time between two texts on how it goes: each is written
// to the store, and read by whoever polls.
const sayPause = time.Second

var errTooLong = errors.New("the work takes too long")

// say keeps how it goes. That is worth no trouble: an error leaves the old text.
func (r *Runner) say(ctx context.Context, ref Ref, message string) {
	_, _ = r.change(ctx, ref, func(t *Task) error {
		if t.Status != Working || t.Runner != r.id || t.Message == message {
			return errUnchanged
		}
		t.Message = message
		return nil
	})
}

// finish keeps what came of the work, unless it was cut off: a task that was
// canceled, or that another node has, is not ours to change.
func (r *Runner) finish(ctx context.Context, t Task, w Work, out Outcome) {
	edit := func(t *Task) { t.settle(out) }
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCanceled), errors.Is(cause, errLost):
		return
	case errors.Is(cause, errShutdown) && w.Repeatable:
		edit = func(t *Task) { t.Runner, t.Lease = "", time.Time{} } // free at once
	case errors.Is(cause, errShutdown):
		edit = func(t *Task) {
			t.fail("The server was stopped while this was being done. Whether it took effect is not known: look, before you call again.")
		}
	}
	r.keep(context.WithoutCancel(ctx), t, edit)
}

// keep tries for a while: a store that is away for a moment should not cost the
// work. What cannot be kept is taken up when the lease lapses.
func (r *Runner) keep(ctx context.Context, t Task, edit func(*Task)) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		_, err := r.change(ctx, t.Ref, func(t *Task) error {
			if t.Status != Working || t.Runner != r.id {
				return errUnchanged
			}
			edit(t)
			return nil
		})
		switch {
		case err == nil, errors.Is(err, errUnchanged), errors.Is(err, ErrNotFound):
			return
		case errors.Is(err, ErrTooLarge):
			edit = func(t *Task) { t.fail("The answer is too large to be kept. Ask for less.") }
			continue
		}
		select {
		case <-ctx.Done():
			r.cfg.Logger.Error("task not kept", "constraint", t.Key.Identity(), "tool", t.Tool, "error", err)
			return
		case <-time.After(pause):
		}
	}
}

// settle writes an outcome into the task.
func (t *Task) settle(out Outcome) {
	switch {
	case out.Result != nil:
		t.end(Completed, "")
		t.Result = out.Result
	case len(out.Asks) > 0:
		t.ask(out.Asks, out.State)
		t.Message = "Waiting for an answer of the client."
		t.Runner, t.Lease = "", time.Time{}
	case out.Error != nil:
		t.end(Failed, "The call failed.")
		t.Error = out.Error
	default:
		t.fail("The call came to no result.")
	}
}

// keepLeases puts the leases off while anything is running, by one statement
// for all, and stops work on tasks that are not ours any more: canceled, or
// taken up by another node.
func (r *Runner) keepLeases(stop chan struct{}) {
	ticker := time.NewTicker(r.cfg.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		if r.idle() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Lease/3)
		before := r.runs()
		ids, err := r.cfg.Store.Extend(ctx, r.id, r.cfg.Now().Add(r.cfg.Lease))
		cancel()
		if err != nil {
			r.cfg.Logger.Warn("leases of tasks not extended", "error", err)
			continue
		}
		ours := map[string]bool{}
		for _, id := range ids {
			ours[id] = true
		}
		for id, run := range before {
			if !ours[id] {
				run.cancel(errLost) // and none of that id that has begun since
			}
		}
	}
}

// idle reports, and remembers, that there is nothing to keep leases for.
func (r *Runner) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.running) > 0 {
		return false
	}
	r.keeping = nil
	return true
}

func (r *Runner) runs() map[string]*run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.running)
}

// lastWords is how long work that was cut off may take to end.
const lastWords = 5 * time.Second

// Shutdown begins no more work, ends at once the work that another process can
// take up, and lets the rest finish. When ctx ends first, that is cut off, and
// ctx's error is returned. Afterwards no goroutine of the Runner is left but of
// work that does not heed its context.
func (r *Runner) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for _, run := range r.running {
		if run.repeatable {
			run.cancel(errShutdown)
		}
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends when the last work has ended
		r.work.Wait()
		close(done)
	}()
	defer r.stopKeeping()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, run := range r.runs() {
		run.cancel(errShutdown)
	}
	select {
	case <-done:
	case <-time.After(lastWords):
	}
	return ctx.Err()
}

// stopKeeping comes last: what may finish needs its lease until it has.
func (r *Runner) stopKeeping() {
	r.mu.Lock()
	if r.keeping != nil {
		close(r.keeping)
		r.keeping = nil
	}
	r.mu.Unlock()
	r.keeper.Wait()
}
