package query

import (
	"fmt"
	"unicode/utf8"
)

const maxNear = 40 // runes of a query that an error repeats

// Error says what is wrong with a request, in words for whoever wrote it.
type Error struct {
	Part   string // "dataset", "field" or "sort"; empty for the query text
	Pos    int    // 1-based column in the query, counted in characters; 0 outside of it
	Near   string // the text there, or the field or sort as given; may be cut
	Reason string
}

func (e *Error) Error() string {
	switch {
	case e.Part != "":
		return fmt.Sprintf("Invalid %s %q: %s", e.Part, e.Near, e.Reason)
	case e.Near == "":
		return fmt.Sprintf("Error parsing search query: column %d: %s", e.Pos, e.Reason)
	}
	return fmt.Sprintf("Error parsing search query: column %d, near %q: %s", e.Pos, e.Near, e.Reason)
}

func invalid(part, near, format string, args ...any) *Error {
	return &Error{Part: part, Near: cut(near), Reason: fmt.Sprintf(format, args...)}
}

// cut shortens s to what an error may repeat, between characters.
func cut(s string) string {
	n := 0
	for i := range s {
		if n == maxNear {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// span says where in the query a term stands.
type span struct {
	pos  int // 1-based, in characters
	near string
}

func (s span) errorf(format string, args ...any) *Error {
	return &Error{Pos: s.pos, Near: cut(s.near), Reason: fmt.Sprintf(format, args...)}
}

func spanOf(src string, from, to int) span {
	return span{utf8.RuneCountInString(src[:from]) + 1, src[from:to]}
}
