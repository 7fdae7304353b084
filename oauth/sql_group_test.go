package oauth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

func openGroup(t *testing.T) *SQLStore {
	t.Helper()
	s, err := OpenSQLite(context.Background(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putClient(id string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO clients VALUES (?, '', '[]', 'none', '', 0, 0)`, id)
		return err
	}
}

// gather has the parts run in one group: the first holds the writer until all
// the others wait.
func gather(t *testing.T, s *SQLStore, parts ...func(context.Context, *sql.Tx) error) []error {
	t.Helper()
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.change(t.Context(), "hold", func(context.Context, *sql.Tx) error {
			close(started)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-started
	errs := make([]error, len(parts))
	for i, f := range parts {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					errs[i] = fmt.Errorf("panic: %v", v)
				}
			}()
			errs[i] = s.change(t.Context(), "part", f)
		})
		for waiting := i; waiting <= i; { // so that they come in order
			s.group.mu.Lock()
			waiting = len(s.group.waiting)
			s.group.mu.Unlock()
		}
	}
	close(release)
	wg.Wait()
	return errs
}

func wantClients(t *testing.T, s *SQLStore, want map[string]error) {
	t.Helper()
	for id, wantErr := range want {
		if _, err := s.Client(t.Context(), id); !errors.Is(err, wantErr) {
			t.Errorf("client %s: %v, want %v", id, err, wantErr)
		}
	}
}

func TestGroupCommit_undoesOnePart(t *testing.T) {
	s := openGroup(t)
	refusal := errors.New("refused")
	errs := gather(t, s, putClient("a"), func(ctx context.Context, tx *sql.Tx) error {
		if err := putClient("b")(ctx, tx); err != nil {
			return err
		}
		return refusal
	}, putClient("a"), putClient("c"))
	if errs[0] != nil || !errors.Is(errs[1], refusal) || errs[2] == nil || errs[3] != nil {
		t.Errorf("errors %v: want the second and the third alone to fail", errs)
	}
	wantClients(t, s, map[string]error{"a": nil, "b": ErrNotFound, "c": nil})
}

// Nobody is told of success before the commit, and all are told when it fails.
func TestGroupCommit_failsTogether(t *testing.T) {
	s := openGroup(t)
	errs := gather(t, s, putClient("a"), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `ROLLBACK`) // what SQLite does by itself when the disk is full
		return errors.Join(err, errors.New("disk full"))
	}, putClient("b"))
	for i, err := range errs {
		if err == nil {
			t.Errorf("part %d is told of success", i)
		}
	}
	wantClients(t, s, map[string]error{"a": ErrNotFound, "b": ErrNotFound})
	if err := s.change(t.Context(), "afterwards", putClient("c")); err != nil {
		t.Errorf("the next change: %v", err)
	}
}

func TestGroupCommit_outlivesAPanic(t *testing.T) {
	s := openGroup(t)
	errs := gather(t, s, func(context.Context, *sql.Tx) error { panic("at the disco") }, putClient("a"))
	if errs[0] == nil || !errors.Is(errs[1], errGroup) {
		t.Errorf("errors %v, want the panic, and that the group was given up", errs)
	}
	if err := s.change(t.Context(), "afterwards", putClient("b")); err != nil {
		t.Errorf("the next change: %v", err)
	}
}

// One caller that hangs up must not undo what others do.
func TestGroupCommit_outlivesItsCallers(t *testing.T) {
	s := openGroup(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.change(ctx, "part", func(ctx context.Context, tx *sql.Tx) error {
		cancel()
		return putClient("a")(ctx, tx)
	})
	if err != nil {
		t.Errorf("a caller that hung up in the middle: %v", err)
	}
	if err := s.change(ctx, "part", putClient("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that hung up before: %v, want Canceled", err)
	}
	wantClients(t, s, map[string]error{"a": nil, "b": ErrNotFound})
}

func TestGroupCommit_leadsOn(t *testing.T) {
	s := openGroup(t)
	var parts []func(context.Context, *sql.Tx) error
	for i := range 3 * maxGroup {
		parts = append(parts, putClient(fmt.Sprint(i)))
	}
	for i, err := range gather(t, s, parts...) {
		if err != nil {
			t.Errorf("part %d: %v", i, err)
		}
	}
}
