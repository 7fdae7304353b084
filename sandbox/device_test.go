package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int
	Error      string
}

func (b *browserFake) form(path string, form url.Values) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(req)
}

func (b *browserFake) device(app App, scope string) deviceAnswer {
	b.Helper()
	w := b.form("/oauth/device/code/", url.Values{"client_id": {app.ClientID}, "scope": {scope}})
	var d deviceAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != http.StatusOK {
		b.Fatalf("device code: %d %s", w.Code, w.Body)
	}
	return d
}

// poll asks for the tokens without a secret.
func (b *browserFake) poll(app App, d deviceAnswer) (out tokens) {
	b.Helper()
	w := b.form("/oauth/token/", url.Values{"grant_type": {deviceGrant}, "client_id": {app.ClientID}, "device_code": {d.DeviceCode}})
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		b.Fatalf("poll: %d %s", w.Code, w.Body)
	}
	return out
}

// decide enters the code as a person writes it, and presses a button.
func (b *browserFake) decide(typed, user, op string) *httptest.ResponseRecorder {
	b.Helper()
	query := "/oauth/device/?user_code=" + url.QueryEscape(typed)
	page := b.do("GET", query, nil)
	token := formToken.FindStringSubmatch(page.Body.String())
	if page.Code != http.StatusOK || token == nil {
		b.Fatalf("device page: %d %s", page.Code, page.Body)
	}
	return b.do("POST", query, url.Values{"form_token": {token[1]}, "user": {user}, "op": {op}}, "Origin", "http://sandbox.test", "Sec-Fetch-Site", "same-origin")
}

func TestDevice_Approve(t *testing.T) {
	b, app := startOAuth(t)
	d := b.device(app, "org:read event:write")
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(d.UserCode) || len(d.DeviceCode) != 64 || d.ExpiresIn != 600 || d.Interval != 5 ||
		d.URI != "http://sandbox.test/sub/oauth/device/" || !strings.HasPrefix(d.Complete, d.URI+"?user_code=") {
		t.Errorf("device = %+v", d)
	}
	if got := b.poll(app, d); got.Error != "authorization_pending" {
		t.Errorf("first poll: %+v", got)
	}
	if got := b.poll(app, d); got.Error != "slow_down" {
		t.Errorf("a poll at once: %+v", got)
	}
	b.clock.pass(6 * time.Second)
	if got := b.poll(app, d); got.Error != "slow_down" {
		t.Errorf("after the old interval: %+v", got)
	}
	b.clock.pass(16 * time.Second)
	if got := b.poll(app, d); got.Error != "authorization_pending" {
		t.Errorf("after the new interval: %+v", got)
	}
	page := b.do("GET", "/oauth/device/?user_code="+url.QueryEscape(d.UserCode), nil).Body.String()
	if !strings.Contains(page, "<code>event:write</code>") || !strings.Contains(page, d.UserCode) || !strings.Contains(page, "Roundhouse &lt;dev&gt;") {
		t.Errorf("page = %s", page)
	}
	typed := strings.ToLower(" " + strings.Replace(d.UserCode, "-", " ", 1))
	if w := b.decide(typed, "1002", "approve"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "approved") {
		t.Fatalf("approve: %d %s", w.Code, w.Body)
	}
	got := b.poll(app, d)
	if got.User.ID != "1002" || got.Scope != "event:write org:read" || b.whoami(got.AccessToken) != http.StatusOK {
		t.Errorf("tokens = %+v", got)
	}
	if again := b.poll(app, d); again.Error != "invalid_grant" {
		t.Errorf("a second time: %+v", again)
	}
	if status, next := b.token(app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}); status != http.StatusOK || b.whoami(next.AccessToken) != http.StatusOK {
		t.Errorf("refresh: %d %+v", status, next)
	}
}

func TestDevice_End(t *testing.T) {
	b, app := startOAuth(t)
	denied := b.device(app, "org:read")
	if w := b.decide(denied.UserCode, "1002", "deny"); w.Code != http.StatusOK {
		t.Errorf("deny: %d %s", w.Code, w.Body)
	}
	if w := b.do("GET", "/oauth/device/?user_code="+denied.UserCode, nil); w.Code != http.StatusNotFound {
		t.Errorf("a code that was decided: %d", w.Code)
	}
	if got := b.poll(app, denied); got.Error != "access_denied" || got.AccessToken != "" {
		t.Errorf("denied: %+v", got)
	}
	late := b.device(app, "org:read")
	b.clock.pass(deviceLife)
	if w := b.do("GET", "/oauth/device/?user_code="+late.UserCode, nil); w.Code != http.StatusNotFound {
		t.Errorf("an old code: %d", w.Code)
	}
	if got := b.poll(app, late); got.Error != "expired_token" {
		t.Errorf("expired: %+v", got)
	}
	other, err := b.sb.EnsureApp(t.Context(), "other", callback)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.poll(other, b.device(app, "org:read")); got.Error != "invalid_grant" {
		t.Errorf("another client's code: %+v", got)
	}
}

func TestDevice_Refuses(t *testing.T) {
	b, app := startOAuth(t)
	for _, tt := range []struct {
		reason string
		form   url.Values
		status int
		code   string
	}{
		{"no client", url.Values{}, 401, "invalid_client"},
		{"an unknown client", url.Values{"client_id": {"x"}}, 401, "invalid_client"},
		{"a wrong secret", url.Values{"client_id": {app.ClientID}, "client_secret": {"x"}}, 401, "invalid_client"},
		{"an unknown scope", url.Values{"client_id": {app.ClientID}, "scope": {"org:everything"}}, 400, "invalid_scope"},
	} {
		w := b.form("/oauth/device/code/", tt.form)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.code) {
			t.Errorf("%s: %d %s", tt.reason, w.Code, w.Body)
		}
	}
	if w := b.do("GET", "/oauth/device/", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `name="user_code"`) {
		t.Errorf("page: %d %s", w.Code, w.Body)
	}
	// Another site cannot approve.
	d := b.device(app, "org:read")
	w := b.do("POST", "/oauth/device/?user_code="+d.UserCode, url.Values{"user": {"1001"}, "op": {"approve"}}, "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
	if w.Code != http.StatusForbidden {
		t.Errorf("forged: %d", w.Code)
	}
}

// TestDevice_Guesses: whoever tries codes has to wait, even for the right one.
func TestDevice_Guesses(t *testing.T) {
	b, app := startOAuth(t)
	d := b.device(app, "org:read")
	for i := range guessing.Count {
		if w := b.do("GET", fmt.Sprintf("/oauth/device/?user_code=BBBB-%04d", i), nil); w.Code != http.StatusNotFound {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	if w := b.do("GET", "/oauth/device/?user_code="+d.UserCode, nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("after %d guesses: %d", guessing.Count, w.Code)
	}
	b.clock.pass(time.Minute)
	if w := b.decide(d.UserCode, "1001", "approve"); w.Code != http.StatusOK {
		t.Errorf("a minute later: %d", w.Code)
	}
}

// TestDevice_Crowd: those who ask for many codes have to wait, and what has
// expired keeps nobody waiting.
func TestDevice_Crowd(t *testing.T) {
	b, app := startOAuth(t)
	ask := func(address string) int {
		form := url.Values{"client_id": {app.ClientID}, "scope": {"org:read"}}
		req := httptest.NewRequest("POST", "/oauth/device/code/", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.RemoteAddr = address + ":1"
		return b.send(req).Code
	}
	for i := range asking.Count {
		if code := ask("192.0.2.7"); code != http.StatusOK {
			t.Fatalf("request %d: %d", i, code)
		}
	}
	if crowd, other := ask("192.0.2.7"), ask("192.0.2.8"); crowd != http.StatusBadRequest || other != http.StatusOK {
		t.Errorf("one too many: %d; from elsewhere: %d", crowd, other)
	}
	_, err := b.sb.writer.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) INSERT INTO device_code(hash, user_code, app, scopes, pause, expires)
		SELECT randomblob(32), hex(randomblob(8)), (SELECT min(id) FROM oauth_app), '', 5, ?1 FROM n`,
		seconds(b.clock.now().Add(deviceLife)), maxDevices)
	if err != nil {
		t.Fatal(err)
	}
	if code := ask("192.0.2.9"); code != http.StatusBadRequest {
		t.Errorf("a full house: %d", code)
	}
	b.clock.pass(deviceLife)
	if code := ask("192.0.2.9"); code != http.StatusOK {
		t.Errorf("when all have expired: %d", code)
	}
}
