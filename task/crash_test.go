package task_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"roundhouse/constraint"
	"roundhouse/task"
)

// crashAt tells the process that TestCrash starts where it is to be killed, and
// which file it has: "put /path/to/store.db".
const crashAt = "ROUNDHOUSE_TEST_CRASH"

// killer is a Store that ends the process, as a kill -9 does, right after the
// task has been kept: before anybody is told.
type killer struct{ task.Store }

func (k killer) Put(ctx context.Context, t task.Task, now time.Time, l task.Limits) error {
	if err := k.Store.Put(ctx, t, now, l); err != nil {
		return err
	}
	kill()
	return nil
}

func kill() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func crashKey(t *testing.T) constraint.Key {
	t.Helper()
	key, err := constraint.New("1001", "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCrash_child is the process that is killed.
func TestCrash_child(t *testing.T) {
	where, path, ok := strings.Cut(os.Getenv(crashAt), " ")
	if !ok {
		return // run by itself, it has nothing to do
	}
	var store task.Store = openStore(t, path, newKeys(t, 1))
	if where == "put" {
		store = killer{store}
	}
	r := task.NewRunner(task.Config{Store: store, Lease: time.Second})
	_, err := r.Create(t.Context(), crashKey(t), task.Content{Tool: "a", Call: json.RawMessage(`{}`)}, task.Work{
		Do: func(context.Context, task.Task, func(string)) task.Outcome {
			kill()
			return task.Outcome{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	select {}
}

// TestCrash kills a process between keeping a task and telling of it, and while
// it works: the next one finds the task, goes on with it where that does no harm,
// and says that it failed where it could.
func TestCrash(t *testing.T) {
	for _, where := range []string{"put", "work"} {
		for _, repeatable := range []bool{true, false} {
			t.Run(fmt.Sprint(where, ", repeatable: ", repeatable), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "store.db")
				child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash_child$")
				child.Env = append(os.Environ(), crashAt+"="+where+" "+path)
				out, err := child.CombinedOutput()
				if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || status.Signal() != syscall.SIGKILL {
					t.Fatalf("the process was not killed: %v\n%s", err, out)
				}
				ref := task.Ref{Key: crashKey(t), ID: onlyTask(t, path)}
				r := task.NewRunner(task.Config{Store: openStore(t, path, newKeys(t, 1)), Now: func() time.Time { return time.Now().Add(time.Second) }})
				defer r.Shutdown(t.Context())
				begun := make(chan struct{}, 9)
				w := task.Work{Repeatable: repeatable, Do: func(context.Context, task.Task, func(string)) task.Outcome {
					begun <- struct{}{}
					return task.Outcome{Result: json.RawMessage(`"after all"`)}
				}}
				want := task.Failed
				if repeatable {
					want = task.Completed
				}
				var got task.Task
				for got.Status != want {
					if got, err = r.Task(t.Context(), ref, with(w)); err != nil || t.Context().Err() != nil || got.Status.Ended() && got.Status != want {
						t.Fatalf("%+v, %v", got, err)
					}
				}
				if n := len(begun); repeatable && n != 1 || !repeatable && n != 0 {
					t.Errorf("work was begun %d times", n)
				}
			})
		}
	}
}

func onlyTask(t *testing.T, path string) (id string) {
	t.Helper()
	db := connect(t, path)
	if err := db.QueryRow(`SELECT id FROM tasks WHERE status = 'working'`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
