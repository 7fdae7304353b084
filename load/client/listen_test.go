package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listened is what a stream told.
type listened struct {
	granted []string
	events  []string
}

func (l *listened) subscription(uris ...string) Subscription {
	return Subscription{
		URIs:    uris,
		OnOpen:  func(granted []string) { l.granted = granted },
		OnEvent: func(e Event) { l.events = append(l.events, e.ID+" "+e.Message.Method+" "+string(e.Message.Params)) },
	}
}

func TestClient_Listen_modern(t *testing.T) {
	var body string
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		var id json.RawMessage
		id, body = idOf(t, r)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, ": keep-alive\n\ndata: {\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"notifications\":{\"resourceSubscriptions\":[\"a://1\"],\"taskIds\":[\"T1\"]}}}\n\n")
		for i := range 3 {
			fmt.Fprintf(w, "event: message\ndata: {\"method\":\"notifications/resources/updated\",\"params\":{\"n\":%d}}\n\n", i)
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {\"id\":%s,\"result\":{\"resultType\":\"complete\"}}\n\n", id)
	})
	var l listened
	s := l.subscription("a://1", "b://2")
	s.Tasks = []string{"T1"}
	x, err := newClient(t, Config{URL: url, Era: Modern, Authorize: token}).Listen(t.Context(), s)
	if err != nil || x.Status != 200 || x.Answer.Result == nil {
		t.Fatalf("%v %+v", err, x)
	}
	if !strings.Contains(body, `"params":{"notifications":{"resourceSubscriptions":["a://1","b://2"],"taskIds":["T1"]},"_meta":`) || x.Sent.Get("Mcp-Method") != "subscriptions/listen" {
		t.Errorf("asked with %s", body)
	}
	const method = " notifications/resources/updated "
	want := listened{[]string{"a://1", "T1"}, []string{method + `{"n":0}`, method + `{"n":1}`, method + `{"n":2}`}}
	if diff := cmp.Diff(want, l, cmp.AllowUnexported(listened{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// streaming is a legacy server that sends text on its stream.
func streaming(t *testing.T, text string, hold bool, lastID *string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			*lastID = r.Header.Get("Last-Event-Id")
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			io.WriteString(w, text)
			w.(http.Flusher).Flush()
			if hold {
				<-r.Context().Done()
			}
			return
		}
		id, body := idOf(t, r)
		switch {
		case id == nil:
			w.WriteHeader(http.StatusAccepted)
		case strings.Contains(body, "initialize"):
			w.Header().Set("Mcp-Session-Id", "s1")
			fmt.Fprintf(w, `{"id":%s,"result":{}}`, id)
		case strings.Contains(body, "hers"):
			fmt.Fprintf(w, `{"id":%s,"error":{"code":-32002,"message":"no"}}`, id)
		default:
			fmt.Fprintf(w, `{"id":%s,"result":{}}`, id)
		}
	}
}

func TestClient_Listen_legacy(t *testing.T) {
	var last string
	var l listened
	c := newClient(t, Config{URL: server(t, streaming(t, "id: 1\ndata:\n\nid: 2\ndata: {\"method\":\"m\"}\n\nid: 3\nda", false, &last)), Era: Legacy})
	x, err := c.Listen(t.Context(), l.subscription("a://mine", "a://hers"))
	if err != nil || x.Status != 200 || x.LastEventID != "2" {
		t.Fatalf("%v %+v", err, x)
	}
	if diff := cmp.Diff(listened{[]string{"a://mine"}, []string{"2 m "}}, l, cmp.AllowUnexported(listened{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s := l.subscription("a://mine")
	s.LastEventID = x.LastEventID
	if _, err := c.Listen(t.Context(), s); err != nil || last != "2" {
		t.Errorf("resumed after %q: %v", last, err)
	}
}

// A stream ends with the caller's context, and says so.
func TestClient_Listen_ends(t *testing.T) {
	var last string
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, Config{URL: server(t, streaming(t, "data: {\"method\":\"m\"}\n\n", true, &last)), Era: Legacy})
	x, err := c.Listen(ctx, Subscription{OnEvent: func(Event) { cancel() }})
	if !errors.Is(err, context.Canceled) || x == nil || Reason(err) != "canceled" {
		t.Errorf("%v %+v", err, x)
	}
}

func TestClient_Listen_broken(t *testing.T) {
	for why, text := range map[string]string{
		"without a result": "data: {\"method\":\"m\"}\n\n",
		"no JSON":          "data: x\n\n",
		"a huge event":     "data: {\"method\":\"" + strings.Repeat("m", maxEvent) + "\"}\n\n",
	} {
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, text)
		})
		if _, err := newClient(t, Config{URL: url, Era: Modern}).Listen(t.Context(), Subscription{}); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
	refusing := server(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "full", http.StatusServiceUnavailable) })
	x, err := newClient(t, Config{URL: refusing, Era: Modern}).Listen(t.Context(), Subscription{})
	if err != nil || x.Status != http.StatusServiceUnavailable {
		t.Errorf("a refusal: %v %+v", err, x)
	}
}

func TestReason(t *testing.T) {
	gone := newClient(t, Config{URL: "http://127.0.0.1:1/mcp", Era: Modern})
	_, err := gone.Call(t.Context(), "whoami", nil)
	if got := Reason(err); got != "connection refused" || strings.Contains(err.Error(), "/mcp") {
		t.Errorf("%q of %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	_, err = gone.Call(ctx, "whoami", nil)
	if got := Reason(err); got != "timeout" {
		t.Errorf("%q of %v", got, err)
	}
	out := newClient(t, Config{URL: "http://127.0.0.1:1/mcp", Era: Modern, Authorize: func(context.Context) (string, error) { return "", context.DeadlineExceeded }})
	if _, err = out.Call(t.Context(), "whoami", nil); Reason(err) != "sign-in" {
		t.Errorf("%q of %v", Reason(err), err)
	}
	cut := newClient(t, Config{Era: Modern, URL: server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	})})
	if x, err := cut.Call(t.Context(), "whoami", nil); Reason(err) != "connection closed" || x != nil {
		t.Errorf("%q of %v, %+v", Reason(err), err, x)
	}
}

func TestExchange_TaskID(t *testing.T) {
	for result, want := range map[string]string{
		`{"resultType":"task","taskId":"T1","status":"working"}`: "T1",
		`{"resultType":"complete","taskId":"T1"}`:                "",
		`[]`: "",
	} {
		if got := (&Exchange{Answer: Message{Result: json.RawMessage(result)}}).TaskID(); got != want {
			t.Errorf("%s: %q, want %q", result, got, want)
		}
	}
}

func TestHeaderValue(t *testing.T) {
	for name, want := range map[string]string{
		"sentry://acme/issues/A-1": "sentry://acme/issues/A-1", "übung": "=?base64?w7xidW5n?=", " a": "=?base64?IGE=?=", "=?base64?YQ==?=": "=?base64?PT9iYXNlNjQ/WVE9PT89?=",
	} {
		if got := headerValue(name); got != want {
			t.Errorf("%q is sent as %q, want %q", name, got, want)
		}
	}
}
