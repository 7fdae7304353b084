package sandbox

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestSandbox_Host: a name that was rebound to this machine gets nothing, above
// all no session, and whoever is told the sandbox's own names gets in.
func TestSandbox_Host(t *testing.T) {
	r := start(t, Options{Empty: true})
	ingest, key := r.dsn("acme-outdoors", "storefront")
	event := `{"event_id":"` + runA + `","message":"x"}`
	for _, tt := range []struct {
		reason, base, host, path string
		want                     int
	}{
		{"a rebound name", "http://127.0.0.1:9000", "evil.example:9000", "/login/", http.StatusMisdirectedRequest},
		{"a rebound name, at the API", "http://127.0.0.1:9000", "evil.example:9000", "/api/0/auth/", http.StatusMisdirectedRequest},
		{"a name that begins like ours", "http://localhost:9000", "localhost.evil.example:9000", "/", http.StatusMisdirectedRequest},
		{"the base URL's own", "http://127.0.0.1:9000/sandbox", "127.0.0.1:9000", "/", http.StatusOK},
		{"localhost by another port, as through a tunnel", "http://127.0.0.1:9000", "LocalHost:1", "/", http.StatusOK},
		{"an address of version 6", "http://127.0.0.1:9000", "[::1]:9000", "/", http.StatusOK},
		{"an SDK in a container", "http://127.0.0.1:9000", "host.docker.internal:9000", ingest + "/store/?sentry_key=" + key, http.StatusOK},
		{"a sandbox for others, too", "https://sandbox.test", "evil.example", "/", http.StatusOK},
	} {
		if err := r.sb.SetBaseURL(tt.base); err != nil {
			t.Fatal(err)
		}
		method := "GET"
		if strings.HasPrefix(tt.path, ingest) {
			method = "POST"
		}
		req := httptest.NewRequest(method, tt.path, strings.NewReader(event))
		req.Host = tt.host
		w := r.send(req)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.reason, w.Code, w.Body, tt.want)
		}
		u, _ := url.Parse(tt.base)
		if tt.want == http.StatusMisdirectedRequest && (!strings.Contains(w.Body.String(), u.Host) || len(w.Result().Cookies()) > 0) {
			t.Errorf("%s: %v %s", tt.reason, w.Header(), w.Body)
		}
	}
}
