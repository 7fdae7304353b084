package sentry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"
	"unicode"
)

// What an *Error is, by errors.Is. A status that none of these names (400,
// 409 and the like) matches none of them.
var (
	ErrNotFound     = errors.New("not found")
	ErrUnauthorized = errors.New("unauthorized")
	ErrForbidden    = errors.New("forbidden")
	ErrRateLimited  = errors.New("rate limited")
	// ErrUnavailable covers 5xx, network failures, timeouts and answers that
	// are not Sentry's, such as a proxy's HTML page.
	ErrUnavailable = errors.New("unavailable")
)

const maxDetail = 500

// Error is a call that did not succeed.
type Error struct {
	Op         string        // the method, such as "get issue"
	StatusCode int           // 0: no usable answer came
	Detail     string        // Sentry's explanation; bounded, one line, may be empty
	RetryAfter time.Duration // zero: Sentry did not say

	class error // overrides what StatusCode says
	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.StatusCode)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the network's or the context's error, if that was the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether e is what target names.
func (e *Error) Is(target error) bool { return target == e.classOf() }

func (e *Error) classOf() error {
	switch code := e.StatusCode; {
	case e.class != nil:
		return e.class
	case code == http.StatusNotFound:
		return ErrNotFound
	case code == http.StatusUnauthorized:
		return ErrUnauthorized
	case code == http.StatusForbidden:
		return ErrForbidden
	case code == http.StatusTooManyRequests:
		return ErrRateLimited
	case code >= 500:
		return ErrUnavailable
	}
	return nil
}

func unavailable(op, detail string, cause error) *Error {
	return &Error{Op: op, Detail: detail, class: ErrUnavailable, cause: cause}
}

// detailOf finds the explanation in an error body: {"detail": "…"}, {"detail":
// {"message": "…"}}, {"field": ["…"]} or text.
func detailOf(body []byte) string {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		var list []any
		if json.Unmarshal(body, &list) == nil {
			return cleanDetail(strings.Join(messages(list), "; "))
		}
		return cleanDetail(string(body))
	}
	for _, name := range []string{"detail", "error", "message"} {
		if found := messages(object[name]); len(found) > 0 {
			return cleanDetail(strings.Join(found, "; "))
		}
	}
	var fields []string
	for name, value := range object {
		for _, m := range messages(value) {
			fields = append(fields, name+": "+m)
		}
	}
	sort.Strings(fields)
	return cleanDetail(strings.Join(fields, "; "))
}

// messages collects the strings in v, one level deep.
func messages(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []any:
		var found []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				found = append(found, s)
			}
		}
		return found
	case map[string]any:
		if s, ok := v["message"].(string); ok {
			return []string{s}
		}
	}
	return nil
}

func cleanDetail(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

func isHTML(contentType string, body []byte) bool {
	return strings.Contains(contentType, "html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
