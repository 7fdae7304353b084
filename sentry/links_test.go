package sentry

import (
	"errors"
	"testing"
)

func TestClient_URLs(t *testing.T) {
	saas := newTestClient(t, "https://sentry.io", nil).InRegion("https://us.sentry.io")
	own := newTestClient(t, "http://sentry.lan:9000/errors/", nil)
	tests := []struct{ got, want string }{
		{saas.IssueURL("acme", "SHOP-1"), "https://acme.sentry.io/issues/SHOP-1/"},
		{own.IssueURL("acme", "SHOP-1"), "http://sentry.lan:9000/errors/organizations/acme/issues/SHOP-1/"},
		{own.EventURL("acme", "1", "abc"), "http://sentry.lan:9000/errors/organizations/acme/issues/1/events/abc/"},
		{saas.TraceURL("acme", "abc"), "https://acme.sentry.io/explore/traces/trace/abc/"},
		{own.IssuesURL("acme", IssueSearch{Query: "is:unresolved", ProjectID: "7"}), "http://sentry.lan:9000/errors/organizations/acme/issues/?project=7&query=is%3Aunresolved"},
		{own.EventsURL("acme", EventSearch{Dataset: "logs", Query: "", Fields: []string{"a", "b"}}), "http://sentry.lan:9000/errors/organizations/acme/explore/logs/?field=a&field=b&query="},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestClient_ParseURL(t *testing.T) {
	const saas, own = "https://sentry.io", "http://sentry.lan:9000/errors"
	tests := []struct {
		base, url string
		want      Resource
		err       error
		reason    string
	}{
		{saas, "https://acme.sentry.io/issues/SHOP-1/", Resource{Org: "acme", Type: "issue", ID: "SHOP-1"}, nil, "the organization's own host"},
		{saas, "https://sentry.io/organizations/acme/issues/12/events/abc/?x=1", Resource{Org: "acme", Type: "event", ID: "12", Event: "abc"}, nil, "an event"},
		{saas, "https://us.sentry.io/api/0/organizations/acme/issues/12/", Resource{Org: "acme", Type: "issue", ID: "12"}, nil, "the API of a region"},
		{saas, "https://acme.sentry.io/explore/traces/trace/abc/?node=span-1", Resource{Org: "acme", Type: "trace", ID: "abc"}, nil, "a trace"},
		{saas, "https://acme.sentry.io/performance/trace/abc", Resource{Org: "acme", Type: "trace", ID: "abc"}, nil, "its older address"},
		{saas, "https://acme.sentry.io/replays/abc/", Resource{Org: "acme", Type: "replay", ID: "abc"}, nil, "a replay"},
		{saas, "https://acme.sentry.io/crons/web/nightly/", Resource{Org: "acme", Type: "monitor", ID: "nightly"}, nil, "a monitor"},
		{saas, "https://acme.sentry.io/releases/shop%2Fweb@1.2/", Resource{Org: "acme", Type: "release", ID: "shop/web@1.2"}, nil, "a release with a slash"},
		{saas, "https://evil.example/organizations/acme/issues/1/", Resource{}, ErrForeignURL, "another host"},
		{saas, "https://acme.sentry.io.evil.example/issues/1/", Resource{}, ErrForeignURL, "a prefix of a host"},
		{saas, "https://a.b.sentry.io/issues/1/", Resource{}, ErrForeignURL, "two labels are no organization"},
		{own, "http://sentry.lan:9000/errors/organizations/acme/issues/1/", Resource{Org: "acme", Type: "issue", ID: "1"}, nil, "self-hosted, sub-path"},
		{own, "https://SENTRY.lan:9000/errors/acme/issues/1", Resource{Org: "acme", Type: "issue", ID: "1"}, nil, "a short path, another scheme and case"},
		{own, "http://sentry.lan:9000/errors/issues/1/", Resource{Type: "issue", ID: "1"}, nil, "no organization"},
		{own, "http://sentry.lan:9000/errors/organizations/acme/projects/web/", Resource{Org: "acme", Type: "project", ID: "web"}, nil, "a project"},
		{own, "http://sentry.lan:9000/other/organizations/acme/issues/1/", Resource{}, ErrForeignURL, "outside the sub-path"},
		{own, "http://sentry.lan/errors/organizations/acme/issues/1/", Resource{}, ErrForeignURL, "another port"},
		{own, "http://sentry.lan:9000/errors/organizations/acme/issues/../../x/", Resource{}, ErrUnknownURL, "walks up"},
		{own, "http://sentry.lan:9000/errors/organizations/acme/issues/%2e%2e/", Resource{}, ErrUnknownURL, "walks up, escaped"},
		{own, "http://u:p@sentry.lan:9000/errors/issues/1/", Resource{}, ErrUnknownURL, "credentials"},
		{own, "http://sentry.lan:9000/errors/organizations/acme/", Resource{Org: "acme"}, ErrUnknownURL, "nothing with an id"},
		{own, "SHOP-1", Resource{}, ErrUnknownURL, "no URL"},
		{own, "javascript:alert(1)", Resource{}, ErrUnknownURL, "another scheme"},
	}
	for _, tt := range tests {
		got, err := newTestClient(t, tt.base, nil).ParseURL(tt.url)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseURL(%q) = %+v, %v; want %+v, %v: %s", tt.url, got, err, tt.want, tt.err, tt.reason)
		}
	}
}

func FuzzClient_ParseURL(f *testing.F) {
	f.Add("https://acme.sentry.io/issues/SHOP-1/events/latest/")
	f.Add("https://sentry.io/organizations/acme/issues/%2e%2e/")
	c, err := NewClient(Config{BaseURL: "https://sentry.io", Tokens: StaticToken{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := c.ParseURL(raw)
		if err != nil {
			return
		}
		for _, part := range []string{r.ID, r.Type} {
			if err := checkPart(part); err != nil {
				t.Errorf("ParseURL(%q) = %+v: %v", raw, r, err)
			}
		}
	})
}
