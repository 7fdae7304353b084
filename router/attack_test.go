package router

import (
	"strings"
	"testing"
)

// Whoever has no good token is answered alike wherever he asks: at a context
// that exists, at one that does not, and at one that cannot be opened.
func TestUnknownContext(t *testing.T) {
	for _, credentials := range []string{"", "Authorization: Bearer nobody\n", "Authorization: Bearer ann-nowhere\n", "Authorization: Sentry-Bearer nobody\n"} {
		answer := func(org string) string {
			got := exchange(t, []byte("POST /mcp/"+org+" HTTP/1.1\n"+credentials+"\n{}\n"))
			return strings.ReplaceAll(got, "/"+org+`"`, `/{org}"`)
		}
		want := answer("acme")
		if !strings.HasPrefix(want, "401\n") {
			t.Fatalf("%q at a context that exists: %s", credentials, want)
		}
		for _, org := range []string{"unknown", "ACME", "full", "broken", "signed-out"} {
			if got := answer(org); got != want {
				t.Errorf("%q at %s:\n%s\nwant, as at one that exists:\n%s", credentials, org, got, want)
			}
		}
	}
}

// A proxy and we could read different ones of two headers.
func TestTwoOrigins(t *testing.T) {
	for _, second := range []string{"https://evil.example", "https://mcp.example.com"} {
		got := exchange(t, []byte("POST /mcp HTTP/1.1\nOrigin: https://mcp.example.com\nOrigin: "+second+"\nAuthorization: Bearer ann-everything\n\n{}\n"))
		if !strings.HasPrefix(got, "403\n") {
			t.Errorf("a second Origin %s: %s", second, got)
		}
	}
}
