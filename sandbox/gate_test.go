package sandbox

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestGates: one fills the gate of one, and leaves nothing behind.
func TestGates(t *testing.T) {
	g := newGates(2)
	enter := func(who string) (leave func(), err error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return g.enter(ctx, who)
	}
	first, err := enter("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = enter("a"); err != nil {
		t.Fatal(err)
	}
	if _, err = enter("a"); err == nil {
		t.Error("a third was let in")
	}
	if other, err := enter("b"); err != nil {
		t.Errorf("another has to wait: %v", err)
	} else {
		other()
	}
	if first(); len(g.of) != 1 {
		t.Errorf("gates of %d are kept, want those of one", len(g.of))
	}
	if _, err = enter("a"); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

// TestSearched_Routes: what may have to read much waits for what others have
// begun, and gives up with its client; what is looked up quickly does not wait.
func TestSearched_Routes(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.ingest("event", `{"message":"hello","tags":{"shelf":"tents"},"release":"shop@1","contexts":{"trace":{"trace_id":"0123456789abcdef0123456789abcdef","span_id":"0123456789abcdef"}}}`)
	issue := "/organizations/acme-outdoors/issues/" + r.onlyIssue().ID
	for range maxSearches {
		r.sb.searching <- struct{}{}
	}
	const org = "/organizations/acme-outdoors"
	for path, waits := range map[string]bool{
		org + "/issues/": true, org + "/events/?field=id": true, org + "/releases/": true,
		issue + "/tags/shelf/": true, issue + "/events/": true,
		org + "/trace/0123456789abcdef0123456789abcdef/": true, org + "/trace-meta/0123456789abcdef0123456789abcdef/": true,
		issue + "/": false, issue + "/events/latest/": false, org + "/projects/": false,
	} {
		patience := 10 * time.Second
		if waits {
			patience = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		req := httptest.NewRequestWithContext(ctx, "GET", "/api/0"+path, nil)
		req.Header.Set("Authorization", "Bearer "+r.token)
		if w := r.send(req); (w.Code == http.StatusOK) == waits {
			t.Errorf("GET %s = %d %s, want it to wait: %v", path, w.Code, w.Body, waits)
		}
		cancel()
	}
}

// TestSearched_Slow: however many slow searches users make, others are answered.
func TestSearched_Slow(t *testing.T) {
	r := start(t, Options{Empty: true}).as(priya, reading...)
	begun, end, over := make(chan bool), make(chan bool), make(chan error)
	search := func(user int64) {
		slow := &request{Request: httptest.NewRequest("GET", "/", nil), sb: r.sb, user: User{ID: user}}
		_, err := searched(slow, func(*sql.Rows) (none struct{}, err error) {
			begun <- true
			<-end
			return none, nil
		}, "SELECT 1", nil)
		over <- err
	}
	const users, each = 4, 5
	for i := range users * each {
		go search(int64(i % users))
	}
	for range maxSearches {
		<-begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", "/api/0/auth/", nil)
	req.Header.Set("Authorization", "Bearer "+r.token)
	if w := r.send(req); w.Code != http.StatusOK {
		t.Errorf("another, who only signs in: %d %s", w.Code, w.Body)
	}
	close(end)
	for left := users * each; left > 0; {
		select {
		case <-begun:
		case err := <-over:
			if left--; err != nil {
				t.Errorf("a search that had to wait: %v", err)
			}
		}
	}
}
