package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// signedIn is a browser after its user has signed in.
func (r *runner) signedIn(user string) *browserFake {
	r.Helper()
	b := &browserFake{r, map[string]*http.Cookie{}}
	start := b.do("GET", "/", nil)
	form := url.Values{"user": {user}, "form_token": {formToken.FindStringSubmatch(start.Body.String())[1]}}
	if w := b.do("POST", "/login/", form); w.Code != http.StatusSeeOther {
		r.Fatalf("sign in: %d %s", w.Code, w.Body)
	}
	return b
}

func TestPages_Trace(t *testing.T) {
	r := start(t, Options{Empty: true})
	const page = "/organizations/acme-outdoors/explore/traces/trace/" + traceID + "/"
	owner := r.signedIn("1001")
	if w := owner.do("GET", page, nil); w.Code != http.StatusNotFound {
		t.Errorf("before anything was sent: %d %s", w.Code, w.Body)
	}
	r.ingest("span", strings.ReplaceAll(chain("1", "2<1"), `"name":"n"`, `"name":"<script>alert(1)</script>","status":"<i>"`))
	r.ingest("event", `{"message":"<img src=x>","contexts":{"trace":{"trace_id":"`+traceID+`","span_id":"0000000000000002"}}}`,
		"event", `{"message":"beside <b>","contexts":{"trace":{"trace_id":"`+traceID+`"}}}`)

	for _, path := range []string{page, strings.TrimSuffix(page, "/"), page + "?statsPeriod=1h&project=51001"} {
		w := owner.do("GET", path, nil)
		got := w.Body.String()
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Fatalf("GET %s = %d %s", path, w.Code, got)
		}
		for _, want := range []string{"Trace " + traceID, "&lt;script&gt;alert(1)", "&lt;i&gt;", "&lt;img src=x&gt;", "beside &lt;b&gt;", "16m40s", "storefront",
			`href="/sub/organizations/acme-outdoors/issues/1/"`, "STOREFRONT-2"} {
			if !strings.Contains(got, want) {
				t.Errorf("GET %s: no %s in %s", path, want, got)
			}
		}
		if strings.Contains(got, "<script") || strings.Contains(got, "<img") || strings.Contains(got, "may be more") {
			t.Errorf("GET %s: %s", path, got)
		}
	}
	visitor := (&browserFake{r, map[string]*http.Cookie{}}).do("GET", page, nil)
	if visitor.Code != http.StatusUnauthorized || strings.Contains(visitor.Body.String(), "storefront") {
		t.Errorf("a visitor: %d %s", visitor.Code, visitor.Body)
	}
	stranger := r.signedIn("1003")
	foreign, unknown := stranger.do("GET", page, nil), stranger.do("GET", strings.Replace(page, "acme-outdoors", "nowhere", 1), nil)
	if foreign.Code != http.StatusNotFound || nonce.ReplaceAllString(foreign.Body.String(), "") != nonce.ReplaceAllString(unknown.Body.String(), "") {
		t.Errorf("a stranger: %d %s, want what an unknown organization gives", foreign.Code, foreign.Body)
	}
	elsewhere := strings.Replace(page, "acme-outdoors", "globex-labs", 1)
	if w := stranger.do("GET", elsewhere, nil); w.Code != http.StatusNotFound {
		t.Errorf("a trace of another organization: %d %s", w.Code, w.Body)
	}
}

func TestPages_LongTrace(t *testing.T) {
	r := start(t, Options{Empty: true})
	spans := []string{"1"}
	for i := 2; i <= pageSpans+1; i++ {
		spans = append(spans, fmt.Sprintf("%d<%d", i, i-1))
	}
	r.ingest("span", chain(spans...))
	got := r.signedIn("1001").do("GET", "/organizations/acme-outdoors/explore/traces/trace/"+traceID+"/", nil).Body.String()
	if n := strings.Count(got, "<li>"); n != pageSpans || !strings.Contains(got, "may be more") {
		t.Errorf("%d spans, want %d and a word about the rest", n, pageSpans)
	}
}
