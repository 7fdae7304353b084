package payload

import (
	"strings"
	"testing"
)

// byExpressions is what ScrubText means.
func byExpressions(s string) string {
	s = secretInText.ReplaceAllString(s, "${1}"+Filtered)
	s = userinfo.ReplaceAllString(s, "://"+Filtered+"@")
	return bearerInText.ReplaceAllString(s, "${1} "+Filtered)
}

var scrubbed = []string{
	"", "=", "token=x", "my.api-key=x&b=c", "API_KEY=x apikey=y", "a=b; Session=1", "sessionid=1 csrf=", "to ken=x", "pa\u017f\u017fword=hunter2", "to\u212Aen=hunter2", "é token=1",
	"postgres://u:p@h/d", "https://h/?a=b@c", "bearer 12345678", "Bearer 1234567", "x BEARER abcdefgh", "Authorization: Basic dTpwYXNz", "basic 12345678", "authorization:ba\u017fic 12345678", "credentials=a,auth=b", "\xff token=\xff",
}

// TestScrubText: no text that the expressions match is passed over.
func TestScrubText(t *testing.T) {
	for _, s := range scrubbed {
		if got, want := ScrubText(s), byExpressions(s); got != want {
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
		if got, want := ScrubText(s), byExpressions(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	})
}
