package oauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The device authorization grant (RFC 8628): a terminal without a browser shows
// a short code, and its user types that into a browser anywhere.
const (
	deviceAuthorizationPath = "/oauth/device_authorization"
	devicePath              = "/oauth/device"

	grantTypeDevice = "urn:ietf:params:oauth:grant-type:device_code"

	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second // between two polls; grows for who comes sooner
	devicePrefix   = "rh_dc_"
	maxDeviceCode  = 1024
	maxPolls       = 20_000 // devices whose last poll is remembered

	// A user code has 34 bits, so that it can be typed. What keeps it from being
	// guessed is how often one source may try.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ" // no vowels: no words
	userCodeLength  = 8
)

// deviceCode is what a device holds, sealed: it can be told from an invented
// one, and expires, without a look at the store.
type deviceCode struct {
	ID       string
	ClientID string
	Expires  time.Time
}

// deviceResult is what came of it, in a ticket that the device spends.
type deviceResult struct {
	Grant   string // empty: none
	Refusal string // why
}

func userCodeKey(code string) Hash   { return hashOf("user code", code) }
func deviceResultKey(id string) Hash { return hashOf("device", id) }

// deviceResponse is the answer of RFC 8628 §3.2.
type deviceResponse struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int    `json:"expires_in"`
	Interval                int    `json:"interval"`
}

func (s *Server) serveDeviceAuthorization(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	answer, err := s.authorizeDevice(r)
	if err != nil {
		s.refuse(w, r, r.PostForm.Get("client_id"), err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) authorizeDevice(r *http.Request) (deviceResponse, error) {
	if err := parseForm(r); err != nil {
		return deviceResponse{}, err
	}
	client, err := s.authenticate(r)
	if err != nil {
		return deviceResponse{}, err
	}
	if err := s.limit(r.Context(), s.limits.device); err != nil {
		return deviceResponse{}, err
	}
	resource, err := s.checkResource(r.PostForm.Get("resource"))
	if err != nil {
		return deviceResponse{}, err
	}
	code := deviceCode{ID: newID(), ClientID: client.ID, Expires: s.now().Add(deviceLife)}
	userCode, err := s.putUserCode(r.Context(), authorization{
		For: forDevice, Client: client, Resource: resource, Asked: skillIDs(s.skillsNamed(r.PostForm.Get("scope"))),
		Login: newSecret(""), Expires: code.Expires, Device: code.ID, Source: sourceText(r.Context()),
	})
	if err != nil {
		return deviceResponse{}, err
	}
	sealed, err := s.sealer.seal("device code", code)
	if err != nil {
		return deviceResponse{}, err
	}
	return deviceResponse{
		DeviceCode:              devicePrefix + base64.RawURLEncoding.EncodeToString(sealed),
		UserCode:                userCode,
		VerificationURI:         s.issuer + devicePath,
		VerificationURIComplete: s.issuer + devicePath + "?user_code=" + userCode,
		ExpiresIn:               int(deviceLife.Seconds()),
		Interval:                int(deviceInterval.Seconds()),
	}, nil
}

// putUserCode keeps what a device asked for under a new code.
func (s *Server) putUserCode(ctx context.Context, pending authorization) (code string, err error) {
	const attempts = 3 // a code can be there already, if hardly ever
	for range attempts {
		pending.UserCode = newUserCode()
		err = s.putTicket(ctx, kindDevice, userCodeKey(pending.UserCode), pending.Expires, pending)
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return pending.UserCode, err
}

// newUserCode is of the form BCDF-GHJK.
func newUserCode() string {
	var code strings.Builder
	var b [1]byte
	for code.Len() < userCodeLength+1 {
		if code.Len() == userCodeLength/2 {
			code.WriteByte('-')
		}
		rand.Read(b[:])
		if int(b[0]) < 256-256%len(userCodeLetters) { // each letter equally often
			code.WriteByte(userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return code.String()
}

// cleanUserCode returns what somebody typed in the form of newUserCode, or "".
func cleanUserCode(typed string) string {
	if len(typed) > 4*userCodeLength {
		return ""
	}
	var code strings.Builder
	for _, r := range strings.ToUpper(typed) {
		switch {
		case strings.ContainsRune(userCodeLetters, r):
			if code.Len() == userCodeLength/2 {
				code.WriteByte('-')
			}
			code.WriteRune(r)
		case r != ' ' && r != '-' && r != '\t':
			return ""
		}
	}
	if code.Len() != userCodeLength+1 {
		return ""
	}
	return code.String()
}

// devicePage asks for the code.
type devicePage struct {
	Style    template.CSS
	Action   string
	UserCode string
	Problem  string
}

func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) {
	s.page(w, http.StatusOK, "device.html", devicePage{template.CSS(style), devicePath, cleanUserCode(r.URL.Query().Get("user_code")), ""})
}

// serveDeviceForm takes the code, or the answer to the consent page that the
// code has led to.
func (s *Server) serveDeviceForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxConsent)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form is malformed", deviceAdvice)
		return
	}
	if r.PostForm.Has("request") {
		s.serveDeviceConsent(w, r)
		return
	}
	s.serveUserCode(w, r)
}

const deviceAdvice = "Start again on your device, which will show you a new code."

// serveUserCode spends a code, so that it leads to one page only, and shows
// that page.
func (s *Server) serveUserCode(w http.ResponseWriter, r *http.Request) {
	if s.limited(w, r, s.limits.userCode) {
		return
	}
	code := cleanUserCode(r.PostForm.Get("user_code"))
	var pending authorization
	err := ErrNotFound
	if code != "" {
		err = s.takeTicket(r.Context(), userCodeKey(code), &pending)
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrTaken):
		s.recordNoise(r.Context(), Event{Kind: EventRefusal, Outcome: codeAccessDenied, Detail: devicePath + ": no such code"})
		s.page(w, http.StatusBadRequest, "device.html", devicePage{template.CSS(style), devicePath, "", "There is no such code, or it has expired or been used. Check it, or start again on your device."})
	case err != nil:
		s.ticketPage(w, r, err)
	default:
		if err := s.askConsent(w, r, pending, ""); err != nil {
			s.ticketPage(w, r, err)
		}
	}
}

func (s *Server) serveDeviceConsent(w http.ResponseWriter, r *http.Request) {
	pending, err := s.openConsent(s.cookie.read(r), r.PostForm.Get("request"))
	if err == nil && pending.For != forDevice {
		err = ErrNotFound
	}
	if err == nil {
		err = s.answerConsent(w, r, pending)
	}
	var known *Error
	switch {
	case s.limitPage(w, err):
	case errors.As(err, &known):
		s.refused(r, pending.Client.ID, err)
		s.turnAway(w, r, pending, known)
	case err != nil:
		s.ticketPage(w, r, err)
	}
}

// turnAway tells the device, when it asks, and the user.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, pending authorization, why *Error) {
	if err := s.putDeviceResult(r.Context(), pending, deviceResult{Refusal: why.Description}); err != nil && !errors.Is(err, ErrConflict) {
		s.logFailure(r, err)
	}
	s.errorPage(w, http.StatusOK, "Nothing was allowed: "+why.Description, "You can close this page. "+deviceAdvice)
}

func (s *Server) putDeviceResult(ctx context.Context, pending authorization, result deviceResult) error {
	return s.putTicket(ctx, kindDeviceResult, deviceResultKey(pending.Device), pending.Expires.Add(deviceLife), result)
}

// finishDevice makes the grant and leaves it where the device will ask.
func (s *Server) finishDevice(w http.ResponseWriter, r *http.Request, pending authorization, q url.Values) {
	grant, err := s.grantDevice(r.Context(), pending, q)
	if err == nil {
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "device let in", slog.String("grant", grant.ID))
		s.errorPage(w, http.StatusOK, "Your device is signed in", "You can close this page and go back to it. What you have allowed is listed at "+accountPath+".")
		return
	}
	s.refused(r, pending.Client.ID, err)
	s.turnAway(w, r, pending, s.asError(r, err))
}

func (s *Server) grantDevice(ctx context.Context, pending authorization, q url.Values) (Grant, error) {
	came, err := s.arrive(ctx, pending, q)
	if err != nil {
		return Grant{}, err
	}
	grant, err := s.putGrant(ctx, pending, came)
	if err != nil {
		return Grant{}, err
	}
	if err := s.store.PutClient(ctx, pending.Client); err != nil {
		return Grant{}, err
	}
	return grant, s.putDeviceResult(ctx, pending, deviceResult{Grant: grant.ID})
}

// exchangeDevice is a poll (RFC 8628 §3.4).
func (s *Server) exchangeDevice(ctx context.Context, client Client, form url.Values) (tokenResponse, error) {
	code, err := s.openDeviceCode(form.Get("device_code"))
	if err != nil {
		return tokenResponse{}, err
	}
	if code.ClientID != client.ID {
		return tokenResponse{}, invalidGrant()
	}
	if s.polls.tooSoon(code.ID, s.now()) {
		return tokenResponse{}, &Error{Code: codeSlowDown, Description: "asked too soon; wait five seconds longer from now on"}
	}
	var result deviceResult
	switch err := s.takeTicket(ctx, deviceResultKey(code.ID), &result); {
	case errors.Is(err, ErrNotFound) && !s.now().Before(code.Expires):
		return tokenResponse{}, &Error{Code: codeExpiredToken, Description: "nobody allowed it in time"}
	case errors.Is(err, ErrNotFound):
		return tokenResponse{}, &Error{Code: codeAuthorizationPending, Description: "the user has not answered yet"}
	case errors.Is(err, ErrTaken) && result.Grant != "":
		return tokenResponse{}, s.revokeFor(ctx, "device code replayed", result.Grant, client)
	case err != nil && !errors.Is(err, ErrTaken):
		return tokenResponse{}, err
	case result.Grant == "":
		return tokenResponse{}, &Error{Code: codeAccessDenied, Description: result.Refusal}
	}
	grant, err := s.store.Grant(ctx, result.Grant)
	if errors.Is(err, ErrNotFound) {
		return tokenResponse{}, invalidGrant()
	}
	if err != nil {
		return tokenResponse{}, err
	}
	return s.issue(ctx, grant.Grant, grant.Resource, grant.Scopes, Hash{}, s.lineage.first(grant.ID))
}

func (s *Server) openDeviceCode(token string) (deviceCode, error) {
	var code deviceCode
	encoded, ok := strings.CutPrefix(token, devicePrefix)
	if !ok || len(token) > maxDeviceCode {
		return code, invalidGrant()
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || s.sealer.open("device code", sealed, &code) != nil {
		return code, invalidGrant()
	}
	return code, nil
}

// polls remembers when each device asked last, and how long it must wait. It is
// each node's own: a device that asks several nodes is not made to wait.
type polls struct {
	mu   sync.Mutex
	last map[string]poll
}

type poll struct {
	at       time.Time
	interval time.Duration
}

func (p *polls) tooSoon(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || len(p.last) >= maxPolls {
		p.last = make(map[string]poll)
	}
	before, known := p.last[id]
	next := poll{now, max(before.interval, deviceInterval)}
	early := known && now.Sub(before.at) < before.interval-time.Second // clocks and networks are not exact
	if early {
		next.interval += deviceInterval
	}
	p.last[id] = next
	return early
}

// waiting reports whether e only says that there is nothing yet.
func (e *Error) waiting() bool { return e.Code == codeAuthorizationPending || e.Code == codeSlowDown }
