package router

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// admitHost stops a page that has rebound its name to our address, where we are
// for this machine alone: to its browser, we are of its own origin then, and a
// GET has no Origin at all. Probes use whatever name they know, and a handler
// that takes all below a path checks for itself, as Config says.
func (rt *router) admitHost(next http.Handler) http.Handler {
	public, err := url.Parse(rt.PublicURL)
	if err != nil || !isLoopback(public.Hostname()) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := strings.EqualFold(r.Host, public.Host) || isLoopback((&url.URL{Host: r.Host}).Hostname())
		if !own && !rt.anyHost(r.URL.EscapedPath()) {
			writeError(w, http.StatusMisdirectedRequest, fmt.Sprintf("this server answers to %s, localhost and loopback addresses, and not to the Host of this request", public.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// anyHost tells whether a path is for requests by any name.
func (rt *router) anyHost(path string) bool {
	if path == healthPath || path == readyPath {
		return true
	}
	for public := range rt.Public {
		if strings.HasSuffix(public, "/") && strings.HasPrefix(path, public) {
			return true
		}
	}
	return false
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
