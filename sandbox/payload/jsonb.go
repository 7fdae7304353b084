package payload

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Kinds of elements in SQLite's binary JSON. Its documentation promises that the
// format stays: https://sqlite.org/jsonb.html
const (
	jsonbNull    = 0
	jsonbTrue    = 1
	jsonbFalse   = 2
	jsonbInt     = 3
	jsonbFloat   = 5
	jsonbTextRaw = 10 // not escaped
	jsonbArray   = 11
	jsonbObject  = 12
)

// JSONB encodes attributes as SQLite's binary JSON, sorted by key. A search reads
// a few attributes of each of very many rows: in this form it skips from one key
// to the next, and as text it would have to parse them all.
func (a Attrs) JSONB() []byte {
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	body := (*room)[:0]
	for _, key := range SortedKeys(Object(a)) {
		body = appendJSONBText(body, key)
		body = appendJSONBValue(body, a[key])
	}
	if cap(body) <= maxRoom {
		*room = body
	}
	return append(appendJSONBHeader(make([]byte, 0, len(body)+5), jsonbObject, len(body)), body...)
}

func appendJSONBValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendJSONBText(b, v)
	case bool:
		if v {
			return append(b, jsonbTrue)
		}
		return append(b, jsonbFalse)
	case int64:
		return appendJSONB(b, jsonbInt, strconv.FormatInt(v, 10))
	case float64:
		return appendJSONBNumber(b, strconv.FormatFloat(v, 'g', -1, 64))
	case json.Number:
		return appendJSONBNumber(b, v.String())
	case []any:
		var list []byte
		for _, e := range v {
			list = appendJSONBValue(list, e)
		}
		return append(appendJSONBHeader(b, jsonbArray, len(list)), list...)
	}
	return append(b, jsonbNull)
}

func appendJSONBNumber(b []byte, text string) []byte {
	if strings.ContainsAny(text, ".eE") {
		return appendJSONB(b, jsonbFloat, text)
	}
	return appendJSONB(b, jsonbInt, text)
}

func appendJSONBText(b []byte, s string) []byte {
	return appendJSONB(b, jsonbTextRaw, strings.ToValidUTF8(s, "\uFFFD"))
}

func appendJSONB(b []byte, kind byte, content string) []byte {
	return append(appendJSONBHeader(b, kind, len(content)), content...)
}

// appendJSONBHeader puts kind and size into as few bytes as they need.
func appendJSONBHeader(b []byte, kind byte, size int) []byte {
	switch {
	case size <= 11:
		return append(b, byte(size)<<4|kind)
	case size <= math.MaxUint8:
		return append(b, 12<<4|kind, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, 13<<4|kind), uint16(size))
	}
	return binary.BigEndian.AppendUint32(append(b, 14<<4|kind), uint32(size))
}
