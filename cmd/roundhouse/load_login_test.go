package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/login"
)

// TestLoadLogin signs in three users with one registered client, calls in both
// eras while their tokens are refreshed again and again, and signs out.
func TestLoadLogin(t *testing.T) {
	r := start(t, t.TempDir(), nil, append(isolationScale, "--trusted-proxies", "127.0.0.1/32")...)
	app, err := login.NewApp(t.Context(), login.Config{URL: r.url + "/mcp", Life: 200 * time.Millisecond, Spread: true})
	if err != nil {
		t.Fatal(err)
	}
	shared := client.NewHTTP()
	t.Cleanup(shared.CloseIdleConnections)
	var all []*client.Client
	for _, email := range []string{mara, jon, user4} {
		user, err := app.SignIn(t.Context(), &login.Walker{Email: email, Skills: []string{"inspect", "triage"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, era := range []client.Era{client.Modern, client.Legacy} {
			c, err := client.New(client.Config{URL: r.url + "/mcp", Era: era, Authorize: user.Authorization, HTTP: shared, Prefix: fmt.Sprintf("%d-", len(all))})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			x, err := c.Call(t.Context(), "whoami", nil)
			if err != nil {
				t.Fatal(err)
			}
			if id, err := json.Marshal(x.ID); err != nil || x.Status != http.StatusOK || string(x.Answer.ID) != string(id) || !strings.Contains(string(x.Answer.Result), email) {
				t.Errorf("%s in %s: %d %s", email, era, x.Status, x.Body)
			}
		}
	}
	for began := time.Now(); app.Counts().Refreshes < 6 && time.Since(began) < 20*time.Second; {
		for _, c := range all {
			if x, err := c.Do(t.Context(), "tools/list", "", nil); err != nil || x.Status != http.StatusOK || x.Answer.Result == nil {
				t.Fatalf("while tokens are refreshed: %v %+v", err, x)
			}
		}
	}
	if got := app.Counts(); got.SignIns != 3 || got.Refreshes < 6 || got.Failures != 0 {
		t.Errorf("counts are %+v", got)
	}
	if err := app.SignOut(t.Context()); err != nil {
		t.Error(err)
	}
	for i, c := range all {
		if x, err := c.Do(t.Context(), "tools/list", "", nil); err != nil || x.Status != http.StatusUnauthorized {
			t.Errorf("client %d after signing out: %v %+v", i, err, x)
		}
	}
}
