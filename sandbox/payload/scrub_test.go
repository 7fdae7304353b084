package payload

import (
	"strings"
	"testing"
)

// byExpressions is what scrubPlain means.
func byExpressions(s string) string {
	s = secretInText.ReplaceAllString(s, "${1}"+Filtered)
	s = userinfo.ReplaceAllString(s, "://"+Filtered+"@")
	s = bearerInText.ReplaceAllString(s, "${1} "+Filtered)
	s = secretInPair.ReplaceAllString(s, "${1}${2}"+Filtered)
	return privateKey.ReplaceAllString(s, Filtered)
}

var scrubbed = []string{
	"", "=", "token=x", "my.api-key=x&b=c", "API_KEY=x apikey=y", "a=b; Session=1", "sessionid=1 csrf=", "to ken=x", "pa\u017f\u017fword=hunter2", "to\u212Aen=hunter2", "é token=1",
	"postgres://u:p@h/d", "https://h/?a=b@c", "bearer 12345678", "Bearer 1234567", "x BEARER abcdefgh", "Authorization: Basic dTpwYXNz", "basic 12345678", "authorization:ba\u017fic 12345678", "credentials=a,auth=b", "password: x", `{'password': 'x'`, `\"token\" :\n\"x\"`, `PASSWORD  'x'`, "pa\u017fswd : x", `"to\u212aen":1`, "auth = 'x'", "password\v:x", "\xff token=\xff",
}

// TestScrubText: no text that the expressions match is passed over.
func TestScrubText(t *testing.T) {
	for _, s := range scrubbed {
		if got, want := scrubPlain(s), byExpressions(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	for _, name := range strings.Fields("password passwd secret apikey api_key api-key token credential credentials session sessionid csrf auth") {
		for _, s := range []string{name + "=hunter2", strings.ToUpper("x." + name + "=hunter2"), "ß " + name + "=hunter2"} {
			if got := ScrubText(s); !strings.HasSuffix(got, "="+Filtered) {
				t.Errorf("%q: %q", s, got)
			}
		}
	}
}

func FuzzScrubText(f *testing.F) {
	for _, s := range scrubbed {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := scrubPlain(s), byExpressions(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	})
}

func TestScrubText_Structured(t *testing.T) {
	for _, s := range []string{
		`{"password":"hunter2"}`, ` [{"a":{"apiKey":"hunter2"}}] `, `{"body":"{\"password\":\"hunter2\"}"}`, `{"pass\u0077ord":"hunter2"}`,
		`{'password': 'hunter2', 'a': 1}`, `{"password":"it's \"hunter2"`, `{\"token\":\"hunter2\"`, `"Authorization": "Basic hunter2"`, `{"pwd": hunter2}`,
		"password: hunter2", "api_key : hunter2", "token='hunter2'", `secret = "hunter2"`, "CREATE USER app PASSWORD 'hunter2'", `ALTER ROLE app WITH password "hunter2"`,
		"-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nhunter2", "stripe_key: hunter2",
	} {
		got := ScrubText(s)
		if strings.Contains(got, "hunter2") || !strings.Contains(got, Filtered) {
			t.Errorf("%s is stored as %s", s, got)
		}
		if again := ScrubText(got); again != got {
			t.Errorf("%s is %s, and then %s", s, got, again)
		}
	}
	if got := Scrub(Object{"stripe_key": "hunter2"}).(Object)["stripe_key"]; got != Filtered {
		t.Errorf("stripe_key is stored as %v", got)
	}
	for _, s := range []string{
		`{ "b": 1.0, "a": "<é>", "author": "ann", "has_token": true }`, "[1, 2]", "[", "{}", "SyntaxError: Unexpected token: '}'", "session: 12", "token: expected EOF", "the password 12 is wrong",
		"author = 'ann'", "auth: no", `{"input_tokens": 12`, "key: value", "-----BEGIN PUBLIC KEY-----", "forgot password?", "where is 'x'",
	} {
		if got := ScrubText(s); got != s {
			t.Errorf("%s is stored as %s", s, got)
		}
	}
}
