package main

import (
	"fmt"
	"net/http"
)

// home is the page at "/", for a person who opened the URL in a browser.
func home(publicURL string) http.Handler {
	text := fmt.Sprintf(`Roundhouse serves MCP for Sentry. Give one of these URLs to an MCP client:

  %[1]s/mcp                   everything you can see
  %[1]s/mcp/{org}             one organization
  %[1]s/mcp/{org}/{project}   one project

  claude mcp add --transport http roundhouse %[1]s/mcp

Works with Sentry and Sentry-compatible servers. Not affiliated with Functional Software, Inc.
`, publicURL)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprint(w, text)
	})
}
