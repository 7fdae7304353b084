package sandbox

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
		env, err := parseEnvelope([]byte(tt.raw))
		if err != nil {
			t.Errorf("%s: %v", tt.reason, err)
			continue
		}
		var items []string
		for _, it := range env.items {
			items = append(items, it.kind, string(it.payload))
		}
		if env.eventID != tt.want || !cmp.Equal(items, tt.items) {
			t.Errorf("%s: id %q, items %q; want %q, %q", tt.reason, env.eventID, items, tt.want, tt.items)
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
		if _, err := parseEnvelope([]byte(tt.raw)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.reason, err, tt.want)
		}
	}
}

// FuzzEnvelope: nothing that is sent may bring ingest down, or store a secret.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("{}\n{\"type\":\"event\"}\n{\"message\":\"x\"}\n"))
	f.Add([]byte("{\"trace\":{\"transaction\":\"t\"}}\n{\"type\":\"event\",\"length\":2}\n{}\n{\"type\":\"event\"}\n{\"exception\":[{\"type\":1,\"stacktrace\":{\"frames\":[{\"lineno\":\"x\"},null]}}],\"tags\":[[\"a\",\"b\"],{\"key\":\"c\"}]}"))
	f.Add([]byte("{}\n{\"type\":\"transaction\"}\n{\"contexts\":{\"trace\":{\"trace_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"span_id\":\"9ec79c33ec9942ab\"}},\"spans\":[1,{}]}"))
	f.Add([]byte("{}\n{\"type\":\"log\"}\n{\"items\":[{\"body\":1,\"attributes\":{\"a\":{\"value\":1}}}]}\n{\"type\":\"span\"}\n{\"items\":[{}]}"))
	sb, err := New(f.Context(), Options{Empty: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { sb.Close() })
	p := project{id: 51001, org: 41001, slug: "storefront"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		env, err := parseEnvelope(raw)
		if err != nil {
			return
		}
		if env.eventID == "" {
			env.eventID = randomHex(16)
		}
		if _, err := sb.ingestEnvelope(t.Context(), p, env, "192.0.2.1"); err != nil {
			var bad *badPayload
			if !asBad(err, &bad) {
				t.Fatalf("ingest %q: %v", raw, err)
			}
			return
		}
		rows, err := collect(t.Context(), sb.read(), scanEvent, "SELECT "+eventColumns+" WHERE it.kind = 'error' AND it.event_id = ?", env.eventID)
		if err != nil {
			t.Fatalf("read back %q: %v", raw, err)
		}
		for _, ev := range rows {
			ev.details()
		}
	})
}
