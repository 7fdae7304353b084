package sentry

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestAPIPath(t *testing.T) {
	tests := []struct {
		elements []string
		want     string // "": refused
		reason   string
	}{
		{[]string{"organizations", "acme"}, "/api/0/organizations/acme/", "plain"},
		{[]string{"issues", "SHOP_a.b-7"}, "/api/0/issues/SHOP_a.b-7/", "all that slugs are made of"},
		{[]string{"events", "a/b"}, "", "a slash"},
		{[]string{"events", "../x"}, "", "walks up inside an element"},
		{[]string{"events", `a\b`}, "", "a backslash, which some take for a slash"},
		{[]string{"events", "a%2fb"}, "", "an escape, which a proxy may decode"},
		{[]string{"events", "a?b"}, "", "a query"},
		{[]string{"events", "a#b"}, "", "a fragment"},
		{[]string{"events", "a;b"}, "", "parameters"},
		{[]string{"events", "a b"}, "", "a space"},
		{[]string{"events", "é"}, "", "not ASCII"},
		{[]string{"issues", "..."}, "/api/0/issues/.../", "three dots are a name"},
		{[]string{"issues", ".."}, "", "walks up"},
		{[]string{"issues", "."}, "", "stays"},
		{[]string{"issues", ""}, "", "empty"},
		{[]string{"issues", "a\r\nb"}, "", "control characters"},
		{[]string{"issues", "\xff"}, "", "not UTF-8"},
		{[]string{"issues", strings.Repeat("a", maxPathElement+1)}, "", "too long"},
	}
	for _, tt := range tests {
		got, err := apiPath(tt.elements...)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("apiPath(%q) = %q, %v; want %q: %s", tt.elements, got, err, tt.want, tt.reason)
		}
	}
}

// An accepted element is exactly one element of the path that arrives.
func FuzzAPIPath(f *testing.F) {
	for _, seed := range []string{"acme", "..", ".", "a/../b", "%2e%2e", "a b", "\x00", "é", "a%2Fb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, element string) {
		got, err := apiPath("organizations", element)
		if err != nil {
			return
		}
		u, err := url.Parse("https://host" + got)
		if err != nil {
			t.Fatalf("apiPath(%q) = %q, which does not parse: %v", element, got, err)
		}
		if clean := path.Clean(u.EscapedPath()) + "/"; clean != got {
			t.Errorf("apiPath(%q) = %q, which cleans to %q", element, got, clean)
		}
		escaped := strings.TrimSuffix(strings.TrimPrefix(got, "/api/0/organizations/"), "/")
		if back, err := url.PathUnescape(escaped); err != nil || back != element || strings.Contains(escaped, "/") {
			t.Errorf("apiPath(%q) arrives as %q, %v", element, back, err)
		}
	})
}
