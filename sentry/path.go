package sentry

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxPathElement = 512

// apiPath joins elements to the path of an endpoint, below and
// including /api/0, with Sentry's trailing slash.
//
// Escaping alone is no protection. url.PathEscape leaves dots as they are and
// path.Join walks up on ".."; and many a proxy decodes %2f before it routes, so
// that an id of "../../users" reaches another endpoint there even when it was
// escaped. Slugs and ids are plain words in Sentry: anything else is refused,
// never repaired. A release's version may hold a slash; an endpoint of releases
// would need a rule of its own.
func apiPath(elements ...string) (string, error) {
	var b strings.Builder
	b.WriteString("/api/0/")
	for _, e := range elements {
		if err := checkElement(e); err != nil {
			return "", err
		}
		b.WriteString(e)
		b.WriteByte('/')
	}
	return b.String(), nil
}

// checkElement accepts what a slug or an id is made of.
func checkElement(e string) error {
	if err := checkPart(e); err != nil {
		return err
	}
	if strings.ContainsFunc(e, notInSlug) {
		return &PathError{e, "has characters other than letters, digits, dots, dashes and underscores"}
	}
	return nil
}

func notInSlug(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && r != '-' && r != '_' && r != '.'
}

// checkPart accepts what a part of a web page's address can be.
func checkPart(e string) error {
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
