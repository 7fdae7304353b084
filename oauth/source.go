package oauth

import (
	"context"
	"net/http"
	"net/netip"
)

type sourceInContext struct{}

// withSource notes where a request comes from, for the limits and the audit
// record.
func withSource(r *http.Request, source netip.Addr) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), sourceInContext{}, source))
}

// sourceFrom returns the zero Addr where the source is not known.
func sourceFrom(ctx context.Context) netip.Addr {
	source, _ := ctx.Value(sourceInContext{}).(netip.Addr)
	return source
}

func sourceText(ctx context.Context) string {
	if source := sourceFrom(ctx); source.IsValid() {
		return source.String()
	}
	return ""
}

// peer is the address of whoever connected.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
