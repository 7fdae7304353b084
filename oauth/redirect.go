package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxRedirectURI = 1024

// Schemes that a browser or the system would run, open or send itself instead
// of handing the URI to an app. Anything else that is not a web scheme counts
// as an app's own (RFC 8252 §7.1), reverse-domain or not: cursor, vscode.
var refusedSchemes = []string{
	"about", "blob", "chrome", "content", "data", "file", "filesystem", "ftp", "intent", "jar", "javascript", "jnlp",
	"ldap", "ldaps", "mailto", "resource", "search", "search-ms", "sftp", "shell", "smb", "sms", "ssh", "tel", "telnet",
	"vbscript", "view-source", "ws", "wss",
}

// Parameters of an authorization response. A registered URI that already holds
// one would let its owner and us disagree on which of two counts.
var responseParameters = []string{"code", "state", "iss", "error", "error_description", "error_uri"}

// checkRedirectURI says what is wrong with a redirect URI: it must be https,
// http on a loopback host, or an app's own scheme.
func checkRedirectURI(uri string) error {
	u, err := parseRedirectURI(uri)
	if err != nil {
		return err
	}
	switch scheme := u.Scheme; {
	case slices.Contains(refusedSchemes, scheme), strings.HasPrefix(scheme, "ms-"): // Windows' own, some of which run things
		return errors.New("its scheme is not allowed")
	case scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("http is for loopback hosts only; use https")
	case (scheme == "http" || scheme == "https") && u.Hostname() == "":
		return errors.New("it has no host")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil { // a semicolon, for one, which some take for an ampersand
		return errors.New("its query cannot be read")
	}
	for name := range q {
		if slices.Contains(responseParameters, name) {
			return errors.New("its query holds a parameter of the authorization response")
		}
	}
	return nil
}

// parseRedirectURI accepts a URI that every parser reads alike: no backslash,
// space, quote or other character that browsers mend in their own way.
func parseRedirectURI(uri string) (*url.URL, error) {
	if uri == "" || len(uri) > maxRedirectURI {
		return nil, errors.New("it is empty or too long")
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return nil, errors.New("it holds a character that must be escaped")
		}
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil: // whose text repeats the URI
		return nil, errors.New("it cannot be parsed")
	case u.Scheme == "" || u.Opaque != "":
		return nil, errors.New("it must be absolute, with a path or a host")
	case u.Host == "" && u.Path == "":
		return nil, errors.New("it has neither host nor path")
	case strings.Contains(uri, "#"):
		return nil, errors.New("it must not have a fragment")
	case u.User != nil:
		return nil, errors.New("it must not have user information")
	case strings.Contains(u.Host, "%"):
		return nil, errors.New("its host must not be escaped")
	}
	return u, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// redirectMatches reports whether a client that registered one URI may use
// another: it must be the same text, except that the port of a loopback URI
// is the app's to choose each time (RFC 8252 §7.3).
func redirectMatches(registered, requested string) bool {
	if registered == requested {
		return true
	}
	a, err := parseRedirectURI(registered)
	if err != nil {
		return false
	}
	b, err := parseRedirectURI(requested)
	if err != nil {
		return false
	}
	return a.Scheme == "http" && b.Scheme == "http" &&
		isLoopback(a.Hostname()) && a.Hostname() == b.Hostname() &&
		a.EscapedPath() == b.EscapedPath() && a.RawQuery == b.RawQuery && a.ForceQuery == b.ForceQuery
}

// redirectToClient ends the browser's walk: back to the client, with what it
// asked for or an error. The URI was matched before.
func (s *Server) redirectToClient(w http.ResponseWriter, uri, state string, params url.Values) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", s.clientURL(uri, state, params))
	w.WriteHeader(http.StatusSeeOther) // a GET, also after the form's POST (RFC 9700 §4.12)
}

// clientURL is a redirect URI with a response. iss stops mix-up attacks (RFC
// 9207) and must be in every response, errors included.
func (s *Server) clientURL(uri, state string, params url.Values) string {
	params.Set("iss", s.issuer)
	if state != "" {
		params.Set("state", state)
	}
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}

func (s *Server) redirectError(w http.ResponseWriter, r *http.Request, uri, state string, err error) {
	s.redirectToClient(w, uri, state, errorParams(s.asError(r, err)))
}

func errorParams(e *Error) url.Values {
	return url.Values{"error": {e.Code}, "error_description": {e.Description}}
}
