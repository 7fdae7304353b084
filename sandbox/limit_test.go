package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"
)

// limited is storefront with a key that takes two errors a minute.
func limited(t *testing.T) (r *runner, path, key string) {
	t.Helper()
	r = start(t, Options{Empty: true}).as(mara, "project:write", "org:read", "event:read")
	path, key = r.dsn("acme-outdoors", "storefront")
	got := r.put(keysPath+key+"/", `{"rateLimit":{"window":60,"count":2}}`)
	if limit, ok := got["rateLimit"].(map[string]any); !ok || limit["window"] != 60.0 || limit["count"] != 2.0 {
		t.Fatalf("key = %v", got)
	}
	return r, path, key
}

func TestLimit_Errors(t *testing.T) {
	r, path, key := limited(t)
	send := func(reason string, want int, limits, after string, items ...string) {
		t.Helper()
		w := r.envelope(path, key, items...)
		h := w.Header()
		if w.Code != want || h.Get("X-Sentry-Rate-Limits") != limits || h.Get("Retry-After") != after {
			t.Errorf("%s: %d, limits %q, after %q: %s", reason, w.Code, h.Get("X-Sentry-Rate-Limits"), h.Get("Retry-After"), w.Body)
		}
	}
	log := `{"items":[{"timestamp":1764590000,"trace_id":"5b8efff798038103d269b633813fc60c","level":"info","body":"still here"}]}`
	send("the first", 200, "", "", "event", `{"message":"a"}`)
	send("the second", 200, "", "", "event", `{"message":"b"}`)
	r.clock.pass(20 * time.Second)
	send("the third", 429, "40:default;error;security:key", "40", "event", `{"message":"c"}`)
	send("the fourth, with its screenshot", 429, "40:default;error;security:key", "40", "event", `{"message":"c"}`, "attachment", "png")
	send("one beside a log", 200, "40:default;error;security:key", "", "event", `{"message":"d"}`, "log", log)
	send("what is no error", 200, "", "", "log", log)
	if got, want := len(r.issues("")), 2; got != want {
		t.Errorf("%d issues, want %d", got, want)
	}
	if r.rows("item") != 4 || r.rows("attachment") != 0 {
		t.Errorf("%d items and %d attachments, want 2 errors and 2 logs", r.rows("item"), r.rows("attachment"))
	}
	r.clock.pass(40 * time.Second)
	send("in the next window", 200, "", "", "event", `{"message":"e"}`)
	r.put(keysPath+key+"/", `{"rateLimit":null}`)
	for range 3 {
		send("without a limit", 200, "", "", "event", `{"message":"f"}`)
	}
}

// TestLimit_OneEnvelope: two events of an envelope count as two.
func TestLimit_OneEnvelope(t *testing.T) {
	r, path, key := limited(t)
	one := `{"message":"a"}`
	w := r.envelope(path, key, "event", one, "event", `{"message":"b"}`, "event", `{"message":"c"}`)
	if w.Code != http.StatusOK || w.Header().Get("X-Sentry-Rate-Limits") == "" || len(r.issues("")) != 2 {
		t.Errorf("%d %v, %d issues", w.Code, w.Header(), len(r.issues("")))
	}
	var body struct{ Detail string }
	if err := json.Unmarshal(r.envelope(path, key, "event", one).Body.Bytes(), &body); err != nil || !strings.Contains(body.Detail, "2 errors in 60 seconds") {
		t.Errorf("detail %q, %v", body.Detail, err)
	}
}

// TestLimit_SDK: the SDK for Go heeds the limit: it sends no more errors.
func TestLimit_SDK(t *testing.T) {
	r, _, _ := limited(t)
	var answers []int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := r.send(req)
		answers = append(answers, answer.Code)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
	}))
	defer server.Close()
	if err := r.sb.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	dsn, err := r.sb.DSN(t.Context(), "acme-outdoors", "storefront")
	if err != nil {
		t.Fatal(err)
	}
	client, err := sentry.NewClient(sentry.ClientOptions{Dsn: dsn, Transport: sentry.NewHTTPSyncTransport()})
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		client.CaptureMessage("over and over", nil, sentry.NewScope())
	}
	client.Flush(5 * time.Second)
	if want := []int{200, 200, 429}; !slices.Equal(answers, want) {
		t.Errorf("answers %v, want %v and then silence", answers, want)
	}
}
