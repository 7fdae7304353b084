package payload

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// JSON encodes an object as json.Marshal does, members in the order of their
// names, but leaves <, > and & as they are. Of what decoding makes it knows all,
// and leaves the rest to json.Marshal.
func JSON(o Object) ([]byte, error) {
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	raw, err := appendJSON((*room)[:0], o)
	if cap(raw) <= maxRoom {
		*room = raw
	}
	return bytes.Clone(raw), err
}

// rooms are for what grows while it is encoded: what is kept is a copy, and no
// larger than it has to be.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

const maxRoom = 256 << 10

func appendJSON(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendText(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case json.Number:
		if isPlain(v) {
			return append(b, v...), nil
		}
	case Object:
		return appendObject(b, v)
	case []any:
		return appendList(b, v)
	}
	raw, err := json.Marshal(v)
	return append(b, raw...), err
}

func appendObject(b []byte, o Object) (_ []byte, err error) {
	if o == nil {
		return append(b, "null"...), nil
	}
	var room [32]string
	names := room[:0]
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		if b, err = appendJSON(b, o[name]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, l []any) (_ []byte, err error) {
	if l == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, v := range l {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c >= ' ' {
			b = append(b, '\\', c)
		} else {
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}
