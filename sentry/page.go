package sentry

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Page says where a list goes on.
type Page struct {
	Next string // the cursor of the next page; "": this is the last one
}

// ListOptions are what most lists take.
type ListOptions struct {
	Query  string // a filter by name or slug
	Cursor string // from a Page; "": the first page
	Limit  int    // entries per page, at most 100; zero: Sentry's default
}

func (o ListOptions) values() url.Values {
	q := url.Values{}
	setNonEmpty(q, "query", o.Query)
	setNonEmpty(q, "cursor", o.Cursor)
	setLimit(q, "per_page", o.Limit)
	return q
}

func setNonEmpty(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}

func setLimit(q url.Values, key string, limit int) {
	if limit > 0 {
		q.Set(key, strconv.Itoa(min(limit, 100)))
	}
}

// nextPage reads Sentry's Link header. There is a next page only when the
// part with rel="next" also says results="true".
func nextPage(h http.Header) Page {
	for _, line := range h.Values("Link") {
		for part := range strings.SplitSeq(line, ",") {
			attrs := linkAttributes(part)
			if attrs["rel"] == "next" && attrs["results"] == "true" {
				return Page{Next: attrs["cursor"]}
			}
		}
	}
	return Page{}
}

func linkAttributes(part string) map[string]string {
	attrs := map[string]string{}
	for field := range strings.SplitSeq(part, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if ok {
			attrs[name] = strings.Trim(value, `"`)
		}
	}
	return attrs
}
