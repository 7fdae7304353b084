package sandbox

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
)

func encode(t *testing.T, encoding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	default:
		return []byte(text)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReceive_Encodings(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	for _, encoding := range []string{"", "identity", "gzip", "deflate", "br", "zstd"} {
		raw := pack("{}", "event", `{"message":"sent with `+encoding+`."}`)
		req := httptest.NewRequest("POST", path+"/envelope/", bytes.NewReader(encode(t, encoding, raw)))
		req.Header.Set("Content-Encoding", encoding)
		req.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+key)
		if w := r.send(req); w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", encoding, w.Code, w.Body)
		}
		if len(r.issues(`"sent with `+encoding+`."`)) != 1 {
			t.Errorf("%q: the event is not there", encoding)
		}
	}
}

func TestReceive_Auth(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	other, otherKey := r.dsn("globex-labs", "collector")
	tests := []struct {
		reason, path, query, header, value, dsn string
		want                                    int
	}{
		{"X-Sentry-Auth", path, "", "X-Sentry-Auth", "Sentry sentry_version=7, sentry_key=" + key, "", 200},
		{"Authorization", path, "", "Authorization", "sentry sentry_key=" + key + ",sentry_version=7", "", 200},
		{"the query", path, "?sentry_key=" + key, "", "", "", 200},
		{"the envelope", path, "", "", "", "http://" + key + "@x.test/1", 200},
		{"all agree", path, "?sentry_key=" + key, "X-Sentry-Auth", "Sentry sentry_key=" + key, "http://" + key + "@x.test/1", 200},
		{"no key", path, "", "", "", "", 403},
		{"an unknown key", path, "?sentry_key=nobody", "", "", "", 403},
		{"the key of another project", path, "?sentry_key=" + otherKey, "", "", "", 403},
		{"this key at another project", other, "?sentry_key=" + key, "", "", "", 403},
		{"header and query differ", path, "?sentry_key=" + key, "X-Sentry-Auth", "Sentry sentry_key=" + otherKey, "", 403},
		{"query and envelope differ", path, "?sentry_key=" + key, "", "", "http://" + otherKey + "@x.test/1", 403},
		{"no such project", "/api/1", "?sentry_key=" + key, "", "", "", 403},
		{"a bearer token is no key", path, "", "Authorization", "Bearer " + key, "", 403},
	}
	for _, tt := range tests {
		header := "{}"
		if tt.dsn != "" {
			header = `{"dsn":"` + tt.dsn + `"}`
		}
		req := httptest.NewRequest("POST", tt.path+"/envelope"+tt.query, strings.NewReader(pack(header)))
		if tt.header != "" {
			req.Header.Set(tt.header, tt.value)
		}
		w := r.send(req)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.reason, w.Code, w.Body, tt.want)
		}
		if w.Code != 200 && w.Header().Get("X-Sentry-Error") == "" {
			t.Errorf("%s: no X-Sentry-Error", tt.reason)
		}
	}
}

func TestReceive_InactiveKey(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	if _, err := r.sb.writer.Exec("UPDATE dsn SET active = 0 WHERE public = ?", key); err != nil {
		t.Fatal(err)
	}
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader("{}"))); w.Code != http.StatusForbidden {
		t.Errorf("inactive key: %d", w.Code)
	}
}

// zeros is a body of n bytes that nobody has to hold.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestReceive_Refuses(t *testing.T) {
	r := start(t, Options{Empty: true})
	path, key := r.dsn("acme-outdoors", "storefront")
	// Members of a megabyte each: packing all at once takes too long.
	bomb := bytes.Repeat(encode(t, "gzip", strings.Repeat("0", 1<<20)), maxDecompressed>>20+1)
	tests := []struct {
		reason, encoding string
		body             io.Reader
		want             int
	}{
		{"too large", "", zeros(maxCompressed + 1), 413},
		{"too large when decoded", "gzip", bytes.NewReader(bomb), 413},
		{"not gzip", "gzip", strings.NewReader("{}\n"), 400},
		{"cut off", "gzip", bytes.NewReader(encode(t, "gzip", "{}\n")[:12]), 400},
		{"an unknown encoding", "lzma", strings.NewReader("{}\n"), 400},
		{"an item too large", "", strings.NewReader(pack("{}", "event", strings.Repeat(" ", maxItem)+"{}")), 413},
		{"no envelope", "", strings.NewReader("hello"), 400},
		{"an event that is no object", "", strings.NewReader(pack("{}", "event", "[]")), 400},
		{"a transaction without a trace", "", strings.NewReader(pack("{}", "transaction", "{}")), 400},
		{"a span without ids", "", strings.NewReader(pack("{}", "span", `{"items":[{}]}`)), 400},
		{"logs without items", "", strings.NewReader(pack("{}", "log", `[]`)), 400},
	}
	for _, tt := range tests {
		req := httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, tt.body)
		req.Header.Set("Content-Encoding", tt.encoding)
		w := r.send(req)
		if w.Code != tt.want || !strings.Contains(w.Body.String(), `"detail"`) {
			t.Errorf("%s: %d %s, want %d", tt.reason, w.Code, w.Body, tt.want)
		}
	}
}

func TestReceive_WholeOrNotAtAll(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	raw := pack("{}", "event", `{"message":"good"}`, "span", `{"items":[{}]}`)
	if w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(raw))); w.Code != http.StatusBadRequest {
		t.Fatalf("status %d", w.Code)
	}
	if all := r.issues(""); len(all) != 0 {
		t.Errorf("half of the envelope was stored: %+v", all)
	}
}

func TestReceive_DropsUnknownTypes(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("client_report", `{}`, "session", `{}`, "something_new", "\x00\x01", "event", `{"message":"kept"}`)
	if got := r.onlyIssue(); got.Title != "kept" {
		t.Errorf("issue %+v", got)
	}
}

func TestReceive_CORS(t *testing.T) {
	r := start(t, Options{Empty: true})
	for _, path := range []string{"/api/51001/envelope/", "/api/51001/store"} {
		w := r.send(httptest.NewRequest("OPTIONS", path, nil))
		if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "x-sentry-auth") {
			t.Errorf("OPTIONS %s = %d %v", path, w.Code, w.Header())
		}
	}
}

func TestReceive_Store(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	path, key := r.dsn("acme-outdoors", "storefront")
	req := httptest.NewRequest("POST", path+"/store/", strings.NewReader(`{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","message":"old SDK"}`))
	req.Header.Set("X-Sentry-Auth", "Sentry sentry_key="+key)
	if w := r.send(req); body(w) != `{"id":"9ec79c33ec9942ab8353589fcb2e04dc"}` {
		t.Errorf("store = %d", w.Code)
	}
	if got := r.onlyIssue(); got.Title != "old SDK" {
		t.Errorf("issue %+v", got)
	}
}

// TestReceive_EventID: an event is found by the id that its sender gave it,
// wherever it stands.
func TestReceive_EventID(t *testing.T) {
	const a, b = "9ec79c33ec9942ab8353589fcb2e04dc", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
	span := `"contexts":{"trace":{"trace_id":"` + traceID + `","span_id":"` + rootID + `"}}`
	tests := []struct {
		reason, header string
		items          []string
		want           int
		answer         string
		stored         []string
	}{
		{"in the header", `{"event_id":"` + a + `"}`, []string{"event", `{"message":"x"}`}, 200, a, []string{a}},
		{"the header's counts", `{"event_id":"` + a + `"}`, []string{"event", `{"event_id":"` + b + `"}`}, 200, a, []string{a}},
		{"in the payload, with dashes", `{}`, []string{"event", `{"event_id":"9EC79C33-EC99-42AB-8353-589FCB2E04DC"}`}, 200, a, []string{a}},
		{"of a transaction", `{}`, []string{"transaction", `{"event_id":"` + b + `",` + span + `}`}, 200, b, []string{b, b}},
		{"two events", `{}`, []string{"log", `{"items":[]}`, "event", `{"event_id":"` + a + `"}`, "event", `{"event_id":"` + b + `"}`}, 200, a, []string{a, b}},
		{"not an id", `{}`, []string{"event", `{"event_id":"zz"}`}, 400, "", nil},
	}
	for _, tt := range tests {
		r := start(t, Options{Empty: true})
		path, key := r.dsn("acme-outdoors", "storefront")
		w := r.send(httptest.NewRequest("POST", path+"/envelope/?sentry_key="+key, strings.NewReader(pack(tt.header, tt.items...))))
		var got struct{ ID, Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != tt.want || got.ID != tt.answer {
			t.Errorf("%s: %d %+v, %v, want %d and the id %q", tt.reason, w.Code, got, err, tt.want, tt.answer)
		}
		stored, err := collect(t.Context(), r.sb.read(), func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) },
			"SELECT event_id FROM item ORDER BY id")
		if diff := cmp.Diff(tt.stored, stored, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: stored ids (-want +got), %v:\n%s", tt.reason, err, diff)
		}
	}
}
