package router

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestSource(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	tests := []struct {
		reason, peer string
		forwarded    []string
		want         string
	}{
		{"nobody between", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"a header without a proxy", "192.0.2.1:5000", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy", "10.0.0.1:5000", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a proxy that says nothing", "10.0.0.1:5000", nil, "10.0.0.1"},
		{"two proxies", "10.0.0.1:5000", []string{"198.51.100.7, 10.2.3.4"}, "198.51.100.7"},
		{"in two headers", "10.0.0.1:5000", []string{"198.51.100.7", "10.2.3.4"}, "198.51.100.7"},
		{"an invention before the truth", "10.0.0.1:5000", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"an invention that names a proxy", "10.0.0.1:5000", []string{"203.0.113.9, 10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		{"all of them proxies", "10.0.0.1:5000", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"what cannot be read", "10.0.0.1:5000", []string{"198.51.100.7, unknown"}, "10.0.0.1"},
		{"an empty element", "10.0.0.1:5000", []string{"198.51.100.7,"}, "10.0.0.1"},
		{"a port", "10.0.0.1:5000", []string{"198.51.100.7:40000"}, "198.51.100.7"},
		{"IPv6", "[2001:db8::1]:5000", []string{"2001:470::7"}, "2001:470::7"},
		{"IPv6 with a port", "[2001:db8::1]:5000", []string{"[2001:470::7]:40000"}, "2001:470::7"},
		{"IPv6 in brackets", "[2001:db8::1]:5000", []string{"[2001:470::7]"}, "2001:470::7"},
		{"IPv4 within IPv6", "[::ffff:10.0.0.1]:5000", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a zone", "[fe80::1%eth0]:5000", nil, "fe80::1"},
		{"a socket", "@", []string{"198.51.100.7"}, "invalid IP"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := Source(trusted)(r).String(); got != tt.want {
			t.Errorf("%s: source %s, want %s", tt.reason, got, tt.want)
		}
	}
}
