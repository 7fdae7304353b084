package oauth_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"roundhouse/oauth"
)

const grantTypeDevice = "urn:ietf:params:oauth:grant-type:device_code"

type device struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
	Error      string `json:"error"`
}

// Device asks for a device code, as a terminal does.
func (w *world) Device(changes ...string) device {
	w.Helper()
	form := change(url.Values{"client_id": {w.ClientID}, "resource": {w.URL + "/mcp/acme"}, "scope": {"inspect offline_access"}}, changes)
	_, header, body := w.post("/oauth/device_authorization", "application/x-www-form-urlencoded", form.Encode(), nil)
	if header.Get("Cache-Control") != "no-store" {
		w.Errorf("Cache-Control %q", header.Get("Cache-Control"))
	}
	var d device
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		w.Fatalf("%v: %s", err, body)
	}
	return d
}

func (w *world) PollForm(d device, changes ...string) url.Values {
	return change(url.Values{"grant_type": {grantTypeDevice}, "device_code": {d.DeviceCode}, "client_id": {w.ClientID}}, changes)
}

// Poll waits and polls, and wants an error.
func (w *world) Poll(what string, d device, code string) {
	w.Helper()
	w.Clock.Advance(5 * time.Second)
	w.Refused(what, w.PollForm(d), code)
}

// Type types a user code in the world's browser and returns the page after it.
func (w *world) Type(code string) (int, string) {
	w.Helper()
	resp, page := submit(w, w.Browser, "/oauth/device", url.Values{"user_code": {code}})
	return resp.StatusCode, page
}

func (w *world) AnswerDevice(page, answer string, skills ...string) (int, string) {
	w.Helper()
	resp, after := submit(w, w.Browser, "/oauth/device", url.Values{"request": {w.tokenOf(page)}, "answer": {answer}, "skill": skills})
	return resp.StatusCode, after
}

func TestServer_device(t *testing.T) {
	w := newWorld(t)
	d := w.Device()
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.UserCode) || d.URI != w.URL+"/oauth/device" ||
		d.Complete != d.URI+"?user_code="+d.UserCode || d.ExpiresIn != 600 || d.Interval != 5 {
		t.Errorf("the device is told %+v", d)
	}
	w.Refused("at once", w.PollForm(d), "authorization_pending")
	if page := view(w, w.Browser, "/oauth/device?user_code="+d.UserCode); !strings.Contains(page, `value="`+d.UserCode+`"`) || !strings.Contains(page, "sent you this code") {
		t.Errorf("the page that asks for the code:\n%s", page)
	}
	_, page := w.Type(" " + strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " ")))
	for _, want := range []string{"Editor", "organization acme", d.UserCode, "127.0.0.1", "Approve only if you started this yourself", `value="inspect" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("the consent page does not say %q:\n%s", want, page)
		}
	}
	w.Poll("before the answer", d, "authorization_pending")
	asked := len(w.Upstream.asked)
	status, after := w.AnswerDevice(page, "approve", "inspect")
	if status != http.StatusOK || !strings.Contains(after, "signed in") || strings.Contains(after, "rh_") {
		t.Errorf("status %d:\n%s", status, after)
	}
	if scope := w.Upstream.asked[asked].Get("scope"); scope != "event:read org:read" {
		t.Errorf("the upstream was asked for %q", scope)
	}
	w.Clock.Advance(9 * time.Minute) // a device that slept
	tk := w.Exchange(w.PollForm(d))
	if grant := w.Grant(tk); grant.User != ann.ID || grant.Resource != w.URL+"/mcp/acme" || grant.ClientID != w.ClientID || tk.Scope != "inspect" {
		t.Errorf("grant %+v, scope %q", grant, tk.Scope)
	}
	next := w.Exchange(w.RefreshForm(tk.Refresh))
	w.Clock.Advance(5 * time.Second)
	w.Refused("a second time", w.PollForm(d), "invalid_grant")
	w.WantDead("a device code that came again", next)
}

func TestServer_device_cancel(t *testing.T) {
	w := newWorld(t)
	d := w.Device()
	_, page := w.Type(d.UserCode)
	if _, after := w.AnswerDevice(page, "cancel"); !strings.Contains(after, "Nothing was allowed") {
		t.Errorf("after cancel:\n%s", after)
	}
	w.Poll("after cancel", d, "access_denied")
	w.Poll("after cancel, again", d, "access_denied")

	d = w.Device()
	_, page = w.Type(d.UserCode)
	w.Upstream.Set(func() { w.Upstream.refusal = "access_denied" })
	w.AnswerDevice(page, "approve", "inspect")
	w.Poll("refused upstream", d, "access_denied")

	w.Upstream.Set(func() { w.Upstream.refusal = "" })
	d = w.Device("resource", w.URL+"/mcp/globex")
	_, page = w.Type(d.UserCode)
	if _, after := w.AnswerDevice(page, "approve", "inspect"); !strings.Contains(after, "not within") {
		t.Errorf("for what the user cannot see:\n%s", after)
	}
	w.Poll("for what the user cannot see", d, "access_denied")
}

func TestServer_device_expires(t *testing.T) {
	w := newWorld(t)
	d := w.Device()
	w.Clock.Advance(10*time.Minute - 6*time.Second)
	w.Poll("in the last second", d, "authorization_pending")
	w.Poll("too late", d, "expired_token")
	if status, page := w.Type(d.UserCode); status != http.StatusBadRequest || strings.Contains(page, "checkbox") {
		t.Errorf("typed too late: %d:\n%s", status, page)
	}
	w.Clock.Advance(time.Hour)
	d = w.Device()
	_, page := w.Type(d.UserCode)
	w.Clock.Advance(10 * time.Minute)
	if status, _ := w.AnswerDevice(page, "approve", "inspect"); status != http.StatusBadRequest {
		t.Errorf("approved too late: %d", status)
	}
}

func TestServer_device_slowDown(t *testing.T) {
	w := newWorld(t)
	d, other := w.Device(), w.Device()
	w.Refused("first", w.PollForm(d), "authorization_pending")
	w.Clock.Advance(2 * time.Second)
	w.Refused("too soon", w.PollForm(d), "slow_down")
	w.Refused("another device", w.PollForm(other), "authorization_pending")
	w.Poll("after the old interval", d, "slow_down")
	w.Clock.Advance(15 * time.Second)
	w.Refused("after the new one", w.PollForm(d), "authorization_pending")
}

func TestServer_device_refuses(t *testing.T) {
	w := newWorld(t)
	d := w.Device()
	other := w.Register(`{"redirect_uris":["https://other.example/cb"],"token_endpoint_auth_method":"none"}`)
	for _, tt := range []struct {
		reason string
		form   url.Values
		code   string
	}{
		{"no device code", w.PollForm(d, "device_code", "-"), "invalid_grant"},
		{"an invented one", w.PollForm(d, "device_code", "rh_dc_AAAA"), "invalid_grant"},
		{"one of great length", w.PollForm(d, "device_code", "rh_dc_"+strings.Repeat("A", 9000)), "invalid_grant"},
		{"the user code", w.PollForm(d, "device_code", d.UserCode), "invalid_grant"},
		{"another client's", w.PollForm(d, "client_id", other.ID), "invalid_grant"},
		{"no client", w.PollForm(d, "client_id", "-"), "invalid_client"},
	} {
		w.Refused(tt.reason, tt.form, tt.code)
	}
	if got := w.Device("client_id", "unknown"); got.Error != "invalid_client" || got.DeviceCode != "" {
		t.Errorf("an unknown client: %+v", got)
	}
	if got := w.Device("resource", "https://evil.example/mcp"); got.Error != "invalid_target" {
		t.Errorf("another server's resource: %+v", got)
	}
}

// A user code leads to one page, in one browser; what that page holds counts in
// no other, and on no other page.
func TestServer_device_boundToOneBrowser(t *testing.T) {
	w := newWorld(t)
	d := w.Device()
	_, page := w.Type(d.UserCode)
	if status, _ := w.Type(d.UserCode); status != http.StatusBadRequest {
		t.Errorf("the code a second time: %d", status)
	}
	form := url.Values{"request": {w.tokenOf(page)}, "answer": {"approve"}, "skill": {"inspect"}}
	if resp, _ := submit(w, w.NewBrowser(), "/oauth/device", form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser's form: %d", resp.StatusCode)
	}
	if resp, _ := submit(w, w.Browser, "/oauth/authorize", form); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
		t.Errorf("a device's form at another page: %d", resp.StatusCode)
	}
	_, clients := w.Open(w.Request())
	form.Set("request", w.tokenOf(clients))
	if resp, _ := submit(w, w.Browser, "/oauth/device", form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a client's form at the device page: %d", resp.StatusCode)
	}
	w.Poll("after all that", d, "authorization_pending")
	if status, _ := w.AnswerDevice(page, "approve"); status != http.StatusBadRequest {
		t.Errorf("no skill chosen: %d", status)
	}
	w.AnswerDevice(page, "approve", "inspect")
	if status, _ := w.AnswerDevice(page, "approve", "triage"); status != http.StatusBadRequest {
		t.Errorf("approved a second time: %d", status)
	}
	w.Clock.Advance(10 * time.Second)
	if tk := w.Exchange(w.PollForm(d)); tk.Scope != "inspect" {
		t.Errorf("scope %q", tk.Scope)
	}
}

func TestServer_device_guesses(t *testing.T) {
	w := newWorld(t)
	for _, code := range []string{"", "BCDF", "AEIO-UAEI", "<script>", strings.Repeat("B", 2000), "BCDF-GHJK-LMNP"} {
		status, page := w.Type(code)
		if status != http.StatusBadRequest || strings.Contains(page, "<script") || strings.Contains(page, "checkbox") {
			t.Errorf("%q: %d:\n%s", code, status, page)
		}
	}
	d := w.Device()
	limited := false
	for range 30 {
		status, _ := w.Type("BCDF-GHJK")
		limited = limited || status == http.StatusTooManyRequests
	}
	if status, _ := w.Type(d.UserCode); !limited || status != http.StatusTooManyRequests {
		t.Errorf("after thirty guesses: %d, want 429", status)
	}
	w.Clock.Advance(time.Minute)
	if status, _ := w.Type(d.UserCode); status != http.StatusOK {
		t.Errorf("a minute later: %d", status)
	}
	if page := view(w, w.Browser, "/oauth/device?user_code="+url.QueryEscape(`"><script>`)); strings.Contains(page, "<script") {
		t.Errorf("the page repeats what the link said:\n%s", page)
	}
}

// A client without a browser registers no redirect URI, and can then do nothing
// that needs one.
func TestServer_device_registration(t *testing.T) {
	w := newWorld(t)
	w.ClientID = w.Register(`{"client_name":"Terminal","grant_types":["` + grantTypeDevice + `"],"token_endpoint_auth_method":"none"}`).ID
	_, page := w.Type(w.Device().UserCode)
	if !strings.Contains(html.UnescapeString(page), "Terminal") {
		t.Errorf("the consent page:\n%s", page)
	}
	if resp, _ := w.Open(w.Request()); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
		t.Errorf("authorized without a redirect URI: %d", resp.StatusCode)
	}
	status, _, _ := w.post("/oauth/register", "application/json", `{"client_name":"x","grant_types":["authorization_code","`+grantTypeDevice+`"]}`, nil)
	if status != http.StatusBadRequest {
		t.Errorf("a client that wants codes, without a redirect URI: %d", status)
	}
	var found bool
	for _, e := range w.Events(oauth.EventRegistration) {
		found = found || e.Detail == "Terminal"
	}
	if !found {
		t.Error("the registration was not recorded")
	}
}
