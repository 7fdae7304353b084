package oauth

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrWrongKey: the key file and the store do not belong together.
var ErrWrongKey = errors.New("the key file is not the one that the store was sealed with: restore the key file that belongs to it, " +
	"or move the store away to begin anew, after which everybody signs in again")

const (
	canaryPlace = "canary"
	resealBatch = 200
	maxReseals  = 60              // passes over the store
	keySettle   = 5 * time.Second // in which everybody has seen a new key file, and stored what was sealed before
)

// CheckKeys makes sure that the keys open what the store holds; the error is
// ErrWrongKey where they do not. A server that went on would turn away
// everybody, one by one.
func CheckKeys(ctx context.Context, store Store, ring *Keyring) error {
	seal := newSealer(ring)
	sealed, err := store.Canary(ctx)
	if errors.Is(err, ErrNotFound) {
		return firstCanary(ctx, store, seal)
	}
	if err != nil {
		return err
	}
	var text string
	if err := seal.open(canaryPlace, sealed, &text); err != nil {
		return ErrWrongKey
	}
	return nil
}

// firstCanary puts the canary into a store that has none. One that was used
// before has grants to try the keys on.
func firstCanary(ctx context.Context, store Store, seal *sealer) error {
	grants, err := store.Grants(ctx, GrantQuery{Limit: resealBatch})
	if err != nil {
		return err
	}
	opened := len(grants) == 0
	for _, grant := range grants {
		var c credential
		opened = opened || seal.open(grant.ID, grant.Upstream.Sealed, &c) == nil
	}
	if !opened {
		return ErrWrongKey
	}
	sealed, err := seal.seal(canaryPlace, canaryPlace)
	if err != nil {
		return err
	}
	if err := store.SwapCanary(ctx, nil, sealed); !errors.Is(err, ErrConflict) { // else another process was first
		return err
	}
	return nil
}

// Rotation replaces the key that seals. Servers on the same key file go on
// meanwhile: they see the new key at once.
type Rotation struct {
	Keys     *Keyring
	Store    Store
	Now      func() time.Time                                 // nil: time.Now
	Pause    func(ctx context.Context, d time.Duration) error // nil: a real one
	Progress func(format string, args ...any)                 // nil: silent
}

// Run makes a new key, seals with it what the store holds, and drops the old
// one. One that was interrupted goes on where it was. What cannot be opened
// stays as it is.
//
// Tickets are not sealed anew: they live for minutes, and sign-ins that are
// under way when the old key goes have to start again.
func (r Rotation) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Pause == nil {
		r.Pause = pause
	}
	if r.Progress == nil {
		r.Progress = func(string, ...any) {}
	}
	unlock, err := r.Keys.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := CheckKeys(ctx, r.Store, r.Keys); err != nil {
		return err
	}
	if err := r.Keys.add(r.Now()); err != nil {
		return err
	}
	r.Progress("key %s seals from now on", r.Keys.List()[0].ID)
	if err := r.Pause(ctx, keySettle); err != nil {
		return err
	}
	if err := r.resealAll(ctx); err != nil {
		return err
	}
	if err := r.resealCanary(ctx); err != nil {
		return err
	}
	if err := r.Keys.drop(); err != nil {
		return err
	}
	r.Progress("the old key is gone")
	return nil
}

// lock keeps a second rotation away from the file.
func (r *Keyring) lock() (unlock func(), err error) {
	if r.path == "" {
		return nil, errors.New("these keys have no file, and cannot be rotated")
	}
	path := r.path + ".rotating"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("another rotation is under way; if none is, remove %s and run this again", path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock key file: %w", err)
	}
	f.Close()
	return func() { os.Remove(path) }, nil
}

// resealAll goes over the store until a pass finds nothing left to do.
func (r Rotation) resealAll(ctx context.Context) error {
	for range maxReseals {
		done, left, err := r.resealOnce(ctx)
		if err != nil {
			return err
		}
		r.Progress("%d sealed anew, %d in use just now", done, left)
		if done == 0 && left == 0 {
			return nil
		}
		if left > 0 {
			if err := r.Pause(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	return errors.New("the store does not come to rest: run this again later; both keys are kept until then")
}

// resealOnce passes over all grants. One whose upstream token is being replaced
// right now is left for the next pass: a change would take the lease away from
// whoever does that, and lose the new token.
func (r Rotation) resealOnce(ctx context.Context) (done, left int, err error) {
	q := GrantQuery{Limit: resealBatch}
	for {
		grants, err := r.Store.Grants(ctx, q)
		if err != nil {
			return done, left, err
		}
		for i := range grants {
			switch err := r.reseal(ctx, grants[i].StoredGrant); {
			case err == nil:
				done++
			case errors.Is(err, ErrConflict):
				left++
			case !errors.Is(err, errNothingToDo):
				return done, left, err
			}
			q.After = &grants[i].Grant
		}
		if len(grants) < q.Limit {
			return done, left, nil
		}
	}
}

var errNothingToDo = errors.New("nothing to do")

func (r Rotation) reseal(ctx context.Context, grant StoredGrant) error {
	seal := newSealer(r.Keys)
	var c credential
	if seal.isCurrent(grant.Upstream.Sealed) || seal.open(grant.ID, grant.Upstream.Sealed, &c) != nil {
		return errNothingToDo
	}
	if r.Now().Before(grant.Upstream.Lease) {
		return ErrConflict
	}
	next := grant.Upstream
	var err error
	if next.Sealed, err = seal.seal(grant.ID, c); err != nil {
		return err
	}
	err = r.Store.SwapUpstream(ctx, grant.ID, grant.Generation, next)
	if errors.Is(err, ErrNotFound) { // revoked meanwhile
		return errNothingToDo
	}
	return err
}

func (r Rotation) resealCanary(ctx context.Context) error {
	seal := newSealer(r.Keys)
	old, err := r.Store.Canary(ctx)
	if err != nil {
		return err
	}
	next, err := seal.seal(canaryPlace, canaryPlace)
	if err != nil {
		return err
	}
	return r.Store.SwapCanary(ctx, old, next)
}

// CountSealed counts grants by the id of the key that their upstream token is
// sealed with.
func CountSealed(ctx context.Context, store Store) (map[string]int, error) {
	counts := map[string]int{}
	q := GrantQuery{Limit: resealBatch}
	for {
		grants, err := store.Grants(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range grants {
			if id, ok := sealedWith(grants[i].Upstream.Sealed); ok {
				counts[hex.EncodeToString(id[:])]++
			}
			q.After = &grants[i].Grant
		}
		if len(grants) < q.Limit {
			return counts, nil
		}
	}
}

// isCurrent reports whether a value is sealed with the key that seals now.
func (s *sealer) isCurrent(sealed []byte) bool {
	id, ok := sealedWith(sealed)
	return ok && id == s.ring.now().first().id
}
