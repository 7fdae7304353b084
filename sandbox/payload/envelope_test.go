package payload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnvelope(t *testing.T) {
	const id = "9ec79c33ec9942ab8353589fcb2e04dc"
	tests := []struct {
		reason, raw, want string
		items             []string // kind and payload in turn
	}{
		{"an empty header and no items", "{}\n", "", nil},
		{"no newline at the end", `{"event_id":"9EC79C33-EC99-42AB-8353-589FCB2E04DC"}`, id, nil},
		{"a payload by its length may hold newlines", "{}\n{\"type\":\"a\",\"length\":3}\nx\ny\n", "", []string{"a", "x\ny"}},
		{"a payload without length ends at the newline", "{}\n{\"type\":\"a\"}\nxy\n{\"type\":\"b\"}\nz", "", []string{"a", "xy", "b", "z"}},
		{"an empty payload with a length", "{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\"}\nz", "", []string{"a", "", "b", "z"}},
		{"an empty payload at the end", "{}\n{\"type\":\"a\",\"length\":0}", "", []string{"a", ""}},
		{"empty lines between items", "{}\n\n{\"type\":\"a\"}\nx\n\n\n{\"type\":\"b\"}\ny\n\n", "", []string{"a", "x", "b", "y"}},
	}
	for _, tt := range tests {
		env, err := ParseEnvelope([]byte(tt.raw))
		if err != nil {
			t.Errorf("%s: %v", tt.reason, err)
			continue
		}
		var items []string
		for _, it := range env.Items {
			items = append(items, it.Kind, string(it.Payload))
		}
		if env.EventID != tt.want || !cmp.Equal(items, tt.items) {
			t.Errorf("%s: id %q, items %q; want %q, %q", tt.reason, env.EventID, items, tt.want, tt.items)
		}
	}
}

func TestParseEnvelope_Errors(t *testing.T) {
	tests := []struct{ reason, raw, want string }{
		{"nothing", "", "envelope header: not a JSON object"},
		{"a list for a header", "[]\n", "envelope header: not a JSON object"},
		{"null for a header", "null\n", "envelope header: not a JSON object: null"},
		{"two headers in one line", "{} {}\n", "envelope header: something follows"},
		{"a bad id", `{"event_id":"zz"}`, `event_id "zz" is not 32 hex digits`},
		{"a header that is too long", `{"x":"` + strings.Repeat("x", maxHeaderLine) + `"}`, "longer than"},
		{"an item without a type", "{}\n{}\nx", "item 1: header: no type"},
		{"a length beyond the end", "{}\n{\"type\":\"a\",\"length\":9}\nx", "length 9, but 1 bytes follow"},
		{"a negative length", "{}\n{\"type\":\"a\",\"length\":-1}\nx", "length -1"},
		{"a fraction for a length", "{}\n{\"type\":\"a\",\"length\":0.5}\nx", "length 0.5"},
		{"a length that cuts a line", "{}\n{\"type\":\"a\",\"length\":1}\nxy\n", "no newline after"},
		{"too many items", "{}\n" + strings.Repeat("{\"type\":\"a\"}\nx\n", maxEnvelopeItems+1), "more than 1000 items"},
	}
	for _, tt := range tests {
		if _, err := ParseEnvelope([]byte(tt.raw)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.reason, err, tt.want)
		}
	}
}
