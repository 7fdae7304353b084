// Package cimd fetches OAuth Client ID Metadata Documents: a client whose id is
// an https URL is described by the JSON document there.
//
// Whoever names a URL makes this machine connect somewhere, so the package
// trusts nothing on the way (SSRF). A URL has one spelling, and no address or
// port in it. Its host is resolved once; if any of the addresses is not a
// public one, none is used; the connection goes to an address that was checked,
// and TLS proves the name. There are no redirects, no proxies, no cookies, no
// compression, 5 KiB and five seconds. What went wrong on the network is one
// error, so that nobody can map ours by it.
//
// Documents and failures are cached. A Fetcher is safe for concurrent use; it
// starts a goroutine for each fetch, which ends with the fetch.
package cimd
