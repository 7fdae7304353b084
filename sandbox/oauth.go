package sandbox

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	codeLife  = 10 * time.Minute
	tokenLife = 30 * 24 * time.Hour
	maxForm   = 64 << 10

	// renewalLife is how long a refresh token is good that nobody uses. It is
	// longer than a client that sees its user every 90 days needs: such a client
	// may refresh only once the access token has expired.
	renewalLife = 120*24*time.Hour + tokenLife
)

func (s *Sandbox) oauthRoutes(mux *http.ServeMux) {
	for _, end := range []string{"", "/{$}"} {
		mux.HandleFunc("GET /oauth/authorize"+end, s.showConsent)
		mux.HandleFunc("POST /oauth/authorize"+end, s.takeConsent)
		mux.HandleFunc("POST /oauth/token"+end, s.issueToken)
	}
	s.deviceRoutes(mux)
}

// authorization is a request for a code that has been checked.
type authorization struct {
	app       oauthApp
	redirect  string
	state     string
	scopes    scopeSet
	challenge string // PKCE, S256; "": the client uses none
}

// oauthError is an error of RFC 6749.
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

var (
	errForm      = &oauthError{"invalid_request", "the body is not a form of at most " + strconv.Itoa(maxForm) + " bytes"}
	errBadClient = &oauthError{"invalid_client", "the client is unknown or its secret is wrong"}
)

// authorization reads the query. An *oauthError may be told to the client by
// redirect; after any other error the redirect URI is not to be trusted.
func (s *Sandbox) authorization(r *http.Request) (a authorization, err error) {
	q := r.URL.Query()
	if a.app, err = s.appByClientID(r.Context(), q.Get("client_id")); err != nil {
		return a, err
	}
	a.redirect, a.state = q.Get("redirect_uri"), q.Get("state")
	if a.redirect == "" && len(a.app.redirects) == 1 {
		a.redirect = a.app.redirects[0]
	}
	if !a.app.allowsRedirect(a.redirect) {
		return a, errors.New("the redirect URI is not registered for this client")
	}
	if q.Get("response_type") != "code" {
		return a, &oauthError{"unsupported_response_type", "response_type must be code"}
	}
	if a.scopes, err = parseScopes(strings.Fields(q.Get("scope"))); err != nil {
		return a, &oauthError{"invalid_scope", err.Error()}
	}
	a.challenge = q.Get("code_challenge")
	if method := q.Get("code_challenge_method"); a.challenge != "" && (method != "S256" || len(a.challenge) != 43) || a.challenge == "" && method != "" {
		return a, &oauthError{"invalid_request", "PKCE takes a code_challenge of 43 characters and the code_challenge_method S256"}
	}
	return a, nil
}

// back is where the browser goes next.
func (a authorization) back(params map[string]string) string {
	u, err := url.Parse(a.redirect)
	if err != nil {
		return "/"
	}
	q := u.Query()
	for name, value := range params {
		q.Set(name, value)
	}
	if a.state != "" {
		q.Set("state", a.state)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *Sandbox) newCode(ctx context.Context, a authorization, userID int64) (string, error) {
	code := randomHex(32)
	err := s.write(ctx, func(tx *sql.Tx) error {
		now := s.now()
		if _, err := tx.ExecContext(ctx, "DELETE FROM oauth_grant WHERE expires < ?", seconds(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO oauth_grant(code_hash, app, user, scopes, redirect, challenge, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
			hashSecret(code), a.app.id, userID, a.scopes.String(), a.redirect, a.challenge, seconds(now.Add(codeLife)))
		return err
	})
	return code, err
}

func (s *Sandbox) issueToken(w http.ResponseWriter, r *http.Request) {
	body, err := s.grantToken(w, r)
	s.answerOAuth(w, r, body, err)
}

func (s *Sandbox) answerOAuth(w http.ResponseWriter, r *http.Request, body any, err error) {
	var oe *oauthError
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, body)
	case errors.As(err, &oe):
		status := http.StatusBadRequest
		if oe.code == "invalid_client" {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
		}
		writeJSON(w, status, map[string]string{"error": oe.code, "error_description": oe.description})
	default:
		status, body := s.explain(r, err)
		writeJSON(w, status, body)
	}
}

func (s *Sandbox) grantToken(w http.ResponseWriter, r *http.Request) (any, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, errForm
	}
	if r.PostForm.Get("grant_type") == deviceGrant {
		app, err := s.publicClient(r)
		if err != nil {
			return nil, err
		}
		return s.redeemDevice(r.Context(), app, r.PostForm)
	}
	app, err := s.clientOf(r)
	if errors.Is(err, errNoClient) {
		return nil, errBadClient
	}
	if err != nil {
		return nil, err
	}
	switch kind := r.PostForm.Get("grant_type"); kind {
	case "authorization_code":
		return s.redeemCode(r.Context(), app, r.PostForm)
	case "refresh_token":
		return s.refresh(r.Context(), app, r.PostForm)
	default:
		return nil, &oauthError{"unsupported_grant_type", fmt.Sprintf("grant_type %q is not authorization_code, refresh_token or "+deviceGrant, payload.Clip(kind, 50))}
	}
}

// grant is what a user allowed a client.
type grant struct {
	user                        int64
	scopes, redirect, challenge string
	expires                     float64
}

// redeemCode trades a code for tokens. The code is deleted before anything
// else is checked and stays deleted when a check fails: whoever guesses at the
// verifier has one try.
func (s *Sandbox) redeemCode(ctx context.Context, app oauthApp, form url.Values) (body any, err error) {
	var refused error
	err = s.write(ctx, func(tx *sql.Tx) error {
		var g grant
		err := tx.QueryRowContext(ctx, "DELETE FROM oauth_grant WHERE code_hash = ? AND app = ? RETURNING user, scopes, redirect, challenge, expires",
			hashSecret(form.Get("code")), app.id).Scan(&g.user, &g.scopes, &g.redirect, &g.challenge, &g.expires)
		if errors.Is(err, sql.ErrNoRows) {
			refused = &oauthError{"invalid_grant", "the code is unknown, or it has been used"}
			return nil
		}
		if err != nil {
			return err
		}
		if refused = g.check(form, seconds(s.now())); refused != nil {
			return nil
		}
		body, err = s.giveTokens(ctx, tx, app, g)
		return err
	})
	if err == nil {
		err = refused
	}
	return body, err
}

// giveTokens makes the tokens of a grant and the answer that tells them.
func (s *Sandbox) giveTokens(ctx context.Context, tx *sql.Tx, app oauthApp, g grant) (any, error) {
	access, renewal, expires := newTokens(s.now())
	_, err := tx.ExecContext(ctx, "INSERT INTO token(hash, refresh_hash, app, user, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
		hashSecret(access), hashSecret(renewal), app.id, g.user, g.scopes, seconds(s.now()), seconds(expires))
	if err != nil {
		return nil, err
	}
	return tokenJSON(ctx, tx, g, access, renewal, expires)
}

func (g grant) check(form url.Values, now float64) error {
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case g.expires <= now:
		return &oauthError{"invalid_grant", "the code has expired"}
	case form.Has("redirect_uri") && form.Get("redirect_uri") != g.redirect:
		return &oauthError{"invalid_grant", "redirect_uri is not the one that the code was asked for with"}
	case g.challenge == "" && verifier != "": // RFC 9700 section 4.8.2: somebody took the challenge out
		return &oauthError{"invalid_grant", "the code was asked for without PKCE"}
	case g.challenge != "" && subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.challenge)) != 1:
		return &oauthError{"invalid_grant", "code_verifier does not match the challenge"}
	}
	return nil
}

// refresh replaces both tokens in one statement, so that of two refreshes with
// one token the second finds nothing.
func (s *Sandbox) refresh(ctx context.Context, app oauthApp, form url.Values) (body any, err error) {
	if form.Has("scope") {
		return nil, &oauthError{"invalid_request", "scope cannot be changed by a refresh"}
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		access, renewal, expires := newTokens(s.now())
		var g grant
		err := tx.QueryRowContext(ctx, `UPDATE token SET hash = ?, refresh_hash = ?, created = ?, expires = ?
			WHERE refresh_hash = ? AND app = ? AND created > ? RETURNING user, scopes`,
			hashSecret(access), hashSecret(renewal), seconds(s.now()), seconds(expires),
			hashSecret(form.Get("refresh_token")), app.id, seconds(s.now().Add(-renewalLife))).Scan(&g.user, &g.scopes)
		if errors.Is(err, sql.ErrNoRows) {
			return &oauthError{"invalid_grant", "the refresh token is unknown or expired, or it has been used"}
		}
		if err != nil {
			return err
		}
		body, err = tokenJSON(ctx, tx, g, access, renewal, expires)
		return err
	})
	return body, err
}

func newTokens(now time.Time) (access, renewal string, expires time.Time) {
	return "sntrya_" + randomHex(32), "sntryr_" + randomHex(32), now.Add(tokenLife)
}

func tokenJSON(ctx context.Context, q querier, g grant, access, renewal string, expires time.Time) (any, error) {
	var u User
	if err := q.QueryRowContext(ctx, "SELECT "+userColumns+" FROM user WHERE id = ?", g.user).Scan(u.fields()...); err != nil {
		return nil, err
	}
	return map[string]any{
		"access_token": access, "refresh_token": renewal, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()),
		"expires_at": stamp(seconds(expires)), "scope": g.scopes, "user": userJSON(u),
	}, nil
}
