package client

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, text := range []string{
		`{}`,
		` { "id" : "a-1" , "result" : { "a" : [ 1 , { "b" : "]}\"" } ] } } `,
		`{"id":7,"error":{"code":-32601,"message":"no","data":{"x":[]}}}`,
		`{"method":"notifications/\u0070rogress","params":[1,2]}`,
		`{"i\u0064":null,"result":null}`,
		`{"result":"ends in a backslash \\","id":-1.5e3}`,
		`{"result":true,"other":[[[{}]]]}`,
		"{\n\t\"result\":\r\n\"\"}",
		`{"id":"ü","result":{"` + strings.Repeat(`\\`, 50) + `":0}}`,
	} {
		var want Message
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		got, err := parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.Transformer("compact", compact)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// compact makes the same of values that differ in white space alone.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if raw == nil {
		return "nil"
	}
	if err := json.Compact(&b, raw); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestParse_refuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `[]`, `null`, `"x"`, `{`, `{"id"`, `{"id":`, `{"id":1`, `{"id":1,`, `{"id":1,}`, `{,"id":1}`, `{"id" 1}`, `{"id":}`, `{"id":,}`,
		`{"id":1}}`, `{"id":1} x`, `{"id":1}{"id":2}`, `{"result":[}`, `{"result":{]}`, `{"result":"x}`, `{"result":"x\"}`, `{id:1}`, `{"id":1 "result":2}`,
		`{"id":1,"id":2}`, `{"i\u0064":1,"id":2}`, `{"method":1}`, `{"error":"x"}`, `{"result":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		if got, err := parse([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, got)
		}
	}
}

// What encoding/json can read, parse reads alike; what it cuts out is in its
// place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":"a-1","result":{"content":[{"text":"\\\""}]}}`))
	f.Add([]byte(`{"id":1,"error":{"code":-1,"message":"x"}}`))
	f.Add([]byte(`{"result":[[],{}],"method":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parse(b)
		var want Message
		var all map[string]json.RawMessage
		if json.Unmarshal(b, &all) != nil || json.Unmarshal(b, &want) != nil {
			return
		}
		for name := range all { // encoding/json takes ID for id
			if lower := strings.ToLower(name); lower != name {
				return
			}
		}
		if err != nil {
			if strings.Contains(err.Error(), "more than one") || bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > maxDepth || string(bytes.TrimSpace(b)) == "null" {
				return
			}
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(want, got, cmp.Transformer("compact", compact)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", b, diff)
		}
	})
}
