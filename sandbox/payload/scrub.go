package payload

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Filtered stands where a secret was.
const Filtered = "[Filtered]"

var (
	secrets = secretsByLetter()

	// secretEnds are how a name ends that secretInText looks for.
	secretEnds = strings.Fields("password passwd secret apikey api_key api-key token credential credentials session sessionid csrf auth")

	secretInText = regexp.MustCompile(`(?i)\b([\w.-]*(?:password|passwd|secret|api[_-]?key|token|credentials?|session(?:id)?|csrf|auth)=)[^&\s"'<>]+`)
	bearerInText = regexp.MustCompile(`(?i)\b(bearer|authorization:\s*basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	privateKey   = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)
	userinfo     = regexp.MustCompile(`://[^/\s@"']+:[^/\s@"']+@`)
)

// secretInPair is for what looks like an object, whole or cut off, for settings,
// and for the passwords of SQL. "Unexpected token: }" has no secret, so a name
// that is a word of other things too must have quotes, or an = and a value that
// has some.
var secretInPair = regexp.MustCompile(`(?i)(\\*["'][\w.-]*(?:` + anyName + `)\\*["']\s*[:=]\s*|\b[\w.-]*(?:` + sureName + `)\s*[:=]\s*)(?:` + quoted + `|[^\s,;&"'<>{}()\[\]\\]+)` +
	`|(\b[\w.-]*(?:` + anyName + `)\s*=\s*|\bpassword\s+)(?:` + quoted + ")")

const (
	sureName = `passw(?:or)?d|pwd|secret|(?:api|private|secret|access|stripe)[_-]?key`
	anyName  = sureName + `|token|credentials?|session(?:id)?|csrf|auth|authorization|cookie`
	quoted   = `"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\\+["'][^"'\\]*`
	maxJSON  = 256 << 10 // of a text that is parsed to be scrubbed
)

// pairEnds are how the names of secretInPair end.
var pairEnds = strings.Fields("password passwd pwd secret key token credential credentials session sessionid csrf auth authorization cookie")

// secretName marks a key wherever it stands in it, or only as a word of it, or
// "author" and "input_tokens" would be lost.
type secretName struct {
	text []byte
	word bool
}

// secretsByLetter lists the names by their first letter.
func secretsByLetter() (by [256][]secretName) {
	add := func(names string, word bool) {
		for name := range strings.FieldsSeq(names) {
			by[name[0]] = append(by[name[0]], secretName{[]byte(name), word})
		}
	}
	add("password passwd secret apikey privatekey accesskey stripekey credential authorization accesstoken authtoken sessionid cookie csrf xsrf", false)
	add("auth token session pwd", true)
	return by
}

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
	for i, c := range joined {
		for _, name := range secrets[c] {
			if bytes.HasPrefix(joined[i:], name.text) && (!name.word || slices.Contains(words(key), string(name.text))) {
				return true
			}
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

// ScrubText replaces what looks like a secret inside a text, which may be JSON.
func ScrubText(s string) string {
	if out, ok := scrubJSON(s); ok {
		return out
	}
	return scrubPlain(s)
}

// scrubJSON scrubs an object or a list, and leaves one without secrets as it is
// written.
func scrubJSON(s string) (string, bool) {
	text := strings.TrimSpace(s)
	if len(text) < 2 || len(text) > maxJSON || text[0] != '{' && text[0] != '[' || text[len(text)-1] != text[0]+2 {
		return s, false
	}
	o, err := ParseObject([]byte(`{"in":` + text + "}"))
	if err != nil {
		return s, false
	}
	before, err := json.Marshal(o["in"])
	if err != nil {
		return s, false
	}
	after, err := json.Marshal(Scrub(o["in"]))
	if err == nil && bytes.Equal(before, after) {
		return s, true
	}
	return string(after), err == nil
}

// scrubPlain: the expressions are slow, and few texts can match them.
func scrubPlain(s string) string {
	if givesSecret(s) {
		s = secretInText.ReplaceAllString(s, "${1}"+Filtered)
	}
	if strings.Contains(s, "://") && strings.Contains(s, "@") {
		s = userinfo.ReplaceAllString(s, "://"+Filtered+"@")
	}
	if len(s) >= len("bearer 12345678") && (containsFold(s, "bearer") || containsFold(s, "authorization")) {
		s = bearerInText.ReplaceAllString(s, "${1} "+Filtered)
	}
	if pairsSecret(s) {
		s = secretInPair.ReplaceAllString(s, "${1}${2}"+Filtered)
	}
	if strings.Contains(s, "PRIVATE KEY") {
		s = privateKey.ReplaceAllString(s, Filtered)
	}
	return s
}

// pairsSecret tells whether secretInPair can match: whether one of its names
// stands before a sign or a quote. Two letters beyond ASCII are others in lower
// case.
func pairsSecret(s string) bool {
	end := 0 // of what is neither space nor quote
	for i := range len(s) {
		switch s[i] {
		case ':', '=', '"', '\'':
			for _, name := range pairEnds {
				if end >= len(name) && strings.EqualFold(s[end-len(name):end], name) {
					return true
				}
			}
			if s[i] == ':' || s[i] == '=' {
				end = i + 1
			}
		case ' ', '\t', '\n', '\f', '\r', '\\':
		default:
			end = i + 1
		}
	}
	return strings.Contains(s, "\u017f") || strings.Contains(s, "\u212a")
}

// givesSecret tells whether secretInText can match. Letters beyond ASCII may be
// others in lower case, so it must look at these.
func givesSecret(s string) bool {
	for i := strings.IndexByte(s, '='); i >= 0 && i < len(s); i++ {
		if s[i] != '=' {
			continue
		}
		for _, end := range secretEnds {
			if i >= len(end) && strings.EqualFold(s[i-len(end):i], end) {
				return true
			}
		}
	}
	return strings.Contains(s, "=") && !isASCII(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
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
