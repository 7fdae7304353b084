package oauth_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roundhouse/oauth"
	"roundhouse/oauth/cimd"
)

const describedID = "https://example.com/client.json"

// describedWorld has a client whose document is at describedID.
type describedWorld struct {
	*world
	document atomic.Value // string
	down     atomic.Bool
	fetches  atomic.Int32
}

func newDescribedWorld(t *testing.T, limits oauth.Limits) *describedWorld {
	w := &describedWorld{world: newWorld(t)}
	w.document.Store(`{"client_id":"` + describedID + `","client_name":"Editor","redirect_uris":["` + redirectURI + `","https://app.example/cb"],
		"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}`)
	web := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.fetches.Add(1)
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "max-age=60")
		io.WriteString(rw, strings.ReplaceAll(w.document.Load().(string), "PATH", r.URL.Path))
	}))
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	cfg := w.Config(w.Store)
	cfg.Limits = limits
	cfg.Documents = cimd.NewFetcher(cimd.Config{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			if w.down.Load() {
				return nil, errors.New("secret-network is down")
			}
			return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
		},
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", web.Listener.Addr().String())
		},
		Roots: roots,
		Now:   w.Clock.Now,
	})
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, s)
	w.Server, w.web.Config.Handler = s, s
	w.ClientID = describedID
	return w
}

func (w *describedWorld) wantPage(what string, q url.Values, status int, want string) {
	w.Helper()
	resp, page := w.Open(q)
	if resp.StatusCode != status || !strings.Contains(page, want) || strings.Contains(page, "secret-network") || resp.Header.Get("Location") != "" {
		w.Errorf("%s: status %d, Location %q, want %d and %q in\n%s", what, resp.StatusCode, resp.Header.Get("Location"), status, want, page)
	}
}

func TestServer_describedClient(t *testing.T) {
	w := newDescribedWorld(t, oauth.Limits{})
	for server, want := range map[*oauth.Server]bool{w.Server: true, w.servers[0]: false} {
		rec := httptest.NewRecorder()
		server.ServeHTTP(rec, httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil))
		if got := strings.Contains(rec.Body.String(), `"client_id_metadata_document_supported":true`); got != want {
			t.Errorf("documents supported: %v, want %v, in %s", got, want, rec.Body)
		}
	}
	resp, page := w.Open(w.Request())
	if resp.StatusCode != http.StatusOK || !strings.Contains(page, "<dd>example.com</dd>") {
		t.Fatalf("status %d, want a consent page that names the document's host:\n%s", resp.StatusCode, page)
	}
	tk := w.Exchange(w.CodeForm(w.Code(w.Request("redirect_uri", "http://127.0.0.1:1/callback"), "inspect"), "redirect_uri", "http://127.0.0.1:1/callback"))
	if grant := w.Grant(tk); grant.ClientID != describedID || grant.ClientName != "Editor" {
		t.Errorf("grant for %q, %q", grant.ClientID, grant.ClientName)
	}
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want one", n)
	}

	// A sign-in outlives the site, and even the document.
	w.down.Store(true)
	w.Clock.Advance(48 * time.Hour)
	if _, err := w.Store.Purge(t.Context(), w.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.Exchange(w.RefreshForm(tk.Refresh))
	w.wantPage("a new sign-in, with the site down", w.Request(), http.StatusBadRequest, "cannot be fetched")
}

func TestServer_describedClient_followsItsDocument(t *testing.T) {
	w := newDescribedWorld(t, oauth.Limits{})
	w.SignIn("inspect")
	w.document.Store(strings.Replace(w.document.Load().(string), redirectURI, "https://app.example/new", 1))
	w.Clock.Advance(time.Minute)
	w.wantPage("a redirect URI that the document no longer has", w.Request(), http.StatusBadRequest, "did not register")
	if resp, _ := w.Open(w.Request("redirect_uri", "https://app.example/new")); resp.StatusCode != http.StatusOK {
		t.Errorf("the new one: status %d", resp.StatusCode)
	}
}

func TestServer_describedClient_refuses(t *testing.T) {
	good := `{"client_id":"` + describedID + `","client_name":"Editor","redirect_uris":["` + redirectURI + `"]}`
	for reason, tt := range map[string]struct{ document, want string }{
		"a secret by Basic":      {strings.Replace(good, `{`, `{"token_endpoint_auth_method":"client_secret_basic",`, 1), "auth_method"},
		"a secret in the form":   {strings.Replace(good, `{`, `{"token_endpoint_auth_method":"client_secret_post",`, 1), "auth_method"},
		"a key":                  {strings.Replace(good, `{`, `{"token_endpoint_auth_method":"private_key_jwt",`, 1), "auth_method"},
		"no name":                {strings.Replace(good, "Editor", "", 1), "client_name"},
		"no redirect URI":        {strings.Replace(good, `"`+redirectURI+`"`, "", 1), "redirect_uris"},
		"plain http":             {strings.Replace(good, redirectURI, "http://app.example/cb", 1), "redirect_uris"},
		"a script":               {strings.Replace(good, redirectURI, "javascript:alert(1)", 1), "redirect_uris"},
		"no code grant":          {strings.Replace(good, `{`, `{"grant_types":["client_credentials"],`, 1), "grant_types"},
		"markup within its name": {strings.Replace(good, "Editor", `<script>x</script>`, 1), "&lt;script&gt;"},
		"another client's id":    {strings.Replace(good, "client.json", "other.json", 1), "another client_id"},
		"what is no JSON":        {"<html>", "JSON object"},
		"a redirect of its own":  {strings.Replace(good, redirectURI, "https://evil.example/cb", 1), "did not register"},
	} {
		t.Run(reason, func(t *testing.T) {
			w := newDescribedWorld(t, oauth.Limits{})
			w.document.Store(tt.document)
			status := http.StatusBadRequest
			if strings.HasPrefix(tt.want, "&lt;") {
				status = http.StatusOK
			}
			w.wantPage(reason, w.Request(), status, tt.want)
		})
	}
}

func TestServer_describedClient_hasNoSecret(t *testing.T) {
	w := newDescribedWorld(t, oauth.Limits{})
	tk := w.SignIn("inspect")
	w.Refused("with a secret", w.RefreshForm(tk.Refresh, "client_secret", "x"), "invalid_client")
	w.Refused("another document's client", w.RefreshForm(tk.Refresh, "client_id", "https://example.com/other.json"), "invalid_client")
	w.Refused("a URL that leads inward", w.RefreshForm(tk.Refresh, "client_id", "https://127.0.0.1/c"), "invalid_client")
	w.Exchange(w.RefreshForm(tk.Refresh))
}

// Whoever names one URL after the other has this machine connect to only so
// many.
func TestServer_describedClient_isLimited(t *testing.T) {
	w := newDescribedWorld(t, oauth.Limits{Document: oauth.Limit{PerMinute: 1, Burst: 3}})
	w.document.Store(`{"client_id":"https://example.comPATH","client_name":"Editor","redirect_uris":["` + redirectURI + `"]}`)
	for _, path := range []string{"/1", "/2", "/3"} {
		if resp, page := w.Open(w.Request("client_id", "https://example.com"+path)); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d: %s", path, resp.StatusCode, page)
		}
	}
	w.wantPage("a fourth", w.Request("client_id", "https://example.com/4"), http.StatusTooManyRequests, "Too many")
	if resp, _ := w.Open(w.Request("client_id", "https://example.com/1")); resp.StatusCode != http.StatusOK {
		t.Errorf("one that is cached: status %d", resp.StatusCode)
	}
	w.wantPage("a redirect URI that nobody could register", w.Request("client_id", "https://example.com/5", "redirect_uri", "javascript:x"), http.StatusBadRequest, "did not register")
	if n := w.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want three", n)
	}
}

func TestServer_describedClient_off(t *testing.T) {
	w := newWorld(t)
	w.ClientID = describedID
	if resp, page := w.Open(w.Request()); resp.StatusCode != http.StatusBadRequest || !strings.Contains(page, "not registered here") {
		t.Errorf("status %d:\n%s", resp.StatusCode, page)
	}
	w.Refused("token", w.RefreshForm("rh_rt_x"), "invalid_client")
}

// Turning documents off ends sign-ins of what one has described before, too. Who
// is signed in stays so.
func TestServer_describedClient_turnedOff(t *testing.T) {
	w := newDescribedWorld(t, oauth.Limits{})
	tk := w.SignIn("inspect")
	cfg := w.Config(w.Store)
	s, err := oauth.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.servers = append(w.servers, s)
	w.Server, w.web.Config.Handler = s, s
	w.wantPage("a known document, with documents off", w.Request(), http.StatusBadRequest, "not registered here")
	w.Exchange(w.RefreshForm(tk.Refresh))
}
