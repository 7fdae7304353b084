package oauth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/oauth"
)

// rotating is a world whose keys are in a file.
func rotating(t *testing.T) (w *world, ring *oauth.Keyring, path string) {
	t.Helper()
	w = newWorld(t)
	path = filepath.Join(t.TempDir(), "key")
	return w, w.UseKeys(path), path
}

// UseKeys restarts the server with the keys of a file.
func (w *world) UseKeys(path string) *oauth.Keyring {
	w.Helper()
	ring, err := oauth.OpenKeyring(path)
	if err != nil {
		w.Fatal(err)
	}
	cfg := w.Config(w.Store)
	cfg.Keys = ring
	s, err := oauth.NewServer(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Server, w.web.Config.Handler, w.servers = s, s, append(w.servers, s)
	return ring
}

// rotate runs a rotation as another process would, and during on each pause.
func rotate(t *testing.T, w *world, path string, during func()) error {
	t.Helper()
	ring, err := oauth.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return oauth.Rotation{Keys: ring, Store: w.Store, Now: w.Clock.Now, Pause: func(ctx context.Context, _ time.Duration) error {
		if during != nil {
			during()
		}
		return ctx.Err()
	}}.Run(t.Context())
}

func TestRotation(t *testing.T) {
	w, ring, path := rotating(t)
	old := ring.List()[0].ID
	before := w.SignIn("inspect")
	code := w.Code(w.Request(), "inspect")
	var during tokens
	if err := rotate(t, w, path, func() {
		if during.Access == "" { // while both keys are there
			during = w.SignIn("inspect")
			before = w.Exchange(w.RefreshForm(before.Refresh))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if list := ring.List(); len(list) != 1 || list[0].ID == old || !list[0].Created.Equal(w.Clock.Now()) {
		t.Errorf("the server has keys %+v", list)
	}
	counts, err := oauth.CountSealed(t.Context(), w.Store)
	if err != nil || len(counts) != 1 || counts[ring.List()[0].ID] != 3 {
		t.Errorf("sealed with %v, %v", counts, err)
	}
	// Nobody is signed out, before a restart and after.
	for range 2 {
		for what, tk := range map[string]*tokens{"signed in before": &before, "signed in meanwhile": &during} {
			grant := w.Grant(*tk)
			if got, err := w.Server.UpstreamToken(t.Context(), grant.ID); err != nil || !strings.HasPrefix(got, "upstream-secret-access-") {
				t.Errorf("%s: UpstreamToken = %q, %v", what, got, err)
			}
			*tk = w.Exchange(w.RefreshForm(tk.Refresh))
		}
		w.UseKeys(path)
	}
	w.Refused("a code of before, whose key is gone", w.CodeForm(code), "invalid_grant")
	if err := oauth.CheckKeys(t.Context(), w.Store, ring); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if err := rotate(t, w, path, nil); err != nil {
		t.Errorf("a second rotation: %v", err)
	}
	w.SignIn("inspect")
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whoever replaces an upstream token right then keeps the lease.
func TestRotation_duringAnUpstreamRefresh(t *testing.T) {
	w, _, path := rotating(t)
	tk := w.SignIn("inspect")
	id := w.Grant(tk).ID
	w.Clock.Advance(59 * time.Minute)
	arrived, gate := make(chan struct{}), make(chan struct{})
	w.Upstream.Set(func() { w.Upstream.arrived, w.Upstream.gate = arrived, gate })
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	done := make(chan error, 1)
	go func() {
		_, err := w.Server.UpstreamToken(t.Context(), id)
		done <- err
	}()
	<-arrived
	pauses := 0
	err := rotate(t, w, path, func() {
		if pauses++; pauses == 3 { // it has waited for the lease once
			release()
			if err := <-done; err != nil {
				t.Errorf("UpstreamToken: %v", err)
			}
		}
	})
	if err != nil || pauses < 3 {
		t.Fatalf("rotation: %v, after %d pauses", err, pauses)
	}
	w.Upstream.Set(func() { w.Upstream.arrived = nil })
	w.wantUpstream(w.Server, id, secondUpstream)
}

func TestRotation_interrupted(t *testing.T) {
	w, ring, path := rotating(t)
	tk := w.SignIn("inspect")
	ctx, cancel := context.WithCancel(t.Context())
	other, err := oauth.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	err = oauth.Rotation{Keys: other, Store: w.Store, Now: w.Clock.Now, Pause: func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}}.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(ring.List()) != 2 {
		t.Fatalf("interrupted: %v, keys %+v", err, ring.List())
	}
	next := ring.List()[0].ID
	if err := rotate(t, w, path, nil); err != nil {
		t.Fatal(err)
	}
	if list := ring.List(); len(list) != 1 || list[0].ID != next {
		t.Errorf("the second attempt made %+v, want the key of the first, %s", list, next)
	}
	w.Grant(tk)
	w.wantUpstream(w.Server, w.Grant(tk).ID, firstUpstream)
}

func TestRotation_refuses(t *testing.T) {
	w, _, path := rotating(t)
	w.SignIn("inspect")
	if err := os.WriteFile(path+".rotating", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rotate(t, w, path, nil); err == nil || !strings.Contains(err.Error(), "another rotation") {
		t.Errorf("beside another: %v", err)
	}
	if err := rotate(t, w, path+"2", nil); !errors.Is(err, oauth.ErrWrongKey) {
		t.Errorf("with another key file: %v", err)
	}
	if err := (oauth.Rotation{Keys: testKeys, Store: w.Store}).Run(t.Context()); err == nil {
		t.Error("keys without a file were rotated")
	}
}

func TestCheckKeys(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *oauth.Keyring {
		ring, err := oauth.OpenKeyring(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	right, wrong := open("right"), open("wrong")

	fresh := openStore(t, filepath.Join(dir, "fresh.db"))
	for range 2 {
		if err := oauth.CheckKeys(t.Context(), fresh, right); err != nil {
			t.Errorf("a fresh store: %v", err)
		}
	}
	if err := oauth.CheckKeys(t.Context(), fresh, wrong); !errors.Is(err, oauth.ErrWrongKey) || strings.Contains(err.Error(), "\n") {
		t.Errorf("another key: %v, want ErrWrongKey", err)
	}

	// A store of before there were canaries.
	w := newWorld(t)
	w.UseKeys(filepath.Join(dir, "right"))
	w.SignIn("inspect")
	if err := oauth.CheckKeys(t.Context(), w.Store, wrong); !errors.Is(err, oauth.ErrWrongKey) {
		t.Errorf("another key for an older store: %v, want ErrWrongKey", err)
	}
	if err := oauth.CheckKeys(t.Context(), w.Store, right); err != nil {
		t.Errorf("the right key for an older store: %v", err)
	}
}
