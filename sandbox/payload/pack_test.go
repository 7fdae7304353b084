package payload

import (
	"strings"
	"testing"
)

func TestPack(t *testing.T) {
	for name, text := range map[string]string{"long": `{"a":"` + strings.Repeat("again and ", 1000) + `"}`, "short": `{"a":1}`, "empty": ""} {
		packed, err := Pack([]byte(text))
		if err != nil || len(packed) > len(text) || name == "long" && len(packed) > len(text)/10 {
			t.Errorf("%s: %d bytes of %d, %v", name, len(packed), len(text), err)
		}
		raw, err := Unpack(packed)
		if err != nil || string(raw) != text {
			t.Errorf("%s: unpacked %q, %v", name, raw, err)
		}
		if raw, err = Unpack([]byte(text)); err != nil || string(raw) != text {
			t.Errorf("%s: unpacked what is not packed: %q, %v", name, raw, err)
		}
	}
	if raw, err := Unpack([]byte("\x28\xb5\x2f\xfd damaged")); err == nil {
		t.Errorf("unpacked what is damaged: %q", raw)
	}
}
