package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"roundhouse/oauth/cimd"
)

const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// maxClientID leaves room for ids that are URLs.
const maxClientID = 1024

var errUnknownClient = errors.New("unknown client")

func (s *Server) client(ctx context.Context, id string) (Client, error) {
	if id == "" || len(id) > maxClientID {
		return Client{}, errUnknownClient
	}
	client, err := s.store.Client(ctx, id)
	if errors.Is(err, ErrNotFound) && s.describes(id) {
		return s.described(ctx, id)
	}
	if errors.Is(err, ErrNotFound) {
		return Client{}, errUnknownClient
	}
	return client, err
}

// authorizing returns the client that a user is to be asked about. What a
// document describes is looked up anew, though the store may have it from
// before: its owner can have withdrawn a redirect URI. Where documents are off,
// so is what they once described: the page could not say whose it is.
func (s *Server) authorizing(ctx context.Context, id, redirectURI string) (Client, error) {
	switch {
	case !cimd.IsURL(id):
		return s.client(ctx, id)
	case s.documents == nil:
		return Client{}, errUnknownClient
	}
	if checkRedirectURI(redirectURI) != nil { // nothing is fetched for what cannot be good
		return Client{ID: printable(id)}, nil
	}
	return s.described(ctx, id)
}

// mayRedirect reports whether the client registered the URI.
func (c Client) mayRedirect(uri string) bool {
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool { return redirectMatches(registered, uri) })
}

// authenticate finds out which client calls the token endpoint, and insists on
// the method that it registered (RFC 6749 §2.3).
func (s *Server) authenticate(r *http.Request) (Client, error) {
	id, secret, method, err := credentials(r)
	if err != nil {
		return Client{}, err
	}
	client, err := s.client(r.Context(), id)
	known := !errors.Is(err, errUnknownClient)
	if known && err != nil {
		return Client{}, err
	}
	// Compared whether or not there is such a client, so that the time does not
	// tell.
	right := hashOf(secret).equal(client.Secret)
	if !known || method != client.AuthMethod || method != authNone && !right {
		return Client{}, invalidClient()
	}
	return client, nil
}

// credentials reads the client's id and secret from the header or from the
// form. An empty secret is none: some libraries send public clients' ids as
// Basic without a password.
func credentials(r *http.Request) (id, secret, method string, err error) {
	id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	method = authPost
	if user, password, ok := r.BasicAuth(); ok {
		if secret != "" {
			return "", "", "", invalidRequest("the client authenticates in two ways at once")
		}
		user, password, err := unescape(user, password)
		if err != nil || id != "" && id != user {
			return "", "", "", invalidClient()
		}
		id, secret, method = user, password, authBasic
	}
	if secret == "" {
		method = authNone
	}
	return id, secret, method, nil
}

// unescape undoes the form encoding that RFC 6749 §2.3.1 puts under Basic's.
func unescape(user, password string) (string, string, error) {
	u, err := url.QueryUnescape(user)
	if err != nil {
		return "", "", fmt.Errorf("unescape client id: %w", err)
	}
	p, err := url.QueryUnescape(password)
	if err != nil {
		return "", "", errors.New("unescape client secret") // err quotes it
	}
	return u, p, nil
}

func invalidClient() *Error {
	return &Error{
		Code:        codeInvalidClient,
		Description: "the client is unknown, or did not authenticate as it registered",
		Status:      http.StatusUnauthorized,
	}
}
