package task

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound: there is no such task for this key, or it has expired.
	ErrNotFound = errors.New("no such task")

	// ErrConflict: the task was changed meanwhile, or has ended.
	ErrConflict = errors.New("the task was changed meanwhile")

	// ErrTooLarge: the content is more than MaxContent.
	ErrTooLarge = errors.New("too much for a task to hold")

	// ErrSealed: the content was sealed with a key that is gone, or is damaged.
	ErrSealed = errors.New("the content of the task can no longer be opened")
)

// LimitError says which limit a further task would pass.
type LimitError struct{ Reason string }

func (e *LimitError) Error() string { return e.Reason }

// MaxContent bounds a Task's Content as JSON, in bytes.
const MaxContent = 1 << 20

// Limits bound what a store keeps.
type Limits struct {
	Working     int // tasks that have not ended, in all
	UserWorking int // and of one user
	Kept        int // tasks that have not expired, in all
	UserKept    int // and of one user
}

// Store keeps tasks. Its methods are safe for concurrent use, by several
// processes too where the database is shared. Each is atomic and durable.
// Values are copied in and out; times are kept to the millisecond.
//
// Errors are those above where a method says so, possibly wrapped; anything
// else means that the store is broken. Implementations run tasktest.TestStore.
type Store interface {
	// Put keeps a new task. Beyond a limit it keeps nothing and returns a
	// *LimitError; where there is a task of that id, ErrConflict; where the
	// content is too large, ErrTooLarge. Expired tasks do not count.
	Put(ctx context.Context, t Task, now time.Time, l Limits) error

	// Task returns a task that has not expired, else ErrNotFound. With
	// ErrSealed it returns all but the Content.
	Task(ctx context.Context, ref Ref, now time.Time) (Task, error)

	// Swap replaces the task, if its version is still t's and it has not
	// ended, and adds one to the version; otherwise it changes nothing and
	// returns ErrConflict. Without such a task it is ErrNotFound. What names the
	// task, its beginning and its expiry stay as they are.
	Swap(ctx context.Context, t Task) error

	// Extend puts the leases of all tasks that runner works on off until then,
	// without a change of their versions, and returns the ids of these.
	Extend(ctx context.Context, runner string, until time.Time) ([]string, error)

	// Purge deletes what expired before now. One call deletes a bounded number
	// and returns it; zero means that nothing is left to do.
	Purge(ctx context.Context, now time.Time) (int, error)
}
