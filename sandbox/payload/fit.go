package payload

import "strings"

// attrHead is what an attribute takes up beside its key and value.
const attrHead = 16

// Fit makes attributes that are too large together take up at most so many bytes.
// Each has an equal share: what is longer is cut, and of a key that is, nothing
// stays.
func (a Attrs) Fit(most int) {
	share := (most/max(len(a), 1) - attrHead) / 2
	for key, v := range a {
		if len(key) > share {
			delete(a, key)
			continue
		}
		switch v := v.(type) {
		case string:
			a[key] = cutBytes(v, share)
		case []any:
			a[key] = fitList(v, share)
		}
	}
}

// fitList keeps the first elements.
func fitList(list []any, share int) []any {
	for i, e := range list {
		s, _ := e.(string)
		if share -= len(s) + attrHead; share < 0 {
			return list[:i:i]
		}
	}
	return list
}

// cutBytes leaves no part of a character.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
