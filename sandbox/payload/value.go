package payload

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Object is a JSON object. Numbers in it are json.Number, so that a long id
// keeps all its digits.
type Object = map[string]any

// Payloads come from many SDKs, and no member of them is sure to have the type
// it should. These readers return the zero value for what does not fit.

// Text reads a string, or a number or boolean as one.
func Text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// Number reads a finite number, also one that was sent as text.
func Number(v any) (float64, bool) {
	var f float64
	var err error
	switch v := v.(type) {
	case json.Number:
		f, err = v.Float64()
	case float64:
		f = v
	case string:
		f, err = strconv.ParseFloat(v, 64)
	default:
		return 0, false
	}
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// AsObject is nil for what is no object.
func AsObject(v any) Object {
	o, _ := v.(Object)
	return o
}

// At follows a path of members.
func At(o Object, path ...string) any {
	for _, name := range path[:len(path)-1] {
		o = AsObject(o[name])
	}
	return o[path[len(path)-1]]
}

// TextAt is Text of At.
func TextAt(o Object, path ...string) string { return Text(At(o, path...)) }

// Objects reads a list that may come bare or wrapped as {"values": [...]}, and
// drops what is not an object.
func Objects(v any) []Object {
	if wrapped, ok := v.(Object); ok {
		v = wrapped["values"]
	}
	list, _ := v.([]any)
	var out []Object
	for _, e := range list {
		if o, ok := e.(Object); ok {
			out = append(out, o)
		}
	}
	return out
}

func anyList(list []Object) []any {
	out := make([]any, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

// SortedKeys lists the names of the members.
func SortedKeys(o Object) []string { return slices.Sorted(maps.Keys(o)) }

// Clip shortens s to at most n runes, for echoing what a client sent.
func Clip(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// HexID reads an id of so many hex digits, with dashes or without, in lower
// case; "" when it is not one.
func HexID(v any, digits int) string {
	id := strings.ToLower(strings.ReplaceAll(Text(v), "-", ""))
	if !IsHex(id, digits) {
		return ""
	}
	return id
}

// IsHex tells a text of so many hex digits in lower case.
func IsHex(s string, length int) bool {
	if len(s) != length {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
