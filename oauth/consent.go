package oauth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// maxConsent bounds a sealed authorization. A form holds it in base64; the
// ticket of a login is hardly larger.
const maxConsent = 16 << 10

// askConsent shows the consent page. It offers every skill, whatever the client
// asked for: clients copy their scope from the challenge, which names the
// default skills alone, and could never be allowed more. Nor does asking tick
// a box: most clients ask for all there is. The token's scope tells the client
// what it got (RFC 6749 §3.3).
//
// Nothing is kept until the user approves, or a stranger who opens pages could
// crowd out the users. The page's hidden token is the pending authorization,
// sealed for this browser; no other site can make it or know it, so it is the
// form's CSRF token as well.
//
// The Origin header is no help here: under the page's own referrer policy,
// browsers send "null".
func (s *Server) askConsent(w http.ResponseWriter, r *http.Request, pending authorization, problem string) error {
	token, err := s.sealConsent(s.cookie.ensure(w, r), pending)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusBadRequest
	}
	s.page(w, status, "consent.html", s.consentPage(pending, token, problem))
	return nil
}

// serveConsent takes the user's answer. Anything but an approval is a refusal.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxConsent)
	if err := r.ParseForm(); err != nil {
		s.errorPage(w, http.StatusBadRequest, "The form is malformed", "Start again from your app.")
		return
	}
	pending, err := s.openConsent(s.cookie.read(r), r.PostForm.Get("request"))
	if err == nil && pending.For != forClient { // another page's
		err = ErrNotFound
	}
	if err != nil {
		s.ticketPage(w, r, err)
		return
	}
	switch err := s.answerConsent(w, r, pending); {
	case errors.Is(err, ErrConflict): // it was approved before
		s.ticketPage(w, r, err)
	case s.limitPage(w, err):
	case err != nil:
		s.refused(r, pending.Client.ID, err)
		s.redirectError(w, r, pending.RedirectURI, pending.State, err)
	}
}

// sealConsent makes the form's token of a pending authorization.
func (s *Server) sealConsent(browser string, pending authorization) (token string, err error) {
	sealed, err := s.sealer.seal(consentPlace(browser), pending)
	if err != nil {
		return "", err
	}
	if len(sealed) > maxConsent {
		return "", invalidRequest("the request is too long")
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openConsent undoes sealConsent. It returns ErrNotFound for what has expired
// and for what was not sealed for this browser.
func (s *Server) openConsent(browser, token string) (authorization, error) {
	var pending authorization
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || s.sealer.open(consentPlace(browser), sealed, &pending) != nil || !s.now().Before(pending.Expires) {
		return authorization{}, ErrNotFound
	}
	return pending, nil
}

func consentPlace(browser string) string { return "consent " + browser }

func (s *Server) answerConsent(w http.ResponseWriter, r *http.Request, pending authorization) error {
	if r.PostForm.Get("answer") != "approve" {
		return &Error{Code: codeAccessDenied, Description: "the user refused"}
	}
	chosen := s.skillsNamed(strings.Join(r.PostForm["skill"], " "))
	if len(chosen) == 0 {
		return s.askConsent(w, r, pending, "Choose at least one skill, or cancel.")
	}
	if err := s.limit(r.Context(), s.limits.approve); err != nil {
		return err
	}
	pending.Skills = skillIDs(chosen)
	s.record(r.Context(), Event{Kind: EventConsent, Client: pending.Client.ID, Resource: pending.Resource, Detail: strings.Join(pending.Skills, " ")})
	return s.goUpstream(w, r, pending)
}

// goUpstream sends the browser to log in, and asks for no more than the chosen
// skills need. Nobody learns the state before this, which is after the consent:
// with one told earlier, a site could log a user in without any consent, since
// the upstream may remember its own (the confused deputy). The state is the
// consent's, so an approval counts once: the second one's ticket is there.
func (s *Server) goUpstream(w http.ResponseWriter, r *http.Request, pending authorization) error {
	pending.Verifier = oauth2.GenerateVerifier()
	expires := s.now().Add(loginLife)
	kind, scopes := kindLogin, s.upstreamScopes(pending.Skills)
	if pending.For == forAccount {
		kind, scopes = kindSignIn, s.accountScopes
	}
	if err := s.putTicket(r.Context(), kind, loginKey(pending.Login, s.cookie.ensure(w, r)), expires, pending); err != nil {
		return err
	}
	upstream := s.upstream
	upstream.Scopes = scopes
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, upstream.AuthCodeURL(pending.Login, oauth2.S256ChallengeOption(pending.Verifier)), http.StatusSeeOther)
	return nil
}

// upstreamScopes returns the union of what the skills need.
func (s *Server) upstreamScopes(skills []string) []string {
	var scopes []string
	for _, skill := range s.skillsNamed(strings.Join(skills, " ")) {
		scopes = append(scopes, skill.Upstream...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// browserCookie ties what is pending to the browser that began it. Its value
// is random and means nothing else; it outlives one authorization so that two
// can run side by side.
type browserCookie struct {
	name   string
	secure bool
}

// newBrowserCookie uses the __Host- prefix where it can: no neighbor under the
// same domain can then plant a cookie of that name.
func newBrowserCookie(secure bool) browserCookie {
	if secure {
		return browserCookie{name: "__Host-roundhouse", secure: true}
	}
	return browserCookie{name: "roundhouse"}
}

// read returns the browser's mark. Without one it returns a fresh one, which
// matches nothing.
func (c browserCookie) read(r *http.Request) string {
	if cookie, err := r.Cookie(c.name); err == nil && len(cookie.Value) == secretLength {
		return cookie.Value
	}
	return newSecret("")
}

// ensure returns the browser's mark and makes sure that it will send it. Lax
// lets it come along when the upstream redirects back.
func (c browserCookie) ensure(w http.ResponseWriter, r *http.Request) string {
	mark := c.read(r)
	http.SetCookie(w, &http.Cookie{
		Name: c.name, Value: mark, Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return mark
}
