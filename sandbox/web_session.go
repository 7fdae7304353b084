package sandbox

import (
	"crypto/subtle"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"roundhouse/sandbox/payload"
)

const (
	sessionCookie = "roundhouse_sandbox"
	formCookie    = "roundhouse_sandbox_form"
	sessionLife   = 7 * 24 * time.Hour
	maxSessions   = 20 // of a user; the oldest end
)

func (s *Sandbox) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: s.basePath() + "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: strings.HasPrefix(s.baseURL(), "https:"), SameSite: http.SameSiteLaxMode,
	})
}

// signedIn returns the user of the browser's session; ok is false for a
// visitor.
func (s *Sandbox) signedIn(r *http.Request) (u User, ok bool, err error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return u, false, nil
	}
	err = s.read().QueryRowContext(r.Context(), `SELECT u.id, u.email, u.name, u.username
		FROM web_session w JOIN user u ON u.id = w.user WHERE w.hash = ? AND w.expires > ?`,
		hashSecret(cookie.Value), seconds(s.now())).Scan(u.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return u, false, nil
	}
	return u, err == nil, err
}

func (s *Sandbox) startSession(w http.ResponseWriter, r *http.Request, u User) error {
	secret := randomHex(32)
	now := s.now()
	err := s.write(r.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(r.Context(), "DELETE FROM web_session WHERE expires < ?", seconds(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(r.Context(), "INSERT INTO web_session(hash, user, expires) VALUES (?, ?, ?)",
			hashSecret(secret), u.ID, seconds(now.Add(sessionLife)))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(r.Context(), "DELETE FROM web_session WHERE hash IN (SELECT hash FROM web_session WHERE user = ? ORDER BY expires DESC LIMIT -1 OFFSET ?)", u.ID, maxSessions)
		return err
	})
	if err == nil {
		s.setCookie(w, sessionCookie, secret, sessionLife)
	}
	return err
}

// formToken is for a form that only this browser can send back: the token
// stands in the form and in a cookie, and another site can write neither.
func (s *Sandbox) formToken(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(formCookie); err == nil && payload.IsHex(cookie.Value, 64) {
		return cookie.Value
	}
	token := randomHex(32)
	s.setCookie(w, formCookie, token, sessionLife)
	return token
}

var errForged = errors.New("the form did not come from this page, or it is too old; go back, reload the page and try again")

// checkForm reads a posted form and refuses one that another site could have
// sent.
func (s *Sandbox) checkForm(w http.ResponseWriter, r *http.Request) error {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(s.baseURL()); err == nil { // behind a proxy, Host may be another
		if err := guard.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return err
		}
	}
	if err := guard.Check(r); err != nil {
		return errForged
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForged
	}
	cookie, err := r.Cookie(formCookie)
	if err != nil || cookie.Value == "" || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(r.PostForm.Get("form_token"))) != 1 {
		return errForged
	}
	return nil
}

// chosenUser is the one picked in a posted form, or the one whose e-mail is
// given.
func (s *Sandbox) chosenUser(r *http.Request) (u User, err error) {
	err = s.read().QueryRowContext(r.Context(), "SELECT "+userColumns+" FROM user WHERE iif(?1 = '', id = ?2, email = ?1 COLLATE NOCASE)",
		strings.TrimSpace(r.PostForm.Get("email")), asID(r.PostForm.Get("user"))).Scan(u.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return u, errForged
	}
	return u, err
}
