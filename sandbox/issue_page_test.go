package sandbox

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const pagedEvent = `{"event_id":"EVENT","release":"web@1.2+<b>","environment":"production","user":{"email":"ann@example.test"},
	"exception":[{"type":"KeyError","value":"tent","stacktrace":{"frames":[
		{"filename":"lib.py","function":"call","lineno":3,"in_app":false},
		{"filename":"cart.py","function":"<i>add","lineno":71,"in_app":true,"context_line":"return stock[<u>]"}]}}],
	"contexts":{"trace":{"trace_id":"` + traceID + `","span_id":"0000000000000002"}}}`

// TestPages_Issue: the page that permalinks lead to says what a person asks
// first, of the latest event or of the one that the link names.
func TestPages_Issue(t *testing.T) {
	r := start(t, Options{Empty: true})
	first, second := strings.Repeat("a", 32), strings.Repeat("b", 32)
	r.ingest("event", strings.Replace(pagedEvent, "EVENT", first, 1))
	r.clock.pass(1e9)
	r.ingest("event", strings.NewReplacer("EVENT", second, "ann@", "bea@").Replace(pagedEvent))
	owner := r.signedIn("1001")
	const page = "/organizations/acme-outdoors/issues/STOREFRONT-1"
	for path, want := range map[string][]string{
		page + "/":                       {second, "bea@example.test"},
		page:                             {second},
		page + "/events/" + first + "/":  {first, "ann@example.test"},
		page + "/events/latest/":         {second},
		page + "/events/" + second + "/": {second},
	} {
		w := owner.do("GET", path, nil)
		got := w.Body.String()
		want = append(want, "KeyError: tent", "unresolved, new", "<dt>Events</dt><dd>2</dd>", "<dt>Users</dt><dd>2</dd>", "First seen", "Last seen", "web@1.2&#43;&lt;b&gt;",
			"cart.py:71", "&lt;i&gt;add", "return stock[&lt;u&gt;]", "lib.py:3", `href="/sub/organizations/acme-outdoors/explore/traces/trace/`+traceID+`/"`, "Why this is one issue", `name="viewport"`)
		for _, text := range want {
			if w.Code != http.StatusOK || !strings.Contains(got, text) {
				t.Errorf("GET %s = %d, lacks %s: %s", path, w.Code, text, got)
			}
		}
		if strings.Index(got, "cart.py") > strings.Index(got, "lib.py") || strings.Contains(got, "<i>add") {
			t.Errorf("GET %s: the stack is not the innermost call first, and escaped: %s", path, got)
		}
	}
	stranger := r.signedIn("1003")
	for _, path := range []string{page + "/events/" + strings.Repeat("c", 32) + "/", page + "/events/none/"} {
		if w := owner.do("GET", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("GET %s = %d", path, w.Code)
		}
	}
	for _, path := range []string{page + "/", page + "/events/" + first + "/"} {
		if w := stranger.do("GET", path, nil); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "KeyError") {
			t.Errorf("a stranger, %s: %d %s", path, w.Code, w.Body)
		}
	}
	if _, err := r.sb.writer.Exec("DELETE FROM item"); err != nil {
		t.Fatal(err)
	}
	if w := owner.do("GET", page+"/", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "No event of this issue") {
		t.Errorf("without events: %d %s", w.Code, w.Body)
	}
}

// TestPages_SignInLeadsOn: a link that needs a sign-in is where it leads to,
// and no link leads anywhere else.
func TestPages_SignInLeadsOn(t *testing.T) {
	r := start(t, Options{Empty: true})
	r.ingest("event", `{"message":"m"}`)
	const page = "/organizations/acme-outdoors/issues/STOREFRONT-1/?a=1&b=%22x"
	b := &browserFake{r, map[string]*http.Cookie{}}
	w := b.do("GET", page, nil)
	next := regexp.MustCompile(`name="next" value="([^"]*)"`).FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusUnauthorized || next == nil || html.UnescapeString(next[1]) != page {
		t.Fatalf("a visitor: %d, next %q in %s", w.Code, next, w.Body)
	}
	token := formToken.FindStringSubmatch(w.Body.String())[1]
	for next, want := range map[string]string{
		page: page, "": "/", "/": "/", "/organizations/acme-outdoors/explore/logs/?query=a+b": "/organizations/acme-outdoors/explore/logs/?query=a+b",
		"//evil.test/organizations/": "/", "https://evil.test/organizations/": "/", "/\\evil.test/organizations/": "/", "/organizations/..//evil.test": "/",
		"/organizations/../../evil": "/", "/organizations/%2e%2e/x": "/", "/organizations//evil.test": "/", "/organizations/x\\..": "/", "javascript:alert(1)": "/",
		"organizations/x": "/", "/oauth/authorize/": "/", "/organizations/x\r\nSet-Cookie: a=b": "/", "/organizations/%zz": "/",
	} {
		w := b.do("POST", "/login/", url.Values{"user": {"1001"}, "form_token": {token}, "next": {next}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/sub"+want {
			t.Errorf("next %q leads to %q (%d), want /sub%s", next, got, w.Code, want)
		}
	}
	if w := b.do("GET", page, nil); w.Code != http.StatusOK {
		t.Errorf("after the sign-in: %d", w.Code)
	}
}
