package payload

import (
	"regexp"
	"strings"
	"unicode"
)

// Filtered stands where a secret was.
const Filtered = "[Filtered]"

var (
	// secretParts mark a key wherever they stand in it; secretWords only as a
	// word of it, or "author" and "input_tokens" would be lost.
	secretParts = []string{
		"password", "passwd", "secret", "apikey", "privatekey", "credential", "authorization",
		"accesstoken", "authtoken", "sessionid", "cookie", "csrf", "xsrf",
	}
	secretWords = map[string]bool{"auth": true, "token": true, "session": true, "pwd": true}

	secretInText = regexp.MustCompile(`(?i)\b([\w.-]*(?:password|passwd|secret|api[_-]?key|token|credentials?|session(?:id)?|csrf|auth)=)[^&\s"'<>]+`)
	bearerInText = regexp.MustCompile(`(?i)\b(bearer|authorization:\s*basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	userinfo     = regexp.MustCompile(`://[^/\s@"']+:[^/\s@"']+@`)
)

// namesSecret tells by its name whether the value of a key must not be stored.
func namesSecret(key string) bool {
	joined := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, key)
	for _, part := range secretParts {
		if strings.Contains(joined, part) {
			return true
		}
	}
	for _, word := range words(key) {
		if secretWords[word] {
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
	return bearerInText.ReplaceAllString(s, "${1} "+Filtered)
}
