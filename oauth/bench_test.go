package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// The benchmarks run on SQLite; below .ci/postgres, on PostgreSQL.

// BenchmarkServer_Verify looks up the tokens of 16 sign-ins.
func BenchmarkServer_Verify(b *testing.B) {
	w := newWorld(b)
	all := signIns(w, 16)
	var next atomic.Uint32
	b.ReportAllocs()
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		token := all[int(next.Add(1))%len(all)].Access
		for pb.Next() {
			if _, err := w.Server.Verify(b.Context(), token); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
}

// BenchmarkServer_refresh has 16 clients replace their refresh tokens as fast
// as they can.
func BenchmarkServer_refresh(b *testing.B) {
	w := newWorld(b)
	all := signIns(w, 16)
	var next atomic.Uint32
	b.ReportAllocs()
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		i := int(next.Add(1)) - 1
		if i >= len(all) {
			return // two must not share a token
		}
		refresh := all[i].Refresh
		for pb.Next() {
			refresh = refreshed(b, w, refresh)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
}

func signIns(w *world, n int) []tokens {
	all := make([]tokens, n)
	for i := range all {
		all[i] = w.SignIn("inspect")
	}
	return all
}

func refreshed(b *testing.B, w *world, token string) string {
	req := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(w.RefreshForm(token).Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.Server.ServeHTTP(rec, req)
	var tk tokens
	if err := json.Unmarshal(rec.Body.Bytes(), &tk); err != nil || rec.Code != http.StatusOK {
		b.Fatalf("refresh: status %d: %s", rec.Code, rec.Body)
	}
	return tk.Refresh
}
