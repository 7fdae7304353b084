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
			stream := r.listen(t.Context(), "/acme-outdoors", token)
			defer stream.Close()
			over := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, stream)
				over <- err
			}()
			select {
			case err := <-over:
				t.Fatalf("the stream ended by itself: %v", err)
			case <-time.After(100 * time.Millisecond):
			}
			end(token)
			select {
			case err := <-over:
				if err != nil {
					t.Errorf("the stream broke: %v", err)
				}
			case <-time.After(time.Second):
				t.Error("the stream is open a second later")
			}
		})
	}
}

// listen opens a legacy session and its stream.
func (r *runner) listen(ctx context.Context, place, token string) io.ReadCloser {
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
