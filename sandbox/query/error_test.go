package query

import (
	"errors"
	"strings"
	"testing"
)

func TestParseEvents_Errors(t *testing.T) {
	tests := []struct {
		why, query string
		pos        int
		reason     string // a part of it
	}{
		{"an open quote", `level:error "abc`, 13, "closing quote is missing"},
		{"an open quote of a value", `release:"1.0`, 9, "closing quote is missing"},
		{"text right after a quote", `release:"1.0"x`, 9, "after the closing quote"},
		{"an open list", "level:[error,fatal", 7, "closing bracket"},
		{"a list with a hole", "level:[error,,fatal]", 7, "empty place"},
		{"an empty list", "level:[]", 7, "empty place"},
		{"a list with text after a quote", `level:["a" b]`, 8, "a comma or the closing bracket"},
		{"an unclosed parenthesis", "(level:error", 1, "never closed"},
		{"a closing one too many", "level:error)", 12, "no opening one"},
		{"nothing in parentheses", "level:error ()", 14, "search term is missing"},
		{"an operator at the end", "level:error AND", 16, "search term is missing"},
		{"an operator at the start", "OR level:error", 1, "search term is missing"},
		{"two operators", "a OR OR b", 6, "search term is missing"},
		{"NOT of nothing", "NOT", 4, "search term is missing"},
		{"no value", "level: error", 1, "a value is missing"},
		{"no value after an operator", "size:> 5", 1, "a value is missing"},
		{"a group as a value", "level:(error OR fatal)", 1, "write level:[a, b]"},
		{"columns are counted in characters", `"äöü" level:`, 7, "a value is missing"},
		{"a quoted key with a quote's work in it", `"a'b":1`, 1, "a key may have"},
		{"an order of text", "level:>error", 1, "has no order"},
		{"an order without a number", "checkout.step:>abc", 1, "a number belongs"},
		{"a list after an order", "checkout.step:>[1,2]", 1, "cannot be compared"},
		{"a number that is none", "issue.id:abc", 1, `has the type integer; "abc" is no number`},
		{"no date", "timestamp:yesterday", 1, "write a date as"},
		{"an impossible date", "timestamp:2026-02-30", 1, "write a date as"},
		{"a list of dates", "timestamp:[-1d,-2d]", 1, "cannot be in a list"},
		{"has two keys", "has:[a,b]", 1, "one key belongs"},
		{"has no key", `has:"a b"`, 1, "one key belongs"},
		{"an unknown function", "level:error cnt():>1", 13, "there is no such function"},
		{"a function without its field", "sum():>1", 1, "arguments wanted: 1, given: 0"},
		{"a percentile where there are no durations", "p95():>1", 1, "name the field"},
		{"functions and fields under OR", "count():>1 OR level:error", 1, "only with other functions"},
		{"functions and fields under NOT", "NOT (level:error count():>1)", 18, "only with other functions"},
		{"a wildcard for a function", "count():1*", 1, "compared with one value"},
		{"a zero byte", "a\x00b", 2, "not plain text"},
		{"broken UTF-8", "ab\xff", 3, "not plain text"},
		{"a text too long", strings.Repeat("x", maxLength+1), maxLength, "longer than"},
		{"too many parentheses", strings.Repeat("(", maxDepth+1) + "a", maxDepth + 1, "within each other"},
		{"too many NOTs", strings.Repeat("NOT ", maxDepth+1) + "a", 4*maxDepth + 1, "within each other"},
		{"too many terms", strings.Repeat("a:b ", maxTerms+1), 4*maxTerms + 1, "more than 100 terms"},
		{"too many values", "a:[" + strings.Repeat("b,", maxTerms) + "b]", 1, "more than 100 terms"},
		{"too many words, one by one", strings.Repeat("a OR ", maxTerms) + "b", 5*maxTerms + 1, "more than 100 terms"},
	}
	for _, tt := range tests {
		_, err := ParseEvents("errors", tt.query, testEnv())
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: ParseEvents(%q) = %v, want an *Error", tt.why, tt.query, err)
			continue
		}
		if e.Pos != tt.pos || e.Part != "" || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: ParseEvents(%q): column %d, %q; want column %d, %q", tt.why, tt.query, e.Pos, e.Reason, tt.pos, tt.reason)
		}
	}
}

func TestError_Error(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{Pos: 3, Near: "a:", Reason: "a value is missing"}, `Error parsing search query: column 3, near "a:": a value is missing`},
		{&Error{Pos: 3, Reason: "no term"}, `Error parsing search query: column 3: no term`},
		{&Error{Part: "field", Near: "x y", Reason: "not a key"}, `Invalid field "x y": not a key`},
		{invalid("sort", strings.Repeat("ä", 50), "too long"), `Invalid sort "` + strings.Repeat("ä", 40) + `…": too long`},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %s, want %s", got, tt.want)
		}
	}
}
