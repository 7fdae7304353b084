package sentry

import (
	"slices"
	"testing"
)

func TestClient_Scopes(t *testing.T) {
	for body, want := range map[string][]string{
		`{"version":"0","auth":{"scopes":["org:read","event:read"]},"user":{"id":"1"}}`: {"org:read", "event:read"},
		`{"version":"0","auth":{"scopes":[]}}`:                                          {},
		`{"version":"0","auth":null,"user":null}`:                                       nil,
		`{"auth":{"scopes":"all"}}`:                                                     nil, // not of a kind that is known
		`{}`:                                                                            nil,
	} {
		c := newTestClient(t, "https://sentry.io", serve(map[string]string{"/api/0/": body}))
		if got, err := c.Scopes(t.Context()); err != nil || !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %#v, %v, want %#v", body, got, err, want)
		}
	}
	older := newTestClient(t, "https://sentry.io", serve(nil))
	if got, err := older.Scopes(t.Context()); err != nil || got != nil {
		t.Errorf("without that endpoint: %v, %v", got, err)
	}
}
