package oauth_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/oauth"
)

// A sign-in, a refresh, one that is refused for what it is and some for the
// limit, of which the audit record has the first alone.
func TestConfig_Observed(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	got := map[string]int{}
	cfg := w.Config(w.Store)
	cfg.Limits.Register = oauth.Limit{PerMinute: 1, Burst: 1}
	cfg.Observed = func(kind, outcome string) {
		mu.Lock()
		defer mu.Unlock()
		got[kind+" "+outcome]++
	}
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, s)
	w.Server, w.web.Config.Handler = s, s

	tokens := w.SignIn("inspect")
	w.Exchange(w.RefreshForm(tokens.Refresh))
	w.post("/oauth/token", "application/x-www-form-urlencoded", "grant_type=refresh_token&client_id=nobody", nil)
	for range 3 {
		w.post("/oauth/register", "application/json", nativeRegistration, nil)
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]int{
		"consent ok": 1, "grant ok": 1, "refresh ok": 1, "registration ok": 1,
		"refusal invalid_client": 1, "refusal temporarily_unavailable": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
