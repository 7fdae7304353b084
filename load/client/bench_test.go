package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkClient_Call is what a call costs with both sides of a connection, to
// be read beside BenchmarkHTTP: net/http alone, with the same messages.
func BenchmarkClient_Call(b *testing.B) {
	for name, size := range sizes {
		b.Run(name, func(b *testing.B) {
			url := fixed(b, size)
			c := newClient(b, Config{URL: url, Era: Modern, Authorize: token})
			b.ReportAllocs()
			for b.Loop() {
				x, err := c.Call(b.Context(), "search_issues", json.RawMessage(`{"query":"is:unresolved","limit":10}`))
				if err != nil || x.Answer.Result == nil {
					b.Fatal(err, x)
				}
				x.Release()
			}
		})
	}
}

var sizes = map[string]int{"1KiB": 1 << 10, "16KiB": 16 << 10}

// fixed answers everything with a result of so many bytes.
func fixed(b *testing.B, size int) string {
	answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":"t-1","result":{"resultType":"complete","content":[{"type":"text","text":"%s"}]}}`, strings.Repeat("a line of it\\n", size/14))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

func BenchmarkHTTP(b *testing.B) {
	for name, size := range sizes {
		b.Run(name, func(b *testing.B) {
			url, client := fixed(b, size), NewHTTP()
			b.ReportAllocs()
			for b.Loop() {
				resp, err := client.Post(url, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":"t-1","method":"tools/call","params":{}}`))
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}

// BenchmarkNew is what one more context costs the harness in memory.
func BenchmarkNew(b *testing.B) {
	shared := NewHTTP()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(Config{URL: "http://127.0.0.1:8080/mcp/acme/shop", Era: Modern, HTTP: shared, Authorize: token, Prefix: "w1c1-"}); err != nil {
			b.Fatal(err)
		}
	}
}
