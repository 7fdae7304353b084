package sandbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The device flow, RFC 8628: a program without a browser shows a code, and its
// user enters that in a browser somewhere else.

const (
	deviceGrant  = "urn:ietf:params:oauth:grant-type:device_code"
	deviceLife   = 10 * time.Minute
	devicePause  = 5 // seconds between two polls; each that comes too early adds as many
	maxDevices   = 1000
	codeLetters  = "BCDFGHJKLMNPQRSTVWXZ" // no vowels, so no words
	codeLength   = 8
	deviceMemory = time.Hour // for how long an expired code is known to have been one
)

// guessing is how many codes one address may try: 20^8 codes take it a while.
var guessing = rateLimit{Window: 60, Count: 10}

// asking is how many codes one address is given: fewer than maxDevices while they
// live, so that it does not keep the others from it.
var asking = rateLimit{Window: 60, Count: 30}

func (s *Sandbox) deviceRoutes(mux *http.ServeMux) {
	for _, end := range []string{"", "/{$}"} {
		mux.HandleFunc("POST /oauth/device/code"+end, s.startDevice)
		mux.HandleFunc("GET /oauth/device"+end, s.showDevice)
		mux.HandleFunc("POST /oauth/device"+end, s.takeDevice)
	}
}

func (s *Sandbox) startDevice(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	body, err := s.newDevice(r)
	s.answerOAuth(w, r, body, err)
}

func (s *Sandbox) newDevice(r *http.Request) (any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, errForm
	}
	app, err := s.publicClient(r)
	if err != nil {
		return nil, err
	}
	scopes, err := parseScopes(strings.Fields(r.PostForm.Get("scope")))
	if err != nil {
		return nil, &oauthError{"invalid_scope", err.Error()}
	}
	code, shown, now := randomHex(32), userCode(), s.now()
	if wait := s.askers.take(remoteIP(r), asking, now); wait > 0 {
		return nil, &oauthError{"slow_down", fmt.Sprintf("too many codes were asked for from here; try again in %d seconds", int(wait.Seconds())+1)}
	}
	err = s.write(r.Context(), func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(r.Context(), "DELETE FROM device_code WHERE expires <= ?", seconds(now.Add(-deviceMemory))); err != nil {
			return err
		}
		done, err := tx.ExecContext(r.Context(), `INSERT INTO device_code(hash, user_code, app, scopes, pause, expires)
			SELECT ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM device_code WHERE state = 'pending' AND expires > ?) < ?`,
			hashSecret(code), shown, app.id, scopes.String(), devicePause, seconds(now.Add(deviceLife)), seconds(now), maxDevices)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, &oauthError{"slow_down", "too many devices are waiting; try again in some minutes"})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	page := s.baseURL() + "/oauth/device/"
	return map[string]any{
		"device_code": code, "user_code": shown[:codeLength/2] + "-" + shown[codeLength/2:], "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + shown, "expires_in": int(deviceLife.Seconds()), "interval": devicePause,
	}, nil
}

// userCode is what a person types.
func userCode() string {
	var b strings.Builder
	for range codeLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		b.WriteByte(codeLetters[n.Int64()])
	}
	return b.String()
}

// publicClient is the client by its id alone: the device flow asks for no
// secret (RFC 8628 section 3.4), but a secret that is given has to be right.
func (s *Sandbox) publicClient(r *http.Request) (app oauthApp, err error) {
	if _, _, basic := r.BasicAuth(); basic || r.PostForm.Has("client_secret") {
		app, err = s.clientOf(r)
	} else {
		app, err = s.appByClientID(r.Context(), r.PostForm.Get("client_id"))
	}
	if errors.Is(err, errNoClient) {
		err = errBadClient
	}
	return app, err
}

// device is a request that waits for its user.
type device struct {
	app    string
	code   string
	scopes string
}

var errNoDevice = errors.New("no device waits with this code; it may have expired, ten minutes after it was shown")

// waitingDevice finds the request by the code that the person typed.
func (s *Sandbox) waitingDevice(r *http.Request) (d device, err error) {
	if wait := s.guesses.take(remoteIP(r), guessing, s.now()); wait > 0 {
		return d, refuse(http.StatusTooManyRequests, "Too many codes were tried from here. Try again in %d seconds.", int(wait.Seconds())+1)
	}
	d.code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(r.URL.Query().Get("user_code")))
	err = s.read().QueryRowContext(r.Context(), `SELECT a.name, d.scopes FROM device_code d JOIN oauth_app a ON a.id = d.app
		WHERE d.user_code = ? AND d.state = 'pending' AND d.expires > ?`, d.code, seconds(s.now())).Scan(&d.app, &d.scopes)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoDevice
	}
	return d, err
}

// showDevice asks for the code and, when it has one, for consent.
func (s *Sandbox) showDevice(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("user_code") == "" {
		s.render(w, r, http.StatusOK, "device.html", page{Title: "Connect a device"})
		return
	}
	d, err := s.waitingDevice(r)
	if s.refusedDevice(w, r, err) {
		return
	}
	p, err := s.choose(w, r, page{Title: "Connect a device", App: d.app, Scopes: strings.Fields(d.scopes), Code: d.code[:codeLength/2] + "-" + d.code[codeLength/2:]})
	if err != nil {
		s.renderError(w, r, http.StatusInternalServerError, err)
		return
	}
	s.render(w, r, http.StatusOK, "consent.html", p)
}

func (s *Sandbox) refusedDevice(w http.ResponseWriter, r *http.Request, err error) bool {
	var ae *apiError
	switch {
	case err == nil:
		return false
	case errors.Is(err, errNoDevice):
		s.render(w, r, http.StatusNotFound, "device.html", page{Title: "Connect a device", Message: sentence(err)})
	case errors.As(err, &ae):
		s.renderError(w, r, ae.Status, errors.New(ae.detail()))
	default:
		s.renderError(w, r, http.StatusInternalServerError, err)
	}
	return true
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// detail is what the answer says in words.
func (e *apiError) detail() string {
	if body, ok := e.Body.(map[string]string); ok {
		return body["detail"]
	}
	return e.Error()
}

func (s *Sandbox) takeDevice(w http.ResponseWriter, r *http.Request) {
	if err := s.checkForm(w, r); err != nil {
		s.renderError(w, r, http.StatusForbidden, err)
		return
	}
	d, err := s.waitingDevice(r)
	if s.refusedDevice(w, r, err) {
		return
	}
	u, err := s.chosenUser(r)
	if err != nil {
		s.renderError(w, r, http.StatusBadRequest, errForged)
		return
	}
	state := map[string]string{"approve": "approved", "deny": "denied"}[r.PostForm.Get("op")]
	if state == "" {
		s.renderError(w, r, http.StatusBadRequest, errors.New("op must be approve or deny"))
		return
	}
	err = s.decideDevice(r.Context(), d, state, u.ID)
	if err == nil && state == "approved" {
		err = s.startSession(w, r, u)
	}
	if s.refusedDevice(w, r, err) {
		return
	}
	s.render(w, r, http.StatusOK, "message.html", page{Title: "The device is " + state, Message: "You can close this page and go back to the device."})
}

// decideDevice: of two decisions at the same time the first one counts.
func (s *Sandbox) decideDevice(ctx context.Context, d device, state string, userID int64) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE device_code SET state = ?, user = ? WHERE user_code = ? AND state = 'pending'", state, userID, d.code)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoDevice)
		}
		return nil
	})
}

// redeemDevice is a poll of the device's.
func (s *Sandbox) redeemDevice(ctx context.Context, app oauthApp, form url.Values) (body any, err error) {
	hash, now := hashSecret(form.Get("device_code")), s.now()
	var refused error
	err = s.write(ctx, func(tx *sql.Tx) error {
		var g grant
		var state string
		var polled, pause float64
		err := tx.QueryRowContext(ctx, "SELECT state, coalesce(user, 0), scopes, polled, pause, expires FROM device_code WHERE hash = ? AND app = ?", hash, app.id).
			Scan(&state, &g.user, &g.scopes, &polled, &pause, &g.expires)
		if errors.Is(err, sql.ErrNoRows) {
			refused = &oauthError{"invalid_grant", "the device code is unknown, or it has been used"}
			return nil
		}
		if err != nil {
			return err
		}
		if state == "pending" && g.expires > seconds(now) {
			refused = &oauthError{"authorization_pending", "the user has not decided yet"}
			if seconds(now) < polled+pause {
				pause += devicePause
				refused = &oauthError{"slow_down", fmt.Sprintf("poll every %d seconds from now on", int(pause))}
			}
			_, err := tx.ExecContext(ctx, "UPDATE device_code SET polled = ?, pause = ? WHERE hash = ?", seconds(now), pause, hash)
			return err
		}
		if g.expires <= seconds(now) {
			refused = &oauthError{"expired_token", "the device code has expired"}
			return nil
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM device_code WHERE hash = ?", hash); err != nil {
			return err
		}
		if state == "denied" {
			refused = &oauthError{"access_denied", "the user refused"}
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
