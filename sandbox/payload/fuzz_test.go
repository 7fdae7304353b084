package payload

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzParseEnvelope: an envelope is taken apart without losing or adding bytes,
// or refused.
func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte("{}\n{\"type\":\"event\",\"length\":2}\n{}\n{\"type\":\"log\"}\n{\"items\":[]}\n"))
	f.Add([]byte("{\"event_id\":\"9ec79c33-ec99-42ab-8353-589fcb2e04dc\",\"trace\":{},\"dsn\":\"http://k@h/1\"}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		env, err := ParseEnvelope(raw)
		if err != nil {
			return
		}
		size := 0
		for _, item := range env.Items {
			size += len(item.Payload)
			if item.Kind == "" {
				t.Error("an item without a type")
			}
		}
		if size > len(raw) || env.EventID != "" && !IsHex(env.EventID, 32) {
			t.Errorf("%d bytes of payload from %d, id %q", size, len(raw), env.EventID)
		}
	})
}

// FuzzPrepare: whatever object is sent as an event can be prepared, grouped and
// stored, to the same effect each time, and a secret in it is not kept.
func FuzzPrepare(f *testing.F) {
	f.Add([]byte(`{"message":{"formatted":"x"},"tags":[["a","b"],{"key":"c","value":"d"}],"user":{"id":1},"request":{"headers":{"Cookie":"x"}},"fingerprint":["{{ default }}",1]}`))
	f.Add([]byte(`{"exception":{"values":[{"type":"E","value":"v 1","mechanism":{"handled":false},"stacktrace":{"frames":[{"function":"f1","module":"m","lineno":1e9},null]}}]},"threads":[{"crashed":true}]}`))
	f.Add([]byte(`{"contexts":{"trace":{"trace_id":"9ec79c33ec9942ab8353589fcb2e04dc","span_id":"9ec79c33ec9942ab"},"feedback":{"message":"m"}},"type":"feedback","spans":[{"span_id":"9ec79c33ec9942ac","data":{"a":{"value":1}}}]}`))
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	const secret = "s3cr3t-hunter2-value"
	f.Fuzz(func(t *testing.T, raw []byte) {
		prepare := func() (string, Grouping) {
			ev, err := ParseObject(raw)
			if err != nil {
				return "", Grouping{}
			}
			ev["extra"] = Object{"given": ev["extra"], "password": secret, "deep": []any{Object{"api_key": secret}}}
			Prepare(ev, strings.Repeat("a", 32), Arrival{Received: now, Remote: "192.0.2.1"})
			attrs := ErrorAttrs(ev)
			for _, sp := range TransactionSpans(ev, now) {
				sp.Attrs.JSONB()
			}
			stored, err := json.Marshal([]any{ev, attrs, Title(ev), Culprit(ev)})
			if err != nil {
				t.Fatalf("store %q: %v", raw, err)
			}
			return string(stored), Group(ev)
		}
		stored, g := prepare()
		if stored == "" {
			return
		}
		if strings.Contains(stored, secret) {
			t.Errorf("the secret is stored: %s", stored)
		}
		if again, g2 := prepare(); again != stored || g2.Hash != g.Hash || g.Hash != HashOf(g.Parts) {
			t.Errorf("prepared again: %+v and %+v,\n%s\n%s", g, g2, stored, again)
		}
	})
}
