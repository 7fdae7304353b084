package query

import "strings"

// recentCategories are names that Sentry has lately given to categories of
// issues, with the one that issues have here.
var recentCategories = map[string]value{"outage": "cron"}

// category is the term with the names that issues have.
func (t *term) category() *term {
	out := *t
	out.values = make([]value, len(t.values))
	for i, v := range t.values {
		out.values[i] = v
		if name, ok := recentCategories[strings.ToLower(string(v))]; ok {
			out.values[i] = name
		}
	}
	return &out
}
