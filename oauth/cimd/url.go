package cimd

import (
	"errors"
	"net/url"
	"strings"
)

// maxURL bounds a client id.
const maxURL = 512

// IsURL reports whether a client id is meant as the URL of a document. It may
// still be a bad one.
func IsURL(id string) bool { return strings.HasPrefix(id, "https://") }

// checkURL refuses what two parsers could read differently, and what names an
// address or a service other than a web site.
func checkURL(id string) (*url.URL, error) {
	if len(id) > maxURL {
		return nil, errors.New("it is too long")
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return nil, errors.New("it holds a character that must be escaped")
		}
	}
	u, err := url.Parse(id)
	switch {
	case err != nil: // whose text repeats it
		return nil, errors.New("it cannot be parsed")
	case u.Scheme != "https" || !IsURL(id):
		return nil, errors.New("it must begin with https://")
	case u.User != nil:
		return nil, errors.New("it must not have user information")
	case strings.Contains(id, "#"):
		return nil, errors.New("it must not have a fragment")
	case u.Port() != "" || strings.Contains(u.Host, ":"):
		return nil, errors.New("it must not have a port")
	case u.Path == "" || u.Path == "/":
		return nil, errors.New("it must have a path")
	}
	if u.String() != id {
		return nil, errors.New("it is not in its usual spelling")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, errors.New("its path must not have dot segments")
		}
	}
	return u, checkHost(u.Host)
}

// checkHost accepts a name below a top-level domain, in small letters. A name
// that ends in a number is an IPv4 address to some resolvers, as 0x7f.1 is.
func checkHost(host string) error {
	labels := strings.Split(host, ".")
	if len(host) > 253 || len(labels) < 2 {
		return errors.New("its host must be a name such as app.example.com")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return errors.New("its host must be a name of small letters, digits and hyphens")
		}
	}
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
		return errors.New("its host must be a name, not an address")
	}
	return nil
}
