package cimd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	maxDocument = 5 << 10
	maxHeader   = 16 << 10
	fetchTime   = 5 * time.Second
	maxTries    = 2 // addresses of one host
)

// Document is what a client says of itself. Nothing of it has been checked but
// that ID is the URL that it was fetched from.
type Document struct {
	ID              string   `json:"client_id"`
	Name            string   `json:"client_name"`
	RedirectURIs    []string `json:"redirect_uris"`
	AuthMethod      string   `json:"token_endpoint_auth_method"`
	GrantTypes      []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	ApplicationType string   `json:"application_type"`
}

// Error says why there is no document. Reason may be shown to anybody; what
// happened on the network is only in Cause, for the log.
type Error struct {
	Reason string
	Cause  error
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// unreachable is one reason for all that can go wrong below HTTP.
func unreachable(cause error) *Error {
	return &Error{Reason: "its document cannot be fetched", Cause: cause}
}

func wrong(reason string) *Error { return &Error{Reason: reason} }

// fetch returns the document and how long it may be cached.
func (f *Fetcher) fetch(ctx context.Context, u *url.URL) (Document, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	addrs, err := f.resolve(ctx, u.Host)
	if err != nil {
		return Document{}, 0, unreachable(err)
	}
	resp, err := f.get(ctx, u, addrs)
	if err != nil {
		return Document{}, 0, unreachable(err)
	}
	defer resp.Body.Close()
	doc, err := read(resp, u.String())
	return doc, lifetime(resp.Header), err
}

// resolve returns public addresses, or an error if a single one is not: a name
// that has both is up to something, and which is used must not be left to luck.
func (f *Fetcher) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := f.lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve: %w", err)
	}
	if len(addrs) == 0 {
		return nil, errors.New("resolve: no address")
	}
	for _, addr := range addrs {
		if !public(addr) {
			return nil, fmt.Errorf("%s is not a public address", addr)
		}
	}
	return addrs[:min(len(addrs), maxTries)], nil
}

// get asks the addresses in turn until one answers.
func (f *Fetcher) get(ctx context.Context, u *url.URL, addrs []netip.Addr) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Roundhouse (OAuth client metadata)")
	var failures []error
	for _, addr := range addrs {
		resp, err := f.transport(addr).RoundTrip(req) // a transport follows no redirects and keeps no cookies
		if err == nil {
			return resp, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// transport connects to one address, whatever a request says, for one request.
func (f *Fetcher) transport(addr netip.Addr) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return f.dial(ctx, netip.AddrPortFrom(addr, 443))
		},
		TLSClientConfig:        &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		ResponseHeaderTimeout:  fetchTime,
	}
}

func read(resp *http.Response, id string) (Document, error) {
	if resp.StatusCode != http.StatusOK {
		return Document{}, wrong(fmt.Sprintf("its document is answered with %d instead of 200", resp.StatusCode))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !(strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		return Document{}, wrong("its document is not of type application/json")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return Document{}, unreachable(err)
	}
	if len(body) > maxDocument {
		return Document{}, wrong(fmt.Sprintf("its document is larger than %d bytes", maxDocument))
	}
	var doc Document
	if err := json.Unmarshal(body, &doc); err != nil {
		return Document{}, wrong("its document is not a JSON object of client metadata")
	}
	if doc.ID != id {
		return Document{}, wrong("its document has another client_id")
	}
	return doc, nil
}

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host+".") // the dot: below no domain of ours
	for i := range addrs {
		addrs[i] = addrs[i].Unmap() // it writes some IPv4 addresses so
	}
	return addrs, err
}

func systemDial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", to.String())
}

// Config says how to reach the internet. The zero Config is the usual way.
type Config struct {
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error) // nil: the system's resolver
	Dial   func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	Roots  *x509.CertPool   // nil: the system's
	Now    func() time.Time // nil: time.Now
}
