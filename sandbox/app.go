package sandbox

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// App is an OAuth client of the sandbox.
type App struct{ ClientID, ClientSecret string }

// oauthApp is an App as it is stored.
type oauthApp struct {
	id         int64
	name       string
	clientID   string
	secretHash []byte
	redirects  []string
}

// EnsureApp registers an OAuth client by its name. At each call the client gets
// a new secret and the redirect URIs given now, and keeps its id: only a hash
// of the secret is stored, so nobody can be told the old one.
func (s *Sandbox) EnsureApp(ctx context.Context, name string, redirectURIs ...string) (App, error) {
	for _, uri := range redirectURIs {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || u.Fragment != "" {
			return App{}, fmt.Errorf("register OAuth client %q: redirect URI %q is not an absolute URI without a fragment", name, uri)
		}
	}
	redirects, err := json.Marshal(redirectURIs)
	if err != nil {
		return App{}, fmt.Errorf("register OAuth client %q: %w", name, err)
	}
	app := App{ClientID: randomHex(32), ClientSecret: randomHex(32)}
	err = s.write(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO oauth_app(name, client_id, secret_hash, redirects) VALUES (?, ?, ?, ?)
			ON CONFLICT(name) DO UPDATE SET secret_hash = excluded.secret_hash, redirects = excluded.redirects RETURNING client_id`,
			name, app.ClientID, hashSecret(app.ClientSecret), redirects).Scan(&app.ClientID)
	})
	if err != nil {
		return App{}, fmt.Errorf("register OAuth client %q: %w", name, err)
	}
	return app, nil
}

var errNoClient = errors.New("unknown client")

func (s *Sandbox) appByClientID(ctx context.Context, id string) (a oauthApp, err error) {
	var redirects []byte
	err = s.read().QueryRowContext(ctx, "SELECT id, name, client_id, secret_hash, redirects FROM oauth_app WHERE client_id = ?", id).
		Scan(&a.id, &a.name, &a.clientID, &a.secretHash, &redirects)
	if errors.Is(err, sql.ErrNoRows) {
		return a, errNoClient
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(redirects, &a.redirects)
}

// clientOf authenticates the client of a token request, by Basic or by the
// body (RFC 6749 section 2.3.1).
func (s *Sandbox) clientOf(r *http.Request) (oauthApp, error) {
	id, secret, basic := r.BasicAuth()
	if basic {
		var err error
		if id, err = url.QueryUnescape(id); err != nil {
			return oauthApp{}, errNoClient
		}
		if secret, err = url.QueryUnescape(secret); err != nil {
			return oauthApp{}, errNoClient
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	app, err := s.appByClientID(r.Context(), id)
	if err != nil {
		return oauthApp{}, err
	}
	if subtle.ConstantTimeCompare(app.secretHash, hashSecret(secret)) != 1 {
		return oauthApp{}, errNoClient
	}
	return app, nil
}

// allowsRedirect compares exactly, but for the port of a loopback address: a
// native client takes whatever port is free (RFC 8252 section 7.3).
func (a oauthApp) allowsRedirect(uri string) bool {
	return slices.ContainsFunc(a.redirects, func(known string) bool {
		return uri == known || sameLoopback(uri, known)
	})
}

func sameLoopback(a, b string) bool {
	ua, err := url.Parse(a)
	if err != nil {
		return false
	}
	ub, err := url.Parse(b)
	if err != nil || !isLoopback(ua) || !isLoopback(ub) || ua.Hostname() != ub.Hostname() {
		return false
	}
	ua.Host, ub.Host = "", ""
	return ua.String() == ub.String()
}

func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && u.User == nil && loopbackName(u.Hostname())
}
