package sentry

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxPathElement = 512

// apiPath joins elements to the escaped path of an endpoint, below and
// including /api/0, with Sentry's trailing slash.
//
// Escaping alone is no protection: url.PathEscape leaves dots as they are and
// path.Join walks up on "..", so an id of "../../../evil" would reach another
// endpoint. Elements that could do so are refused, never repaired.
func apiPath(elements ...string) (string, error) {
	var b strings.Builder
	b.WriteString("/api/0/")
	for _, e := range elements {
		if err := checkElement(e); err != nil {
			return "", err
		}
		b.WriteString(url.PathEscape(e))
		b.WriteByte('/')
	}
	return b.String(), nil
}

func checkElement(e string) error {
	switch {
	case e == "":
		return &PathError{e, "is empty"}
	case e == "." || e == "..":
		return &PathError{e, "is a relative path"}
	case len(e) > maxPathElement:
		return &PathError{e[:maxPathElement], "is too long"}
	case !utf8.ValidString(e):
		return &PathError{e, "is not UTF-8"}
	case strings.ContainsFunc(e, unicode.IsControl):
		return &PathError{e, "has control characters"}
	}
	return nil
}

// PathError says that a slug or id cannot be part of an API path. No request
// was made.
type PathError struct {
	Element string // as given; quote it before showing it
	Reason  string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("path element %q %s", e.Element, e.Reason)
}
