package sandbox

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Payloads come from many SDKs, and no member of them is sure to have the type
// it should. These readers return the zero value for what does not fit.

// text reads a string, or a number or boolean as one.
func text(v any) string {
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

func number(v any) (float64, bool) {
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

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

// at follows a path of members.
func at(o object, path ...string) any {
	for _, name := range path[:len(path)-1] {
		o = asObject(o[name])
	}
	return o[path[len(path)-1]]
}

func textAt(o object, path ...string) string { return text(at(o, path...)) }

// objects reads a list that may come bare or wrapped as {"values": [...]}, and
// drops what is not an object.
func objects(v any) []object {
	if wrapped, ok := v.(object); ok {
		v = wrapped["values"]
	}
	list, _ := v.([]any)
	var out []object
	for _, e := range list {
		if o, ok := e.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

func anyList(list []object) []any {
	out := make([]any, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

func firstText(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }
