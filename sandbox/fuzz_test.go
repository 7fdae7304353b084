package sandbox

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// FuzzDecode: no body makes a decoder panic, and none comes out larger than is
// allowed or different from the first time.
func FuzzDecode(f *testing.F) {
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd"} {
		var b bytes.Buffer
		w := compressor(f, encoding, &b)
		if _, err := io.WriteString(w, "{}\n{\"type\":\"event\"}\n{}\n"); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(encoding, b.Bytes())
	}
	f.Fuzz(func(t *testing.T, encoding string, sent []byte) {
		if !slices.Contains([]string{"gzip", "deflate", "br", "zstd"}, encoding) {
			return
		}
		allow := func() error { return nil }
		raw, err := decode(encoding, sent, allow)
		if err != nil {
			return
		}
		if len(raw) > maxDecompressed {
			t.Errorf("%d bytes came out", len(raw))
		}
		if again, err := decode(encoding, sent, allow); err != nil || !bytes.Equal(raw, again) {
			t.Errorf("decoded again: %d bytes for %d, %v", len(again), len(raw), err)
		}
	})
}

// FuzzSearch asks whatever is sent for of a sandbox with real tables and the
// seed in them: the answer is a result or says what is wrong, and it never
// breaks.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{
		"", "is:unresolved level:[error,fatal]", "(a OR b) AND NOT c:>1.5k", `tags[a,number]:<5 "quoted:key":1`, "count():>5 p95(span.duration):<1s",
		"has:user !has:a.b release:latest", "age:-24h assigned:[me,#team,none]", "timestamp:+3d", `title:"'; DROP TABLE item; --"`, "error.value:*x* stack.lineno:>1e3",
	} {
		f.Add(q, "span.duration", "-count()")
	}
	sb, err := New(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { sb.Close() })
	token, err := sb.CreateToken(f.Context(), mara, reading)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query, field, sort string) {
		r := &runner{T: t, sb: sb, token: token}
		search := url.Values{"query": {query}}
		ask := func(path string) {
			if w := r.api("GET", "/organizations/acme-outdoors/"+path, ""); w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
			}
		}
		ask("issues/?" + search.Encode())
		search["field"], search["sort"] = []string{field, "count()"}, []string{sort}
		for _, dataset := range []string{"errors", "spans", "logs", "tracemetrics"} {
			search.Set("dataset", dataset)
			ask("events/?" + search.Encode())
		}
	})
}
