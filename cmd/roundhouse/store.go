package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"roundhouse/oauth"
	"roundhouse/oauth/cimd"
)

// openStore opens what --store says: a server, a file, or the file in the data
// directory.
func openStore(ctx context.Context, cfg *config, dir string) (*oauth.SQLStore, error) {
	switch {
	case isPostgres(cfg.Store):
		return oauth.OpenPostgres(ctx, cfg.Store)
	case cfg.Store != "":
		return oauth.OpenSQLite(ctx, cfg.Store)
	}
	return oauth.OpenSQLite(ctx, filepath.Join(dir, "roundhouse.db"))
}

func isPostgres(store string) bool {
	return strings.HasPrefix(store, "postgres://") || strings.HasPrefix(store, "postgresql://")
}

// checkStore never repeats the value, which may hold a password.
func (c *config) checkStore() error {
	if strings.Contains(c.Store, "://") && !isPostgres(c.Store) {
		return errors.New("--store must be a file, or a URL such as postgres://user@host/roundhouse")
	}
	return nil
}

// withStore opens the store of the data directory dir for a command. A server may
// be using it.
func withStore(ctx context.Context, cfg *config, do func(dir string, store *oauth.SQLStore) error) (err error) {
	dir, err := cfg.dataDir()
	if err != nil {
		return err
	}
	store, err := openStore(ctx, cfg, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return do(dir, store)
}

// documents returns nil where apps must register: with the sandbox, unless told
// otherwise, because nothing is to leave the machine.
func (c *config) documents() *cimd.Fetcher {
	if c.ClientDocuments == "off" || c.ClientDocuments == "" && c.SentryURL == "" {
		return nil
	}
	return cimd.NewFetcher(cimd.Config{})
}

// proxies reads the networks of trusted proxies, each an address or a prefix.
func (c *config) proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, item := range splitList(c.TrustedProxies) {
		network, err := netip.ParsePrefix(item)
		if err != nil {
			addr, addrErr := netip.ParseAddr(item)
			if addrErr != nil {
				return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", item)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		networks = append(networks, network)
	}
	return networks, nil
}
