package tools

import "sync"

// Default returns the catalog of all tools. It is made at the first call and
// shared from then on.
var Default = sync.OnceValue(func() *Catalog { return NewCatalog(all()...) })

// Anew makes of all tools what a server of shape needs, from their types on:
// schemas, definitions, and the rest when it is first used. It is for a design
// that keeps nothing, which the load harness sets beside ours; the catalog is
// good for keys of that shape only.
func Anew(shape Shape) *Catalog {
	c := &Catalog{tools: all()}
	c.shapes[shape] = c.narrowAll(shape)
	return c
}

func all() []Tool {
	return []Tool{
		whoami(),
		findOrganizations(),
		findProjects(),
		searchIssues(),
		searchEvents(),
		getSentryResource(),
		getIssueDetails(),
		updateIssue(),
		analyzeIssue(),
		searchTools(),
		executeTool(),
	}
}
