package oauth

import (
	"bytes"
	"testing"
)

func newTestSealer(t *testing.T, first byte) *sealer {
	t.Helper()
	ring, err := NewKeyring(NewKey([KeySize]byte{first}))
	if err != nil {
		t.Fatal(err)
	}
	return newSealer(ring)
}

func TestSealer(t *testing.T) {
	s := newTestSealer(t, 1)
	sealed, err := s.seal("row 1", "sentry-token")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("sentry-token")) {
		t.Error("the sealed value can be read")
	}
	var got string
	if err := s.open("row 1", sealed, &got); err != nil || got != "sentry-token" {
		t.Errorf("open = %q, %v", got, err)
	}
	again, err := s.seal("row 1", "sentry-token")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(sealed, again) {
		t.Error("equal values are sealed alike: the nonce repeats")
	}
}

func TestSealer_refuses(t *testing.T) {
	s := newTestSealer(t, 1)
	sealed, err := s.seal("row 1", "sentry-token")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for i := range sealed {
		tampered := bytes.Clone(sealed)
		tampered[i] ^= 1
		if err := s.open("row 1", tampered, &got); err == nil {
			t.Errorf("byte %d changed: opens", i)
		}
	}
	if err := s.open("row 2", sealed, &got); err == nil {
		t.Error("copied to another row: opens")
	}
	if err := newTestSealer(t, 2).open("row 1", sealed, &got); err == nil {
		t.Error("another key: opens")
	}
	if err := s.open("row 1", sealed[:12], &got); err == nil {
		t.Error("cut short: opens")
	}
	if err := s.open("row 1", nil, &got); err == nil {
		t.Error("nothing: opens")
	}
}
