package query

// sessions are no items, but are searched like some: over rows named it that
// have a release, an environment, and an empty object of attributes.
var sessions = &dataset{
	name: "sessions", kind: "session", apart: true,
	text: []string{"release"},
	columns: map[string]column{
		"release":     {expr: "it.release", typ: String},
		"environment": {expr: "it.environment", typ: String},
	},
}
