package oauth_test

import "testing"

func BenchmarkServer_Verify(b *testing.B) {
	w := newWorld(b)
	tk := w.SignIn("inspect")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Server.Verify(b.Context(), tk.Access); err != nil {
			b.Fatal(err)
		}
	}
}
