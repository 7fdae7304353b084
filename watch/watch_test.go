package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeSentry is what is read, and who read it when.
type fakeSentry struct {
	start time.Time
	lock  sync.Mutex // guards the rest, and told; the tests hold it while no time passes
	pages map[string]string
	fail  func(ctx context.Context, who, uri string) error

	reads []string // "after 30s alice reads x"
}

type whoInContext struct{}

func (f *fakeSentry) read(ctx context.Context, uri string) ([]byte, error) {
	who, _ := ctx.Value(whoInContext{}).(string)
	f.lock.Lock()
	defer f.lock.Unlock()
	f.reads = append(f.reads, fmt.Sprintf("%v %s reads %s", time.Since(f.start).Round(time.Second), who, uri))
	if f.fail != nil {
		if err := f.fail(ctx, who, uri); err != nil {
			return nil, err
		}
	}
	page, ok := f.pages[uri]
	if !ok {
		return nil, ErrGone
	}
	return []byte(page), ctx.Err()
}

// scene is a Watcher whose pauses have no jitter to speak of: tests tell times
// to the nearest ten seconds.
type scene struct {
	*fakeSentry
	*Watcher
	told []string // in the order of telling
}

func newScene(cfg Config) *scene {
	f := &fakeSentry{start: time.Now(), pages: map[string]string{"x": "1", "y": "1"}}
	f.lock.Lock()
	return &scene{fakeSentry: f, Watcher: New(f.read, cfg)}
}

// join watches as a client does: until it hangs up.
func (s *scene) join(t *testing.T, who string, uris ...string) (hangUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), whoInContext{}, who))
	stops := []func(){cancel}
	for _, uri := range uris {
		stop := s.watch(ctx, uri, nil, func() {
			s.lock.Lock()
			defer s.lock.Unlock()
			s.told = append(s.told, who+" "+uri)
		})
		if stop == nil {
			t.Fatalf("%s may not watch %s", who, uri)
		}
		stops = append(stops, stop)
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// pass lets time go by.
func (s *scene) pass(d time.Duration) {
	s.lock.Unlock()
	defer s.lock.Lock()
	time.Sleep(d)
	synctest.Wait()
}

func (s *scene) wantTold(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(s.told)
	if diff := cmp.Diff(want, s.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	s.told = nil
}

func TestWatcher_tellsEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		aliceLeaves := s.join(t, "alice", "x", "y")
		bobLeaves := s.join(t, "bob", "x")
		s.pass(10 * time.Minute)
		s.wantTold(t)

		s.pages["x"] = "2"
		s.pass(6 * time.Minute)
		s.wantTold(t, "alice x", "bob x")

		aliceLeaves()
		s.pages["x"] = "3"
		s.pass(6 * time.Minute)
		s.wantTold(t, "bob x")
		bobLeaves()
	})
}

func TestWatcher_asksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		var leave []func()
		for i := range 50 {
			hangUp := s.join(t, fmt.Sprint("client", i), "x")
			leave = append(leave, hangUp)
		}
		s.pass(40 * time.Second)
		if len(s.reads) != 2 {
			t.Errorf("50 subscribers cause %d reads, want 2: %v", len(s.reads), s.reads)
		}
		for _, hangUp := range leave {
			hangUp()
		}
	})
}

func TestWatcher_backsOff(t *testing.T) {
	down := errors.New("down")
	for name, tt := range map[string]struct {
		fail func(ctx context.Context, who, uri string) error
		want []time.Duration // from one read to the next
	}{
		"nothing changes": {nil, []time.Duration{30, 60, 120, 240, 300, 300}},
		"Sentry is down":  {func(context.Context, string, string) error { return down }, []time.Duration{30, 60, 120, 240, 300, 300}},
		"Sentry asks for a pause": {func(ctx context.Context, _, _ string) error {
			Pause(ctx, 200*time.Second)
			return down
		}, []time.Duration{200, 200, 200, 240, 300, 300}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(Config{})
				var at []time.Time
				s.fail = func(ctx context.Context, who, uri string) error {
					at = append(at, time.Now())
					if tt.fail == nil {
						return nil
					}
					return tt.fail(ctx, who, uri)
				}
				hangUp := s.join(t, "alice", "x")
				s.pass(30 * time.Minute)
				hangUp()
				s.wantTold(t)
				for i, want := range tt.want {
					got, want := at[i+1].Sub(at[i]), want*time.Second
					if got < want*94/100 || got > want*106/100 {
						t.Errorf("pause %d is %v, want about %v", i, got, want)
					}
				}
			})
		})
	}
}

// A change makes it look closely again, and so does a new subscriber.
func TestWatcher_looksCloselyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		hangUp := s.join(t, "alice", "x")
		s.pass(30 * time.Minute)
		s.pages["x"] = "2"
		for len(s.told) == 0 {
			s.pass(time.Second)
		}
		before := len(s.reads)
		s.pass(35 * time.Second)
		if len(s.reads) != before+1 {
			t.Errorf("%d reads soon after a change, want 1", len(s.reads)-before)
		}
		s.pass(30 * time.Minute)
		before = len(s.reads)
		bobLeaves := s.join(t, "bob", "x")
		s.pass(35 * time.Second)
		if len(s.reads) == before {
			t.Error("no read soon after another has joined")
		}
		hangUp()
		bobLeaves()
	})
}

func TestWatcher_othersCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		aliceLeaves := s.join(t, "alice", "x")
		bobLeaves := s.join(t, "bob", "x")
		s.pass(35 * time.Second)
		s.reads = nil
		aliceLeaves()
		s.pass(10 * time.Minute)
		for _, read := range s.reads {
			if !slices.Contains([]string{"bob"}, who(read)) {
				t.Errorf("%q, after alice has left", read)
			}
		}
		if len(s.reads) == 0 {
			t.Error("nobody reads for bob")
		}
		bobLeaves()
	})
}

func who(read string) string {
	var after, name, uri string
	fmt.Sscanf(read, "%s %s reads %s", &after, &name, &uri)
	return name
}

// One whose grant does not reach the resource neither hides a change from the
// others nor makes one up.
func TestWatcher_grantsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		s.fail = func(_ context.Context, who, _ string) error {
			if who == "alice" {
				return ErrGone
			}
			return nil
		}
		aliceLeaves := s.join(t, "alice", "x")
		bobLeaves := s.join(t, "bob", "x")
		s.pass(20 * time.Minute)
		s.wantTold(t)
		s.pages["x"] = "2"
		s.pass(6 * time.Minute)
		s.wantTold(t, "alice x", "bob x")
		aliceLeaves()
		bobLeaves()
	})
}

func TestWatcher_gone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		aliceLeaves := s.join(t, "alice", "x")
		bobLeaves := s.join(t, "bob", "x")
		s.pass(time.Minute)
		delete(s.pages, "x")
		s.pass(time.Hour)
		s.wantTold(t, "alice x", "bob x")
		s.pages["x"] = "1"
		s.pass(6 * time.Minute)
		s.wantTold(t, "alice x", "bob x")
		aliceLeaves()
		bobLeaves()
	})
}

// synctest.Test itself fails when a goroutine is left behind.
func TestWatcher_nothingRunsUnwatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		for range 3 {
			hangUp := s.join(t, "alice", "x", "y")
			s.pass(time.Minute)
			hangUp()
			hangUp() // to stop twice is to stop once
			s.pass(0)
			if s.resources != nil || s.changed != nil || s.subscribers != 0 {
				t.Errorf("unwatched, it keeps %v for %d", s.resources, s.subscribers)
			}
			before := len(s.reads)
			s.pass(time.Hour)
			if len(s.reads) != before {
				t.Errorf("unwatched, it reads: %v", s.reads[before:])
			}
		}
	})
}

func TestWatcher_tooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{MaxResources: 2, MaxSubscribers: 3})
		hangUp := s.join(t, "alice", "a", "b")
		if s.watch(t.Context(), "c", nil, nil) != nil {
			t.Error("a third resource is watched")
		}
		stop := s.watch(t.Context(), "a", nil, func() {})
		if stop == nil {
			t.Error("one that is watched already is refused")
		}
		if s.watch(t.Context(), "a", nil, nil) != nil {
			t.Error("a fourth subscriber is let in")
		}
		stop()
		hangUp()
		s.join(t, "bob", "c", "d")()
	})
}

func TestSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{MaxResources: 2})
		sub := s.Join(t.Context(), func(uri string) {
			s.lock.Lock()
			defer s.lock.Unlock()
			s.told = append(s.told, uri)
		})
		watch := func(uri string) error {
			s.lock.Unlock()
			defer s.lock.Lock()
			return sub.Watch(uri)
		}
		if err := watch("unknown"); !errors.Is(err, ErrGone) {
			t.Errorf("what there is not: %v", err)
		}
		for _, uri := range []string{"x", "y", "x"} {
			if err := watch(uri); err != nil {
				t.Fatal(err)
			}
		}
		s.pages["z"] = "1"
		if err := watch("z"); !errors.Is(err, ErrTooMany) {
			t.Errorf("a third: %v", err)
		}
		s.pages["x"] = "2" // right after it was watched, before the first look
		s.pass(time.Minute)
		s.wantTold(t, "x")
		sub.Unwatch("y")
		sub.Unwatch("never watched")
		s.pages["x"], s.pages["y"] = "3", "2"
		s.pass(5 * time.Minute)
		s.wantTold(t, "x")
		sub.Leave()
		sub.Leave()
		s.pass(0)
		if err := watch("x"); err != nil || s.resources != nil {
			t.Errorf("after it has left it watches %v, %v", s.resources, err)
		}
		s.pages["x"] = "4"
		s.pass(time.Hour)
		s.wantTold(t)
	})
}

func TestSubscriber_Again(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		told := 0
		sub := s.Join(t.Context(), func(string) { told++ })
		if err := sub.Again("x", nil); err != nil || len(s.reads) != 0 {
			t.Errorf("Again: %v, after %v", err, s.reads)
		}
		s.pass(time.Second) // the first look
		s.pages["x"] = "2"
		if err := sub.Again("y", []byte("what y was long ago")); err != nil {
			t.Error(err)
		}
		s.pass(time.Minute)
		sub.Leave()
		s.pass(0)
		if told != 2 {
			t.Errorf("told %d times, want once of each", told)
		}
	})
}

// A reader who hangs up in the middle of a read is not a failure of Sentry.
func TestWatcher_readerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(Config{})
		s.fail = func(ctx context.Context, who, _ string) error {
			if who == "alice" {
				s.lock.Unlock()
				defer s.lock.Lock()
				<-ctx.Done()
			}
			return ctx.Err()
		}
		aliceLeaves := s.join(t, "alice", "x")
		bobLeaves := s.join(t, "bob", "x")
		s.pass(time.Second)
		aliceLeaves()
		s.pass(time.Second)
		if len(s.reads) != 2 || who(s.reads[1]) != "bob" {
			t.Errorf("reads: %v, want bob's at once after alice's", s.reads)
		}
		bobLeaves()
	})
}

// TestWatcher_sharedRoom: what several Watchers may watch together is taken for a
// resource once, and given back with its last subscriber.
func TestWatcher_sharedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := 1
		take := func() (func(), bool) {
			if room == 0 {
				return nil, false
			}
			room--
			return func() { room++ }, true
		}
		here, there := newScene(Config{Take: take}), newScene(Config{Take: take})
		ann := here.join(t, "ann", "x")
		bob := here.join(t, "bob", "x")
		if stop := there.watch(t.Context(), "y", nil, func() {}); stop != nil {
			t.Error("there is room for two where there was room for one")
		}
		ann()
		if room != 0 {
			t.Errorf("room for %d while bob watches", room)
		}
		bob()
		if room != 1 {
			t.Errorf("room for %d after all have gone, want 1", room)
		}
		there.join(t, "carl", "y")()
	})
}
