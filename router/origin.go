package router

import (
	"net/http"
	"slices"
)

// originAllowed stops a page on another site, or one that has rebound its name
// to our address, from using a browser's way to us. Programs send no Origin.
// Exact comparison: there is no such thing as a similar origin.
func (rt *router) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && slices.Contains(rt.origins, origins[0])
}
