package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roundhouse/sandbox/payload"
)

const keysPath = "/projects/acme-outdoors/storefront/keys/"

type keyAnswer struct {
	ID, Name, BrowserSdkVersion string
	IsActive                    bool
	DSN                         struct{ Public string }
	DynamicSdkLoaderOptions     map[string]bool
}

// TestKeys_Life: a key is made, changed, used, and turned off.
func TestKeys_Life(t *testing.T) {
	r := start(t, Options{Empty: true}).as(mara, "project:write")
	w := r.api("POST", keysPath, `{"name":" Staging ","rateLimit":null}`)
	if w.Code != http.StatusCreated {
		t.Fatalf("POST = %d %s", w.Code, w.Body)
	}
	var made keyAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
		t.Fatal(err)
	}
	loader := map[string]bool{"hasReplay": true, "hasPerformance": true, "hasDebug": false}
	want := keyAnswer{ID: made.ID, Name: "Staging", BrowserSdkVersion: "latest", IsActive: true, DynamicSdkLoaderOptions: loader}
	want.DSN.Public = "http://" + made.ID + "@sandbox.test/sub/51001"
	if diff := cmp.Diff(want, made); diff != "" || !payload.IsHex(made.ID, 32) {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	send := func() int {
		return r.send(httptest.NewRequest("POST", "/api/51001/envelope/?sentry_key="+made.ID, strings.NewReader(pack("{}", "event", `{"message":"x"}`)))).Code
	}
	if got := send(); got != http.StatusOK {
		t.Errorf("an envelope with the new key: %d", got)
	}
	r.put(keysPath+made.ID+"/", `{"isActive":false,"browserSdkVersion":"9.x","dynamicSdkLoaderOptions":{"hasDebug":true}}`)
	want.IsActive, want.BrowserSdkVersion, loader["hasDebug"] = false, "9.x", true
	var read keyAnswer
	r.get(keysPath+made.ID+"/", &read)
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if got := send(); got != http.StatusForbidden {
		t.Errorf("an envelope with a key that is off: %d", got)
	}
	var all []keyAnswer
	r.get(keysPath, &all)
	if len(all) != 2 || all[0].Name != "Default" || all[1].ID != made.ID {
		t.Errorf("keys = %+v, want the first and the new one", all)
	}
	for range maxProjectKeys - 2 {
		if w := r.api("POST", keysPath, `{}`); w.Code != http.StatusCreated {
			t.Fatalf("POST = %d %s", w.Code, w.Body)
		}
	}
	if w := r.api("POST", keysPath, `{}`); w.Code != http.StatusBadRequest {
		t.Errorf("one key too many: %d %s", w.Code, w.Body)
	}
}

func TestKeys_Refuse(t *testing.T) {
	r := start(t, Options{Empty: true})
	_, own := r.dsn("acme-outdoors", "storefront")
	_, theirs := r.dsn("globex-labs", "collector")
	jon := r.as(jon, "project:write")
	for _, tt := range []struct {
		reason, method, path, body string
		want                       int
	}{
		{"another's organization", "GET", "/projects/globex-labs/collector/keys/", "", 404},
		{"a key for another's organization", "POST", "/projects/globex-labs/collector/keys/", "{}", 404},
		{"another's key", "PUT", keysPath + theirs + "/", `{"isActive":false}`, 404},
		{"a key of another project", "GET", "/projects/acme-outdoors/checkout-api/keys/" + own + "/", "", 404},
		{"no name", "POST", keysPath, `{"name":" "}`, 400},
		{"a long name", "PUT", keysPath + own + "/", `{"name":"` + strings.Repeat("x", maxKeyName+1) + `"}`, 400},
		{"a limit that counts down", "PUT", keysPath + own + "/", `{"rateLimit":{"window":60,"count":-1}}`, 400},
		{"a limit for a year", "PUT", keysPath + own + "/", `{"rateLimit":{"window":31536000,"count":1}}`, 400},
		{"a limit of another kind", "PUT", keysPath + own + "/", `{"rateLimit":"60/h"}`, 400},
		{"options of another kind", "PUT", keysPath + own + "/", `{"dynamicSdkLoaderOptions":{"hasDebug":"yes"}}`, 400},
		{"a name of another kind", "PUT", keysPath + own + "/", `{"name":1}`, 400},
	} {
		if w := jon.api(tt.method, tt.path, tt.body); w.Code != tt.want {
			t.Errorf("%s: %s %s = %d %s, want %d", tt.reason, tt.method, tt.path, w.Code, w.Body, tt.want)
		}
	}
	reader := r.as(mara, "project:read")
	if w := reader.api("POST", keysPath, "{}"); w.Code != http.StatusForbidden {
		t.Errorf("a new key without project:write: %d", w.Code)
	}
	if text := reader.api("GET", keysPath, "").Body.String(); !strings.Contains(text, own) || strings.Contains(text, "secret") {
		t.Errorf("keys = %s", text)
	}
}
