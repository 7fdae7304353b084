package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// decoder reads JSON as encoding/json does into an Object, at a third of its
// cost. It knows the common forms only: what it is not sure of, and whatever is
// wrong, is left to encoding/json, which then also says what is wrong.
type decoder struct {
	raw  []byte
	at   int
	ok   bool // so far
	keys map[string]string
}

// decodeObject reads an object and nothing after it; false says nothing.
func decodeObject(raw []byte) (Object, bool) {
	d := decoder{raw: raw, ok: true, keys: map[string]string{}}
	if d.next() != '{' {
		return nil, false
	}
	o := d.object(1)
	return o, d.next() == 0 && d.at == len(raw) && d.ok
}

// next is the next byte that means something, 0 at the end.
func (d *decoder) next() byte {
	for ; d.at < len(d.raw); d.at++ {
		switch c := d.raw[d.at]; c {
		case ' ', '\n', '\t', '\r':
		default:
			return c
		}
	}
	return 0
}

// take moves beyond the next byte, which has to be c.
func (d *decoder) take(c byte) {
	if d.next() != c || c == 0 {
		d.ok = false
	}
	d.at++
}

func (d *decoder) value(depth int) any {
	if depth > maxDepth {
		d.ok = false
	}
	if !d.ok {
		return nil
	}
	switch c := d.next(); c {
	case '{':
		return d.object(depth + 1)
	case '[':
		return d.list(depth + 1)
	case '"':
		return string(d.text())
	case 't':
		return d.word("true", true)
	case 'f':
		return d.word("false", false)
	case 'n':
		return d.word("null", nil)
	}
	return d.number()
}

func (d *decoder) object(depth int) Object {
	o := Object{}
	d.take('{')
	for more := d.next() != '}'; more && d.ok; more = d.more() {
		d.next()
		key := d.key()
		d.take(':')
		o[key] = d.value(depth)
	}
	d.take('}')
	return o
}

func (d *decoder) list(depth int) []any {
	l := []any{}
	d.take('[')
	for more := d.next() != ']'; more && d.ok; more = d.more() {
		l = append(l, d.value(depth))
	}
	d.take(']')
	return l
}

// more moves beyond a comma, if there is one.
func (d *decoder) more() bool {
	if d.next() != ',' {
		return false
	}
	d.at++
	return true
}

// key is the text of a member's name. The same few come again and again.
func (d *decoder) key() string {
	raw := d.text()
	key, ok := d.keys[string(raw)]
	if !ok {
		key = string(raw)
		d.keys[key] = key
	}
	return key
}

// text is what stands between the quotes, valid until the input is changed.
func (d *decoder) text() []byte {
	if d.at == len(d.raw) || d.raw[d.at] != '"' {
		d.ok = false
		return nil
	}
	start, escaped, wide := d.at+1, false, false
	for i := start; i < len(d.raw); i++ {
		switch c := d.raw[i]; {
		case c == '"':
			d.at = i + 1
			text := d.raw[start:i]
			if wide && !utf8.Valid(text) {
				return d.unquote(d.raw[start-1 : i+1])
			}
			if escaped {
				return d.unescape(text)
			}
			return text
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			d.ok = false
			return nil
		case c >= utf8.RuneSelf:
			wide = true
		}
	}
	d.ok = false
	return nil
}

// simple are the escapes of one letter.
var simple = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (d *decoder) unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			if c = simple[text[i]]; c == 0 { // \u0041
				return d.unquote(slices.Concat([]byte(`"`), text, []byte(`"`)))
			}
		}
		out = append(out, c)
	}
	return out
}

func (d *decoder) unquote(quoted []byte) []byte {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		d.ok = false
	}
	return []byte(s)
}

func (d *decoder) word(word string, v any) any {
	if !bytes.HasPrefix(d.raw[d.at:], []byte(word)) {
		d.ok = false
		return nil
	}
	d.at += len(word)
	return v
}

func (d *decoder) number() any {
	start := d.at
	for d.at < len(d.raw) && strings.IndexByte("0123456789+-.eE", d.raw[d.at]) >= 0 {
		d.at++
	}
	n := json.Number(d.raw[start:d.at])
	if !isPlain(n) && !json.Valid(d.raw[start:d.at]) {
		d.ok = false
	}
	return n
}

// isPlain tells a number that needs no look at its grammar.
func isPlain(n json.Number) bool {
	for i := range len(n) {
		if n[i] < '0' || n[i] > '9' {
			return false
		}
	}
	return len(n) > 0 && (n[0] != '0' || len(n) == 1)
}
