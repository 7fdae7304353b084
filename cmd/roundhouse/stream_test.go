package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestStreamEnds opens a stream with a token and ends the token: the stream is
// over within a second.
func TestStreamEnds(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	l := r.login(mara, "/acme-outdoors")
	b := newAccountBrowser(t, r)
	b.signIn(mara)
	for why, end := range map[string]func(token string){
		"on the account page": func(string) {
			b.walk("/account/revoke", url.Values{"proof": {b.proof()}, "all": {"1"}}, mara)
		},
		"by the client": func(token string) {
			resp, err := http.PostForm(r.url+"/oauth/revoke", url.Values{"client_id": {l.config.ClientID}, "token": {token}})
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			resp.Body.Close()
		},
	} {
		t.Run(why, func(t *testing.T) {
			l = r.login(mara, "/acme-outdoors")
			token := l.token(t)
			old, modern := r.listenLegacy(t.Context(), "/acme-outdoors", token), r.listen(t.Context(), "/acme-outdoors", token)
			over := map[string]chan string{"GET": drain(t, old), "listen": drain(t, modern)}
			for name, ended := range over {
				select {
				case got := <-ended:
					t.Fatalf("%s ended by itself: %s", name, got)
				case <-time.After(50 * time.Millisecond):
				}
			}
			end(token)
			late := time.After(time.Second)
			for name, ended := range over {
				select {
				case got := <-ended:
					if name == "listen" && !strings.Contains(got, `"resultType":"complete"`) {
						t.Errorf("listen ended without a result: %s", got)
					}
				case <-late:
					t.Fatalf("%s is open a second later", name)
				}
			}
		})
	}
}

// drain tells what came on a stream when it has ended.
func drain(t *testing.T, stream io.ReadCloser) chan string {
	t.Cleanup(func() { stream.Close() })
	over := make(chan string, 1)
	go func() {
		all, err := io.ReadAll(stream)
		if err != nil {
			all = append(all, err.Error()...)
		}
		over <- string(all)
	}()
	return over
}

// listen listens to an organization's issues.
func (r *runner) listen(ctx context.Context, place, token string) io.ReadCloser {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/mcp"+place, strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["sentry:/`+place+`/issues"]},"_meta":{
		"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("listen: %s", resp.Status)
	}
	return resp.Body
}

// listenLegacy opens a legacy session and its stream.
func (r *runner) listenLegacy(ctx context.Context, place, token string) io.ReadCloser {
	r.t.Helper()
	send := func(method, session, body string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, method, r.url+"/mcp"+place, strings.NewReader(body))
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
			req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			r.t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			r.t.Fatalf("%s: %s", method, resp.Status)
		}
		return resp
	}
	opened := send(http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	opened.Body.Close()
	return send(http.MethodGet, opened.Header.Get("Mcp-Session-Id"), "").Body
}
