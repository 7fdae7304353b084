package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestServeAPI_Unknown: programs are answered in JSON below /api/, whatever they
// ask for.
func TestServeAPI_Unknown(t *testing.T) {
	r := start(t, Options{Empty: true})
	for _, tt := range []struct {
		method, path string
		code         int
		allow        string
	}{
		{"GET", "/api/0/nothing/", http.StatusNotFound, ""},
		{"GET", "/api/0/auth/../auth/", http.StatusNotFound, ""},
		{"PUT", "/api/0/organizations/", http.StatusMethodNotAllowed, "GET"},
		{"POST", "/api/51001/something/", http.StatusNotFound, ""},
		{"POST", "/api/51001/", http.StatusNotFound, ""},
		{"POST", "/api//51001/envelope/", http.StatusNotFound, ""},
		{"GET", "/api/51001/envelope/", http.StatusMethodNotAllowed, "POST, OPTIONS"},
		{"GET", "/api/", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		r.sb.ServeHTTP(w, httptest.NewRequest(tt.method, "http://127.0.0.1"+tt.path, nil))
		if w.Code != tt.code || w.Header().Get("Content-Type") != "application/json" || !strings.HasPrefix(w.Body.String(), `{"detail":"`) || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s = %d, Allow %q: %s; want %d in JSON, Allow %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), w.Body, tt.code, tt.allow)
		}
	}
}
