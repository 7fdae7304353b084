package sentry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestToken_neverPrints(t *testing.T) {
	token := NewToken(testSecret)
	holder := struct {
		T Token
		P *Token
	}{token, &token}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", token, &token, holder)
	}
	fmt.Fprintln(&out, token.String(), token.GoString())
	encoded, err := json.Marshal(map[string]any{"a": token, "b": &token, "c": holder})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	text, err := token.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", token, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token, "holder", holder)
	hex := fmt.Sprintf("%x", testSecret)
	if s := out.String(); strings.Contains(s, testSecret) || strings.Contains(s, hex) {
		t.Errorf("the secret is printed:\n%s", s)
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing says that the token was left out")
	}
}
