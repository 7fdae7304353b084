package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// misdirected refuses a request for a host of another name, where the sandbox is
// for this machine alone: a page whose name has been rebound to our address is
// of our own origin to its browser, and would sign in as anybody. Ingest is open
// to all pages anyway, and SDKs in containers use other names.
func (s *Sandbox) misdirected(w http.ResponseWriter, r *http.Request) bool {
	base, err := url.Parse(s.baseURL())
	if err != nil || r.Host == "" || !loopbackName(base.Hostname()) {
		return false
	}
	if isIngest(r) || strings.EqualFold(r.Host, base.Host) || loopbackName((&url.URL{Host: r.Host}).Hostname()) {
		return false
	}
	http.Error(w, fmt.Sprintf("The sandbox answers to %s, localhost and loopback addresses, and not to the Host of this request.", base.Host), http.StatusMisdirectedRequest)
	return true
}

func loopbackName(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
