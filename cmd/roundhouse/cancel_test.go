package main

import (
	"bytes"
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

	send := func(ctx context.Context, body []byte, session string, modern bool) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if modern {
			req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
			req.Header.Set("Mcp-Method", "tools/call")
			req.Header.Set("Mcp-Name", "whoami")
		} else if session != "" {
			req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
			req.Header.Set("Mcp-Session-Id", session)
		}
		return http.DefaultClient.Do(req)
	}
	hangUp := func(body []byte, session string, modern bool) (at time.Time) {
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			_, err := send(ctx, body, session, modern)
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

	if at := hangUp(whoamiBody, "", true); (<-ended).Sub(at) > 5*time.Second {
		t.Error("modern: Sentry was kept at work")
	}

	opened, err := send(t.Context(), []byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`), "", false)
	if err != nil {
		t.Fatal(err)
	}
	opened.Body.Close()
	session := opened.Header.Get("Mcp-Session-Id")
	hangUp([]byte(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`), session, false)
	select {
	case <-ended:
		t.Error("legacy: the call ended with the connection")
	case <-time.After(500 * time.Millisecond):
	}
	at := time.Now()
	canceled, err := send(t.Context(), []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`), session, false)
	if err != nil || canceled.StatusCode != http.StatusAccepted {
		t.Fatal(canceled, err)
	}
	canceled.Body.Close()
	if (<-ended).Sub(at) > 5*time.Second {
		t.Error("legacy: Sentry was kept at work by a call that was canceled")
	}
}
