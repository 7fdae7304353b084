package actors

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestNode_ServeStdio(t *testing.T) {
	n := start(t, Config{})
	defer shutdown(t, n)
	key := newKey(t, "1:acme:web")
	const call = `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"where","arguments":{}}}` + "\n"

	t.Run("an input that ends early gets its answers", func(t *testing.T) {
		var in, out strings.Builder
		for id := range 20 {
			fmt.Fprintf(&in, call, id)
		}
		if err := n.ServeStdio(t.Context(), key, strings.NewReader(in.String()), &out); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if got := strings.Count(out.String(), "at 1:acme:web"); got != 20 {
			t.Errorf("%d answers to 20 calls:\n%s", got, out.String())
		}
	})

	t.Run("an input that stays open", func(t *testing.T) {
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		served := make(chan error, 1)
		go func() { served <- n.ServeStdio(t.Context(), key, inR, outW) }()
		go fmt.Fprintf(inW, call, 1)
		buf := make([]byte, 4096)
		read, err := outR.Read(buf)
		if err != nil || !strings.Contains(string(buf[:read]), "at 1:acme:web") {
			t.Errorf("%q, %v", buf[:read], err)
		}
		inW.Close()
		if err := <-served; err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("ServeStdio: %v", err)
		}
	})
	if l := n.dir.cached(key); l.state.Load() != 0 {
		t.Error("the lease is not released")
	}
}
