package sandbox

import (
	"net/http"
	"strings"
	"testing"
)

func TestPages_Projects(t *testing.T) {
	r := start(t, Options{})
	owner, guest := r.signedIn("1001"), r.signedIn("1004")
	for _, path := range []string{"/organizations/acme-outdoors/", "/organizations/acme-outdoors/projects/", "/organizations/acme-outdoors/issues", "/organizations/41001/projects/?x=1"} {
		w := owner.do("GET", path, nil)
		for _, want := range []string{"Acme Outdoors", "checkout-api", "/51900", `href="/sub/organizations/acme-outdoors/issues/`, "CHECKOUT-API-"} {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("GET %s = %d, lacks %s: %s", path, w.Code, want, w.Body)
			}
		}
		if got := guest.do("GET", path, nil).Body.String(); !strings.Contains(got, "STOREFRONT-") || strings.Contains(got, "heckout") || strings.Contains(got, "CHECKOUT") || strings.Contains(got, "My App") {
			t.Errorf("a guest sees %s", got)
		}
	}
	start := owner.do("GET", "/", nil).Body.String()
	for _, want := range []string{"sentry_sdk.init(dsn=", "/51900", `href="/sub/organizations/globex-labs/projects/"`} {
		if !strings.Contains(start, want) {
			t.Errorf("the start page lacks %s: %s", want, start)
		}
	}
	foreign, unknown := guest.do("GET", "/organizations/globex-labs/projects/", nil), guest.do("GET", "/organizations/none/projects/", nil)
	if foreign.Code != http.StatusNotFound || nonce.ReplaceAllString(foreign.Body.String(), "") != nonce.ReplaceAllString(unknown.Body.String(), "") {
		t.Errorf("another's organization: %d %s; an unknown one: %s", foreign.Code, foreign.Body, unknown.Body)
	}
	if w := (&browserFake{r, map[string]*http.Cookie{}}).do("GET", "/organizations/acme-outdoors/projects/", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("a visitor: %d", w.Code)
	}
}

// TestPages_Escape: whatever an SDK or a member wrote is text on every page,
// and no page needs or lets run a script.
func TestPages_Escape(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, "org:read", "project:write", "event:read")
	const evil = `<script>alert('x')</script>\"onload=alert(1) `
	path, key := r.dsn("acme-outdoors", "storefront")
	event := `{"message":"` + evil + `","level":"error","platform":"` + evil + `","transaction":"` + evil + `","release":"` + evil + `","environment":"` + evil + `","server_name":"` + evil + `",
		"fingerprint":["` + evil + `"],"logger":"` + evil + `","tags":{"a":"` + evil + `"},"user":{"id":"` + evil + `","email":"` + evil + `"},
		"exception":[{"type":"` + evil + `","value":"` + evil + `","stacktrace":{"frames":[{"filename":"` + evil + `","function":"` + evil + `","module":"` + evil + `","in_app":true}]}}],
		"contexts":{"trace":{"trace_id":"` + traceID + `","span_id":"0000000000000002"}}}`
	span := strings.ReplaceAll(chain("1", "2<1"), `"name":"n"`, `"name":"`+evil+`","status":"`+evil+`"`)
	if w := r.envelope(path, key, "event", event, "span", span); w.Code != http.StatusOK {
		t.Fatalf("ingest: %d %s", w.Code, w.Body)
	}
	r.put("/projects/acme-outdoors/storefront/", `{"name":"`+strings.TrimSpace(evil)+`"}`)
	app, err := r.sb.EnsureApp(t.Context(), strings.ReplaceAll(evil, `\"`, `"`), callback)
	if err != nil {
		t.Fatal(err)
	}
	b := r.signedIn("1001")
	d := b.device(app, "org:read")
	for _, path := range []string{"/", "/organizations/acme-outdoors/projects/", "/organizations/acme-outdoors/issues/STOREFRONT-1/",
		"/organizations/acme-outdoors/explore/traces/trace/" + traceID + "/", authorizeQuery(app, nil), "/oauth/device/?user_code=" + d.UserCode,
		"/oauth/device/?user_code=%3Cscript%3E", "/organizations/%3Cscript%3E/projects/"} {
		w := b.do("GET", path, nil)
		got := w.Body.String()
		if strings.Contains(got, "<script") || strings.Contains(got, `"onload`) || strings.Contains(got, "javascript:") {
			t.Errorf("GET %s: %s", path, got)
		}
		if !strings.Contains(got, `name="viewport"`) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("GET %s has no viewport, or no policy against scripts", path)
		}
		if named := !strings.Contains(path, "%3C") && path != "/"; named && !strings.Contains(got, "&lt;script&gt;") {
			t.Errorf("GET %s does not show what was sent, so this test shows nothing: %s", path, got)
		}
	}
}
