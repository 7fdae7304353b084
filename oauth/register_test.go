package oauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What mcp-remote sent on the wire.
const nativeRegistration = `{"redirect_uris":["http://localhost:30661/oauth/callback"],"token_endpoint_auth_method":"none",
	"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"client_name":"MCP CLI Proxy",
	"client_uri":"https://github.com/modelcontextprotocol/mcp-cli","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
	"software_version":"0.15.1","scope":"mcp:read","application_type":"native"}`

func TestServer_register(t *testing.T) {
	w := newWorld(t)
	status, header, body := w.post("/oauth/register", "application/json", nativeRegistration, nil)
	if status != http.StatusCreated || header.Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, Cache-Control %q: %s", status, header.Get("Cache-Control"), body)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"client_id": got["client_id"], "client_id_issued_at": float64(w.Clock.Now().Unix()), "client_name": "MCP CLI Proxy",
		"redirect_uris": []any{"http://localhost:30661/oauth/callback"}, "token_endpoint_auth_method": "none",
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "application_type": "native",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestServer_register_defaults(t *testing.T) {
	w := newWorld(t)
	_, _, body := w.post("/oauth/register", "application/json", `{"redirect_uris":["https://a.example/cb"],
		"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:jwt-bearer"]}`, nil)
	var got struct {
		Method  string   `json:"token_endpoint_auth_method"`
		Secret  string   `json:"client_secret"`
		Expires *int     `json:"client_secret_expires_at"`
		Grants  []string `json:"grant_types"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "client_secret_basic" || !strings.HasPrefix(got.Secret, "rh_cs_") || got.Expires == nil || *got.Expires != 0 {
		t.Errorf("answer %s, want a client with a secret that does not expire", body)
	}
	if want := []string{"authorization_code", "refresh_token"}; !cmp.Equal(got.Grants, want) {
		t.Errorf("grant types %v, want %v: those that exist here", got.Grants, want)
	}
}

func TestServer_register_refuses(t *testing.T) {
	w := newWorld(t)
	uris := func(n int) string {
		return `["` + strings.Repeat(`https://a.example/cb","`, n-1) + `https://a.example/cb"]`
	}
	tests := []struct{ reason, body, want string }{
		{"not JSON", `redirect_uris=x`, "invalid_client_metadata"},
		{"no object", `[]`, "invalid_client_metadata"},
		{"too large", `{"redirect_uris":["https://a.example/cb"],"x":"` + strings.Repeat("x", 20_000) + `"}`, "invalid_client_metadata"},
		{"no redirect URI", `{}`, "invalid_redirect_uri"},
		{"an empty list", `{"redirect_uris":[]}`, "invalid_redirect_uri"},
		{"eleven URIs", `{"redirect_uris":` + uris(11) + `}`, "invalid_redirect_uri"},
		{"one bad URI of two", `{"redirect_uris":["https://a.example/cb","javascript:alert(1)"]}`, "invalid_redirect_uri"},
		{"an unknown method", `{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"},
		{"no code grant", `{"redirect_uris":["https://a.example/cb"],"grant_types":["client_credentials"]}`, "invalid_client_metadata"},
		{"no code response", `{"redirect_uris":["https://a.example/cb"],"response_types":["token"]}`, "invalid_client_metadata"},
		{"a long name", `{"redirect_uris":["https://a.example/cb"],"client_name":"` + strings.Repeat("n", 121) + `"}`, "invalid_client_metadata"},
		{"a strange type", `{"redirect_uris":["https://a.example/cb"],"application_type":"toaster"}`, "invalid_client_metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			status, _, body := w.post("/oauth/register", "application/json", tt.body, nil)
			if status != http.StatusBadRequest || !strings.Contains(body, `"error":"`+tt.want+`"`) {
				t.Errorf("status %d: %s, want 400 %s", status, body, tt.want)
			}
		})
	}
	if got := w.Register(`{"redirect_uris":` + uris(10) + `}`); got.ID == "" {
		t.Error("ten URIs are refused")
	}
}

func TestServer_register_outlivesItsGrants(t *testing.T) {
	w := newWorld(t)
	grant := w.Grant(w.SignIn("inspect")).ID
	w.Clock.Advance(180*24*time.Hour - time.Second)
	if err := w.Store.Revoke(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Purge(t.Context(), w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.SignIn("inspect") // with the same client, though it held no grant
}

func TestServer_register_expires(t *testing.T) {
	w := newWorld(t)
	w.Clock.Advance(24*time.Hour - time.Second)
	purged := func() *http.Response {
		if _, err := w.Store.Purge(t.Context(), w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		resp, _ := w.Open(w.Request())
		return resp
	}
	if resp := purged(); resp.StatusCode != http.StatusOK {
		t.Errorf("a client that nobody let in, within a day: status %d, want 200", resp.StatusCode)
	}
	w.Clock.Advance(2 * time.Second)
	if resp := purged(); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a client that nobody let in, after a day: status %d, want 400", resp.StatusCode)
	}
}

// A flood of registrations crowds out clients. It must not break the sign-ins
// that have begun, nor reach the clients that users have let in.
func TestServer_register_flood(t *testing.T) {
	w := newWorld(t)
	flood := func() {
		t.Helper()
		execute(t, w.Path, `DELETE FROM clients WHERE NOT EXISTS (SELECT 1 FROM grants WHERE client_id = clients.id)`)
	}
	_, page := w.Open(w.Request())
	flood()
	resp, _ := w.Answer(page, "approve", "inspect")
	tk := w.Exchange(w.CodeForm(location(t, resp).Query().Get("code")))
	if err := w.Store.Revoke(t.Context(), w.Grant(tk).ID); err != nil {
		t.Fatal(err)
	}

	callback := stopBeforeCallback(w)
	flood()
	w.Exchange(w.CodeForm(location(t, get(w, w.Browser, callback)).Query().Get("code")))

	letIn, err := w.Store.Client(t.Context(), w.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Advance(100 * 24 * time.Hour)
	fresh, err := w.Store.Client(t.Context(), w.Register(nativeRegistration).ID)
	if err != nil {
		t.Fatal(err)
	}
	if !fresh.Expires.Before(letIn.Expires) {
		t.Errorf("a fresh client expires %v, after one that a user let in, %v", fresh.Expires, letIn.Expires)
	}
}
