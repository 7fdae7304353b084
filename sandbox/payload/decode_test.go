package payload

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// slowly is what ParseObject means, by encoding/json alone.
func slowly(raw []byte) (o Object, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err = dec.Decode(&o); err == nil {
		if _, end := dec.Token(); end != io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	return o, err
}

var decoded = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a" : [ 1 , -0.5e+3, 0, 1E9 ] , "b":{"c":null,"d":true,"e":false}}`, "{\"a\":\t\"b\"\r\n}", `{"a":"x","a":"y"}`, `{"a":[],"b":[[],{}]}`,
	`{"a":"\"\\\/\b\f\n\r\t"}`, `{"a":"\u0041\ud83d\ude00\ud83d"}`, `{"\u0061":1,"a\tb":2}`, `{"å":"😀"}`, "{\"a\xff\":\"b\xc3\xff\xfec\\n\"}", `{"":""}`, `{"a":18446744073709551616}`,
	`{"a":"\x"}`, `{"a":"\u00"}`, `{"a":"\`, `{"a":"\"`, "{\"a\":\"\n\"}", `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":+1}`, `{"a":.5}`, `{"a":1e}`, `{"a":}`, `{"a"}`, `{"a":1,}`, `{,}`, `{"a":[1,]}`,
	`{"a":[1 2]}`, `{"a":tru}`, `{"a":nul`, `{"a":truer}`, `{a:1}`, `{"a":1}}`, `{"a":1} x`, "{\"a\":1}\x00", "{\"a\":1\x00}", `{`, `{"a`, `{"a":[`, ``, `null`, `[]`, `"a"`, `1`, `{'a':1}`, `{"a":NaN}`,
}

// TestDecodeObject: what is taken is what encoding/json reads, and only rare
// forms of it are left to it.
func TestDecodeObject(t *testing.T) {
	for _, raw := range decoded {
		sameAsSlowly(t, []byte(raw))
		if want, err := slowly([]byte(raw)); err == nil && want != nil {
			if _, ok := decodeObject([]byte(raw)); !ok {
				t.Errorf("%s is left to encoding/json", raw)
			}
		}
	}
	for _, depth := range []int{maxDepth, maxDepth + 1, 100_000} {
		raw := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		if _, err := ParseObject([]byte(raw)); (err == nil) != (depth <= maxDepth) {
			t.Errorf("nested %d deep: %v", depth, err)
		}
	}
}

func sameAsSlowly(t *testing.T, raw []byte) {
	got, ok := decodeObject(raw)
	if !ok {
		return
	}
	if want, err := slowly(raw); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q is taken as %v; encoding/json says %v, %v", raw, got, want, err)
	}
}

func FuzzDecodeObject(f *testing.F) {
	for _, raw := range decoded {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		sameAsSlowly(t, raw)
	})
}
