package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Bounds on the heap of the process. It has the payloads of the test itself, too.
const (
	mayPeak = 256 << 20 // ever taken from the system
	mayStay = 16 << 20  // more in use when it is over
)

// attacked is a sandbox behind a real server.
type attacked struct {
	*runner
	server   *httptest.Server
	envelope string // where envelopes go
	honest   int
}

func underAttack(t *testing.T) *attacked {
	t.Helper()
	r := start(t, Options{Empty: true}).as(mara, reading...)
	a := &attacked{runner: r, server: httptest.NewUnstartedServer(r.sb)}
	a.server.Config.MaxHeaderBytes = 64 << 10
	a.server.Start()
	t.Cleanup(a.server.Close)
	path, key := r.dsn("acme-outdoors", "storefront")
	a.envelope = a.server.URL + path + "/envelope/?sentry_key=" + key
	return a
}

// post returns the status and the detail of the answer.
func (a *attacked) post(body io.Reader, headers ...string) (int, string) {
	a.Helper()
	req, err := http.NewRequest("POST", a.envelope, body)
	if err != nil {
		a.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// stillWorks: an honest envelope is accepted and found.
func (a *attacked) stillWorks(after string) {
	a.Helper()
	a.honest++
	text := fmt.Sprintf("honest %c", 'a'+a.honest)
	if status, answer := a.post(strings.NewReader(pack("{}", "event", `{"message":"`+text+`"}`))); status != http.StatusOK {
		a.Errorf("after %s: an honest envelope gets %d %s", after, status, answer)
	}
	if got := a.issues(`"` + text + `"`); len(got) != 1 {
		a.Errorf("after %s: the honest envelope is not found: %+v", after, got)
	}
}

// compressor is nil for what is not an encoding.
func compressor(t testing.TB, encoding string, to io.Writer) io.WriteCloser {
	t.Helper()
	switch encoding {
	case "gzip":
		return gzip.NewWriter(to)
	case "deflate":
		return zlib.NewWriter(to)
	case "br":
		return brotli.NewWriterLevel(to, 1)
	case "zstd":
		w, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	return nil
}

// bomb packs a quarter of a gigabyte of zeros.
func bomb(t *testing.T, encoding string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := compressor(t, encoding, &b)
	if _, err := io.Copy(w, zeros(256<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func memoryNow() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// TestHostile: whatever comes in is refused as Sentry refuses it, or accepted
// and clipped; it takes no more memory than is allowed, and the rest goes on.
func TestHostile(t *testing.T) {
	a := underAttack(t)
	a.stillWorks("nothing")
	before := memoryNow()
	many := func(n int, each string) string { return strings.TrimSuffix(strings.Repeat(each+",", n), ",") }
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+",", i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	event := func(body string) string { return pack("{}", "event", body) }
	tests := []struct {
		name, body, encoding string
		status               int
		detail               string
	}{
		{"an item that declares 1 GB", "{}\n{\"type\":\"event\",\"length\":1073741824}\n{}\n", "", 400, "length 1073741824, but"},
		{"an item that declares more than there are numbers", "{}\n{\"type\":\"event\",\"length\":1e400}\n{}\n", "", 400, "length 1e400, but"},
		{"a large body", string(make([]byte, 11<<20)), "", 413, "larger than 10485760 bytes"},
		{"a large item", event(`{"message":"` + strings.Repeat("x", maxEvent) + `"}`), "", 413, "the event item is larger than 1048576 bytes"},
		{"a bomb in gzip", string(bomb(t, "gzip")), "gzip", 413, "larger than 52428800 bytes when decoded"},
		{"a bomb in deflate", string(bomb(t, "deflate")), "deflate", 413, "larger than 52428800 bytes when decoded"},
		{"a bomb in br", string(bomb(t, "br")), "br", 413, "larger than 52428800 bytes when decoded"},
		{"a bomb in zstd", string(bomb(t, "zstd")), "zstd", 413, "larger than 52428800 bytes when decoded"},
		{"no gzip", "{}\n", "gzip", 400, "read the body"},
		{"an encoding that nobody has", "{}\n", "gzip, gzip", 400, "unknown; send identity, gzip"},
		{"a large container", pack("{}", "log", `{"items":[],"x":"`+strings.Repeat("x", maxItem)+`"}`), "", 413, "the log item is larger than 5242880 bytes"},
		{"a million tags", event(`{"tags":{` + numbered(1_000_000, `"tag%d":"v"`) + `}}`), "", 413, "larger than"},
		{"tags without names", event(`{"tags":[` + many(200_000, `[1]`) + `]}`), "", 200, ""},
		{"very many tags", event(`{"message":"many tags","tags":{` + numbered(60_000, `"tag%d":"v"`) + `}}`), "", 200, ""},
		{"JSON that is nested 100,000 deep", event(`{"extra":` + strings.Repeat(`{"a":`, 100_000) + `1` + strings.Repeat(`}`, 100_001)), "", 400, "nested deeper than 200"},
		{"lists that are nested 100,000 deep", event(`{"extra":` + strings.Repeat(`[`, 100_000)), "", 400, "nested deeper than 200"},
		{"a deep header", strings.Repeat(`{"a":`, 10_000) + "\n", "", 400, "nested deeper than 200"},
		{"very many empty lists", event(`{"extra":{"a":[` + many(300_000, `[]`) + `]}}`), "", 200, ""},
		{"very many exceptions", event(`{"exception":[` + many(300_000, `{}`) + `]}`), "", 200, ""},
		{"very many frames", event(`{"exception":[{"type":"E","stacktrace":{"frames":[` + many(300_000, `{}`) + `]}}]}`), "", 200, ""},
		{"very many breadcrumbs", event(`{"message":"crumbs","breadcrumbs":[` + many(300_000, `{}`) + `]}`), "", 200, ""},
		{"very many attributes", pack("{}", "log", `{"items":[{"body":"many","attributes":{`+numbered(100_000, `"a%d":{"value":1}`)+`}}]}`), "", 200, ""},
		{"10,000 items", "{}\n" + strings.Repeat("{\"type\":\"event\"}\n{}\n", 10_000), "", 400, "more than 1000 items"},
		{"20,000 logs in one item", pack("{}", "log", logsOf(20_000)), "", 400, "more than 10000 items"},
		{"a header line without end", `{"dsn":"` + strings.Repeat("x", 1<<20) + `"}` + "\n", "", 400, "longer than 65536 bytes"},
		{"an item header without end", "{}\n" + `{"type":"` + strings.Repeat("x", 1<<20) + `"}` + "\n{}\n", "", 400, "longer than 65536 bytes"},
		{"what is no UTF-8", event("{\"message\":\"bad \xff\xfe text\",\"tags\":{\"a\xffb\":\"c\xff\"}}"), "", 200, ""},
		{"half a surrogate and a NUL", event(`{"message":"half \ud800 nul \u0000 end","release":"r\u0000x","tags":{"n\u0000":"\u0000"}}`), "", 200, ""},
		{"keys twice", `{"event_id":"` + sentID(1) + `","event_id":"` + sentID(2) + `"}` + "\n" + `{"type":"x","type":"event","length":9,"length":17}` + "\n" + `{"message":"two"}` + "\n", "", 200, ""},
		{"numbers that are none", event(`{"timestamp":NaN}`), "", 400, "invalid character"},
		{"numbers out of range", event(`{"message":"huge","timestamp":1e999,"level":1e999,"extra":{"a":-1e999},"tags":{"a":1e999},"exception":[{"type":"E","stacktrace":{"frames":[{"lineno":1e999}]}}]}`), "", 200, ""},
		{"spans with numbers out of range", pack("{}", "span", `{"items":[{"trace_id":"`+traceID+`","span_id":"`+rootID+`","start_timestamp":-1e999,"end_timestamp":1e308,"attributes":{"huge":{"value":1e999},"long":{"value":123456789012345678901234567890}}}]}`), "", 200, ""},
		{"SQL in a transaction", event(`{"message":"'; DROP TABLE item; --","transaction":"x' OR 1=1","release":"'\"","environment":"') --","tags":{"a' OR '1'='1":"x","b\"]') --":"y","$.x":"z"}}`), "", 200, ""},
		{"nothing", "", "", 400, "not a JSON object"},
	}
	for _, tt := range tests {
		status, answer := a.post(strings.NewReader(tt.body), "Content-Encoding", tt.encoding)
		if status != tt.status || !strings.Contains(answer, tt.detail) {
			t.Errorf("%s: %d %.200s, want %d %s", tt.name, status, answer, tt.status, tt.detail)
		}
		a.stillWorks(tt.name)
	}
	a.readable()
	clear(tests) // the bodies are ours
	after := memoryNow()
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > mayStay {
		t.Errorf("%d MB more are in use", grown>>20)
	}
	if after.HeapSys > mayPeak {
		t.Errorf("the heap has been as large as %d MB", after.HeapSys>>20)
	}
}

// readable asks for everything in every way: what was accepted must not break
// an answer.
func (a *attacked) readable() {
	a.Helper()
	for _, path := range []string{
		"issues/?query=&limit=100", "releases/", "tags/", "tags/?dataset=errors", "trace/" + traceID + "/", "trace-meta/" + traceID + "/",
		"trace-items/attributes/?itemType=spans&attributeType=number", "trace-items/attributes/?itemType=logs&attributeType=string",
		"events/?dataset=errors&field=id&field=title&field=release&field=tags[a]&field=stack.lineno&sort=-title", "events/?dataset=errors&field=level&field=count()",
		"events/?dataset=spans&field=huge&field=tags[long,number]&field=span.duration&field=timestamp", "events/?dataset=spans&field=sum(long)&field=max(huge)&field=p95(span.duration)",
		"events/?dataset=errors&field=id&query=" + url.QueryEscape(`message:"'; DROP TABLE item; --"`), "issues/?query=" + url.QueryEscape(`transaction:"x' OR 1=1"`),
	} {
		if w := a.api("GET", "/organizations/acme-outdoors/"+path, ""); w.Code != http.StatusOK {
			a.Errorf("GET %s = %d %.300s", path, w.Code, w.Body)
		}
	}
	for _, is := range a.issues("") {
		for _, path := range []string{"", "events/?full=1", "events/latest/", "tags/level/", "activities/"} {
			if w := a.api("GET", issuesPath+is.ID+"/"+path, ""); w.Code != http.StatusOK {
				a.Errorf("GET %s of %s = %d %.300s", path, is.Title, w.Code, w.Body)
			}
		}
	}
	for _, query := range []string{
		`a' OR '1'='1:x`, `"a' OR '1'='1":x`, `tags[a' OR '1'='1]:x`, `is:unresolved') OR 1=1 --`, `title:"'; DROP TABLE issue; --"`,
		`$.x:1`, `"b\"]') --":y`, strings.Repeat("(", 10_000), strings.Repeat("a:b OR ", 20_000), strings.Repeat("!", 5000), "\x00", "\xff\xfe:x", "has:" + strings.Repeat("x", 100_000),
		"level:[" + strings.Repeat("a,", 20_000) + "b]", "timesSeen:>1e999", "age:-99999999999999999999d", "firstSeen:>9999999-99-99",
	} {
		for _, path := range []string{"issues/?query=", "events/?dataset=errors&field=id&query=", "events/?dataset=spans&field=count()&query=", "events/validate/?dataset=logs&field=message&query="} {
			if w := a.api("GET", "/organizations/acme-outdoors/"+path+url.QueryEscape(query), ""); w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				a.Errorf("GET %s%.60q = %d %.300s", path, query, w.Code, w.Body)
			}
		}
	}
	a.stillWorks("searches")
}

// dial sends the start of a request and leaves the connection open.
func (a *attacked) dial(request string) net.Conn {
	a.Helper()
	conn, err := net.Dial("tcp", a.server.Listener.Addr().String())
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		a.Fatal(err)
	}
	return conn
}

func (a *attacked) answer(conn net.Conn) *http.Response {
	a.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		a.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func (a *attacked) head(headers string) string {
	return "POST " + strings.TrimPrefix(a.envelope, a.server.URL) + " HTTP/1.1\r\nHost: sandbox.test\r\n" + headers + "\r\n"
}

// TestHostile_DeclaredBody: a body that is too large is not waited for.
func TestHostile_DeclaredBody(t *testing.T) {
	a := underAttack(t)
	if got := a.answer(a.dial(a.head("Content-Length: 1073741824\r\n"))); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("1 GB declared: %s", got.Status)
	}
	if got := a.answer(a.dial(a.head("X-Long: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 2\r\n"))); got.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 KB: %s", got.Status)
	}
	a.stillWorks("large declarations")
}

// TestHostile_SlowBodies: many that send slowly, much or little, keep nobody
// waiting, and are sent away.
func TestHostile_SlowBodies(t *testing.T) {
	a := underAttack(t)
	a.sb.intake.patience = 300 * time.Millisecond
	var slow []net.Conn
	for i := range 4 * maxReceiving {
		begun := "{"
		if i%2 == 0 {
			begun = strings.Repeat("x", smallBody+1000)
		}
		slow = append(slow, a.dial(a.head(fmt.Sprintf("Content-Length: %d\r\n", len(begun)+1000))+begun))
	}
	a.stillWorks("slow bodies began")
	if n := len(a.sb.intake.uploads); n > maxFromOne {
		t.Errorf("one address fills %d of the %d places for large bodies", n, maxUploads)
	}
	for _, conn := range slow {
		if got := a.answer(conn); got.StatusCode != http.StatusRequestTimeout {
			t.Errorf("a slow body: %s", got.Status)
		}
	}
	a.stillWorks("slow bodies")
}

// TestHostile_NoKey: who shows no key cannot take the room for large bodies from
// those who do.
func TestHostile_NoKey(t *testing.T) {
	a := underAttack(t)
	path, _, _ := strings.Cut(strings.TrimPrefix(a.envelope, a.server.URL), "?")
	begun := strings.Repeat("x", smallBody+1000)
	var slow []net.Conn
	for range 2 * maxUploads {
		slow = append(slow, a.dial("POST "+path+" HTTP/1.1\r\nHost: sandbox.test\r\nContent-Length: 9000000\r\n\r\n"+begun))
	}
	for _, conn := range slow {
		if got := a.answer(conn); got.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a large body without a key: %s", got.Status)
		}
	}
	if n := len(a.sb.intake.uploads); n != 0 {
		t.Errorf("%d are still let in", n)
	}
}

// TestHostile_Attrs: what can be searched of an item is bounded in all.
func TestHostile_Attrs(t *testing.T) {
	a := underAttack(t)
	var sent []string
	for i := range 300 {
		sent = append(sent, fmt.Sprintf(`"a%d":{"value":%q}`, i, strings.Repeat("x", 8000)))
	}
	a.ingest("log", `{"items":[{"level":"info","body":"much","attributes":{`+strings.Join(sent, ",")+`}}]}`)
	var size int
	if err := a.sb.read().QueryRow("SELECT octet_length(attrs) FROM item WHERE kind = 'log'").Scan(&size); err != nil || size > maxAttrs {
		t.Errorf("%d bytes of attributes, %v", size, err)
	}
	a.stillWorks("many long attributes")
}
