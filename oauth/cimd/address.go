package cimd

import "net/netip"

// notPublic are the IPv4 networks, and those within IPv6's 2000::/3, that are
// not the public internet: IANA's special-purpose registries, and addresses by
// which clouds tell their machines secrets.
var notPublic = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // shared by carriers' customers; holds 100.100.100.200
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's, though in a public network
	"169.254.0.0/16",   // link-local; holds 169.254.169.254
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; holds 192.0.0.192
	"192.0.2.0/24",     // documentation
	"192.31.196.0/24",  // AS112
	"192.52.193.0/24",  // AMT
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"192.175.48.0/24",  // AS112
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast

	"2001::/23",         // protocol assignments; holds Teredo, which embeds IPv4
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4, which embeds IPv4
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

var ipv6Unicast = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, text := range list {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// public reports whether an address is of the public internet. Of IPv6 only
// what is assigned for it is: loopback, link-local, unique local, multicast,
// IPv4-mapped and NAT64 addresses all lie outside.
func public(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" || addr.Is6() && !ipv6Unicast.Contains(addr) {
		return false
	}
	for _, network := range notPublic {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}
