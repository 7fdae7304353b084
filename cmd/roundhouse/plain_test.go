package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/sentry"
	"roundhouse/tools"
	"roundhouse/transport"
)

// TestPlain calls every tool of the catalog, with the least arguments and with
// wrong ones: the answer is the same, byte for byte, whether the transport knows
// that the calls are plain or has to let mcp-go's HTTP server see them.
func TestPlain(t *testing.T) {
	sb, err := sandbox.New(t.Context(), sandbox.Options{Empty: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	api := httptest.NewServer(sb)
	defer api.Close()
	token, err := sb.CreateToken(t.Context(), mara, []string{"org:read"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := sentry.NewClient(sentry.Config{BaseURL: api.URL, Tokens: sentry.StaticToken{T: sentry.NewToken(token)}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := constraint.New("1", "", "")
	if err != nil {
		t.Fatal(err)
	}
	catalog := tools.Default()
	serve := func(plain func(string) bool) string {
		tr := transport.New(catalog.NewServer(tools.Env{Key: key, Sentry: client}), transport.Config{Key: key, Plain: plain})
		t.Cleanup(tr.Close)
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := constraint.WithCaller(constraint.With(r.Context(), key), constraint.Caller{User: "1", Skills: []string{tools.Inspect}})
			tr.ServeHTTP(w, r.WithContext(ctx))
		}))
		t.Cleanup(front.Close)
		return front.URL
	}
	plain, through := serve(catalog.Plain), serve(nil)
	calls := []probe{modernCall("no_such_tool", "{}")}
	for tool := range catalog.All() {
		if !catalog.Plain(tool.Name) {
			t.Errorf("%s is not plain", tool.Name)
		}
		calls = append(calls, modernCall(tool.Name, "{}"), modernCall(tool.Name, `{"limit":1}`), modernCall(tool.Name, "[]"))
	}
	for _, call := range calls {
		want, got := call.send(t, through), call.send(t, plain)
		want.header.Del("Date")
		got.header.Del("Date")
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(reply{})); diff != "" {
			t.Errorf("%s: %s", call.body, diff)
		}
	}
}
