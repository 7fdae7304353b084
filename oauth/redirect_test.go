package oauth

import (
	"net/url"
	"strings"
	"testing"
)

var goodRedirectURIs = []string{
	"https://claude.ai/api/mcp/auth_callback",
	"https://app.example:8443/cb?tenant=a&b=c",
	"http://localhost:30661/oauth/callback",
	"http://127.0.0.1/callback",
	"http://[::1]:9000/cb",
	"cursor://anysphere.cursor-mcp/oauth/callback",
	"vscode://vscode.github-authentication/did-authenticate",
	"com.example.app:/oauth2redirect",
	"msauth.com.example://auth",
}

var badRedirectURIs = map[string]string{
	"empty":                      "",
	"relative":                   "/callback",
	"without a scheme":           "//evil.example/cb",
	"plain http":                 "http://app.example/cb",
	"http on a private address":  "http://192.168.0.1/cb",
	"http on a loopback's name":  "http://localhost.evil.example/cb",
	"http on another loopback":   "http://127.0.0.2/cb",
	"user information":           "https://user:pass@app.example/cb",
	"user that looks like host":  "https://app.example@evil.example/cb",
	"fragment":                   "https://app.example/cb#x",
	"empty fragment":             "https://app.example/cb#",
	"script":                     "javascript:alert(1)",
	"script with slashes":        "javascript://app.example/%0aalert(1)",
	"script in capitals":         "JavaScript://app.example/%0aalert(1)",
	"data":                       "data:text/html,hi",
	"file":                       "file:///etc/passwd",
	"blob":                       "blob:https://app.example/x",
	"vbscript":                   "vbscript:x",
	"vbscript with slashes":      "vbscript://x/y",
	"websocket":                  "wss://app.example/cb",
	"Windows' diagnostics":       "ms-msdt:/id",
	"Windows' search":            "search-ms:/query",
	"a shell elsewhere":          "ssh://evil.example/",
	"a code behind a semicolon":  "https://app.example/cb?a=b;code=x",
	"no host":                    "https:///cb",
	"opaque":                     "https:app.example",
	"app's scheme alone":         "cursor:",
	"backslash":                  `https://app.example\@evil.example/cb`,
	"space":                      "https://app.example/a b",
	"line break":                 "https://app.example/cb\r\nX: y",
	"tab in the scheme":          "java\tscript://x/y",
	"not ASCII":                  "https://exämple.com/cb",
	"escaped host":               "https://app%2eexample/cb",
	"port that is none":          "https://app.example:x/cb",
	"a code of its own":          "https://app.example/cb?code=x",
	"a state of its own":         "https://app.example/cb?a=b&state=x",
	"an escaped iss of its own":  "https://app.example/cb?%69ss=x",
	"longer than we will repeat": "https://app.example/" + strings.Repeat("x", maxRedirectURI),
}

func TestCheckRedirectURI(t *testing.T) {
	for _, uri := range goodRedirectURIs {
		if err := checkRedirectURI(uri); err != nil {
			t.Errorf("checkRedirectURI(%q) = %v, want nil", uri, err)
		}
	}
	for reason, uri := range badRedirectURIs {
		if err := checkRedirectURI(uri); err == nil {
			t.Errorf("%s: checkRedirectURI(%q) = nil", reason, uri)
		} else if len(uri) > 5 && strings.Contains(err.Error(), uri) {
			t.Errorf("%s: the error repeats the URI: %v", reason, err)
		}
	}
}

func TestRedirectMatches(t *testing.T) {
	const registered = "http://127.0.0.1:7777/cb?a=b"
	tests := []struct {
		reason, registered, requested string
		want                          bool
	}{
		{"the same", registered, registered, true},
		{"another port", registered, "http://127.0.0.1:8888/cb?a=b", true},
		{"no port", registered, "http://127.0.0.1/cb?a=b", true},
		{"IPv6, another port", "http://[::1]/cb", "http://[::1]:1/cb", true},
		{"another loopback host", registered, "http://localhost:7777/cb?a=b", false},
		{"another path", registered, "http://127.0.0.1:7777/cb/?a=b", false},
		{"the path escaped", registered, "http://127.0.0.1:7777/%63b?a=b", false},
		{"another query", registered, "http://127.0.0.1:7777/cb?a=c", false},
		{"no query", registered, "http://127.0.0.1:7777/cb", false},
		{"an empty query", "http://127.0.0.1/cb", "http://127.0.0.1:1/cb?", false},
		{"a fragment", registered, registered + "#x", false},
		{"user information", registered, "http://x@127.0.0.1:7777/cb?a=b", false},
		{"another scheme", registered, "https://127.0.0.1:7777/cb?a=b", false},
		{"another port on https", "https://app.example/cb", "https://app.example:1/cb", false},
		{"another port on an app's scheme", "app://localhost:1/cb", "app://localhost:2/cb", false},
		{"capitals", "https://app.example/cb", "https://APP.example/cb", false},
		{"a prefix", "https://app.example/cb", "https://app.example/cbx", false},
		{"nothing", registered, "", false},
	}
	for _, tt := range tests {
		if got := redirectMatches(tt.registered, tt.requested); got != tt.want {
			t.Errorf("%s: redirectMatches(%q, %q) = %v, want %v", tt.reason, tt.registered, tt.requested, got, tt.want)
		}
	}
}

// Whatever is accepted must go where the consent page says it goes.
func FuzzCheckRedirectURI(f *testing.F) {
	for _, uri := range goodRedirectURIs {
		f.Add(uri)
	}
	for _, uri := range badRedirectURIs {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if checkRedirectURI(uri) != nil {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is accepted but cannot be parsed: %v", uri, err)
		}
		switch {
		case u.User != nil, u.Fragment != "", strings.ContainsAny(uri, "#\\ \r\n\t"):
			t.Errorf("%q is accepted", uri)
		case u.Scheme == "http" && !isLoopback(u.Hostname()):
			t.Errorf("%q is accepted: plain http to %q", uri, u.Hostname())
		case u.Scheme == "javascript" || u.Scheme == "data" || u.Scheme == "vbscript" || u.Scheme == "file" || u.Scheme == "blob":
			t.Errorf("%q is accepted", uri)
		}
		back, err := url.Parse(uri + "?code=c&state=s")
		if strings.Contains(uri, "?") {
			back, err = url.Parse(uri + "&code=c&state=s")
		}
		if err != nil || back.Query().Get("code") != "c" || back.Scheme != u.Scheme || back.Host != u.Host || back.Path != u.Path {
			t.Errorf("%q with a code becomes %v, %v", uri, back, err)
		}
	})
}

func FuzzRedirectMatches(f *testing.F) {
	f.Add("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb")
	f.Add("http://localhost/cb?a", "http://localhost:2/cb?a")
	f.Add("https://app.example/cb", "https://app.example/cb#")
	f.Fuzz(func(t *testing.T, registered, requested string) {
		if checkRedirectURI(registered) != nil || !redirectMatches(registered, requested) {
			return
		}
		if err := checkRedirectURI(requested); err != nil {
			t.Fatalf("%q matches %q, but could not be registered: %v", requested, registered, err)
		}
		a, _ := url.Parse(registered)
		b, _ := url.Parse(requested)
		if a.Scheme != b.Scheme || a.Hostname() != b.Hostname() || a.Path != b.Path || a.RawQuery != b.RawQuery {
			t.Errorf("%q matches %q", requested, registered)
		}
		if a.Host != b.Host && !(a.Scheme == "http" && isLoopback(a.Hostname())) {
			t.Errorf("%q matches %q on another port", requested, registered)
		}
	})
}
