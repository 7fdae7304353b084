package load

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"roundhouse/load/client"
	"roundhouse/load/measure"
)

// listening is a fake whose streams are told of changes.
type listening struct {
	*fake
	lies bool // tells of something else

	mu   sync.Mutex
	told map[string][]chan struct{} // by URI
}

func (l *listening) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		message
		Params struct {
			Name      string
			Arguments struct{ IssueID string }

			Notifications struct{ ResourceSubscriptions []string }
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_ = json.Unmarshal(body, &m)
	switch {
	case m.Method == "subscriptions/listen":
		l.listen(w, r, m.ID, m.Params.Notifications.ResourceSubscriptions)
	case m.Params.Name == "update_issue":
		l.tell("/" + m.Params.Arguments.IssueID)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}`, m.ID)
	default:
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		l.fake.ServeHTTP(w, r)
	}
}

func (l *listening) tell(ending string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uri, all := range l.told {
		for _, c := range all {
			if strings.HasSuffix(uri, ending) {
				select {
				case c <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (l *listening) listen(w http.ResponseWriter, r *http.Request, id json.RawMessage, uris []string) {
	changed := make(chan struct{}, 1)
	l.mu.Lock()
	for _, uri := range uris {
		l.told[uri] = append(l.told[uri], changed)
	}
	l.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	granted, err := json.Marshal(uris)
	if err != nil {
		return
	}
	say := func(method, params string) {
		fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":%q,\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s},%s}}\n\n", method, id, params)
		_ = http.NewResponseController(w).Flush()
	}
	say("notifications/subscriptions/acknowledged", fmt.Sprintf(`"notifications":{"resourceSubscriptions":%s}`, granted))
	for {
		select {
		case <-r.Context().Done():
			return
		case <-changed:
			uri := uris[0]
			if l.lies {
				uri += "7"
			}
			say("notifications/resources/updated", fmt.Sprintf(`"uri":%q`, uri))
		}
	}
}

func TestRun_Streams(t *testing.T) {
	for _, lies := range []bool{false, true} {
		t.Run(fmt.Sprintf("lies %t", lies), func(t *testing.T) {
			l := &listening{fake: newFake(4), lies: lies, told: map[string][]chan struct{}{}}
			server := httptest.NewServer(l)
			defer server.Close()
			cfg := l.config(t, "users: 4\ncontexts: 8\nhandles: 0\narrivals: {rate: 20}\nwarmup: 200ms\nduration: 1500ms\nstreams: {count: 16, trickle: 100ms}\nstorm: {every: 1s, share: 0.5}")
			cfg.HTTP, cfg.URL = nil, server.URL+"/mcp"
			rep := mustRun(t, cfg)

			s := rep.Streams
			if s.Open != 16 || s.Notifications < 8 || s.Missed > 0 || s.Reopened < 2 || s.Reopened > 14 {
				t.Errorf("streams: %+v", s)
			}
			if got := rep.Canaries.Wrong > 0; got != lies {
				t.Errorf("%d wrong", rep.Canaries.Wrong)
			}
			if !lies && (s.Latency.Count() < 8 || s.Latency.Quantile(0.5) > 500*time.Millisecond) {
				t.Errorf("%d notifications took %s", s.Latency.Count(), s.Latency.Quantile(0.5))
			}
		})
	}
}

// TestStreams_forget counts who was not told in time.
func TestStreams_forget(t *testing.T) {
	now := time.Now()
	late, soon := &stream{}, &stream{}
	s := &streams{asked: map[string]*change{
		"late": {sent: now.Add(-patience - time.Second), waiting: map[*stream]bool{late: true, soon: true}},
		"soon": {sent: now.Add(-patience + time.Second), waiting: map[*stream]bool{soon: true}},
		"done": {sent: now, waiting: map[*stream]bool{}},
	}}
	s.forget(now)
	if s.found.Missed != 2 || len(s.asked) != 1 || s.asked["soon"] == nil {
		t.Errorf("%d missed, and waited for are %v", s.found.Missed, s.asked)
	}
}

// TestRun_Timeline: Sentry fails and commands run when the scenario says.
func TestRun_Timeline(t *testing.T) {
	var mu sync.Mutex
	var told []string
	sentry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, string(body))
	}))
	defer sentry.Close()
	server := httptest.NewServer(newFake(0))
	defer server.Close()
	var said []string
	rep, err := Run(t.Context(), Config{URL: server.URL + "/mcp", Faults: sentry.URL, PID: 4711, Log: func(line string) { said = append(said, line) }, Scenario: parse(t, `
arrivals: {rate: 20}
warmup: 0
duration: 1s
faults:
- {after: 100ms, for: 200ms, every: 500ms, rules: [{status: 503, probability: 0.5}]}
- {after: 200ms, rules: [{delayMs: 20, pattern: /api/0/}]}
commands:
- {after: 300ms, run: [sh, -c, "echo $ROUNDHOUSE_LOAD_PID; exit 3"]}
- {after: 400ms, run: [sleep, "100"]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	const late, bad = `{"pattern":"/api/0/","delayMs":20}`, `{"probability":0.5,"status":503}`
	want := []string{bad, bad + "," + late, late, bad + "," + late}
	for i, rules := range want {
		if i >= len(told) || told[i] != `{"rules":[`+rules+`],"seed":0}` {
			t.Errorf("the sandbox is told %q", told)
			break
		}
	}
	if last := told[len(told)-1]; last != `{"rules":[],"seed":0}` {
		t.Errorf("the last that the sandbox is told is %s", last)
	}
	if len(said) != 2 || said[0] != "sh: 4711" || !strings.Contains(said[1], "exit status 3") {
		t.Errorf("said is %q", said)
	}
	moments := ""
	for _, m := range rep.Moments {
		moments += m.What + "\n"
	}
	for _, what := range []string{"Sentry answers 503 at 50 %\n", "Sentry is 20ms late\n", "is well again\n", "sh -c echo", "sh: exit status 3\n"} {
		if !strings.Contains(moments, what) {
			t.Errorf("no moment says %q:\n%s", what, moments)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`Authorization: Bearer rh_at_abcdefgh12345678`, `Authorization: Bearer(removed)`},
		{`{"token":"abcdefgh12345678"}`, `{"token":"(removed)"}`},
		{`{"access_token": "abcdefgh12345678", "a": 1}`, `{"access_token": "(removed)", "a": 1}`},
		{`client_secret=abcdefgh12345678&x=1`, `client_secret=(removed)&x=1`},
		{`see rh_pat_ABCDEFGHIJKLMNOPqrstuvwx.`, `see (removed)`},
		{`sntrys_eyJpYXQiOjE3MDAwMDAwMDB9`, `(removed)`},
		{`http://key:pass@host/4`, `http://(removed)@host/4`},
		{`{"jsonrpc":"2.0","id":"w0c1-2","method":"tools/call"}`, `{"jsonrpc":"2.0","id":"w0c1-2","method":"tools/call"}`},
	} {
		if got := string(redact([]byte(tt.text))); got != tt.want {
			t.Errorf("redact(%s) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

// TestKeeper keeps the first few, and goes on when it cannot.
func TestKeeper(t *testing.T) {
	f := newFake(2)
	cfg := f.config(t, "users: 2\narrivals: {rate: 1}")
	if err := cfg.fill(); err != nil {
		t.Fatal(err)
	}
	p, err := populate(t.Context(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	x := &client.Exchange{Body: []byte(strings.Repeat("x", 2*maxKeptBody)), Sent: http.Header{"X-Api-Key": {"abc"}}}
	for _, dir := range []string{t.TempDir(), t.TempDir() + "/missing"} {
		logged := 0
		k := &keeper{dir: dir, log: func(string) { logged++ }}
		for range maxKept + 5 {
			k.keep(p.askers[0], x, verdict{"id", "it is wrong"}, time.Now())
		}
		want := maxKept
		if strings.HasSuffix(dir, "missing") {
			want = 0
		}
		if len(k.kept()) != want {
			t.Errorf("%d are kept", len(k.kept()))
		}
		if logged > 2*maxKept {
			t.Errorf("%d lines are logged", logged)
		}
		for _, path := range k.kept() {
			info, err := os.Stat(path)
			if err != nil || info.Size() > maxKeptBody+2000 || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		}
	}
	cfg.Header = http.Header{"X-Tenant": {"key-of-the-tenant"}}
	x.Body = []byte("you sent token-of-1 and key-of-the-tenant")
	if text := string(account(p.askers[0], x, verdict{"id", "it is wrong"}, time.Now())); strings.Contains(text, "abc") || strings.Contains(text, "token-of-1") || strings.Contains(text, "key-of") || !strings.Contains(text, "user-1@example.test") {
		t.Errorf("%.500s", text)
	}
}

func TestAnswered(t *testing.T) {
	result := json.RawMessage(`{"content":[{"type":"text","text":"# Sentry answered 503 after 12.5 s\nTry again."}],"isError":true}`)
	if reason, failed := toolFailed(result); !failed || reason != "Sentry answered # after #.# s" {
		t.Errorf("toolFailed: %q, %t", reason, failed)
	}
	repeated := json.RawMessage(`{"content":[{"type":"text","text":"no such token: rh_pat_ABCDEFGHIJKL1234567890mnop"}],"isError":true}`)
	if reason, _ := toolFailed(repeated); reason != "no such token: (removed)" {
		t.Errorf("toolFailed: %q", reason)
	}
	if _, failed := toolFailed(json.RawMessage(`{"content":[{"type":"text","text":"\"isError\":true"}]}`)); failed {
		t.Error("a text about isError is a failure")
	}
	for _, tt := range []struct {
		x    client.Exchange
		want measure.Outcome
		says string
	}{
		{client.Exchange{Status: 503}, measure.Refused, "503"},
		{client.Exchange{Status: 200}, measure.Refused, "no response"},
		{client.Exchange{Status: 200, Malformed: io.EOF}, measure.Refused, "malformed"},
		{client.Exchange{Status: 200, Answer: client.Message{Error: &client.RPCError{Code: -32602}}}, measure.Refused, "error -32602"},
		{client.Exchange{Status: 200, Answer: client.Message{Result: json.RawMessage("{}")}}, measure.OK, ""},
	} {
		if got, reason := answered(&tt.x); got != tt.want || reason != tt.says {
			t.Errorf("answered(%+v) = %v, %q", tt.x, got, reason)
		}
	}
}

// FuzzCanary: no answer makes it fall over, and an own answer is never wrong.
func FuzzCanary(f *testing.F) {
	f.Add([]byte(`{"a":"mk-0123456789ab mk- mk-01 SERVICE- SERVICE-1-2 /organizations/org-1/"}`))
	f.Add([]byte(`SERVICE-99999999999999999999-1 mk-0123456789abcdef`))
	fake := newFake(4)
	cfg := fake.config(f, "users: 4\ncontexts: 8\narrivals: {rate: 1}")
	if err := cfg.fill(); err != nil {
		f.Fatal(err)
	}
	p, err := populate(f.Context(), &cfg)
	if err != nil {
		f.Fatal(err)
	}
	c := newCanary(cfg.Scale, p)
	f.Fuzz(func(t *testing.T, body []byte) {
		a := p.askers[len(body)%len(p.askers)]
		x := &client.Exchange{ID: "w0c1-2", Status: 200, Body: body, Answer: client.Message{ID: json.RawMessage(`"w0c1-2"`), Result: body}}
		v, marked := c.judge(a, x, expected{whoami: true})
		foreign := strings.Contains(string(body), "mk-") || strings.Contains(string(body), "org-") || strings.Contains(string(body), "SERVICE-") || strings.Contains(strings.ToLower(string(body)), "structuredcontent")
		if v.wrong() && !foreign {
			t.Errorf("wrong is %+v, marked %t", v, marked)
		}
	})
}
