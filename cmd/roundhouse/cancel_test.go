package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
	"roundhouse/tools"
	"roundhouse/transport"
)

// TestHangUp lets Sentry take long, and the client hang up after a moment:
// Sentry is not kept at work for nobody. A legacy client's call is, until it says
// that it has been canceled.
func TestHangUp(t *testing.T) {
	sb, err := sandbox.New(t.Context(), sandbox.Options{Empty: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	begun, ended := make(chan struct{}, 8), make(chan time.Time, 8)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		sb.ServeHTTP(w, r)
		ended <- time.Now()
	}))
	defer slow.Close()
	defer func() { _ = sb.SetFaults(sandbox.Faults{}) }()
	if err := sb.SetFaults(sandbox.Faults{Rules: []sandbox.Fault{{Pattern: "/api/0/", DelayMS: 14_000}}}); err != nil {
		t.Fatal(err)
	}
	token, err := sb.CreateToken(t.Context(), mara, []string{"org:read"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := sentry.NewClient(sentry.Config{BaseURL: slow.URL, Tokens: sentry.StaticToken{T: sentry.NewToken(token)}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := constraint.New("1", "", "")
	if err != nil {
		t.Fatal(err)
	}
	tr := transport.New(tools.Default().NewServer(tools.Env{Key: key, Sentry: client}), transport.Config{Key: key})
	defer tr.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := constraint.WithCaller(constraint.With(r.Context(), key), constraint.Caller{User: "1", Skills: []string{tools.Inspect}})
		tr.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer front.Close()

	hangUp := func(p probe) (at time.Time) {
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			_, err := p.do(ctx, front.URL)
			answered <- err
		}()
		<-begun
		at = time.Now()
		cancel()
		if err := <-answered; err == nil {
			t.Error("answered before the client hung up")
		}
		return at
	}

	if at := hangUp(modernCall("whoami", "{}")); (<-ended).Sub(at) > 5*time.Second {
		t.Error("modern: Sentry was kept at work")
	}

	session := initializing("2025-11-25").send(t, front.URL).header.Get("Mcp-Session-Id")
	hangUp(legacy(session, "tools/call", `"name":"whoami","arguments":{}`))
	select {
	case <-ended:
		t.Error("legacy: the call ended with the connection")
	case <-time.After(500 * time.Millisecond):
	}
	at := time.Now()
	canceled := legacy(session, "notifications/cancelled", "")
	canceled.body = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`
	if got := canceled.send(t, front.URL); got.status != http.StatusAccepted {
		t.Fatal(got)
	}
	if (<-ended).Sub(at) > 5*time.Second {
		t.Error("legacy: Sentry was kept at work by a call that was canceled")
	}
}
