package payload

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Filtered stands where a secret was.
const Filtered = "[Filtered]"

var (
	// secretParts mark a key wherever they stand in it; secretWords only as a
	// word of it, or "author" and "input_tokens" would be lost.
	secretParts = bytes.Fields([]byte("password passwd secret apikey privatekey credential authorization accesstoken authtoken sessionid cookie csrf xsrf"))
	secretWords = []string{"auth", "token", "session", "pwd"}

	secretInText = regexp.MustCompile(`(?i)\b([\w.-]*(?:password|passwd|secret|api[_-]?key|token|credentials?|session(?:id)?|csrf|auth)=)[^&\s"'<>]+`)
	bearerInText = regexp.MustCompile(`(?i)\b(bearer|authorization:\s*basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	userinfo     = regexp.MustCompile(`://[^/\s@"']+:[^/\s@"']+@`)
)

// namesSecret tells by its name whether the value of a key must not be stored.
// It is asked for every key of everything that comes in, so the common answer,
// no, is found without making words.
func namesSecret(key string) bool {
	var room [64]byte
	joined := room[:0]
	for _, r := range key {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			joined = utf8.AppendRune(joined, unicode.ToLower(r))
		}
	}
	for _, part := range secretParts {
		if bytes.Contains(joined, part) {
			return true
		}
	}
	for _, word := range secretWords {
		if bytes.Contains(joined, []byte(word)) && slices.Contains(words(key), word) {
			return true
		}
	}
	return false
}

// words splits snake_case, dotted, dashed and camelCase keys, lower-cased.
func words(key string) []string {
	var b strings.Builder
	lower := false
	for _, r := range key {
		if lower && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			r = ' '
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Fields(b.String())
}

// Scrub returns v without the secrets in it: values whose key names one, and
// what looks like one inside a text. Objects and lists are changed in place.
func Scrub(v any) any {
	switch v := v.(type) {
	case string:
		return ScrubText(v)
	case Object:
		scrubObject(v)
	case []any:
		if len(v) == 2 { // a header or a query parameter as a pair
			if name, ok := v[0].(string); ok && namesSecret(name) {
				v[1] = filter(v[1])
				return v
			}
		}
		for i := range v {
			v[i] = Scrub(v[i])
		}
	}
	return v
}

func scrubObject(o Object) {
	named, _ := o["key"].(string) // {"key": "token", "value": "…"}
	for key, value := range o {
		if namesSecret(key) || key == "value" && namesSecret(named) {
			o[key] = filter(value)
			continue
		}
		o[key] = Scrub(value)
	}
}

// filter keeps what cannot be a secret, so that "there was none" stays visible.
func filter(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case string:
		if v == "" {
			return v
		}
	}
	return Filtered
}

// ScrubText replaces what looks like a secret inside a text.
func ScrubText(s string) string {
	if strings.Contains(s, "=") {
		s = secretInText.ReplaceAllString(s, "${1}"+Filtered)
	}
	if strings.Contains(s, "://") {
		s = userinfo.ReplaceAllString(s, "://"+Filtered+"@")
	}
	if containsFold(s, "bearer") || containsFold(s, "basic") {
		s = bearerInText.ReplaceAllString(s, "${1} "+Filtered)
	}
	return s
}

// containsFold looks for a word in lower case, in any case.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if s[i]|0x20 == word[0] && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
