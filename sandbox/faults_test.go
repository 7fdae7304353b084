package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (r *runner) faults(rules ...Fault) {
	r.Helper()
	if err := r.sb.SetFaults(Faults{Seed: 1, Rules: rules}); err != nil {
		r.Fatal(err)
	}
}

func TestFaults_answers(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	ingest, _ := r.dsn("acme-outdoors", "storefront")
	const list = "/api/0/organizations/acme-outdoors/issues/"
	tests := []struct {
		reason string
		fault  Fault
		path   string
		status int
		header map[string]string
		body   string
	}{
		{"a status", Fault{Status: 503}, list, 503, map[string]string{"Content-Type": "application/json"}, `{"detail":"503 Service Unavailable`},
		{"rate limited", Fault{RetryAfter: 7}, list, 429, map[string]string{"Retry-After": "7", "X-Sentry-Rate-Limits": ""}, `{"detail":"429 Too Many Requests`},
		{"unavailable for a time", Fault{Status: 503, RetryAfter: 60}, list, 503, map[string]string{"Retry-After": "60"}, `{"detail":`},
		{"an SDK rate limited", Fault{RetryAfter: 7}, ingest + "/envelope/", 429,
			map[string]string{"Retry-After": "7", "X-Sentry-Rate-Limits": "7::organization", "Access-Control-Allow-Origin": "*"}, `{"detail":`},
		{"a page in place of JSON", Fault{HTML: true}, list, 200, map[string]string{"Content-Type": "text/html; charset=utf-8"}, "<!DOCTYPE html>\n<title>200 OK</title>"},
		{"a proxy's page", Fault{HTML: true, Status: 502}, list, 502, nil, "<!DOCTYPE html>\n<title>502 Bad Gateway</title>"},
		{"the path", Fault{Pattern: "/api/0/organizations/{org}/issues/", Status: 500}, list, 500, nil, ""},
		{"all below the path", Fault{Pattern: "/api/0/", Status: 500}, list + "1/notes/", 500, nil, ""},
		{"without the slash", Fault{Pattern: "GET /api/0/organizations/{org}/issues/{$}", Status: 500}, strings.TrimSuffix(list, "/"), 500, nil, ""},
		{"another path", Fault{Pattern: "/api/0/organizations/{org}/events/", Status: 500}, list, 200, nil, "["},
		{"only the path itself", Fault{Pattern: "/api/0/organizations/{org}/{$}", Status: 500}, list, 200, nil, "["},
		{"another method", Fault{Pattern: "POST /api/0/", Status: 500}, list, 200, nil, "["},
		{"the organization", Fault{Org: "Acme-Outdoors", Status: 500}, list, 500, nil, ""},
		{"a project of the organization", Fault{Org: "acme-outdoors", Status: 500}, "/api/0/projects/acme-outdoors/storefront/", 500, nil, ""},
		{"ingest of the organization", Fault{Org: "acme-outdoors", Status: 500}, ingest + "/envelope/", 500, nil, ""},
		{"another organization", Fault{Org: "globex-labs", Status: 500}, list, 200, nil, "["},
		{"ingest of another organization", Fault{Org: "globex-labs", Status: 500}, ingest + "/envelope/", 405, nil, ""},
		{"no organization in the path", Fault{Org: "acme-outdoors", Status: 500}, "/api/0/organizations/", 200, nil, "["},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			r.faults(tt.fault)
			req := httptest.NewRequest("GET", tt.path, nil)
			req.Header.Set("Authorization", "Bearer "+r.token)
			w := r.send(req)
			if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.body) {
				t.Errorf("GET %s = %d %s", tt.path, w.Code, w.Body)
			}
			for name, want := range tt.header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

// By its number, too, since clients may use either.
func TestFaults_orgByID(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	var org struct{ ID string }
	r.get("/organizations/acme-outdoors/", &org)
	r.faults(Fault{Org: "acme-outdoors", Status: 500})
	if w := r.api("GET", "/organizations/"+org.ID+"/", ""); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestFaults_howOften(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	run := func(seed uint64, f Fault) string {
		f.Status = 500
		if err := r.sb.SetFaults(Faults{Seed: seed, Rules: []Fault{{Pattern: "POST /", Status: 400}, f}}); err != nil {
			t.Fatal(err)
		}
		var fates strings.Builder
		for range 60 {
			fate := byte('.')
			if r.api("GET", "/auth/", "").Code == http.StatusInternalServerError {
				fate = 'x'
			}
			fates.WriteByte(fate)
		}
		return fates.String()
	}
	if got, want := run(1, Fault{Every: 3}), strings.Repeat("..x", 20); got != want {
		t.Errorf("every third: %s", got)
	}
	half := run(1, Fault{Probability: 0.5})
	if n := strings.Count(half, "x"); n < 15 || n > 45 {
		t.Errorf("half: %d of 60", n)
	}
	if again := run(1, Fault{Probability: 0.5}); again != half {
		t.Errorf("the same seed gives %s, then %s", half, again)
	}
	if other := run(2, Fault{Probability: 0.5}); other == half {
		t.Errorf("another seed gives the same: %s", half)
	}
	if n := strings.Count(run(1, Fault{Probability: 1}), "x"); n != 60 {
		t.Errorf("always: %d of 60", n)
	}
}

func TestFaults_delay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Sandbox{}
		err := s.SetFaults(Faults{Rules: []Fault{{DelayMS: 300}, {DelayMS: 200, Status: 503}, {Status: 400}}})
		if err != nil {
			t.Fatal(err)
		}
		begin, w := time.Now(), httptest.NewRecorder()
		if !s.fail(w, httptest.NewRequest("GET", "/", nil)) || w.Code != 503 {
			t.Errorf("the first rule with an answer does not give it: %d", w.Code)
		}
		if took := time.Since(begin); took != 500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

func TestFaults_drop(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.faults(Fault{Pattern: "/login/", Drop: true})
	srv := httptest.NewServer(r.sb)
	defer srv.Close()
	if resp, err := srv.Client().Get(srv.URL + "/login/"); !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v", resp, err)
	}
	resp, err := srv.Client().Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("another path: %s", resp.Status)
	}

	for _, f := range []Fault{{Drop: true, Status: 200}, {Drop: true, Status: 200, HTML: true}} {
		r.faults(f)
		resp, err := srv.Client().Get(srv.URL + "/api/0/organizations/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) || resp.StatusCode != 200 || len(body) == 0 || json.Valid(body) {
			t.Errorf("in the middle: %s, %q, %v", resp.Status, body, err)
		}
	}
}

// Whoever asks at once, every third request fails and no other.
func TestFaults_concurrent(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.faults(Fault{Every: 3, Status: 500})
	var wg sync.WaitGroup
	failed := make(chan int, 30)
	for range 30 {
		wg.Go(func() {
			if r.api("GET", "/auth/", "").Code == 500 {
				failed <- 1
			}
		})
	}
	wg.Wait()
	if len(failed) != 10 {
		t.Errorf("%d of 30", len(failed))
	}
}

func TestSetFaults_refuses(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, reading...)
	r.faults(Fault{Status: 503})
	for reason, rules := range map[string][]Fault{
		"does nothing":              {{Pattern: "/api/0/"}},
		"both":                      {{Status: 500, Every: 2, Probability: 0.5}},
		"more than certain":         {{Status: 500, Probability: 1.5}},
		"less than never":           {{Status: 500, Every: -1}},
		"success":                   {{Status: 200}},
		"no status":                 {{Status: 600}},
		"before now":                {{Status: 500, DelayMS: -1}},
		"forever":                   {{DelayMS: 1 << 40}},
		"a negative Retry-After":    {{Status: 429, RetryAfter: -1}},
		"no pattern":                {{Status: 500, Pattern: "GET issues"}},
		"a pattern that is not one": {{Status: 500, Pattern: "/api/{"}},
		"the second":                {{Status: 500}, {}},
		"too many":                  make([]Fault, maxFaultRules+1),
	} {
		if err := r.sb.SetFaults(Faults{Rules: rules}); err == nil {
			t.Errorf("%s: accepted", reason)
		}
	}
	if w := r.api("GET", "/auth/", ""); w.Code != 503 {
		t.Errorf("what is refused changed what was: %d", w.Code)
	}
	r.faults()
	if w := r.api("GET", "/auth/", ""); w.Code != 200 {
		t.Errorf("the faults do not end: %d", w.Code)
	}
}

func (r *runner) control(method, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "http://localhost:9000"+faultsPath, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:5000"
	if change != nil {
		change(req)
	}
	return r.send(req)
}

func TestFaults_overHTTP(t *testing.T) {
	r := start(t, Options{Empty: true, Control: true}).as(mara, reading...)
	w := r.control("PUT", `{"seed":1,"rules":[{"every":2,"retryAfter":9},{"pattern":"/_sandbox/","drop":true},{"status":500}]}`, nil)
	if w.Code != http.StatusOK {
		t.Fatalf("PUT = %d %s", w.Code, w.Body)
	}
	var codes []int
	for range 4 {
		codes = append(codes, r.api("GET", "/auth/", "").Code)
	}
	if diff := cmp.Diff([]int{500, 429, 500, 429}, codes); diff != "" {
		t.Error(diff)
	}
	var got, want any
	if err := json.Unmarshal(r.control("GET", "", nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	err := json.Unmarshal([]byte(`{"rules":[{"every":2,"status":429,"retryAfter":9,"seen":4,"hit":2},
		{"pattern":"/_sandbox/","drop":true,"seen":0,"hit":0},{"status":500,"seen":4,"hit":4}]}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{`{"rules":[{}]}`, `{"rule":[]}`, `[`, ``, `{"rules":[{"status":500,"patern":"/"}]}`} {
		if w := r.control("PUT", body, nil); w.Code != http.StatusBadRequest {
			t.Errorf("PUT %s = %d %s", body, w.Code, w.Body)
		}
	}
	if w := r.control("POST", `{}`, nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST = %d", w.Code)
	}
	if w := r.control("DELETE", "", nil); w.Code != http.StatusOK || r.api("GET", "/auth/", "").Code != http.StatusOK {
		t.Errorf("DELETE = %d %s", w.Code, w.Body)
	}
}

// To everybody else the path is one of the many that are not there.
func TestFaults_overHTTPNotForAll(t *testing.T) {
	with, without := start(t, Options{Empty: true, Control: true}), start(t, Options{Empty: true})
	rule := `{"rules":[{"status":500}]}`
	for reason, change := range map[string]func(*http.Request){
		"another machine":       func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" },
		"no address":            func(r *http.Request) { r.RemoteAddr = "" },
		"a proxy":               func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		"a proxy, as it should": func(r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.1") },
		"a web page":            func(r *http.Request) { r.Header.Set("Origin", "http://localhost:9000") },
		"a name that leads here": func(r *http.Request) {
			r.Host = "rebound.example:9000"
		},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			is, absent := with.control(method, rule, change), without.control(method, rule, change)
			if got, want := fmt.Sprint(is.Code, is.Header(), is.Body), fmt.Sprint(absent.Code, absent.Header(), absent.Body); got != want || absent.Code != 404 {
				t.Errorf("%s of %s: %s\nwithout the option: %s", method, reason, got, want)
			}
		}
	}
	if w := without.control("PUT", rule, nil); w.Code != http.StatusNotFound {
		t.Errorf("without the option: %d %s", w.Code, w.Body)
	}
	for _, sb := range []*Sandbox{with.sb, without.sb} {
		if sb.faults.Load() != nil {
			t.Error("faults are set")
		}
	}
}
