package sandbox

import "testing"

func TestSource(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	const frame = "/projects/acme-outdoors/storefront/stacktrace-link/"
	for _, tt := range []struct {
		path string
		code int
		body string
	}{
		{"/organizations/acme-outdoors/repos/?per_page=100", 200, "[]"},
		{frame + "?file=cart/summary.js&lineNo=42", 200, `{"config":null,"integrations":[],"sourceUrl":null}`},
		{frame, 400, `{"detail":"Filepath is required"}`},
	} {
		if w := r.api("GET", tt.path, ""); w.Code != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s = %d %s, want %d %s", tt.path, w.Code, w.Body, tt.code, tt.body)
		}
	}
}
