package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"roundhouse/oauth"
)

// openKeys opens the key file of the data directory and makes sure that it
// belongs to the store.
func openKeys(ctx context.Context, dir string, store oauth.Store) (*oauth.Keyring, error) {
	ring, err := oauth.OpenKeyring(keyFile(dir))
	if err != nil {
		return nil, err
	}
	if err := oauth.CheckKeys(ctx, store, ring); err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile(dir), err)
	}
	return ring, nil
}

func keyFile(dir string) string { return filepath.Join(dir, "roundhouse.key") }

// withKeys opens the store and its keys for a command.
func withKeys(ctx context.Context, cfg *config, do func(*oauth.SQLStore, *oauth.Keyring) error) error {
	return withStore(ctx, cfg, func(dir string, store *oauth.SQLStore) error {
		ring, err := openKeys(ctx, dir, store)
		if err != nil {
			return err
		}
		return do(store, ring)
	})
}

func keysRotate(ctx context.Context, cfg *config, s streams) error {
	return withKeys(ctx, cfg, func(store *oauth.SQLStore, ring *oauth.Keyring) error {
		return oauth.Rotation{Keys: ring, Store: store, Progress: func(format string, args ...any) {
			fmt.Fprintf(s.err, format+"\n", args...)
		}}.Run(ctx)
	})
}

func keysList(ctx context.Context, cfg *config, s streams) error {
	return withKeys(ctx, cfg, func(store *oauth.SQLStore, ring *oauth.Keyring) error {
		counts, err := oauth.CountSealed(ctx, store)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tMADE\tUSE\tSIGN-INS")
		for _, key := range ring.List() {
			made, use := "not known", "opens only: a rotation has not ended"
			if !key.Created.IsZero() {
				made = key.Created.UTC().Format(time.DateOnly)
			}
			if key.Seals {
				use = "seals"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", key.ID, made, use, counts[key.ID])
			delete(counts, key.ID)
		}
		for id, n := range counts {
			fmt.Fprintf(w, "%s\t\tlost: whoever these are asked to sign in again\t%d\n", id, n)
		}
		return w.Flush()
	})
}
