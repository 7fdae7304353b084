package tools

import "sync"

// Default returns the catalog of all tools. It is made at the first call and
// shared from then on.
var Default = sync.OnceValue(func() *Catalog {
	return NewCatalog(
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
	)
})
