// Package query compiles Sentry's search language to SQL for SQLite.
//
// A query is a text such as
//
//	is:unresolved level:[error,fatal] !environment:staging (timeout OR "card declined")
//
// It is scanned and parsed into a tree of terms, and the tree is compiled
// against a dataset: which rows of the item table it holds, which keys are real
// columns, which have a type. Every key that no table here names is an
// attribute, read out of the row's JSON. ParseIssues finds issues, ParseEvents
// finds items, Compile makes the whole SELECT of an events request, with
// functions, equations and grouping.
//
// The SQL expects the tables item (alias it), project (alias p), issue (alias
// i), user, activity, release and release_project, by their column names only.
// Values are always bound; an attribute's name is inlined after it has been
// checked against a pattern without quotes.
//
// Length, depth and number of terms are bounded. Everything refused is refused
// with an *Error that says where and what would do: its readers are programs
// that will try again.
//
// Importing the package registers the aggregate rh_percentile with the driver
// modernc.org/sqlite. The package holds no other state, and its functions are
// safe for concurrent use.
package query
