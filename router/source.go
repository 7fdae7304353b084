package router

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Source returns a func that tells from which address a request comes: from
// that of whoever connected, unless that is one of the trusted proxies. Of
// X-Forwarded-For it believes what such proxies have added, from the right, and
// returns the first address that is not one of theirs. The rest of the header
// is the sender's own invention. An address that cannot be read, and what lies
// beyond it, is not believed either. Where none is known, it returns the zero
// Addr.
func Source(trusted []netip.Prefix) func(*http.Request) netip.Addr {
	return func(r *http.Request) netip.Addr {
		source, ok := readAddr(r.RemoteAddr)
		if !ok {
			return netip.Addr{}
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(source) }) {
				return source
			}
			before, ok := readAddr(strings.TrimSpace(hop))
			if !ok {
				return source
			}
			source = before
		}
		return source
	}
}

// readAddr reads an address with or without a port, which some proxies add.
func readAddr(text string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}
