package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// An address makes an administrator only of whom Sentry knows it to be.
func TestIsAdmin_byEmail(t *testing.T) {
	var answer string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(answer))
	}))
	defer web.Close()
	cfg := &config{SentryURL: web.URL, AdminEmails: "mike@example.com, Ann@example.com"}
	admins, err := cfg.administrators()
	if err != nil {
		t.Fatal(err)
	}
	b, err := openSentry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{backend: b, admins: admins}
	for reason, tt := range map[string]struct {
		answer string
		want   bool
	}{
		"as it is written":          {`{"id":"1","email":"mike@example.com"}`, true},
		"in other letters":          {`{"id":"1","email":"ANN@Example.com"}`, true},
		"verified":                  {`{"id":"1","email":"mike@example.com","emails":[{"email":"x@example.com","is_verified":false},{"email":"mike@example.com","is_verified":true}]}`, true},
		"not verified":              {`{"id":"1","email":"mike@example.com","emails":[{"email":"mike@example.com","is_verified":false}]}`, false},
		"another of theirs":         {`{"id":"1","email":"x@example.com","emails":[{"email":"mike@example.com","is_verified":true}]}`, false},
		"the sign for Kelvin":       {`{"id":"1","email":"miKe@example.com"}`, false},
		"somebody else's":           {`{"id":"1","email":"mike@example.com.evil.example"}`, false},
		"none":                      {`{"id":"1"}`, false},
		"two with a comma in them":  {`{"id":"1","email":"mike@example.com, ann@example.com"}`, false},
		"nested, as older ones are": {`{"user":{"id":"1","email":"mike@example.com","emails":[{"email":"mike@example.com","is_verified":false}]}}`, false},
	} {
		answer = tt.answer
		user, err := p.identify(t.Context(), "token")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.isAdmin(t.Context(), user, "token"); got != tt.want || err != nil {
			t.Errorf("%s: administrator: %v, %v, want %v", reason, got, err, tt.want)
		}
	}
}
