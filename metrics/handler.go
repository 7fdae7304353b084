package metrics

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MaxAnswer is the longest that an answer may take: a profile over seconds is
// cut off by it.
const MaxAnswer = 2 * time.Minute

const (
	scrapesAtOnce = 4
	scrapeTime    = 10 * time.Second
)

// Handler serves /metrics, and below /debug/pprof/ the profiles of the runtime.
// The command line, which net/http/pprof would serve as well, may hold secrets.
//
// With onLoopback it answers only to names of this machine: a page that has
// rebound its own name to our address would read the rest.
func (m *Metrics) Handler(onLoopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeTime}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and below it every named profile
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	if !onLoopback {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback((&url.URL{Host: r.Host}).Hostname()) {
			http.Error(w, "this address answers to localhost and loopback addresses, and not to the Host of this request", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}
