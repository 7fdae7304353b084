package payload

import (
	"fmt"
	"strings"
	"testing"
)

func TestAttrs_Fit(t *testing.T) {
	const most = 64 << 10
	for reason, a := range map[string]Attrs{
		"long values":    many("k%d", strings.Repeat("ü", maxAttrRunes)),
		"long keys":      many(strings.Repeat("k", 9000)+"%d", "v"),
		"long lists":     many("k%d", []any{strings.Repeat("x", 50), strings.Repeat("y", 1<<20), 1.5}),
		"numerous items": {"list": make([]any, 100_000)},
	} {
		a["message"] = "said"
		a.Fit(most)
		if n := len(a.JSONB()); n > most {
			t.Errorf("%s: %d bytes", reason, n)
		}
		if a["message"] != "said" {
			t.Errorf("%s: what is short has changed to %v", reason, a["message"])
		}
		for key, v := range a {
			if s, ok := v.(string); ok && strings.ContainsRune(s, '\uFFFD') {
				t.Errorf("%s: %s ends in half a character", reason, key)
			}
		}
	}
}

func many(key string, v any) Attrs {
	a := Attrs{}
	for i := range maxAttrs - 1 {
		a[fmt.Sprintf(key, i)] = v
	}
	return a
}
