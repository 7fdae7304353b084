package constraint

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		why                string
		user, org, project string
		part               string // of the error; "" where New succeeds
	}{
		{"everything the user can see", "1001", "", "", ""},
		{"one organization", "1001", "acme", "", ""},
		{"one project", "1001", "acme", "web", ""},
		{"case is kept", "1001", "Acme", "Web", ""},
		{"digits, dots, dashes", "u-1.x_y", "0a", "a.b-c_d", ""},
		{"longest slug", "1001", strings.Repeat("a", 100), "", ""},
		{"longest user", strings.Repeat("7", 128), "", "", ""},

		{"no user", "", "acme", "", "user"},
		{"project alone", "1001", "", "web", "project"},
		{"a step up", "1001", "..", "", "organization"},
		{"here", "1001", "acme", ".", "project"},
		{"hidden", "1001", ".git", "", "organization"},
		{"a separator", "1001", "acme:web", "", "organization"},
		{"a separator in the user", "10:01", "acme", "", "user"},
		{"a slash", "1001", "acme/web", "", "organization"},
		{"an escape", "1001", "acme", "%2e%2e", "project"},
		{"a quote, for headers", "1001", `a"b`, "", "organization"},
		{"a line break, for headers and logs", "1001", "a\r\nb", "", "organization"},
		{"not ASCII", "1001", "äcme", "", "organization"},
		{"too long", "1001", strings.Repeat("a", 101), "", "organization"},
		{"user too long", strings.Repeat("7", 129), "", "", "user"},
		{"where the card is served", "1001", "server-card", "", "organization"},
		{"where the card is served", "1001", "acme", "server-card", "project"},
	} {
		key, err := New(tt.user, tt.org, tt.project)
		var e *Error
		switch {
		case tt.part == "" && err != nil:
			t.Errorf("%s: New(%q, %q, %q) = %v, want a key", tt.why, tt.user, tt.org, tt.project, err)
		case tt.part == "" && (key.User() != tt.user || key.Org() != tt.org || key.Project() != tt.project):
			t.Errorf("%s: New(%q, %q, %q) = %v, parts changed", tt.why, tt.user, tt.org, tt.project, key)
		case tt.part != "" && !errors.As(err, &e):
			t.Errorf("%s: New(%q, %q, %q) = %v, want an error about the %s", tt.why, tt.user, tt.org, tt.project, err, tt.part)
		case tt.part != "" && e.Part != tt.part:
			t.Errorf("%s: the error is about the %s, want the %s: %v", tt.why, e.Part, tt.part, err)
		case tt.part != "" && key != Key{}:
			t.Errorf("%s: a key came with the error", tt.why)
		}
	}
}

func TestParse(t *testing.T) {
	for _, s := range []string{"", ":", "::", "1001", "1001:acme", ":acme:web", "1001::web", "1001:acme:web:x", "1001:acme:..", " 1001:acme:web"} {
		if key, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, key)
		}
	}
}

func TestKey_Identity(t *testing.T) {
	key, err := New("1001", "acme", "web")
	if err != nil {
		t.Fatal(err)
	}
	// The identity names an actor on every node of a cluster, whatever its
	// version: changing it moves every context.
	if got, want := key.Identity(), "gjjvbaqb6gsgs2sfphzfmxtvq4n5t076"; got != want {
		t.Errorf("Identity() = %q, want %q", got, want)
	}
}

func TestKey_Contains(t *testing.T) {
	key := func(s string) Key {
		k, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, tt := range []struct {
		outer, inner string
		want         bool
	}{
		{"1::", "1::", true},
		{"1::", "1:acme:", true},
		{"1::", "1:acme:web", true},
		{"1:acme:", "1:acme:web", true},
		{"1:acme:web", "1:acme:web", true},
		{"1:acme:", "1::", false},
		{"1:acme:web", "1:acme:", false},
		{"1:acme:web", "1:acme:web2", false},
		{"1:acme:", "1:acme2:", false},
		{"1:acme:web", "1:globex:web", false},
		{"1::", "2::", false},
	} {
		if got := key(tt.outer).Contains(key(tt.inner)); got != tt.want {
			t.Errorf("%s contains %s: %v, want %v", tt.outer, tt.inner, got, tt.want)
		}
	}
}

// TestKey_Distinct draws parts from a small alphabet, so that the same letters
// fall on different sides of a separator again and again.
func TestKey_Distinct(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	part := func(least int) string {
		b := make([]byte, least+random.IntN(4))
		for i := range b {
			b[i] = "ab0.-_"[random.IntN(6)]
		}
		return string(b)
	}
	byString, byIdentity := map[string]Key{}, map[string]Key{}
	keys := 0
	for range 200_000 {
		key, err := New(part(1), part(0), part(0))
		if err != nil {
			continue
		}
		keys++
		if other, ok := byString[key.String()]; ok && other != key {
			t.Fatalf("%#v and %#v share the string %q", key, other, key.String())
		}
		if other, ok := byIdentity[key.Identity()]; ok && other != key {
			t.Fatalf("%#v and %#v share the identity %q", key, other, key.Identity())
		}
		byString[key.String()], byIdentity[key.Identity()] = key, key
	}
	if len(byString) < 10_000 || len(byString) != len(byIdentity) {
		t.Fatalf("%d keys gave %d strings and %d identities", keys, len(byString), len(byIdentity))
	}
}

func FuzzNew(f *testing.F) {
	f.Add("1001", "acme", "web")
	f.Add("1001", "", "")
	f.Add("1001", "acme", "..")
	f.Add("a:b", "c", "d")
	f.Fuzz(func(t *testing.T, user, org, project string) {
		key, err := New(user, org, project)
		if err != nil {
			return
		}
		if strings.ContainsAny(key.String(), "/%\"\\?#& \r\n\t") {
			t.Errorf("%q needs escaping", key)
		}
		again, err := Parse(key.String())
		if err != nil || again != key {
			t.Errorf("Parse(%q) = %v, %v, want the key itself", key, again, err)
		}
		if id := key.Identity(); len(id) != 32 {
			t.Errorf("Identity() = %q, want 32 characters", id)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("1001:acme:web")
	f.Add("1001::")
	f.Add("1001:acme:%2e")
	f.Fuzz(func(t *testing.T, s string) {
		if key, err := Parse(s); err == nil && key.String() != s {
			t.Errorf("Parse(%q).String() = %q, want the same", s, key)
		}
	})
}

func BenchmarkKey_Identity(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		key, err := New("1001", "acme-outdoors", "storefront")
		if err != nil {
			b.Fatal(err)
		}
		if key.Identity() == "" {
			b.Fatal("empty identity")
		}
	}
}
