package payload

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

// TestJSON: it is as json.Marshal has it, but for HTML.
func TestJSON(t *testing.T) {
	for _, raw := range decoded {
		o, err := ParseObject([]byte(raw))
		if err != nil {
			continue
		}
		sameAsMarshal(t, o)
	}
	sameAsMarshal(t, Object{"a": []any{Object(nil), []any(nil), []string{"x"}, 1.5, int64(-7), map[string]string{"y": "z"}, json.Number("-0.5e3")}, "\x00\x1f\"\\": "<&>\u2028\xff\x7f"})
	for _, v := range []any{math.NaN(), json.Number("01"), make(chan int)} {
		if raw, err := JSON(Object{"a": []any{v}}); err == nil {
			t.Errorf("%v is %s", v, raw)
		}
	}
}

func sameAsMarshal(t *testing.T, o Object) {
	got, err := JSON(o)
	if err != nil {
		t.Errorf("%v: %v", o, err)
		return
	}
	want, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(a)
	wanted, _ := json.Marshal(b)
	if !bytes.Equal(again, wanted) {
		t.Errorf("%s, want %s", got, want)
	}
}
