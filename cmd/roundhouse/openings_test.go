package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOpenings sends what real clients send first, as it was seen on the wire.
// In testdata/openings each request is its method and path, its headers and its
// body; behind << is what must come: the status, and what is in the body, or the
// type of a stream.
func TestOpenings(t *testing.T) {
	r := start(t, t.TempDir(), nil)
	token := r.login(mara, "").token(t)
	files, err := filepath.Glob(filepath.Join("testdata", "openings", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o := opening{t: t, url: r.url, token: token}
			for request := range strings.SplitSeq(strings.TrimSpace(string(raw)), "\n>> ") {
				if !strings.HasPrefix(request, "#") {
					o.send(request)
				}
			}
		})
	}
}

const openedAt = "/mcp/acme-outdoors/storefront"

// opening is one client's conversation.
type opening struct {
	t          *testing.T
	url, token string
	session    string // the last that was told
}

func (o *opening) send(request string) {
	o.t.Helper()
	request, want, ok := strings.Cut(request, "\n<< ")
	if !ok {
		o.t.Fatalf("nothing is wanted of %q", request)
	}
	head, body, _ := strings.Cut(strings.ReplaceAll(request, "{mcp}", openedAt), "\n\n")
	lines := strings.Split(head, "\n")
	first := strings.Fields(lines[0])
	req, err := http.NewRequestWithContext(o.t.Context(), first[0], o.url+first[1], strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, strings.ReplaceAll(value, "{session}", o.session))
	}
	if len(first) < 3 { // anonymous
		req.Header.Set("Authorization", "Bearer "+o.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { resp.Body.Close() }) // clients keep their streams open
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		o.session = id
	}
	o.check(lines[0], resp, strings.TrimSpace(want))
}

func (o *opening) check(request string, resp *http.Response, want string) {
	o.t.Helper()
	status, part, _ := strings.Cut(want, " ")
	got := resp.Header.Get("Content-Type")
	if first := strings.Fields(request); first[0] != http.MethodGet || resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		got += "\n" + o.read(resp.Body, part)
	}
	if strconv.Itoa(resp.StatusCode) != status || !strings.Contains(got, part) {
		o.t.Errorf("%s: %s %.600s, want %s", request, resp.Status, got, want)
	}
}

// read reads until part has come: a stream may stay open.
func (o *opening) read(body io.Reader, part string) string {
	var got bytes.Buffer
	for b := make([]byte, 4096); ; {
		n, err := body.Read(b)
		got.Write(b[:n])
		if err != nil || part != "" && strings.Contains(got.String(), part) {
			return got.String()
		}
	}
}
